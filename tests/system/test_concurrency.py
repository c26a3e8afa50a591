# SPDX-License-Identifier: Apache-2.0
"""Threads, tasks and processes on one card: each presentation is whole, and nobody else's; on
one map: each counts once, whoever brings it.

CROWD_VISITS: presentations of each worker. That a map under load loses nothing is held by
tests/jpki/mapping/test_load.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

import card_crowd
import map_bench
from command_line import Cli
from jpki.mapping.policy import Operation
from jpki.mapping.presentation import Evidence
from jpki.mapping.service import Map
from jpki.testing.virtual_reader import VirtualReader
from map_bench import Bench
from map_cli import MapCli
from map_crowd import databases

VISITS = int(os.environ.get("CROWD_VISITS", "3"))


def started(reader: VirtualReader, workers: int, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", card_crowd.__file__, str(workers), str(VISITS), how],
        env=reader.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_one_card_many_hands(
    reader: VirtualReader, record_property: Callable[[str, object], None]
) -> None:
    """Two processes of three threads, one of three tasks, and a thief: no deadlock, no theft."""
    card = reader.plug("hanako")
    crowd = [started(reader, 3, how) for how in ("threads", "threads", "asyncio", "thief")]
    said = []
    for program in crowd:
        out, err = program.communicate(timeout=60 + 10 * VISITS)
        assert program.returncode == 0, err
        said.append(json.loads(out))
    *honest, thief = said
    assert [seen["signed"] for seen in honest] == [3 * VISITS] * 3
    # A thief gets the card only when nothing is open; the others may make it wait.
    assert thief.get("stolen", 0) == 0
    assert sum(thief.values()) >= 3 * VISITS
    assert thief.get("refused", 0) > 0, thief
    # Every presentation was one right VERIFY: no try of the card is gone.
    assert card.tries()["jpki/0018"] == 3
    record_property("cases", 4 * 3 * VISITS)


@pytest.fixture(params=["sqlite", "postgresql"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with databases(request.param) as made:
        url, _ = made[request.param]
        bench = map_bench.new_bench(url, tmp_path, map_bench.two_services(), "library")
        yield bench
        bench.close()


def test_one_answer_brought_by_many_counts_once(bench: Bench) -> None:
    """Threads and tasks at once, each on one of two maps that have the same database."""
    who = map_bench.holder()
    bench.ask(who, Operation.ENROL)
    maps = [bench.map, bench.again()] * 3

    def bring(evidence: Evidence, table: Map) -> bool:
        return table.resolve(table.verify(evidence), bench.asker()).done

    async def tasks(evidence: Evidence) -> list[bool]:
        return await asyncio.gather(*(asyncio.to_thread(bring, evidence, one) for one in maps))

    for _ in range(VISITS):
        first, second = (bench.evidence(who, Operation.RESOLVE) for _ in range(2))
        with ThreadPoolExecutor(len(maps)) as pool:
            done = list(pool.map(partial(bring, first), maps))
        assert sorted(done) == [False] * (len(maps) - 1) + [True]
        assert sorted(asyncio.run(tasks(second))) == [False] * (len(maps) - 1) + [True]
    assert bench.map.verify_ledger().intact


def test_one_answer_brought_by_many_programs_counts_once(tmp_path: Path) -> None:
    """A presentation in a file is used by one process, and by no other."""
    own = {"HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    # By the real clock, which the programs have. The usual one of a Cli stands where the run
    # began: a challenge of then has expired for them.
    table = MapCli(Cli(own, clock=lambda: datetime.now(UTC)), tmp_path)
    assert table.init().code == 0
    assert table("enrol").code == 0
    file = table.presentation("resolve")
    words = ("map", "resolve", *table.place, "--policy", table.policy, *table.trust,
             "--actor", table.actor, "--presentation", str(file), "--json")  # fmt: skip
    programs = [
        subprocess.Popen(
            [sys.executable, "-m", "jpki_cli", *words],
            stdout=subprocess.PIPE,
            env={**{k: v for k, v in os.environ.items() if not k.startswith("JPKI_")}, **own},
        )
        for _ in range(3)
    ]
    said = [json.loads(program.communicate(timeout=120)[0]) for program in programs]
    came_of_it = sorted(str(one.get("outcome", one.get("code"))) for one in said)
    assert came_of_it == ["refused", "refused", "resolved"], said
    assert sorted(program.returncode for program in programs) == [0, 1, 1]
