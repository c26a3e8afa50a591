# SPDX-License-Identifier: Apache-2.0
"""Sessions in a row with faults: what runs all day grows by nothing and costs nobody a try.

``KIOSK_SESSIONS`` (``make assure``: 1000) says how many.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jpki.card import Card
from jpki.card_map import PinKind
from jpki.emulator import EmulatedCard, VirtualConnection
from jpki.kiosk.child import ChildProcess
from jpki.kiosk.machine import State
from jpki.kiosk.server.app import server_app
from jpki.kiosk.slot import VirtualSlot
from jpki.kiosk.terminal import Terminal
from jpki.open import emulated_card
from jpki.open_kiosk import MODULE
from map_bench import Clock
from process_memory import children, handles, resident
from server_half import TOKEN, serving, town
from terminal_views import ORIGIN, Views, ask

SESSIONS = int(os.environ.get("KIOSK_SESSIONS", "24"))
WARM = 8  # sessions after which nothing more is loaded
LIMIT = 1.05  # times the memory after those
PIN = "1234"
SETTLE, STEADY = 20.0, 10  # seconds at most; looks in a row that see the same


class Bed:
    """A terminal with the real process of a presentation, and one card."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.clock = clock  # of the server half
        settings = {
            "origin": ORIGIN, "server": url, "token": TOKEN, "policy": "konbini",
            "flows": ["konbini"], "trust": "test",
        }  # fmt: skip
        self.slot, self.views = VirtualSlot(), Views()
        launch = partial(ChildProcess, MODULE, settings)
        self.terminal = Terminal(self.slot, launch, self.views)
        self.card: EmulatedCard = emulated_card("hanako")
        self.terminal.start()

    def answer(self, number: int, **members: Any) -> None:
        assert ask(self.terminal, "/answer", {"number": number, **members})[0] == 204

    def choose(self) -> None:
        self.slot.insert(self.card)
        self.views.until(State.CHOOSING)
        self.answer(1, choice="residence")
        self.views.until(State.PIN)

    def away(self) -> None:
        self.slot.pull()
        self.views.until(State.WAITING)


def _whole(bed: Bed) -> None:
    """Not enrolled here: the map says so, after the PIN was right."""
    bed.choose()
    bed.answer(2, pin=PIN)
    assert bed.views.until(State.WORKING, State.DONE).code == "unregistered"
    bed.away()


def _cancelled(bed: Bed) -> None:
    bed.choose()
    bed.answer(2, cancel=True)
    assert bed.views.until(State.DONE).code == "cancelled"
    bed.away()


def _pulled_at_the_choice(bed: Bed) -> None:
    bed.slot.insert(bed.card)
    bed.views.until(State.CHOOSING)
    bed.away()


def _pulled_at_the_pin(bed: Bed) -> None:
    bed.choose()
    bed.away()


def _pulled_at_work(bed: Bed) -> None:
    bed.choose()
    bed.answer(2, pin=PIN)
    bed.views.until(State.WORKING)
    bed.away()


def _killed(bed: Bed) -> None:
    bed.choose()
    for pid in children(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    assert bed.views.until(State.DONE).code == "worker_lost"
    bed.away()


def _killed_at_work(bed: Bed) -> None:
    bed.choose()
    bed.answer(2, pin=PIN)
    for pid in children(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    bed.views.until(State.DONE)
    bed.away()


def _reader_lost(bed: Bed) -> None:
    bed.choose()
    bed.slot.lose()
    bed.views.until(State.READER_LOST)
    bed.away()


FAULTS: tuple[Callable[[Bed], None], ...] = (
    _whole, _cancelled, _pulled_at_the_choice, _pulled_at_the_pin, _pulled_at_work, _killed,
    _killed_at_work, _reader_lost,
)  # fmt: skip


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    place = town(f"sqlite:///{tmp_path}/map.db", tmp_path)
    place.bench.clock.now = datetime.now(UTC)
    with serving(server_app(place.half, place.terminals())) as url:
        made = Bed(url, place.bench.clock)
        yield made
        made.terminal.close()
    place.bench.close()


def _figures() -> tuple[int, int, int]:
    """Threads, handles and processes."""
    own = os.getpid()
    return threading.active_count(), handles(own), len(children(own))


def _settled() -> tuple[int, int, int]:
    """As ``_figures``, once nobody is at the terminal: the last process has ended, and one
    waits for the next card."""
    until = time.monotonic() + SETTLE
    steady = 0
    now = _figures()
    while steady < STEADY and time.monotonic() < until:
        time.sleep(0.05)
        before, now = now, _figures()
        steady = steady + 1 if now == before else 0
    return now


@pytest.mark.timeout(max(120, SESSIONS * 10))
def test_sessions_in_a_row(bed: Bed) -> None:
    for fault in FAULTS[:WARM]:
        fault(bed)
    before, size = _settled(), resident(os.getpid())
    for number in range(SESSIONS - WARM):
        bed.clock.now = datetime.now(UTC)
        FAULTS[number % len(FAULTS)](bed)
    assert _settled() == before
    assert resident(os.getpid()) <= size * LIMIT
    with Card(VirtualConnection(bed.card)) as card:
        assert card.pins.counter(PinKind.AUTH).attempts_left == 3
    bed.terminal.close()
    assert children(os.getpid()) == []
