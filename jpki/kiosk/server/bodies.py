# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests, of which none takes too long, with one clock for all of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from jpki.kiosk.serving import whole_body

if TYPE_CHECKING:
    from starlette.types import Receive

LOOK: Final = 1.0  # seconds from one look for those that take too long to the next


class Bodies:
    """Reads them, on one event loop at a time. ``most``: bytes; ``seconds``: for a whole one,
    and up to a look more. A timer of its own for each would cost more than reading most."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looking = False
        self._since: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()

    async def read(self, receive: Receive) -> bytearray:
        """One body. Raises TooLargeError, TimeoutError, ConnectionAbortedError (the client)."""
        task = asyncio.current_task()
        assert task is not None
        self._begin(task)
        try:
            return await whole_body(receive, self._most)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            raise TimeoutError from None
        finally:
            self._since.pop(task, None)
            self._late.discard(task)

    def _begin(self, task: asyncio.Task[Any]) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._looking = loop, False
            self._since.clear()
        if not self._looking:
            self._looking = True
            loop.call_later(LOOK, self._look, loop)
        self._since[task] = loop.time()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            return
        begun_before = loop.time() - self._seconds
        for task, since in self._since.items():
            if since < begun_before:
                self._late.add(task)
                task.cancel()
        self._looking = bool(self._since)
        if self._looking:
            loop.call_later(LOOK, self._look, loop)
