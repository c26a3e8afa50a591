# SPDX-License-Identifier: Apache-2.0
"""The latest value of something, from one thread to any number of pages that watch it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Broadcast(Generic[T]):
    """Holds one value. Whoever is slow misses what was in between, never the latest."""

    def __init__(self, value: T) -> None:
        self._lock = threading.Lock()
        self._value = value
        self._version = 0
        self._closed = False
        self._watchers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def value(self) -> T:
        """The latest."""
        return self._value

    def publish(self, value: T) -> None:
        """Replace the value. From any thread; a loop that has closed is forgotten."""
        with self._lock:
            self._value = value
            self._version += 1
            self._wake()

    def close(self) -> None:
        """Let all who watch go: nothing will change any longer."""
        with self._lock:
            self._closed = True
            self._wake()

    def _wake(self) -> None:
        for watcher in tuple(self._watchers):
            loop, event = watcher
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:
                self._watchers.discard(watcher)

    async def changes(self, heartbeat: float = 15.0) -> AsyncIterator[T | None]:
        """The value now and after each change, until ``close``; None each ``heartbeat`` seconds
        without one."""
        event = asyncio.Event()
        watcher = (asyncio.get_running_loop(), event)
        with self._lock:
            self._watchers.add(watcher)
        seen = -1
        try:
            while not self._closed:
                event.clear()
                with self._lock:
                    value, version = self._value, self._version
                if version != seen:
                    seen = version
                    yield value
                    continue
                try:
                    await asyncio.wait_for(event.wait(), heartbeat)
                except TimeoutError:
                    yield None
        finally:
            with self._lock:
                self._watchers.discard(watcher)
