# SPDX-License-Identifier: Apache-2.0
"""What another thread finished reaches each who waits, in one call of the loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

import pytest

from jpki.kiosk.server.arrivals import Arrivals


def _run(count: int, cancelled: int | None = None) -> tuple[list[Any], int]:
    """What each who waits gets, and how often the loop was called."""

    async def all_of_them() -> tuple[list[Any], int]:
        loop, arrivals, calls = asyncio.get_running_loop(), Arrivals(), 0
        futures: list[Future[int]] = [Future() for _ in range(count)]
        own = loop.call_soon_threadsafe

        def counted(*arguments: Any, **more: Any) -> asyncio.Handle:
            nonlocal calls
            calls += 1
            return own(*arguments, **more)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]
        tasks = [asyncio.ensure_future(arrivals.of(each)) for each in futures]
        await asyncio.sleep(0)
        if cancelled is not None:
            tasks[cancelled].cancel()
            await asyncio.sleep(0)

        def finish() -> None:
            for number, each in enumerate(futures):
                if number == 1:
                    each.set_exception(LookupError("no"))
                else:
                    each.set_result(number)

        finish()  # in the loop's own thread, so that it cannot begin to deliver in between
        found = await asyncio.gather(*tasks, return_exceptions=True)
        return found, calls

    return asyncio.run(all_of_them())


def test_each_gets_its_own_in_one_call() -> None:
    found, calls = _run(5)
    assert [type(each) for each in found] == [int, LookupError, int, int, int]
    assert [each for each in found if isinstance(each, int)] == [0, 2, 3, 4]
    assert calls == 1


def test_who_went_away_is_left_out() -> None:
    found, _ = _run(4, cancelled=2)
    assert isinstance(found[2], asyncio.CancelledError)
    assert [found[0], found[3]] == [0, 3]


def test_what_was_there_before() -> None:
    async def both() -> None:
        arrivals = Arrivals()
        done: Future[str] = Future()
        done.set_result("here")
        assert await arrivals.of(done) == "here"
        failed: Future[str] = Future()
        failed.set_exception(LookupError("no"))
        with pytest.raises(LookupError):
            await arrivals.of(failed)

    asyncio.run(both())
