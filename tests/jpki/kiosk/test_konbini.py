# SPDX-License-Identifier: Apache-2.0
"""コンビニ交付 on emulated cards: who gets a document, who is told what, and what a try costs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from flow_bench import pull_everywhere
from issued import HANAKO, ISSUER
from jpki import messages
from jpki.card_map import PinKind
from jpki.errors import ConfigurationError
from jpki.kiosk.endings import ending_of
from jpki.kiosk.flows.common import login
from jpki.kiosk.flows.konbini import Konbini, StubCoins
from jpki.kiosk.scripted import ScriptedDesk
from jpki.kiosk.server.half import Answer, Errand, ServerHalf, ServerHalfError
from jpki.kiosk.visit import CancelledError, Close, Ending, Visit
from jpki.mapping.policy import Operation
from jpki.mapping.policy_file import load_policy
from jpki.open import load_trust, open_card
from jpki.verdict import Outcome
from jpki.verifying.issued import verify_issued
from jpki.verifying.material import ValidationOptions
from map_bench import NOW
from server_half import RESIDENCE, Town, town

PINS = {PinKind.AUTH: "1234"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    made = town(f"sqlite:///{folder}/map.db", folder)
    options = ValidationOptions(at=NOW)  # every municipality's CRL, as --trust test has them
    made.map = made.bench.again(options.validator(load_trust("test", at=NOW)))

    def ask(half: ServerHalf, errand: Errand) -> Answer:
        with open_card("virtual:hanako", at=NOW).card as card:
            return login(Visit(card, ScriptedDesk(pins=PINS), clock=made.bench.clock), half, errand)

    made.enrol(ask)
    yield made
    made.bench.close()


def _visit(
    place: Town,
    card: str,
    desk: ScriptedDesk,
    half: ServerHalf | None = None,
    ahead: int = 0,
) -> Ending:
    """``ahead``: the clock of the terminal, before the server's (hours)."""
    coins = StubCoins()
    flow = Konbini(half or place.half(), place.bench.policy, coins)
    with open_card(f"virtual:{card}", at=NOW, trust="test").card as opened:
        try:
            ending = flow.run(
                Visit(opened, desk, clock=lambda: place.bench.clock() + timedelta(hours=ahead))
            )
        except Exception as error:
            ending = ending_of(error)
    assert (coins.balance, coins.held) == (200 if ending.close is Close.DONE else 0, 0)
    return ending


def _desk(pin: str = "1234", kind: str = "residence", *, yes: bool = True) -> ScriptedDesk:
    return ScriptedDesk(
        choices={"document": kind},
        pins={PinKind.AUTH: pin},
        yes=frozenset({"fee"} if yes else ()),
    )


def test_a_resident_gets_the_document(place: Town) -> None:
    desk = _desk()
    ending = _visit(place, "hanako", desk)
    assert (ending.close, ending.code) == (Close.DONE, "issued")
    assert desk.asked == ["document", "pin_auth", "fee"]
    assert ending.document is not None
    verdict, statement = verify_issued(
        ending.document, [ISSUER.public()], now=place.bench.clock.now
    )
    assert verdict.outcome is Outcome.VALID
    assert statement is not None
    assert ("name", HANAKO.name) in statement.fields


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("taro-moved", "unregistered"),
        ("jiro-expired", "expired"),
        ("blocked", "pin_blocked"),
        ("face-only", "pin_blocked"),
        ("child", "unregistered"),
        ("android", "unregistered"),
        ("forged", "unregistered"),
        ("nextgen", "unregistered"),
    ],
)
def test_who_gets_none_is_told_why(place: Town, card: str, code: str) -> None:
    assert _visit(place, card, _desk()).code == code


@pytest.mark.parametrize(
    ("desk", "code", "asked"),
    [
        (ScriptedDesk(), "cancelled", ["document"]),
        (ScriptedDesk(choices={"document": "residence"}), "cancelled", ["document", "pin_auth"]),
        (_desk("12345"), "pin_format", ["document", "pin_auth"]),
        (_desk("9999"), "pin_incorrect", ["document", "pin_auth"]),
        (_desk(yes=False), "cancelled", ["document", "pin_auth", "fee"]),
    ],
)
def test_what_the_person_does(place: Town, desk: ScriptedDesk, code: str, asked: list[str]) -> None:
    assert _visit(place, "hanako", desk).code == code
    assert desk.asked == asked


