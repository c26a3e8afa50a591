# SPDX-License-Identifier: Apache-2.0
"""Evidence that a law wants kept: in a database of its own, that nothing joins to the map."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, func, select

import map_bench
from jpki.certificate.kinds import Environment, Family
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.errors import (
    KeyFileError,
    MapError,
    StoreDownError,
    StoreStateError,
    StoreUrlError,
)
from jpki.mapping.evidence import EvidenceStore
from jpki.mapping.key_file import new_keys, read_keys
from jpki.mapping.opening import create_map, extend_map
from jpki.mapping.policy import Operation
from jpki.mapping.presentation import Evidence
from jpki.mapping.store import evidence_schema, schema
from jpki.mapping.store.evidence_schema import EVIDENCE
from jpki.mapping.store.schema import LEDGER
from map_bench import NOW, Bench, holder, keeping


@pytest.fixture
def evidence_url(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A second empty database of the same kind."""
    if url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'evidence.db'}"
    name = url.split("?")[0].rsplit("/", 1)[1]
    return str(request.getfixturevalue("cluster").create(f"{name}_evidence"))


@pytest.fixture
def bench(url: str, evidence_url: str, tmp_path: Path) -> Iterator[Bench]:
    policy = keeping(map_bench.two_services())
    made = map_bench.new_bench(url, tmp_path, policy, "library", evidence_url=evidence_url)
    yield made
    made.close()


@pytest.fixture
def evidence_store(bench: Bench, evidence_url: str) -> Iterator[EvidenceStore]:
    with EvidenceStore.open(evidence_url, read_keys(bench.key_file)) as opened:
        yield opened


def keep(bench: Bench, evidence: Evidence, reference: str = "contract 9") -> Resolution:
    return bench.map.keep_evidence(
        bench.map.verify(evidence), bench.asker(), evidence=evidence, reference=reference, ends=NOW
    )


def presented(bench: Bench) -> Evidence:
    sign = holder(Family.SIGN)
    bench.ask(sign, Operation.ENROL)
    return bench.evidence(sign, Operation.KEEP_EVIDENCE)


def count(store: EvidenceStore) -> int:
    with store.store.reading() as connection:
        return len(connection.execute(select(EVIDENCE.c.id)).all())


def test_kept_apart_and_outlives_the_person(bench: Bench, evidence_store: EvidenceStore) -> None:
    sign = holder(Family.SIGN)
    bench.ask(sign, Operation.ENROL)
    evidence = bench.evidence(sign, Operation.KEEP_EVIDENCE)
    assert keep(bench, evidence).outcome is Outcome.DONE
    bench.ask(sign, Operation.ERASE)
    (body,) = evidence_store.read("library", "contract 9")
    assert json.loads(body)["presentation"] == json.loads(evidence.to_bytes())
    assert evidence_store.read("pool", "contract 9") == []
    with evidence_store.store.reading() as connection:
        sealed = connection.execute(select(EVIDENCE.c.sealed)).scalar_one()
    assert sign.certificate not in bytes(sealed)
    for years, gone in ((6.9, 0), (7.1, 1)):
        assert evidence_store.purge(NOW + timedelta(days=365.25 * years)) == gone


def test_nothing_joins_it_to_the_map(bench: Bench, evidence_store: EvidenceStore) -> None:
    """No value of a kept row is anywhere in the map, but service, law and times."""
    assert keep(bench, presented(bench), "contract 10").outcome is Outcome.DONE
    with evidence_store.store.reading() as connection:
        row = connection.execute(select(EVIDENCE)).mappings().one()
    theirs = {row["id"], row["reference"], bytes(row["sealed"])}
    ours: set[object] = set()
    with bench.map.store.reading() as connection:
        for table in schema.METADATA.sorted_tables:
            for each in connection.execute(select(table)):
                ours |= {bytes(v) if isinstance(v, memoryview) else v for v in each}
    assert len(ours) > 30
    assert theirs & ours == set()
    assert not {"evidence"} & set(schema.METADATA.tables)


