# SPDX-License-Identifier: Apache-2.0
"""Every flow on every built-in card, and on everything that a person, a card, a server may do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flow_bench import (
    YES,
    Bureau,
    Failing,
    Stopping,
    a_card,
    bureau,
    desk_for,
    pull_everywhere,
    visit,
)
from jpki import messages
from jpki.card_map import SURFACE_AP, TEXT_AP, Application, PinKind
from jpki.emulator import EmulatedCard
from jpki.emulator.population import BUILT_IN
from jpki.kiosk.flows.pseudonym import SERVICES
from jpki.kiosk.visit import Close
from jpki.open import open_card, plug, unplug
from jpki.open_flows import ACTORS
from map_bench import NOW

PSEUDONYM = (*SERVICES, "eligibility")
FLOWS = tuple(flow for flow in ACTORS if flow != "konbini")
SERVED = (*PSEUDONYM, "identity_proofing")
# What is presented, where, and a wrong one of the right form.
PINS: dict[str, tuple[PinKind, Application | None, str]] = {
    **dict.fromkeys(PSEUDONYM, (PinKind.AUTH, None, "9999")),
    "city_id": (PinKind.SIGN, None, "ZZZZ99"),
    "identity_proofing": (PinKind.SIGN, None, "ZZZZ99"),
    "application": (PinKind.SIGN, None, "ZZZZ99"),
    "form_filling": (PinKind.TEXT, TEXT_AP, "9999"),
    "number_giving": (PinKind.TEXT, TEXT_AP, "9999"),
    "age_check": (PinKind.BIRTH, SURFACE_AP, "010101"),
    "face_check": (PinKind.NUMBER_B, SURFACE_AP, "01010120250000"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bureau]:
    made = bureau(tmp_path_factory.mktemp("bureau"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def nothing_handed(place: Bureau) -> None:
    place.handed.clear()


def _row(common: str, **others: str) -> dict[str, str]:
    """The ending on every card: ``common`` but for those named (``_`` stands for ``-``)."""
    named = {name.replace("_", "-"): code for name, code in others.items()}
    assert set(named) <= set(BUILT_IN)
    return {name: named.get(name, common) for name in BUILT_IN}


_NO_TEXT = {"android": "pin_absent", "iphone": "pin_absent", "nextgen": "pin_absent"}
_AUTH = _row(
    "registered", jiro_expired="expired", old_g1="expired", face_only="pin_blocked",
    blocked="pin_blocked", copied="not_genuine",
)  # fmt: skip
_SIGN = {
    "taro_moved": "certificate_ended", "jiro_expired": "certificate_ended",
    "old_g1": "certificate_ended", "child": "no_certificate", "face_only": "no_certificate",
    "copied": "not_genuine",
}  # fmt: skip
ENDINGS: dict[str, dict[str, str]] = {
    **dict.fromkeys(PSEUDONYM, _AUTH),
    "entry": {**_AUTH, "android": "refused", "iphone": "refused"},  # a gate takes cards only
    "city_id": _row("registered", **_SIGN),
    "identity_proofing": _row("proofed", **_SIGN),
    "application": _row(
        "applied",
        **{c: e.replace("certificate_ended", "signature_not_valid") for c, e in _SIGN.items()},
    ),
    "form_filling": _row(
        "form_filled", face_only="pin_blocked", forged="not_genuine", copied="not_genuine",
        **_NO_TEXT,
    ),
    # What was forged is the name: the number is as it was signed, and nothing else is read.
    "number_giving": _row(
        "number_given", face_only="pin_blocked", copied="not_genuine", **_NO_TEXT
    ),
    "age_check": _row("of_age", child="under_age", copied="not_genuine", **_NO_TEXT),
    "face_check": _row("face_matches", forged="not_genuine", copied="not_genuine", **_NO_TEXT),
}  # fmt: skip
# Refused before anybody enters anything.
EARLY = {"pin_absent", "pin_blocked", "expired", "no_certificate"}


@pytest.mark.parametrize("card", BUILT_IN)
@pytest.mark.parametrize("flow", FLOWS)
def test_every_flow_on_every_card(place: Bureau, flow: str, card: str) -> None:
    emulated = a_card(card)
    desk = desk_for(emulated)
    expected = ENDINGS[flow][card]
    visited = visit(place, place.flow(flow), emulated, desk)
    assert visited.ending.code == expected
    assert visited.tries == (0 if expected in EARLY else 1)
    assert any(asked.startswith("pin_") for asked in desk.asked) is (expected not in EARLY)
    if visited.ending.close is not Close.DONE:
        assert place.handed == []
        assert visited.ending.document is None
    if expected == "registered":  # and is known from now on
        again = visit(place, place.flow(flow), a_card(card), desk_for(emulated))
        assert (again.ending.code, again.tries) == ("recognised", 1)
        assert len(set(place.handed)) == 2  # two tickets; the terminal learns no more


@pytest.mark.parametrize("flow", FLOWS)
def test_wrong_pins_end_at_the_floor_and_never_below(place: Bureau, flow: str) -> None:
    kind, application, wrong = PINS[flow]
    emulated = a_card("hanako")
    most = _left(emulated, kind, application)
    for left in range(most - 1, 0, -1):
        desk = desk_for(emulated, pins={kind: wrong})
        visited = visit(place, place.flow(flow), emulated, desk)
        told = "pin_incorrect" if left > 1 else "pin_floor"  # who comes again is sent away
        assert (visited.ending.code, visited.tries) == (told, 1)
        assert visited.ending.values["attempts_left"] == left
    desk = desk_for(emulated)  # even the right one
    visited = visit(place, place.flow(flow), emulated, desk)
    assert (visited.ending.code, visited.tries) == ("pin_last_try", 0)
    assert f"pin_{kind.value}" not in desk.asked
    assert _left(emulated, kind, application) == 1
    assert place.handed == []


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize(
    ("answer", "code", "tries"),
    [
        ("6F00", "pin_tries_unknown", 0),  # it may be the last one
        ("6300", "pin_incorrect_unlimited", 1),  # no counter: no count is told
    ],
)
def test_a_card_that_does_not_say_how_many_tries_are_left(
    place: Bureau, flow: str, answer: str, code: str, tries: int
) -> None:
    kind, _, wrong = PINS[flow]
    emulated = a_card("hanako", [f"sw={answer}@query", f"sw:after={answer}@verify"])
    desk = desk_for(emulated, pins={kind: wrong})
    visited = visit(place, place.flow(flow), emulated, desk)
    assert (visited.ending.code, visited.tries) == (code, tries)
    assert (f"pin_{kind.value}" in desk.asked) is bool(tries)
    for language in messages.SPOKEN:
        assert "None" not in messages.text(
            f"kiosk.ending.{code}", language, **visited.ending.values
        )


def _left(card: EmulatedCard, kind: PinKind, application: Application | None) -> int:
    uri = plug(card)
    try:
        with open_card(uri, at=NOW, trust="test").card as opened:
            left = opened.pins.counter(kind, application).attempts_left
    finally:
        unplug(uri)
    assert left is not None
    return left


@pytest.mark.parametrize("flow", FLOWS)
def test_stopped_at_each_question(tmp_path: Path, flow: str) -> None:
    """On a new map each time, so that registering is among the questions."""
    place = bureau(tmp_path)
    emulated = a_card("hanako")
    stops = 0
    while True:
        stops += 1
        desk = desk_for(emulated, kind=Stopping)
        desk.number = stops
        visited = visit(place, place.flow(flow), a_card("hanako"), desk)
        if visited.ending.code != "cancelled":
            break
        before_pin = not any(asked.startswith("pin_") for asked in desk.asked)
        assert visited.tries == (0 if before_pin else 1)
        assert place.handed == []
    assert visited.ending.close is Close.DONE
    assert stops > len([code for code in desk.asked if code])
    place.close()


@pytest.mark.parametrize("flow", FLOWS)
def test_saying_no_is_an_end(tmp_path: Path, flow: str) -> None:
    place = bureau(tmp_path)
    emulated = a_card("hanako")
    clean = desk_for(emulated)
    visit(place, place.flow(flow), a_card("hanako"), clean)
    place.close()
    for page in YES & set(clean.asked):
        folder = tmp_path / page
        folder.mkdir()
        place = bureau(folder)
        desk = desk_for(emulated, yes=YES - {page})
        visited = visit(place, place.flow(flow), a_card("hanako"), desk)
        assert visited.ending.close is Close.REFUSED
        assert desk.asked[-1] == page
        assert place.handed == []
        place.close()


@pytest.mark.parametrize("flow", FLOWS)
def test_pulled_at_every_command(place: Bureau, flow: str) -> None:
    """Whatever the command, nothing is handed over."""
    visit(place, place.flow(flow), a_card("hanako"), desk_for(a_card("hanako")))  # registered
    made = place.flow(flow)
    place.handed.clear()
    pull_everywhere(place, made, desk_for)
    assert len(place.handed) <= 1  # of the visit in which nobody pulled it


@pytest.mark.parametrize("flow", SERVED)
@pytest.mark.parametrize("call", ["challenge", "present"])
@pytest.mark.parametrize("number", [1, 2])
def test_the_server_fails(tmp_path: Path, flow: str, call: str, number: int) -> None:
    place = bureau(tmp_path)
    emulated = a_card("hanako")
    desk = desk_for(emulated)
    half = Failing(place.half(ACTORS[flow]), call, number)
    visited = visit(place, place.flow(flow, half), emulated, desk)
    assert (visited.ending.close, visited.ending.code) == (Close.FAILED, "server_down")
    first = call == "challenge" and (number == 1 or flow == "identity_proofing")
    assert visited.tries == (0 if first else 1)
    assert place.handed == []
    place.close()
