# SPDX-License-Identifier: Apache-2.0
"""Faults by cause, kill -9 at any statement, many clients: all of a change, or nothing of it."""

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
from sqlalchemy import Connection, event, func, insert, select

import map_bench
from jpki.mapping.answers import Outcome
from jpki.mapping.errors import (
    KeyFileError,
    MapError,
    StoreDownError,
    StoreFullError,
    StoreStateError,
    StoreUrlError,
)
from jpki.mapping.policy import Operation
from jpki.mapping.presentation import Presentation, Rejected
from jpki.mapping.store import schema
from jpki.mapping.store.store import Store
from map_bench import Bench, Cluster, holder

# --- addresses --------------------------------------------------------------------------


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


def test_disk_full_on_postgresql(cluster: Cluster, tmp_path: Path) -> None:
    """The server says what it says of a full disk, at each table that a resolve writes."""
    bench = map_bench.new_bench(
        cluster.create("full"), tmp_path, map_bench.two_services(), "library"
    )
    who = holder()
    bench.ask(who, Operation.ENROL)
    with bench.map.store.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE "
            "EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
        )
    for table in ("challenge", "ledger", "ledger_person", "ledger_head"):
        presentation = bench.map.verify(bench.evidence(who, Operation.RESOLVE))
        before = consistent(bench)
        with bench.map.store.engine.begin() as connection:
            connection.exec_driver_sql(
                f"CREATE TRIGGER zz_full BEFORE INSERT OR UPDATE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION full_disk()"
            )
        with pytest.raises(StoreFullError) as caught:
            bench.map.resolve(presentation, bench.asker())
        assert caught.value.values["reason"] == "full"
        assert consistent(bench) == before
        with bench.map.store.engine.begin() as connection:
            connection.exec_driver_sql(f"DROP TRIGGER zz_full ON {table}")
        assert bench.map.resolve(presentation, bench.asker()).done
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
    """A hundred clients at once, twice the same certificate: one of them is new."""
    people = [holder() for _ in range(50)]
    jobs = [
        (who, bench.map.verify(bench.evidence(who, Operation.ENROL)))
        for who in people for _ in range(2)
    ]  # fmt: skip
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda job: bench.map.enrol(job[1], bench.asker()), jobs))
    outcomes = [answer.outcome for answer in answers]
    assert outcomes.count(Outcome.RESOLVED) == outcomes.count(Outcome.DUPLICATE) == 50
    assert consistent(bench)[0] == 100


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
