# SPDX-License-Identifier: Apache-2.0
"""The database: addresses, environments, plans without scans, faults by cause, kill -9."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, event, func, insert, select, text

import map_bench
from jpki.certificate.kinds import Environment, Family
from jpki.mapping.answers import Outcome
from jpki.mapping.errors import (
    EnvironmentMixedError,
    KeyFileError,
    MapError,
    StoreDownError,
    StoreFullError,
    StoreStateError,
    StoreUrlError,
)
from jpki.mapping.keys import new_keys, write_keys
from jpki.mapping.opening import create_map, extend_map
from jpki.mapping.policy import Operation
from jpki.mapping.presentation import Presentation, Rejected
from jpki.mapping.service import open_map
from jpki.mapping.sitting import Asker
from jpki.mapping.store import schema
from jpki.mapping.store.engine import parse_url
from jpki.mapping.store.schema import METADATA
from jpki.mapping.store.store import Store
from jpki.validation.trust import TrustStore
from jpki.validation.validator import Validator
from map_bench import NOW, Bench, Cluster, holder

# --- addresses --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("postgresql://map:hunter2@db/map", "password"),
        ("postgresql://map:@db/map", "password"),
        ("postgresql://db/map?password=hunter2", "password"),
        ("mysql://db/map", "scheme"),
        ("postgresql+asyncpg://db/map", "scheme"),
        ("sqlite://", "malformed"),
        ("sqlite:///:memory:", "malformed"),
        ("sqlite:///map.db?mode=ro", "malformed"),
        ("postgresql://db:port/map", "malformed"),
    ],
)
def test_addresses_that_are_refused(address: str, reason: str) -> None:
    with pytest.raises(StoreUrlError) as caught:
        parse_url(address)
    assert caught.value.values["reason"] == reason
    assert "hunter2" not in str(caught.value)


def test_a_plain_file_is_sqlite() -> None:
    assert parse_url("map.db").drivername == "sqlite+pysqlite"
    assert parse_url("postgresql:///map").drivername == "postgresql+psycopg"


# --- a map is made once -----------------------------------------------------------------


def test_the_migrations_make_the_tables(bench: Bench) -> None:
    def same_name(name: str | None, kind: str, parents: Any) -> bool:
        # The partitions of PostgreSQL are not tables of their own.
        return not (kind == "table" and name is not None and name[-1].isdigit())

    with bench.map.store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": same_name})
        assert compare_metadata(context, METADATA) == []


def test_not_made_twice(bench: Bench, tmp_path: Path) -> None:
    keys = bench.key_file.read_bytes()
    with pytest.raises(KeyFileError):
        create_map(bench.url, bench.key_file, bench.policy, Environment.TEST)
    other = tmp_path / "other.keys"
    with pytest.raises(StoreStateError) as caught:
        create_map(bench.url, other, bench.policy, Environment.TEST)
    assert caught.value.values["reason"] == "exists"
    assert not other.exists()
    assert bench.key_file.read_bytes() == keys


@pytest.mark.parametrize("environment", [Environment.CUSTOM, Environment.JLIS_TEST])
def test_only_test_and_production(tmp_path: Path, environment: Environment) -> None:
    with pytest.raises(EnvironmentMixedError):
        create_map(str(tmp_path / "x.db"), tmp_path / "k", map_bench.two_services(), environment)
    assert list(tmp_path.iterdir()) == []


def test_test_and_production_do_not_meet(bench: Bench) -> None:
    production = Validator(TrustStore(Environment.PRODUCTION))
    with pytest.raises(EnvironmentMixedError):
        bench.again(validator=production)


def test_a_production_map_takes_no_test_card(tmp_path: Path) -> None:
    url, keys, policy = str(tmp_path / "p.db"), tmp_path / "k", map_bench.two_services()
    create_map(url, keys, policy, Environment.PRODUCTION, now=NOW)
    clock = map_bench.Clock()
    with pytest.raises(EnvironmentMixedError):
        open_map(url, keys, policy, map_bench.validator(clock), clock=clock)
    production = Validator(TrustStore(Environment.PRODUCTION), clock=clock)
    with open_map(url, keys, policy, production, clock=clock) as opened:
        challenge = opened.issue_challenge(
            Operation.ENROL, origin=map_bench.ORIGIN, service="library"
        )
        answer = opened.enrol(
            opened.verify(holder().answer(challenge)),
            Asker(actor="terminal-1", service="library"),
        )
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "path_not_valid")


def test_another_maps_keys(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "other.keys"
    write_keys(new_keys(Environment.TEST, ("library", "pool")), other)
    with pytest.raises(KeyFileError) as caught:
        open_map(bench.url, other, bench.policy, bench.map.validator)
    assert caught.value.values["reason"] == "other_map"


def test_a_service_more(bench: Bench) -> None:
    wider = map_bench.two_services("library", "pool", "hall")
    assert extend_map(bench.url, bench.key_file, wider) == ("hall",)
    assert extend_map(bench.url, bench.key_file, wider) == ()
    later = bench.again(policy=wider)
    challenge = later.issue_challenge(Operation.ENROL, origin=map_bench.ORIGIN, service="hall")
    presentation = later.verify(holder().answer(challenge))
    assert later.enrol(presentation, bench.asker("hall")).done


def test_no_map_there(tmp_path: Path) -> None:
    with pytest.raises(StoreStateError) as caught:
        Store.open(str(tmp_path / "no.db"))
    assert caught.value.values["reason"] == "no_map"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "text.db").write_text("no database, for certain" * 100)
    with pytest.raises(StoreStateError) as caught:
        Store.open(str(tmp_path / "text.db"))
    assert caught.value.values["reason"] == "damaged"


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    Store.create(str(tmp_path / "map.db"), {"map": "x"}).close()
    assert (tmp_path / "map.db").stat().st_mode & 0o777 == 0o600


# --- no scans ---------------------------------------------------------------------------


def plans(bench: Bench, work: Any) -> list[tuple[str, str]]:
    """Every statement that ``work`` runs, with its plan."""
    seen: list[tuple[str, Any]] = []

    def before(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.split()[0] in ("SELECT", "UPDATE", "DELETE"):
            seen.append((statement, parameters))

    event.listen(bench.map.store.engine, "before_cursor_execute", before)
    try:
        work()
    finally:
        event.remove(bench.map.store.engine, "before_cursor_execute", before)
    explain = "EXPLAIN " if bench.url.startswith("postgresql") else "EXPLAIN QUERY PLAN "
    found = []
    with bench.map.store.reading() as connection:
        if bench.url.startswith("postgresql"):
            # Tables of a few rows are quicker read whole; what is asked is whether they must.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        for statement, parameters in seen:
            if isinstance(parameters, list):
                parameters = parameters[0]
            rows = connection.exec_driver_sql(explain + statement, parameters).all()
            found.append((statement, "\n".join(str(row[-1]) for row in rows)))
    return found


# The only row of a table that has one row.
SINGLE = ("ledger_head", "alembic_version")


def test_no_query_scans(bench: Bench) -> None:
    who, other = holder(), holder(Family.SIGN)
    staff = Asker(actor="staff-1", service="library", document="x")
    codes = []

    def work() -> None:
        codes.append(bench.ask(who, Operation.ENROL).to_object()["pseudonym"])
        bench.ask(who, Operation.RESOLVE)
        bench.ask(other, Operation.ENROL)
        presentation = bench.map.verify(bench.evidence(who, Operation.DISCLOSE))
        bench.map.disclose(presentation, bench.asker())
        bench.map.withdraw(bench.map.verify(bench.evidence(who, Operation.WITHDRAW)), bench.asker())
        for lift in (False, True):
            bench.map.suppress(str(codes[0]), staff, lift=lift)
        bench.map.suspend(str(codes[0]), staff)
        bench.map.rotate("library")
        bench.map.checkpoint()
        bench.ask(other, Operation.ERASE)

    found = plans(bench, work)
    assert len(found) > 50
    for statement, plan in found:
        for line in plan.splitlines():
            scans = "Seq Scan" in line or line.strip().startswith("SCAN")
            allowed = any(name in line for name in SINGLE) or "CONSTANT ROW" in line
            assert not scans or allowed, f"{statement}\n{plan}"


# --- faults by cause --------------------------------------------------------------------


def test_disk_full(tmp_path: Path) -> None:
    url = str(tmp_path / "map.db")
    bench = map_bench.new_bench(url, tmp_path, map_bench.two_services(), "library")
    who = holder()
    evidence = bench.evidence(who, Operation.ENROL)
    presentation = bench.map.verify(evidence)
    with bench.map.store.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        pages = raw.execute("PRAGMA page_count").fetchone()[0]
        raw.execute(f"PRAGMA max_page_count={pages}")
    before = count(bench)
    with pytest.raises(StoreFullError) as caught:
        fill(bench, presentation)
    assert caught.value.values["reason"] == "full"
    with bench.map.store.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.execute("PRAGMA max_page_count=1000000")
    assert bench.map.verify_ledger().intact
    assert count(bench) >= before
    bench.close()


def fill(bench: Bench, presentation: Presentation | Rejected) -> None:
    for _ in range(500):
        bench.map.enrol(presentation, bench.asker())


def count(bench: Bench) -> int:
    with bench.map.store.reading() as connection:
        return connection.execute(select(func.count()).select_from(schema.LEDGER)).scalar_one()


def test_a_read_only_database(tmp_path: Path) -> None:
    bench = map_bench.new_bench(
        str(tmp_path / "map.db"), tmp_path, map_bench.two_services(), "library"
    )
    presentation = bench.map.verify(bench.evidence(holder(), Operation.ENROL))
    with bench.map.store.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.execute("PRAGMA query_only=ON")
    with pytest.raises(StoreFullError) as caught:
        bench.map.enrol(presentation, bench.asker())
    assert caught.value.values["reason"] == "read_only"
    bench.close()


def test_no_server_there(tmp_path: Path) -> None:
    with pytest.raises(StoreDownError) as caught:
        Store.open(f"postgresql:///map?host={tmp_path}")
    assert caught.value.values["reason"] == "unreachable"


def test_postgresql_restarted_and_stopped(cluster: Cluster, tmp_path: Path) -> None:
    url = cluster.create("restarted")
    bench = map_bench.new_bench(url, tmp_path, map_bench.two_services(), "library")
    who = holder()
    code = bench.ask(who, Operation.ENROL).pseudonym
    cluster.stop("immediate")
    cluster.start()
    # The pool's connections are dead: the change is begun anew, once.
    assert bench.ask(who, Operation.RESOLVE).pseudonym == code
    presentation = bench.map.verify(bench.evidence(who, Operation.RESOLVE))
    cluster.stop()
    try:
        with pytest.raises(StoreDownError):
            bench.map.resolve(presentation, bench.asker())
    finally:
        cluster.start()
    assert bench.map.resolve(presentation, bench.asker()).pseudonym == code
    assert bench.map.verify_ledger().intact
    bench.close()


def test_errors_show_no_values(bench: Bench) -> None:
    """Databases put the values of rows into their messages; ours do not pass them on."""
    row = {"handle": b"sixteen secret b", "ledger_id": "theirs"}

    def work(connection: Connection) -> None:
        for _ in range(2):
            connection.execute(insert(schema.LEDGER_PERSON).values(**row))

    with pytest.raises(Exception) as caught:
        bench.map.store.change(work)
    shown: list[BaseException | None] = [caught.value]
    while shown[-1] is not None:
        shown.append(shown[-1].__cause__)
    text_of_all = " ".join(str(each) for each in shown)
    for secret in ("sixteen", b"sixteen".hex(), "theirs"):
        assert secret not in text_of_all


# --- all or nothing ---------------------------------------------------------------------


class Killed(Exception):
    """Stands for the end of the process, in this one."""


def consistent(bench: Bench) -> tuple[int, ...]:
    """Ledger intact; as many entries as used challenges; handles, codes and certificates fit."""
    assert bench.map.verify_ledger().intact
    with bench.map.store.reading() as connection:

        def rows(table: Any) -> int:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

        used = connection.execute(
            select(func.count()).where(schema.CHALLENGE.c.consumed_at.is_not(None))
        ).scalar_one()
        numbers = (
            rows(schema.LEDGER), used, rows(schema.LEDGER_PERSON), rows(schema.HANDLE),
            rows(schema.PSEUDONYM), rows(schema.CERTIFICATE_INDEX),
        )  # fmt: skip
    assert numbers[0] == numbers[1] == numbers[2]
    assert numbers[3] == numbers[4] == numbers[5]
    return numbers


def test_a_fault_at_every_statement_leaves_all_or_nothing(bench: Bench) -> None:
    who = holder()
    step, attempts = 0, 0
    while True:
        presentation = bench.map.verify(bench.evidence(who, Operation.ENROL))
        before = consistent(bench)
        seen = [0]

        def stop(*_: Any, step: int = step, seen: list[int] = seen) -> None:
            seen[0] += 1
            if seen[0] > step:
                raise Killed

        event.listen(bench.map.store.engine, "after_cursor_execute", stop)
        try:
            bench.map.enrol(presentation, bench.asker())
            break
        except Killed:
            attempts += 1
        finally:
            event.remove(bench.map.store.engine, "after_cursor_execute", stop)
        assert consistent(bench) == before
        step += 1
    assert attempts > 6
    assert bench.ask(who, Operation.RESOLVE).done


CHILD = """
import os, signal, sys
sys.path[:0] = [sys.argv[5]]
from pathlib import Path
import map_bench
from map_bench import Clock, holder, ORIGIN
from sqlalchemy import event
from jpki.mapping.policy import Operation
from jpki.mapping.service import open_map
from jpki.mapping.sitting import Asker

