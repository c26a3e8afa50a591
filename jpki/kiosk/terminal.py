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
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from jpki.kiosk.child import Access, Child, Report
from jpki.kiosk.machine import IN_PRESENTATION, Limits, Machine, Notice, Signal, State
from jpki.kiosk.reader import ReaderPort, Seen, Sight

_log = logging.getLogger(__name__)
_LOOK: Final = 1.0  # seconds at most between two looks at the reader
_ATTEMPTS: Final = 2  # at beginning a presentation with a process


@dataclass(frozen=True, slots=True)
class View:
    """What a screen shows now. ``access``: where it asks the process of the presentation."""

    state: State
    presentation: int
    code: str = ""
    access: Access | None = None


Observer = Callable[[View], None]
Launcher = Callable[[], Child]
_Happening = tuple[Child, Report | Access] | Seen | threading.Thread | str
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
        self._attempts = 0  # at beginning this presentation, that are left
        self._ending: set[threading.Thread] = set()
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
        watcher, terminal = self._threads
        if terminal.is_alive():
            terminal.join()
        if watcher.is_alive():
            watcher.join(_LOOK)  # at most: nothing ends a call of PC/SC whose service hangs

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
            elif isinstance(happening, threading.Thread):
                self._ending.discard(happening)
                self._begin_when_free()
            elif happening == _RENEW and self._stale.is_set():  # of several, the first does it
                self._stale.clear()
                self._replace_warm()
            while (due := self._machine.due(self._clock())) is not None:
                self._signal(due, self._clock())
        self._end()
        if self._warm is not None:
            self._warm.end()
        for thread in self._ending:
            thread.join()

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

    def _reported(self, child: Child, report: Report | Access, now: float) -> None:
        if child is not self._child:
            return  # what another says is about a presentation that is over
        waits = self._machine.state is State.CARD_PRESENT  # nobody was asked anything yet
        if isinstance(report, Access):
            self._show(replace(self._view, access=report))
        elif report.signal is Signal.WORKER_LOST and waits and self._attempts:
            self._show(replace(self._view, access=None))
            self._end()  # and another begins
        else:
            self._signal(report.signal, now, report.code)

    def _signal(self, signal: Signal, now: float, code: str = "") -> None:
        notice = self._machine.send(signal, now, code)
        if notice is not None:
            self._follow(notice)

    def _follow(self, notice: Notice) -> None:
        """Show a change of state, and let a process begin or end with it."""
        begins = notice.state is State.CARD_PRESENT
        stays = notice.state in IN_PRESENTATION or notice.signal in (Signal.FINISHED, Signal.LEFT)
        access = self._view.access if stays and not begins else None
        self._show(View(notice.state, notice.presentation, notice.code, access))
        if begins or not stays:
            self._end()
        if begins:
            self._attempts = _ATTEMPTS
            self._begin_when_free()
        if self._warm is None:
            self._warm_up()

    def _show(self, view: View) -> None:
        self._view = view
        self._observer(view)

    def _begin_when_free(self) -> None:
        """Begin, unless a process before still has to end: it may let go of its card by
        cutting the power, whichever card lies there now."""
        wanted = self._machine.state is State.CARD_PRESENT and self._child is None
        if wanted and not self._ending and not self._begin():
            self._signal(Signal.WORKER_LOST, self._clock())

    def _begin(self) -> bool:
        """Begin with the process that waits; if that one has died, with a new one."""
        while self._attempts:
            self._attempts -= 1
            if self._warm is None:
                self._warm_up()
            self._child, self._warm = self._warm, None
            if self._child is None:
                return False
            heard = partial(self._heard, self._child)
            try:
                self._child.begin(self._port.uri(), secrets.token_urlsafe(32), heard)
            except OSError:
                _log.warning("a process that waited for a card had ended; another begins")
                self._end()
            else:
                return True
        return False

    def _heard(self, child: Child, report: Report | Access) -> None:
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
        """End the process of a presentation. Nobody waits for it but the next one."""
        child, self._child = self._child, None
        if child is None:
            return

        def end() -> None:
            child.end()
            self._happenings.put(thread)

        thread = threading.Thread(target=end, name="kiosk-end", daemon=True)
        self._ending.add(thread)
        thread.start()
