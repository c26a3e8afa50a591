# SPDX-License-Identifier: Apache-2.0
"""From the reader's event to the page: what the terminal shows, and what its browser is sent.

A terminal with the real process of a presentation; cards that come and go, one as soon as the
one before has gone, so that no process is ready for it yet. The rival is an event that goes to
the same page through the same server without a terminal.
"""

from __future__ import annotations

import http.client
import json
import queue
import socket
import threading
import time
from functools import partial
from typing import Any

import _bench
from jpki.kiosk.child import ChildProcess
from jpki.kiosk.machine import State
from jpki.kiosk.serving import served
from jpki.kiosk.slot import VirtualSlot
from jpki.kiosk.terminal import Terminal, View
from jpki.kiosk.web.app import Front, Pages
from jpki.open import emulated_card
from jpki.open_kiosk import MODULE, flows_of

LIMIT = 100.0  # ms, the slowest of all
SETTINGS = {
    "server": "http://127.0.0.1:9", "token": "t" * 40, "policy": "konbini",
    "flows": ["konbini"], "trust": "test",
}  # fmt: skip
PATIENCE = 30.0


class _Browser:
    """The page's stream of views: when each state came."""

    def __init__(self, origin: str) -> None:
        self._connection = http.client.HTTPConnection(origin.partition("://")[2], timeout=PATIENCE)
        self._connection.request("GET", "/views?lang=en")
        self._reply = self._connection.getresponse()
        self._came: queue.SimpleQueue[tuple[str, bool, float]] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def until(self, state: State, *, ready: bool = False) -> float:
        """When it came. ``ready``: with a process that the page can ask."""
        while True:
            name, has_process, at = self._came.get(timeout=PATIENCE)
            if name == state and (has_process or not ready):
                return at

    def _read(self) -> None:
        while line := self._reply.readline():
            if line.startswith(b"data: "):
                at = time.perf_counter()
                view: dict[str, Any] = json.loads(line[6:])
                self._came.put((view["state"], view["access"] is not None, at))


class _Place:
    """A terminal with its page, and whoever watches both."""

    def __init__(self, listener: socket.socket) -> None:
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        first = [flow.first_screen for flow in flows_of(SETTINGS).values()]
        self.pages = Pages(Front(first, test=True), origin)
        self.slot, self.origin = VirtualSlot(), origin
        launch = partial(ChildProcess, MODULE, {**SETTINGS, "origin": origin})
        self.shown: list[float] = []
        self.terminal = Terminal(self.slot, launch, self._show)

    def _show(self, view: View) -> None:
        self.shown.append(time.perf_counter())
        self.pages.views.publish(view)


def _events(place: _Place, browser: _Browser, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the reader's event to the view, and to the page."""
    card = emulated_card("hanako")
    views, pages = [], []
    for number in range(rounds):
        for act, state in (
            (partial(place.slot.insert, card), State.CARD_PRESENT),
            (place.slot.pull, State.WAITING),
        ):
            place.shown.clear()
            begin = time.perf_counter()
            act()
            at = browser.until(state)
            views.append((place.shown[0] - begin) * 1e3)
            pages.append((at - begin) * 1e3)
            if number % 2 and state is State.CARD_PRESENT:  # every other card begins a visit
                browser.until(State.CHOOSING, ready=True)
    return views, pages


def _without_a_terminal(pages: Pages, browser: _Browser, rounds: int) -> list[float]:
    """Milliseconds of an event that is published as soon as it happens."""
    times = []
    for number in range(rounds):
        for state in (State.CARD_PRESENT, State.WAITING):
            begin = time.perf_counter()
            pages.views.publish(View(state, number))
            times.append((browser.until(state) - begin) * 1e3)
    return times


def measure(report: _bench.Report, quick: bool) -> None:
    """The first card is not counted: until then no process has ever been started."""
    rounds = 6 if quick else 40
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = _Place(listener)
        with served(place.pages.app(), listener):
            browser = _Browser(place.origin)
            bare = _without_a_terminal(place.pages, browser, rounds)
            place.terminal.start()
            _events(place, browser, 1)
            views, pages = _events(place, browser, rounds)
            place.pages.views.close()
            place.terminal.close()
    report.add("published without a terminal", max(bare), "ms", rival=True)
    report.add("reader to view, median", sorted(views)[len(views) // 2], "ms")
    report.add("reader to view, slowest", max(views), "ms", limit=LIMIT)
    report.add("reader to page, median", sorted(pages)[len(pages) // 2], "ms")
    report.add("reader to page, slowest", max(pages), "ms", limit=LIMIT)


if __name__ == "__main__":
    _bench.main("the screen reacts within 100 ms of the reader's event", measure)