url, keys, step, when = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
clock = Clock()
m = open_map(url, keys, map_bench.two_services(), map_bench.validator(clock), clock=clock)
challenge = m.issue_challenge(Operation.ENROL, origin=ORIGIN, service="library")
presentation = m.verify(holder(serial=9_000_000 + step).answer(challenge))
seen = 0
def die(*_):
    global seen
    seen += 1
    if seen > step:
        os.kill(os.getpid(), signal.SIGKILL)
event.listen(m.store.engine, when, die)
m.enrol(presentation, Asker(actor="terminal-1", service="library"))
print("through")
"""


@pytest.mark.parametrize("when", ["before_cursor_execute", "commit"])
def test_kill_9(bench: Bench, when: str) -> None:
    """A process killed at each statement, and before the commit; another goes on."""
    support = Path(map_bench.__file__).parent
    steps = 0
    for step in range(30):
        before = consistent(bench)
        done = subprocess.run(
            [sys.executable, "-c", CHILD, bench.url, str(bench.key_file), str(step), when,
             str(support)],
            capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONHASHSEED": "0"},
        )  # fmt: skip
        if done.returncode == 0:
            assert "through" in done.stdout
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert consistent(bench) == before
        steps += 1
    assert steps >= (1 if when == "commit" else 8)
    assert consistent(bench)[3] == 1


def test_many_clients_lose_nothing(bench: Bench) -> None:
    """Parallel enrolments and look-ups, twice the same certificate: one of them is new."""
    people = [holder() for _ in range(20)]
    jobs = [
        (who, bench.map.verify(bench.evidence(who, Operation.ENROL)))
        for who in people for _ in range(2)
    ]  # fmt: skip
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda job: bench.map.enrol(job[1], bench.asker()), jobs))
    outcomes = [answer.outcome for answer in answers]
    assert outcomes.count(Outcome.RESOLVED) == outcomes.count(Outcome.DUPLICATE) == 20
    assert consistent(bench)[0] == 40


def test_one_presentation_many_times_at_once(bench: Bench) -> None:
    who = holder()
    bench.ask(who, Operation.ENROL)
    presentation = bench.map.verify(bench.evidence(who, Operation.RESOLVE))
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: bench.map.resolve(presentation, bench.asker()), range(16))
        )
    assert sum(answer.done for answer in answers) == 1
    assert {a.reason for a in answers if not a.done} == {"challenge_used"}


def test_sqlite_waits_for_another_writer_and_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jpki.mapping.store import engine

    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    bench = map_bench.new_bench(
        str(tmp_path / "map.db"), tmp_path, map_bench.two_services(), "library"
    )
    presentation = bench.map.verify(bench.evidence(holder(), Operation.ENROL))
    other = sqlite3.connect(tmp_path / "map.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreDownError) as caught:
        bench.map.enrol(presentation, bench.asker())
    assert caught.value.values["reason"] == "locked"
    other.execute("ROLLBACK")
    other.close()
    assert bench.map.enrol(presentation, bench.asker()).done
    bench.close()


def test_all_of_them_are_map_errors() -> None:
    for kind in (StoreDownError, StoreFullError, StoreStateError, KeyFileError, StoreUrlError):
        assert issubclass(kind, MapError)
