# SPDX-License-Identifier: Apache-2.0
"""Changes that share a commit: whole, in order, and each with its own answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, func, insert, select

from jpki.mapping.answers import Outcome
from jpki.mapping.errors import ConflictError, MapError, StoreStateError
from jpki.mapping.policy import Operation
from jpki.mapping.service import Map
from jpki.mapping.store.grouped import GroupedStore, by_themselves
from jpki.mapping.store.schema import LEDGER, META
from map_bench import Bench, holder, new_bench

THREADS = 16


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = new_bench(f"sqlite:///{tmp_path}/map.db", tmp_path, service="library", grouped=True)
    yield made
    made.close()


class Commits:
    """Counts them; the first one waits until it is let through, so that others queue up."""

    def __init__(self, table: Map) -> None:
        self.count = 0
        self.open = threading.Event()
        event.listen(table.store.engine, "commit", self._seen)

    def _seen(self, _connection: Connection) -> None:
        self.count += 1
        assert self.open.wait(10)


def _until(met: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + 10
    while not met():
        assert time.monotonic() < end
        time.sleep(0.001)


def _put(name: str) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        connection.execute(insert(META).values(name=name, value="x"))
        return name

    return work


def test_many_at_once_share_commits_and_each_gets_its_own(bench: Bench) -> None:
    who = holder()
    assert bench.ask(who, Operation.ENROL).outcome is Outcome.RESOLVED
    evidence = [bench.evidence(who, Operation.RESOLVE) for _ in range(THREADS)]
    again = evidence + evidence[:4]  # four are sent twice
    presented = [bench.map.verify(each) for each in again]
    commits = Commits(bench.map)
    with ThreadPoolExecutor(len(again)) as pool:
        asked = [pool.submit(bench.map.resolve, each, bench.asker()) for each in presented]
        commits.open.set()
        answers = [each.result() for each in asked]
    outcomes = [answer.outcome for answer in answers]
    assert outcomes.count(Outcome.RESOLVED) == THREADS
    assert [a.reason for a in answers if a.outcome is not Outcome.RESOLVED] == (
        ["challenge_used"] * 4
    )
    assert commits.count <= len(again)
    report = bench.map.verify_ledger()
    assert (report.intact, report.entries) == (True, 1 + len(again))


def test_what_waits_goes_into_one_transaction(bench: Bench) -> None:
    store = bench.map.store
    assert isinstance(store, GroupedStore)
    commits = Commits(bench.map)
    with ThreadPoolExecutor(THREADS) as pool:
        first = pool.submit(store.change, _put("first"))
        _until(lambda: commits.count > 0)
        rest = [pool.submit(store.change, _put(f"name-{n}")) for n in range(THREADS - 1)]
        _until(lambda: store.waiting == THREADS - 1)
        commits.open.set()
        assert first.result() == "first"
        assert [each.result() for each in rest] == [f"name-{n}" for n in range(THREADS - 1)]
    assert commits.count == 2


def _names(connection: Connection, names: Sequence[str]) -> list[str]:
    return [_put(name)(connection) for name in names]


def test_in_its_turn_with_all_that_came_until_then(bench: Bench) -> None:
    """Statements run where the turn runs them; what is asked for before it comes goes along."""
    store = bench.map.store
    assert isinstance(store, GroupedStore)
    came, threads = threading.Event(), set()

    def turn(work: Callable[[], None]) -> None:
        assert came.wait(10)
        own = threading.Thread(target=work)
        own.start()
        own.join(10)
        threads.add(own.ident)

    def seen(*_: object) -> None:
        made.add(threading.get_ident())

    made: set[int] = set()
    event.listen(store.engine, "before_cursor_execute", seen)
    commits = Commits(bench.map)
    commits.open.set()
    first = store.begin("first", _names, turn)
    rest = [store.begin(f"name-{n}", _names, turn) for n in range(3)]
    without = store.begin(_put("without a turn"), by_themselves)
    came.set()
    assert [each.result(10) for each in (first, *rest)] == ["first", "name-0", "name-1", "name-2"]
    assert without.result(10) == "without a turn"
    event.remove(store.engine, "before_cursor_execute", seen)
    assert commits.count == 1
    assert len(threads) == 1
    assert threads < made  # and the writer's own, which begins


def test_a_turn_in_which_one_fails(bench: Bench) -> None:
    """Each is done by itself then, without it."""
    store = bench.map.store
    assert isinstance(store, GroupedStore)
    came = threading.Event()

    def turn(work: Callable[[], None]) -> None:
        assert came.wait(10)
        work()

    good = store.begin("good", _names, turn)
    twice = [store.begin("same", _names, turn) for _ in range(2)]
    came.set()
    assert good.result(10) == "good"
    assert twice[0].result(10) == "same"
    with pytest.raises(ConflictError):
        twice[1].result(10)


def test_one_that_fails_takes_no_other_with_it(bench: Bench) -> None:
    store = bench.map.store
    assert isinstance(store, GroupedStore)

    def fails(connection: Connection) -> None:
        connection.execute(insert(META).values(name="half", value="x"))
        raise StoreStateError(reason="failed")

    commits = Commits(bench.map)
    with ThreadPoolExecutor(THREADS) as pool:
        first = pool.submit(store.change, _put("first"))
        _until(lambda: commits.count > 0)
        good = [pool.submit(store.change, _put(f"name-{n}")) for n in range(3)]
        bad = pool.submit(store.change, fails)
        twice = pool.submit(store.change, _put("first"))
        _until(lambda: store.waiting == 5)
        commits.open.set()
        assert first.result() == "first"
        assert [each.result() for each in good] == ["name-0", "name-1", "name-2"]
        with pytest.raises(StoreStateError):
            bad.result()
        with pytest.raises(ConflictError):
            twice.result()
    facts = store.facts()
    assert "half" not in facts
    assert {"first", "name-0", "name-1", "name-2"} <= set(facts)


def test_a_commit_that_fails_is_everybodys_answer(bench: Bench) -> None:
    store = bench.map.store

    def refuse(_connection: Connection) -> None:
        raise StoreStateError(reason="failed")

    event.listen(store.engine, "commit", refuse)
    with pytest.raises(MapError):
        store.change(_put("name"))
    event.remove(store.engine, "commit", refuse)
    assert "name" not in store.facts()


def test_closing_does_first_what_was_asked_for(bench: Bench) -> None:
    who = holder()
    bench.ask(who, Operation.ENROL)
    bench.map.store.close()
    bench.map.store.close()
    with bench.map.store.reading() as connection:
        count = connection.execute(select(func.count()).select_from(LEDGER)).scalar()
    assert count == 1
