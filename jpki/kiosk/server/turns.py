# SPDX-License-Identifier: Apache-2.0
"""Work of another thread that is done in an event loop's own, once that has nothing else to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Final

PATIENCE: Final = 0.005  # seconds until it is done, whatever else there is to do
AT_ONCE: Final = 0.0002  # seconds in which a loop comes round that had nothing to do
ROUNDS: Final = 3  # of those, one after the other: what has begun takes more than one to be there
LOOK: Final = 1.0  # seconds after which a loop that has not come round is left alone


def in_its_turn(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    """Have ``work`` done in the loop's thread and wait for it, in another one.

    Where the loop ends before, or hangs, it is done here. Raises what ``work`` raises.
    """
    done: Future[None] = Future()
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(_Turn(loop, work, done).begin)
    while True:
        try:
            return done.result(LOOK if loop.is_running() else 0)
        except TimeoutError:
            if done.done():  # it is the work's own
                raise
            if done.cancel():
                return work()


class _Turn:
    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Callable[[], None], done: Future[None]
    ) -> None:
        self._loop = loop
        self._work = work
        self._done = done
        self._rounds = 0

    def begin(self) -> None:
        self._before = self._loop.time()
        self._end = self._before + PATIENCE
        self._loop.call_soon(self._look)

    def _look(self) -> None:
        now = self._loop.time()
        self._rounds = self._rounds + 1 if now - self._before < AT_ONCE else 0
        self._before = now
        if self._rounds < ROUNDS and now < self._end:
            self._loop.call_soon(self._look)
            return
        if not self._done.set_running_or_notify_cancel():
            return
        try:
            self._work()
        except BaseException as error:
            self._done.set_exception(error)
        else:
            self._done.set_result(None)