def test_the_migrations_make_the_tables(evidence_store: EvidenceStore) -> None:
    with evidence_store.store.reading() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, evidence_schema.METADATA) == []


def test_of_another_presentation(bench: Bench, evidence_store: EvidenceStore) -> None:
    """What is kept is what opened the map, not something beside it."""
    evidence, other = presented(bench), presented(bench)
    answer = bench.map.keep_evidence(
        bench.map.verify(evidence), bench.asker(), evidence=other, reference="x", ends=NOW
    )
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "evidence_other")
    assert count(evidence_store) == 0


def test_used_once(bench: Bench, evidence_store: EvidenceStore) -> None:
    evidence = presented(bench)
    assert keep(bench, evidence).outcome is Outcome.DONE
    assert keep(bench, evidence).reason == "challenge_used"
    assert count(evidence_store) == 1


def test_a_fault_after_it_takes_it_back(bench: Bench, evidence_store: EvidenceStore) -> None:
    """The ledger could not be written: neither it nor the evidence stays, and once more works."""
    evidence = presented(bench)
    before = bench.map.verify_ledger().entries

    class Broken(Exception):
        pass

    def stop(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "INSERT INTO ledger" in statement:
            assert count(evidence_store) == 1  # it was there before the ledger said so
            raise Broken

    engine = bench.map.store.engine
    event.listen(engine, "before_cursor_execute", stop)
    try:
        with pytest.raises(Broken):
            keep(bench, evidence)
    finally:
        event.remove(engine, "before_cursor_execute", stop)
    assert count(evidence_store) == 0
    assert bench.map.verify_ledger().entries == before
    assert keep(bench, evidence).outcome is Outcome.DONE
    assert count(evidence_store) == 1


def test_its_database_down_keeps_the_ledger_silent(bench: Bench, evidence_url: str) -> None:
    evidence = presented(bench)
    before = bench.map.verify_ledger().entries

    def stop(*_: Any) -> None:
        raise StoreDownError(reason="unreachable")

    opened = bench.map.evidence
    assert opened is not None
    event.listen(opened.store.engine, "before_cursor_execute", stop)
    try:
        with pytest.raises(StoreDownError):
            keep(bench, evidence)
    finally:
        event.remove(opened.store.engine, "before_cursor_execute", stop)
    assert bench.map.verify_ledger().entries == before
    assert keep(bench, evidence).outcome is Outcome.DONE


# A client for each step that is read, forked from one process so that the imports are made once.
# A step is a statement or a commit, of the map's database or of the other, in their order.
CLIENTS = """
import os, signal, sys, traceback
sys.path.insert(0, sys.argv[4])
from pathlib import Path
import map_bench
from sqlalchemy import event
from jpki.certificate.kinds import Family
from jpki.mapping.policy import Operation
from jpki.mapping.service import open_map
from jpki.mapping.sitting import Asker

url, evidence_url, keys = sys.argv[1], sys.argv[2], Path(sys.argv[3])
who = map_bench.holder(Family.SIGN, serial=9_100_000)

def client(last):
    clock = map_bench.Clock()
    policy = map_bench.keeping(map_bench.two_services())
    table = open_map(url, keys, policy, map_bench.validator(clock), clock=clock,
                     evidence_url=evidence_url)
    evidence = who.answer(table.issue_challenge(
        Operation.KEEP_EVIDENCE, origin=map_bench.ORIGIN, service="library"))
    presentation = table.verify(evidence)
    seen = 0
    def step(*_):
        nonlocal seen
        seen += 1
        if seen > last:
            os.kill(os.getpid(), signal.SIGKILL)
    for engine in (table.store.engine, table.evidence.store.engine):
        event.listen(engine, "before_cursor_execute", step)
        event.listen(engine, "commit", step)
    asker = Asker(actor="terminal-1", service="library")
    done = table.keep_evidence(
        presentation, asker, evidence=evidence, reference="contract", ends=map_bench.NOW)
    assert done.done, done.reason

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            client(int(line))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@contextmanager
def clients(bench: Bench, evidence_url: str) -> Iterator[Callable[[int], int]]:
    """Runs a client that is killed at a step; its exit code, or the signal's number below 0."""
    command = [
        sys.executable, "-c", CLIENTS, bench.url, evidence_url, str(bench.key_file),
        str(Path(map_bench.__file__).parent),
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        asked, told = running.stdin, running.stdout

        def one(step: int) -> int:
            asked.write(f"{step}\n")
            asked.flush()
            return int(told.readline())

        try:
            yield one
        finally:
            asked.close()


def entries(bench: Bench) -> int:
    """How often the ledger says that evidence was kept."""
    assert bench.map.verify_ledger().intact
    kept = select(func.count()).where(
        LEDGER.c.operation == Operation.KEEP_EVIDENCE.value,
        LEDGER.c.outcome == Outcome.DONE.value,
    )
    with bench.map.store.reading() as connection:
        return int(connection.execute(kept).scalar_one())


def test_kill_9_between_the_two_databases(
    bench: Bench, evidence_store: EvidenceStore, evidence_url: str
) -> None:
    """Killed at each step of either database: evidence without an entry may be left, never an
    entry without evidence; who comes next is served, and all that is left can be read."""
    bench.ask(holder(Family.SIGN, serial=9_100_000), Operation.ENROL)
    left = []  # evidence without an entry, after each step
    with clients(bench, evidence_url) as client:
        for step in range(40):
            code = client(step)
            if code == 0:
                break
            assert code == -signal.SIGKILL
            assert entries(bench) == 0
            left.append(count(evidence_store))
        assert code == 0
    # The evidence is written in one step, in the midst of the others; from then on it is left.
    steps = [after - before for before, after in zip([0, *left], left, strict=False)]
    assert set(steps) == {0, 1}
    first = steps.index(1)
    assert 3 <= first < len(steps) - 1  # PostgreSQL takes fewer steps behind it than SQLite
    assert set(steps[:first]) == {0}
    assert set(steps[first:]) == {1}
    assert entries(bench) == 1
    assert len(evidence_store.read("library", "contract")) == left[-1] + 1


def test_a_map_without_one(url: str, tmp_path: Path) -> None:
    policy = keeping(map_bench.two_services())
    bench = map_bench.new_bench(url, tmp_path, policy, "library")
    with pytest.raises(StoreStateError) as caught:
        keep(bench, presented(bench))
    assert caught.value.values["reason"] == "no_evidence_store"
    bench.close()


def test_added_later(url: str, evidence_url: str, tmp_path: Path) -> None:
    policy = keeping(map_bench.two_services())
    bench = map_bench.new_bench(url, tmp_path, policy, "library")
    assert extend_map(url, bench.key_file, policy, evidence_url=evidence_url) == ()
    bench.close()
    with EvidenceStore.open(evidence_url, read_keys(bench.key_file)) as opened:
        assert opened.read("library", "x") == []


def test_not_in_the_map_itself(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUrlError) as caught:
        create_map(
            url, tmp_path / "k", map_bench.two_services(), Environment.TEST, evidence_url=url
        )
    assert caught.value.values["reason"] == "same"
    assert not (tmp_path / "k").exists()


def test_a_map_that_could_not_be_made_leaves_none(
    bench: Bench, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The map's database is taken already: the fresh evidence store is removed again."""
    fresh = str(tmp_path / "fresh.db")
    with pytest.raises(MapError):
        create_map(bench.url, tmp_path / "k2", bench.policy, Environment.TEST, evidence_url=fresh)
    assert not (tmp_path / "k2").exists()
    with pytest.raises(StoreStateError) as caught:
        EvidenceStore.open(fresh, read_keys(bench.key_file))
    assert caught.value.values["reason"] == "no_map"


def test_of_another_map(bench: Bench, evidence_url: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        EvidenceStore.open(evidence_url, new_keys(Environment.TEST, ("library",)))
    assert caught.value.values["reason"] == "other_map"


def test_a_map_is_no_evidence_store(bench: Bench) -> None:
    with pytest.raises(StoreStateError) as caught:
        EvidenceStore.open(bench.url, read_keys(bench.key_file))
    assert caught.value.values["reason"] == "other_version"