class _Half:
    """A server half that fails in one call, like one behind a bad link."""

    def __init__(self, half: ServerHalf, call: str) -> None:
        self._half, self._call = half, call

    def challenge(self, errand: Errand) -> object:
        return self._run("challenge", errand)

    def present(self, errand: Errand, response: object) -> object:
        return self._run("present", errand, response)

    def document(self, ticket: str, kind: object) -> object:
        return self._run("document", ticket, kind)

    def _run(self, call: str, *arguments: object) -> object:
        if call == self._call:
            raise ServerHalfError("server_slow")
        return getattr(self._half, call)(*arguments)


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        ("challenge", ["document"]),  # before the PIN: nobody enters one for nothing
        ("present", ["document", "pin_auth"]),
        ("document", ["document", "pin_auth", "fee"]),  # and the fee comes back
    ],
)
def test_the_server_fails(place: Town, call: str, asked: list[str]) -> None:
    desk = _desk()
    half: object = _Half(place.half(), call)
    ending = _visit(place, "hanako", desk, half)  # type: ignore[arg-type]
    assert (ending.close, ending.code) == (Close.FAILED, "server_down")
    assert desk.asked == asked


@pytest.mark.parametrize(
    ("ahead", "code", "asked"),
    [
        (1, "clock", ["document"]),  # nobody enters a PIN for nothing
        (15 * 365 * 24, "clock", ["document"]),
        (-1, "issued", ["document", "pin_auth", "fee"]),  # the server decides
        (-15 * 365 * 24, "issued", ["document", "pin_auth", "fee"]),
    ],
)
def test_the_terminals_clock_is_wrong(place: Town, ahead: int, code: str, asked: list[str]) -> None:
    desk = _desk()
    assert _visit(place, "hanako", desk, ahead=ahead).code == code
    assert desk.asked == asked


class _Leaving(ScriptedDesk):
    """A person who takes the card while the office makes the document."""

    def progress(self, step: str, done: int, total: int) -> None:
        if (step, done) == ("issue", 1):
            raise CancelledError
        super().progress(step, done, total)


def test_who_leaves_while_the_document_is_made_gets_the_fee_back(place: Town) -> None:
    desk = _Leaving(choices={"document": "residence"}, pins=PINS, yes=frozenset({"fee"}))
    ending = _visit(place, "hanako", desk)
    assert (ending.code, ending.document) == ("cancelled", None)


def test_pulled_at_every_command(place: Town) -> None:
    """No document, and the fee of none."""
    coins = StubCoins()
    flow = Konbini(place.half(), place.bench.policy, coins)
    assert pull_everywhere(place.bench, flow, lambda card: _desk()) > 5
    assert coins.balance == 200  # of the visit in which nobody pulled it


def test_at_the_floor_nobody_is_asked_for_a_pin(place: Town) -> None:
    flow = Konbini(place.half(), place.bench.policy, StubCoins())
    with open_card("virtual:hanako", at=NOW).card as card:
        for _ in range(2):
            with pytest.raises(Exception, match="pin_incorrect"):
                flow.run(Visit(card, _desk("9999"), clock=place.bench.clock))
        desk = _desk()
        try:
            flow.run(Visit(card, desk, clock=place.bench.clock))
        except Exception as error:
            ending = ending_of(error)
        assert (ending.code, ending.values["attempts_left"]) == ("pin_last_try", 1)
        assert desk.asked == ["document"]
        assert card.pins.counter(PinKind.AUTH).attempts_left == 1


def test_a_policy_without_the_purpose_does_not_start(place: Town) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Konbini(place.half(), load_policy("library"), StubCoins())
    assert caught.value.code == "flow_no_purpose"


def test_the_first_screen_names_another_way_and_the_article(place: Town) -> None:
    first = Konbini(place.half(), place.bench.policy, StubCoins()).first_screen
    assert first.article == "住民基本台帳法12条 / ○○市印鑑条例14条 / ○○市税条例20条"
    assert set(first.alternative_path) == set(messages.SPOKEN)


def test_the_errand_is_a_resolve() -> None:
    assert RESIDENCE.operation is Operation.RESOLVE
