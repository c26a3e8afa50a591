# SPDX-License-Identifier: Apache-2.0
"""Hours in a few minutes: a card over pcscd, a terminal and maps on PostgreSQL, with faults.

SOAK_SECONDS: how long; ten minutes in `make assure`. Faults come at random: the card leaves,
a command fails, a connection of the database is ended by its server; at the terminal people
stop, cards are pulled, the reader is lost and the process of a presentation is killed.
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
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from sqlalchemy import func, select

import card_crowd
import map_bench
from jpki.kiosk.server.app import server_app
from jpki.mapping.errors import StoreDownError
from jpki.mapping.policy import Operation
from jpki.mapping.store import schema
from jpki.testing.virtual_reader import VirtualReader
from map_bench import Bench, Holder
from process_memory import handles, resident
from server_half import serving, town
from terminal_bed import FAULTS, Bed
from terminal_views import eventually

SECONDS = float(os.environ.get("SOAK_SECONDS", "6"))
LAST_VISIT = 90  # seconds for the last presentations, on a busy machine

pytestmark = pytest.mark.timeout(SECONDS + 4 * LAST_VISIT)

WORKERS = 2
GROWTH_KB = 16 * 1024
FAULTS_OF_A_CARD = (
    "sw=6F00@verify#1", "sw=6F00@sign#1", "pull:before@verify#1", "pull:during@sign#1",
)  # fmt: skip


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
            reader.insert()  # the last fault may have pulled the card just now
            thread.join(0.2)
        assert not thread.is_alive()


@contextmanager
def terminal(url: str, folder: Path) -> Iterator[tuple[Bench, Bed]]:
    """A terminal with a card of its own, and the map of its server half."""
    folder.mkdir()
    place = town(url, folder)
    place.bench.clock.now = datetime.now(UTC)
    with serving(server_app(place.half, place.terminals())) as half:
        bed = Bed(half, place.bench.clock, patience=LAST_VISIT)
        try:
            yield place.bench, bed
        finally:
            bed.terminal.close()
            place.bench.close()


@contextmanager
def visits(bed: Bed) -> Iterator[Counter[str]]:
    """One person after the other at the terminal; how often what happened."""
    over = threading.Event()
    seen: Counter[str] = Counter()

    def work() -> None:
        for visit in cycle(FAULTS):
            if over.is_set():
                return
            bed.clock.now = datetime.now(UTC)
            try:
                visit(bed)
            except BaseException:
                seen["failed"] += 1
                raise  # pytest says which
            seen[visit.__name__] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(2 * LAST_VISIT)
        assert not thread.is_alive()


def end_a_connection(url: str) -> int:
    """The server ends one client's connection, whatever it is doing; how many it ended."""
    with psycopg.connect(url, autocommit=True) as own:
        return own.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() LIMIT 1"
        ).rowcount


def figures() -> tuple[int, int, int]:
    """Open files and threads of this process, and its memory in KB."""
    own = os.getpid()
    return handles(own), threading.active_count(), resident(own)


def entries_of(bench: Bench) -> tuple[int, int]:
    """Entries of the ledger and people; the chain is whole."""
    assert bench.map.verify_ledger().intact
    with bench.map.store.reading() as connection:
        return tuple(  # type: ignore[return-value]
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (schema.LEDGER, schema.HANDLE)
        )


@dataclass
class Site:
    """All that takes part, and the numbers before it began."""

    url: str
    bench: Bench
    office: Bench
    bed: Bed

    def __post_init__(self) -> None:
        self.bench.ask(map_bench.holder(), Operation.ENROL)  # what is loaded once is loaded
        for visit in FAULTS:
            visit(self.bed)
        self.written = entries_of(self.office)[0]
        self.files, self.threads, self.memory = figures()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with TemporaryDirectory(prefix="jpki-pg-", dir="/tmp") as name:
        home = Path(name)
        home.chmod(0o755)
        with map_bench.postgresql(home) as cluster:
            url, town_url = cluster.create("map"), cluster.create("town")
            bench = map_bench.new_bench(url, tmp_path, map_bench.two_services(), "library")
            with terminal(town_url, tmp_path / "town") as (office, bed):
                yield Site(url, bench, office, bed)
            bench.close()


def test_soak(
    reader: VirtualReader, site: Site, record_property: Callable[[str, object], None]
) -> None:
    """No lost entry, no drifted counter, flat memory, all handles closed."""
    card, order, ended = reader.plug("hanako"), random.Random(9), 0
    with Load(site.bench) as load, presentations(reader) as seen, visits(site.bed) as people:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            load.over.wait(order.uniform(0.05, 0.8))
            card.faults = (order.choice(FAULTS_OF_A_CARD),)
            load.over.wait(order.uniform(0.05, 0.8))
            ended += end_a_connection(site.url)
            reader.insert()  # whoever was pulled comes back
        card.faults = ()
    assert load.errors == []
    assert ended > 0
    _nothing_is_lost(site, load, people)
    assert seen["failed"] == people["failed"] == 0
    assert 10 <= seen["signed"] < seen["entered"]  # faults did end some
    for counted in (card, site.bed.card):
        assert counted.tries()["jpki/0018"] == 3
    assert eventually(lambda: _flat(site)), figures()
    record_property("cases", load.answered.total() + seen["signed"] + people.total())


def _nothing_is_lost(site: Site, load: Load, people: Counter[str]) -> None:
    """What was answered is written; an answer that was lost may be written too."""
    entries, registered = entries_of(site.bench)
    told = load.answered["enrol"] + load.answered["resolve"]
    assert told + 1 <= entries <= told + 1 + load.answered["lost"]
    assert registered == load.answered["enrol"] + 1
    entries = entries_of(site.office)[0] - site.written
    unheard = people["pulled_at_work"] + people["killed_at_work"]
    assert people["whole"] <= entries <= people["whole"] + unheard


def _flat(site: Site) -> bool:
    """Whether nothing grew: connections of the pool, one for each client, come on top."""
    files, threads, memory = figures()
    return (
        files <= site.files + WORKERS + 1
        and threads <= site.threads + WORKERS
        and memory - site.memory < GROWTH_KB
    )
