# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests: whole, small, in time, and each by itself."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from jpki.kiosk.server import bodies
from jpki.kiosk.server.bodies import Bodies
from jpki.kiosk.serving import TooLargeError

Receive = Callable[[], Awaitable[dict[str, Any]]]
GONE = {"type": "http.disconnect"}


def _sent(parts: Iterable[dict[str, Any]]) -> Receive:
    """These messages, then nothing for ever."""
    left = iter(parts)

    async def receive() -> dict[str, Any]:
        message = next(left, None)
        if message is None:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return message or GONE

    return receive


def _part(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LOOK", 0.01)


def test_whole() -> None:
    reader = Bodies(10, 60)
    sent = _sent([_part(b"one "), _part(b"two"), _part(b"", more=False)])
    assert asyncio.run(reader.read(sent)) == b"one two"
    assert asyncio.run(reader.read(_sent([_part(b"0123456789", more=False)]))) == b"0123456789"


@pytest.mark.parametrize(
    "parts",
    [[_part(b"01234567890", more=False)], [_part(b"0123456789"), _part(b"0"), _part(b"never")]],
)
def test_too_long(parts: list[dict[str, Any]]) -> None:
    with pytest.raises(TooLargeError):
        asyncio.run(Bodies(10, 60).read(_sent(parts)))


def test_who_sent_it_is_gone() -> None:
    with pytest.raises(ConnectionAbortedError):
        asyncio.run(Bodies(10, 60).read(_sent([_part(b"half"), GONE])))


def test_one_that_takes_too_long_ends_and_no_other_does() -> None:
    reader = Bodies(10, 0.05)

    async def two() -> list[Any]:
        slow, begun = (
            asyncio.ensure_future(reader.read(_sent([_part(b"half")]))) for _ in range(2)
        )
        await asyncio.sleep(0)
        reader._since[begun] = math.inf
        with pytest.raises(TimeoutError):
            await slow
        assert not begun.done()
        begun.cancel()  # by somebody else: that is no matter of time
        with pytest.raises(asyncio.CancelledError):
            await begun
        return [await reader.read(_sent([_part(b"later", more=False)]))]

    assert asyncio.run(asyncio.wait_for(two(), 30)) == [b"later"]


def test_nothing_looks_while_nothing_is_read() -> None:
    reader = Bodies(10, 60)

    async def looks() -> int:
        loop, seen = asyncio.get_running_loop(), 0
        own = loop.call_later

        def counted(*arguments: Any, **more: Any) -> asyncio.TimerHandle:
            nonlocal seen
            seen += 1
            return own(*arguments, **more)

        loop.call_later = counted  # type: ignore[method-assign, assignment]
        for _ in range(100):
            await reader.read(_sent([_part(b"one", more=False)]))
        first = seen
        loop.call_later = own  # type: ignore[method-assign]
        await asyncio.sleep(0.05)
        assert not reader._looking
        return first

    assert asyncio.run(looks()) <= 2
