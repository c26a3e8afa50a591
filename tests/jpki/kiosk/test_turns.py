# SPDX-License-Identifier: Apache-2.0
"""Work of another thread is done in the loop's, once that is idle, and never lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial

import pytest

from jpki.kiosk.server import turns
from jpki.kiosk.server.turns import PATIENCE, in_its_turn


async def _beside(work: Callable[[asyncio.AbstractEventLoop], None]) -> None:
    """Have another thread do ``work`` while the loop goes on."""
    loop = asyncio.get_running_loop()
    await asyncio.wait_for(asyncio.to_thread(work, loop), 30)


def test_it_is_done_in_the_loops_thread_and_waited_for() -> None:
    done: list[int] = []

    def work(loop: asyncio.AbstractEventLoop) -> None:
        in_its_turn(loop, lambda: done.append(threading.get_ident()))
        assert len(done) == 1

    asyncio.run(_beside(work))
    assert done == [threading.get_ident()]


def test_what_it_raises_is_raised_where_it_was_asked_for() -> None:
    def fail() -> None:
        raise TimeoutError("its own")

    def work(loop: asyncio.AbstractEventLoop) -> None:
        with pytest.raises(TimeoutError, match="its own"):
            in_its_turn(loop, fail)

    asyncio.run(_beside(work))


def test_what_the_loop_has_at_hand_comes_first_but_not_for_ever() -> None:
    """A loop that is never idle: others have their turns, then the work has."""
    rounds = 0

    async def busy() -> int:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def another() -> None:
            nonlocal rounds
            rounds += 1
            until = loop.time() + PATIENCE / 10
            while loop.time() < until:
                pass
            if not ended.is_set():
                loop.call_soon(another)

        loop.call_soon(another)
        await asyncio.wait_for(asyncio.to_thread(in_its_turn, loop, lambda: None), 30)
        ended.set()
        return rounds

    assert asyncio.run(busy()) > 2


def test_a_loop_that_has_ended() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    done: list[int] = []
    in_its_turn(loop, lambda: done.append(threading.get_ident()))
    assert done == [threading.get_ident()]


def test_a_loop_that_ends_before_its_turn() -> None:
    """What it was given and did not do is done by who gave it, once."""
    loop = asyncio.new_event_loop()
    done: list[int] = []
    thread = threading.Thread(
        target=in_its_turn, args=(loop, partial(_note, done)), daemon=True
    )  # never run: the loop stops before anything is looked at
    thread.start()
    thread.join(30)
    loop.close()
    assert done == [thread.ident]


def test_a_loop_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for who waits for it: what closes the map in the loop's own thread does so."""
    monkeypatch.setattr(turns, "LOOK", 0.01)
    done: list[int] = []

    async def hang() -> int | None:
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=in_its_turn, args=(loop, partial(_note, done)))
        thread.start()
        thread.join(30)
        return thread.ident

    assert done == [asyncio.run(hang())]


def _note(done: list[int]) -> None:
    done.append(threading.get_ident())
