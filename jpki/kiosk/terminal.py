# SPDX-License-Identifier: Apache-2.0
"""An unattended terminal: watches its reader and runs one process for each presentation.

The next process is started before it is needed, so that nobody waits for it. Whatever becomes
of a presentation, its process ends with it.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from jpki.kiosk.child import Access, Child, Report
from jpki.kiosk.machine import IN_PRESENTATION, Limits, Machine, Notice, Signal, State
from jpki.kiosk.reader import ReaderPort, Seen, Sight

_log = logging.getLogger(__name__)
_LOOK: Final = 1.0  # seconds at most between two looks at the reader


@dataclass(frozen=True, slots=True)
class View:
    """What a screen shows now. ``access``: where it asks the process of the presentation."""

    state: State
    presentation: int
    code: str = ""
    access: Access | None = None


Observer = Callable[[View], None]
Launcher = Callable[[], Child]
_Happening = tuple[Child, Report] | Seen | str
_RENEW: Final = "renew"


class Terminal:
    """Runs until ``close``. ``observer`` is called from its own thread with every change.

    ``launch`` starts the process of a presentation. Errors of it, and of the reader, are
    states of the machine: nothing is raised.
    """

    def __init__(
        self,
        port: ReaderPort,
        launch: Launcher,
        observer: Observer,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._port = port
        self._launch = launch
        self._observer = observer
        self._clock = clock
        self._machine = Machine(limits, now=clock())
        self._happenings: queue.SimpleQueue[_Happening | None] = queue.SimpleQueue()
        self._warm: Child | None = None
        self._child: Child | None = None
        self._view = View(State.WAITING, 0)
        self._last: Seen | None = None
        self._closing = threading.Event()
        self._stale = threading.Event()  # settings changed since the process that waits began
        self._threads = [
            threading.Thread(target=self._watch, name="kiosk-reader", daemon=True),
            threading.Thread(target=self._run, name="kiosk-terminal", daemon=True),
        ]

    def start(self) -> None:
        """Begin to watch the reader."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the presentation under way and stop. Harmless when repeated."""
        self._closing.set()
        self._port.close()
        self._happenings.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def renew(self) -> None:
        """Start the process of the next presentation anew, since its settings changed."""
        self._stale.set()
        self._happenings.put(_RENEW)

    @property
    def view(self) -> View:
        """What a screen that opens now shows."""
        return self._view

    def _watch(self) -> None:
        known: Seen | None = None
        while not self._closing.is_set():
            seen = self._port.wait(known, _LOOK)
            if seen != known:
                known = seen
                self._happenings.put(seen)

    def _run(self) -> None:
        self._warm_up()
        while not self._closing.is_set():
            happening = self._next()
            now = self._clock()
            if isinstance(happening, Seen):
                self._seen(happening, now)
            elif isinstance(happening, tuple):
                self._reported(*happening, now)
            elif happening == _RENEW and self._stale.is_set():  # of several, the first does it
                self._stale.clear()
                self._replace_warm()
            while (due := self._machine.due(self._clock())) is not None:
                self._signal(due, self._clock())
        self._end()
        if self._warm is not None:
            self._warm.end()

    def _next(self) -> _Happening | None:
        due = self._machine.next_due()
        timeout = None if due is None else max(0.0, due - self._clock())
        try:
            return self._happenings.get(timeout=timeout)
        except queue.Empty:
            return None

    def _seen(self, seen: Seen, now: float) -> None:
        """Turn what is seen into signals. One look may mean two: a reader back with a card."""
        last, self._last = self._last, seen
        before = None if last is None else last.sight
        if seen.sight in (Sight.LOST, Sight.BROKEN):
            lost = seen.sight is Sight.LOST
            self._signal(Signal.READER_LOST if lost else Signal.BROKEN, now)
            return
        if before is Sight.LOST:
            self._signal(Signal.READER_FOUND, now)
        elif before is Sight.BROKEN:
            self._signal(Signal.REPAIRED, now)
        if seen.sight is Sight.EMPTY:
            self._signal(Signal.CARD_OUT, now)
        elif seen.sight is Sight.SEVERAL:
            self._signal(Signal.SECOND_CARD, now)
        elif before is Sight.CARD:
            self._signal(Signal.SWAPPED, now)
        elif before is not Sight.SEVERAL:  # of two cards, the one left behind is not meant
            self._signal(Signal.CARD_IN, now)

    def _reported(self, child: Child, report: Report, now: float) -> None:
        if child is self._child:  # what another says is about a presentation that is over
            self._signal(report.signal, now, report.code)

    def _signal(self, signal: Signal, now: float, code: str = "") -> None:
        notice = self._machine.send(signal, now, code)
        if notice is not None:
            self._follow(notice)

    def _follow(self, notice: Notice) -> None:
        """Show a change of state, and let a process begin or end with it."""
        begins = notice.state is State.CARD_PRESENT
        stays = notice.state in IN_PRESENTATION or notice.signal in (Signal.FINISHED, Signal.LEFT)
        access = self._view.access if stays else None
        if begins:
            self._end()
            access = self._begin()
        self._view = View(notice.state, notice.presentation, notice.code, access)
        self._observer(self._view)  # before a process ends: nobody waits for that
        if begins and access is None:
            self._signal(Signal.WORKER_LOST, self._clock())
        elif not begins and not stays:
            self._end()
        if self._warm is None:
            self._warm_up()

    def _begin(self) -> Access | None:
        """Begin with the process that waits; if that one has died, with a new one."""
        for _ in range(2):
            if self._warm is None:
                self._warm_up()
            child, self._warm = self._warm, None
            if child is None:
                return None
            self._child = child
            try:
                return child.begin(
                    self._port.uri(), secrets.token_urlsafe(32), partial(self._heard, child)
                )
            except OSError:
                _log.exception("the process of a presentation did not begin")
                self._end()
        return None

    def _heard(self, child: Child, report: Report) -> None:
        self._happenings.put((child, report))

    def _replace_warm(self) -> None:
        if self._warm is not None:
            self._warm.end()
        self._warm_up()

    def _warm_up(self) -> None:
        try:
            self._warm = self._launch()
        except OSError:
            _log.exception("no process could be started for the next presentation")

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()
