# SPDX-License-Identifier: Apache-2.0
"""Challenges ahead of who asks: few commits, each on the disk first, none old, none twice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, func, select

from jpki.mapping.challenge_stock import MOST, SHELVES
from jpki.mapping.errors import StoreStateError
from jpki.mapping.policy import Operation
from jpki.mapping.service import Map
from jpki.mapping.store.schema import CHALLENGE
from jpki.verifying.challenge import Challenge
from map_bench import ORIGIN, Bench, holder, new_bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A map that is opened for a server."""
    made = new_bench(f"sqlite:///{tmp_path}/map.db", tmp_path, service="library", grouped=True)
    yield made
    made.close()


class Commits:
    def __init__(self, table: Map) -> None:
        self.count = 0
        event.listen(table.store.engine, "commit", self._seen)

    def _seen(self, _connection: Connection) -> None:
        self.count += 1


def _issue(
    bench: Bench, origin: str = ORIGIN, operation: Operation = Operation.RESOLVE
) -> Challenge:
    return bench.map.issue_challenge(operation, origin=origin)


def _at_hand(bench: Bench, origin: str = ORIGIN) -> Challenge | None:
    service = bench.policy.services[0]
    return bench.map.challenge_at_hand(
        Operation.RESOLVE, origin=origin, service=service.id, purpose=service.purposes[0].id
    )


def _written(bench: Bench) -> int:
    with bench.map.store.reading() as connection:
        return connection.execute(select(func.count()).select_from(CHALLENGE)).scalar_one()


def test_many_askers_share_commits(bench: Bench) -> None:
    commits = Commits(bench.map)
    given = [_issue(bench) for _ in range(200)]
    assert len({challenge.id for challenge in given}) == 200
    # 1, 2, 4 … 64, 64: eight transactions hold 191, the ninth has the rest.
    assert commits.count == 9
    assert _written(bench) == 127 + 2 * MOST


def test_who_asks_now_and_then_gets_one_that_is_new(bench: Bench) -> None:
    for count in range(1, 6):
        assert _at_hand(bench) is None
        assert _issue(bench).issued_at == bench.clock.now
        assert _written(bench) == count
        bench.clock.forward(seconds=30)


def test_each_counts_once(bench: Bench) -> None:
    who = holder()
    bench.ask(who, Operation.ENROL)
    for challenge in [_issue(bench) for _ in range(4)]:
        answer = who.answer(challenge)
        for outcome in ("resolved", "refused"):
            presentation = bench.map.verify(answer)
            assert bench.map.resolve(presentation, bench.asker()).outcome == outcome


@pytest.mark.parametrize("seconds", [4, -1])
def test_none_lies_about(bench: Bench, seconds: int) -> None:
    """Neither one whose time has begun, nor one of a time that has not come."""
    early = [_issue(bench) for _ in range(4)]
    assert _written(bench) == 7
    bench.clock.forward(seconds=seconds)
    assert _at_hand(bench) is None
    late = _issue(bench)
    assert late.issued_at == bench.clock.now
    assert late not in early
    assert _written(bench) == 8


def test_for_nobody_else(bench: Bench) -> None:
    for _ in range(2):
        _issue(bench)
    assert _at_hand(bench, "https://other.example.jp") is None
    other = _issue(bench, operation=Operation.ENROL)
    assert Operation.ENROL.value in other.purpose
    found = _at_hand(bench)
    assert found is not None
    assert (found.origin, Operation.RESOLVE.value in found.purpose) == (ORIGIN, True)
    with pytest.raises(StoreStateError, match="purpose_unknown"):
        bench.map.challenge_at_hand(
            Operation.RESOLVE, origin=ORIGIN, service="library", purpose="no-such"
        )


def test_the_stock_does_not_grow(bench: Bench) -> None:
    first = [_issue(bench) for _ in range(2)]
    assert _at_hand(bench) is not None
    for number in range(SHELVES + 1):
        bench.map.issue_challenge(Operation.RESOLVE, origin=ORIGIN, detail=f"notice {number}")
    assert _at_hand(bench) is None  # forgotten, and written anew for who asks
    assert _issue(bench) not in first


def test_many_threads(bench: Bench) -> None:
    with ThreadPoolExecutor(16) as pool:
        given = list(pool.map(lambda _: _at_hand(bench) or _issue(bench), range(400)))
    assert len({challenge.id for challenge in given}) == 400


def test_without_a_server_each_is_written_when_asked_for(tmp_path: Path) -> None:
    plain = new_bench(f"sqlite:///{tmp_path}/map.db", tmp_path, service="library")
    for count in range(1, 5):
        _issue(plain)
        assert _written(plain) == count
        assert _at_hand(plain) is None
    plain.close()
