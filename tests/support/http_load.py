# SPDX-License-Identifier: Apache-2.0
"""A load of HTTP requests over connections that stay open, from one process.

Requests are bytes made beforehand, so that the load costs little beside what it measures.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Measured:
    """``rate``: answers a second. ``times``: seconds from when each request was due."""

    rate: float
    times: tuple[float, ...]
    bad: int  # answers whose status was not 200

    def percentile(self, share: float) -> float:
        """Seconds within which that share of the answers came."""
        return sorted(self.times)[min(len(self.times) - 1, int(share * len(self.times)))]


def request(path: str, body: bytes, token: str, host: str = "127.0.0.1") -> bytes:
    """A POST request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def as_fast_as_it_goes(url: str, requests: Sequence[bytes], connections: int = 16) -> Measured:
    """Each connection asks as soon as its last answer is there."""
    return asyncio.run(_Load(url, requests, connections).run(None))


def at_rate(url: str, requests: Sequence[bytes], rate: float, connections: int = 64) -> Measured:
    """``rate`` requests a second fall due, whatever the server does; waiting counts."""
    return asyncio.run(_Load(url, requests, connections).run(rate))


class _Load:
    def __init__(self, url: str, requests: Sequence[bytes], connections: int) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 0)
        self._left = deque(requests)
        self._count = connections
        self._times: list[float] = []
        self._bad = 0

    async def run(self, rate: float | None) -> Measured:
        opened = [await asyncio.open_connection(*self._address) for _ in range(self._count)]
        begin = time.perf_counter()
        gap = 0.0 if rate is None else 1 / rate
        self._due = begin
        await asyncio.gather(*(self._ask(*pair, gap) for pair in opened))
        elapsed = time.perf_counter() - begin
        for _, writer in opened:
            writer.close()
        return Measured(len(self._times) / elapsed, tuple(self._times), self._bad)

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gap: float
    ) -> None:
        while self._left:
            data = self._left.popleft()
            due = time.perf_counter()
            if gap:
                due = self._due
                self._due += gap
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(data)
            head = await reader.readuntil(b"\r\n\r\n")
            place = head.lower().index(b"content-length:") + 15
            await reader.readexactly(int(head[place : head.index(b"\r", place)]))
            self._times.append(time.perf_counter() - due)
            self._bad += not head.startswith(b"HTTP/1.1 200 ")
