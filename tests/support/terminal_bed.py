# SPDX-License-Identifier: Apache-2.0
"""A terminal in this process with the real processes of its presentations, and what people and
faults do at it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from jpki.emulator import EmulatedCard
from jpki.kiosk.child import ChildProcess
from jpki.kiosk.machine import State
from jpki.kiosk.slot import VirtualSlot
from jpki.kiosk.terminal import Terminal
from jpki.open import emulated_card
from jpki.open_kiosk import MODULE
from map_bench import Clock
from process_memory import children
from server_half import TOKEN
from terminal_views import ORIGIN, PATIENCE, Views, answer

PIN = "1234"


class Bed:
    """A terminal with the real process of a presentation, and one card.

    ``patience``: seconds for each state to be shown.
    """

    def __init__(self, url: str, clock: Clock, *, patience: float = PATIENCE) -> None:
        self.clock = clock  # of the server half
        settings = {
            "origin": ORIGIN, "server": url, "token": TOKEN, "policy": "konbini",
            "flows": ["konbini"], "trust": "test",
        }  # fmt: skip
        self.slot, self.views = VirtualSlot(), Views(patience)
        launch = partial(ChildProcess, MODULE, settings)
        self.terminal = Terminal(self.slot, launch, self.views)
        self.card: EmulatedCard = emulated_card("hanako")
        self.terminal.start()

    def answer(self, **members: Any) -> None:
        """Answer what is shown now."""
        answer(self.terminal, **members)

    @property
    def processes(self) -> list[int]:
        """Of the presentation under way, and the one that waits for the next."""
        return [pid for pid in children(os.getpid()) if MODULE.encode() in _arguments(pid)]

    def kill(self) -> None:
        """All of them at once."""
        for pid in self.processes:
            os.kill(pid, signal.SIGKILL)

    def choose(self) -> None:
        self.slot.insert(self.card)
        self.views.until(State.CHOOSING)
        self.answer(choice="residence")
        self.views.until(State.PIN)

    def away(self) -> None:
        self.slot.pull()
        self.views.until(State.WAITING)


def _arguments(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return b""


def whole(bed: Bed) -> None:
    """Not enrolled here: the map says so, after the PIN was right."""
    bed.choose()
    bed.answer(pin=PIN)
    assert bed.views.until(State.WORKING, State.DONE).code == "unregistered"
    bed.away()


def cancelled(bed: Bed) -> None:
    bed.choose()
    bed.answer(cancel=True)
    assert bed.views.until(State.DONE).code == "cancelled"
    bed.away()


def pulled_at_the_choice(bed: Bed) -> None:
    bed.slot.insert(bed.card)
    bed.views.until(State.CHOOSING)
    bed.away()


def pulled_at_the_pin(bed: Bed) -> None:
    bed.choose()
    bed.away()


def pulled_at_work(bed: Bed) -> None:
    bed.choose()
    bed.answer(pin=PIN)
    bed.views.until(State.WORKING)
    bed.away()


def killed(bed: Bed) -> None:
    bed.choose()
    bed.kill()
    assert bed.views.until(State.DONE).code == "worker_lost"
    bed.away()


def killed_at_work(bed: Bed) -> None:
    bed.choose()
    bed.answer(pin=PIN)
    bed.kill()
    bed.views.until(State.DONE)
    bed.away()


def reader_lost(bed: Bed) -> None:
    bed.choose()
    bed.slot.lose()
    bed.views.until(State.READER_LOST)
    bed.away()


FAULTS: tuple[Callable[[Bed], None], ...] = (
    whole, cancelled, pulled_at_the_choice, pulled_at_the_pin, pulled_at_work, killed,
    killed_at_work, reader_lost,
)  # fmt: skip
