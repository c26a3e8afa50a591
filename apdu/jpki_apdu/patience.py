# SPDX-License-Identifier: Apache-2.0
"""Calls that may never return, made in a thread of their own by somebody who does not wait.

A PC/SC call on a card that has fallen silent blocks for ever, and nothing ends it from the
inside: SCardCancel does nothing there [obs pcscd 1.9.9]. So the caller waits for a thread.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple, cast

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_Job = Callable[[], object]
_Outcome = tuple[object, BaseException | None]


class OverdueError(Exception):
    """The time for a call is over; the call itself still goes on."""


class PatientThread:
    """Makes calls one after the other, each within ``seconds`` (``math.inf``: no limit).

    Handing a call over and back costs some 20 us. The caller can be interrupted (Ctrl-C)
    while it waits. For one caller at a time. ``end`` it, or its thread stays.
    """

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise ValueError("a time limit is more than nothing")
        self._seconds = None if math.isinf(seconds) else seconds
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
        self._stuck = False
        # A daemon: a call that never returns must not keep the program from ending.
        threading.Thread(target=self._work, name="pcsc", daemon=True).start()

    @property
    def stuck(self) -> bool:
        """Whether a call was not waited for to its end: no further one is made."""
        return self._stuck

    def call(self, function: Callable[[*_Ts], _T], *arguments: *_Ts) -> _T:
        """``function(*arguments)``, and what it raises. Raises OverdueError."""
        if self._stuck:
            raise OverdueError
        self._jobs.put(lambda: function(*arguments))
        self._stuck = True  # also when the wait ends by an interrupt
        try:
            value, error = self._outcomes.get(timeout=self._seconds)
        except queue.Empty:
            raise OverdueError from None
        self._stuck = False
        if error is not None:
            raise error
        return cast("Any", value)  # type: ignore[no-any-return]

    def end(self, last: Callable[[], object]) -> None:
        """Make one last call and end; not waited for longer than any other, never raises.

        Behind a call that is stuck it is made once that one returns, if it ever does.
        """
        try:
            if self._stuck:
                self._jobs.put(last)
            else:
                with contextlib.suppress(Exception):
                    self.call(last)
        finally:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                outcome: _Outcome = (job(), None)
            except BaseException as error:  # it is raised where it was asked for
                outcome = (None, error)
            # The bytes of a command, which may hold a PIN, are not kept until the next.
            del job
            self._outcomes.put(outcome)
            del outcome
