# SPDX-License-Identifier: Apache-2.0
"""Hours in a few minutes: a card over pcscd and a map on PostgreSQL, under load, with faults.

SOAK_SECONDS: how long; ten minutes in `make assure`. Faults come at random: the card leaves,
a command fails, a connection of the database is ended by its server.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select

import card_crowd
import map_bench
from jpki.mapping.errors import StoreDownError
from jpki.mapping.policy import Operation
from jpki.mapping.store import schema
from jpki.testing.virtual_reader import VirtualReader
from map_bench import Bench, Holder
from map_crowd import databases

SECONDS = float(os.environ.get("SOAK_SECONDS", "8"))
LAST_VISIT = 90  # seconds for the last presentations, on a busy machine

pytestmark = pytest.mark.timeout(SECONDS + 2 * LAST_VISIT)

WORKERS = 3
GROWTH_KB = 16 * 1024
FAULTS = ("sw=6F00@verify#1", "sw=6F00@sign#1", "pull:before@verify#1", "pull:during@sign#1")


class Load:
    """Clients of one map, each a thread; ``answered``: what they were told."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.over = threading.Event()
        self.answered: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, args=(number,)) for number in range(WORKERS)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _work(self, number: int) -> None:
        try:
            serial = 20_000_000 + number * 1_000_000
            while not self.over.is_set():
                who = map_bench.holder(serial=serial)
                serial += 1
                for operation in (Operation.ENROL, Operation.RESOLVE):
                    self._ask(who, operation)
        except BaseException as error:
            self.errors.append(error)

    def _ask(self, who: Holder, operation: Operation) -> None:
        while True:  # a client that loses its server asks again, with a fresh challenge
            try:
                answer = self.bench.ask(who, operation, "library")
            except StoreDownError:
                with self._lock:
                    self.answered["lost"] += 1
                continue
            assert answer.done
            with self._lock:
                self.answered[operation.value] += 1
            return


@contextmanager
def presentations(reader: VirtualReader) -> Iterator[Counter[str]]:
    """One process after the other that presents and signs; what came of them, summed up."""
    over = threading.Event()
    seen: Counter[str] = Counter()
    command = [sys.executable, "-P", card_crowd.__file__, "2", "5", "threads"]

    def work() -> None:
        while not over.is_set():
            done = subprocess.run(
                command,
                env=reader.environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS + LAST_VISIT,
            )
            seen["failed"] += done.returncode != 0
            seen.update(json.loads(done.stdout or "{}"))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        until = time.monotonic() + LAST_VISIT
        while thread.is_alive() and time.monotonic() < until:
            reader.insert(wait=False)  # the last fault may have pulled the card just now
            thread.join(0.2)
        assert not thread.is_alive()


def end_a_connection(url: str) -> int:
    """The server ends one client's connection, whatever it is doing; how many it ended."""
    with psycopg.connect(url, autocommit=True) as own:
        return own.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() LIMIT 1"
        ).rowcount


def figures() -> tuple[int, int]:
    """Open files of this process, and its memory in KB."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return len(os.listdir("/proc/self/fd")), resident // 1024


def entries_of(bench: Bench) -> tuple[int, int]:
    """Entries of the ledger and people; the chain is whole."""
    assert bench.map.verify_ledger().intact
    with bench.map.store.reading() as connection:
        return tuple(  # type: ignore[return-value]
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (schema.LEDGER, schema.HANDLE)
        )


def test_soak(
    reader: VirtualReader, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """No lost entry, no drifted counter, flat memory, all handles closed."""
    card = reader.plug("hanako")
    with databases("postgresql") as made:
        url, _ = made["postgresql"]
        bench = map_bench.new_bench(url, tmp_path, map_bench.two_services(), "library")
        bench.ask(map_bench.holder(), Operation.ENROL)  # what is loaded once is loaded
        files, memory = figures()
        order, until = random.Random(9), time.monotonic() + SECONDS
        ended = 0
        with Load(bench) as load, presentations(reader) as seen:
            while time.monotonic() < until:
                load.over.wait(order.uniform(0.05, 0.8))
                card.faults = (order.choice(FAULTS),)
                load.over.wait(order.uniform(0.05, 0.8))
                ended += end_a_connection(url)
                reader.insert(wait=False)  # whoever was pulled comes back
            card.faults = ()
        assert load.errors == []
        entries, people = entries_of(bench)
        told = load.answered["enrol"] + load.answered["resolve"]
        # What was answered is written; an answer that was lost may be written too.
        assert told + 1 <= entries <= told + 1 + load.answered["lost"]
        assert people == load.answered["enrol"] + 1
        assert ended > 0
        later_files, later_memory = figures()
        bench.close()
    assert seen["failed"] == 0
    assert 10 <= seen["signed"] < seen["entered"]  # faults did end some
    assert card.tries()["jpki/0018"] == 3
    assert later_files <= files + WORKERS + 1  # connections of the pool, one for each client
    assert later_memory - memory < GROWTH_KB
    record_property("cases", told + seen["signed"])
