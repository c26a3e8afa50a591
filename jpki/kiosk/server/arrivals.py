# SPDX-License-Identifier: Apache-2.0
"""What other threads finish, brought to the event loop: all that is there in one go."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")


class Arrivals:
    """As ``asyncio.wrap_future`` for many futures of one thread, which wakes the loop once for
    all that it finishes together. For one event loop at a time."""

    def __init__(self) -> None:
        self._here: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._lock = threading.Lock()
        self._called = False

    async def of(self, future: Future[_T]) -> _T:
        """Its result, once it is there. Raises what it raised."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[_T] = loop.create_future()

        def arrived(done: Future[_T]) -> None:
            with self._lock:
                self._here.append((waiting, done))
                called, self._called = self._called, True
            if not called:
                loop.call_soon_threadsafe(self._deliver)

        future.add_done_callback(arrived)
        return await waiting

    def _deliver(self) -> None:
        with self._lock:
            here, self._here, self._called = self._here, deque(), False
        for waiting, done in here:
            if waiting.cancelled():
                continue
            error = done.exception()
            if error is None:
                waiting.set_result(done.result())
            else:
                waiting.set_exception(error)
