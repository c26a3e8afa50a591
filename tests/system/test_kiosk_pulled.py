# SPDX-License-Identifier: Apache-2.0
"""A card pulled at every command of a visit, at a whole terminal: process, server half, page."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jpki import messages
from jpki.card_map import PinKind
from jpki.emulator import ApduTrace
from jpki.kiosk.flows.common import login
from jpki.kiosk.machine import State
from jpki.kiosk.scripted import ScriptedDesk
from jpki.kiosk.server.app import server_app
from jpki.kiosk.server.half import Answer, Errand, ServerHalf
from jpki.kiosk.terminal import View
from jpki.kiosk.visit import Visit
from jpki.kiosk.web.app import Front, view_object
from jpki.open import load_trust, open_card
from jpki.verifying.material import ValidationOptions
from server_half import Town, serving, town
from terminal_bed import PIN, Bed
from terminal_views import ask, screen

AUTH = "jpki/0018"
ENDS = 60.0  # seconds in which a visit is over
TOO_EARLY = ("card_gone", "pin_unknown")
ANSWERS: dict[str, dict[str, Any]] = {
    "question": {"choice": "residence"}, "pin": {"pin": PIN}, "confirm": {"yes": True},
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    """A town in which the card's holder is a resident."""
    made = town(f"sqlite:///{tmp_path}/map.db", tmp_path)
    now = made.bench.clock.now = datetime.now(UTC)
    made.map = made.bench.again(ValidationOptions(at=now).validator(load_trust("test", at=now)))

    def enrol(half: ServerHalf, errand: Errand) -> Answer:
        with open_card("virtual:hanako", trust="test").card as card:
            desk = ScriptedDesk(pins={PinKind.AUTH: PIN})
            return login(Visit(card, desk, clock=made.bench.clock), half, errand)

    made.enrol(enrol)
    yield made
    made.bench.close()


def _visit(bed: Bed, pulled_at: int = 0) -> tuple[View, int]:
    """A visit up to its end; how the terminal shows it, and the commands the card got."""
    count = 0

    def watch(_: ApduTrace) -> None:
        nonlocal count
        count += 1
        if count == pulled_at:
            threading.Thread(target=bed.slot.pull, daemon=True).start()
            time.sleep(0.03)  # so that this answer is lost as well

    bed.card.log = watch
    before = bed.terminal.view.presentation
    bed.slot.insert(bed.card)
    until = time.monotonic() + ENDS
    while time.monotonic() < until:
        view = bed.terminal.view
        over = (State.WAITING,) if pulled_at else (State.DONE,)
        if view.presentation > before and view.state in over:
            return view, count
        _answer(bed)
        time.sleep(0.02)
    raise AssertionError(f"pulled at {pulled_at}, the visit did not end: {bed.terminal.view}")


def _answer(bed: Bed) -> None:
    """What somebody does who wants a certificate; whether it is still wanted is not known."""
    with suppress(OSError, http.client.HTTPException, AssertionError, ValueError):
        shown = screen(bed.terminal)
        if shown["kind"] in ANSWERS:
            ask(bed.terminal, "/answer", {"number": shown["number"], **ANSWERS[shown["kind"]]})


@pytest.mark.timeout(300)
def test_pulled_at_every_command(place: Town) -> None:
    """No try is lost and nothing is handed over; everybody is told to put the card down again."""
    place.bench.clock.now = datetime.now(UTC)
    with serving(server_app(place.half, place.terminals())) as url:
        bed = Bed(url, place.bench.clock)
        try:
            view, commands = _visit(bed)
            assert (view.state, view.code) == (State.DONE, "issued")
            bed.away()
            for number in range(1, commands + 1):
                place.bench.clock.now = datetime.now(UTC)
                view, _ = _visit(bed, number)
                assert view.code in TOO_EARLY, number
                assert view.access is None, number  # nothing can be fetched any longer
                assert bed.card.tries()[AUTH] == 3, number
                for language in messages.SPOKEN:
                    said = view_object(view, Front([]), language)["early"]
                    assert said == messages.text(f"kiosk.ending.{view.code}", language)
            assert _visit(bed)[0].code == "issued"  # and the next one is served
        finally:
            bed.terminal.close()
    assert place.bench.map.verify_ledger().intact
