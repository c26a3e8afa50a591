# SPDX-License-Identifier: Apache-2.0
"""The database: addresses, environments, plans without scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, insert, select, text

import map_bench
from jpki.certificate.kinds import Environment, Family
from jpki.mapping import consent as consents
from jpki.mapping.answers import Outcome
from jpki.mapping.binding import key_of
from jpki.mapping.errors import (
    EnvironmentMixedError,
    KeyFileError,
    StoreStateError,
    StoreUrlError,
)
from jpki.mapping.key_file import new_keys, write_keys
from jpki.mapping.keys import open_keys
from jpki.mapping.opening import create_map, extend_map
from jpki.mapping.policy import Operation
from jpki.mapping.service import open_map
from jpki.mapping.sitting import Asker
from jpki.mapping.staff_view import consents_of, reminders_due
from jpki.mapping.store.engine import parse_url
from jpki.mapping.store.schema import CARD_KEY, HANDLE, METADATA
from jpki.mapping.store.store import PARTITIONS, Store
from jpki.validation.trust import TrustStore
from jpki.validation.validator import Validator
from map_bench import NOW, Bench, holder

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
    assert caught.value.values["reason"] == "corrupt"


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
    assert scans(found) == []


def test_no_query_scans_for_staff_and_rechecks(bench: Bench) -> None:
    """Consents, reminders, stored serials and bound cards, and their new keys."""
    first = bench.policy.services[0].purposes[0]
    more = {Operation.RECHECK, Operation.REVIEW_CONSENTS}
    bench.map.policy = map_bench.changed(
        bench.policy, stores_serial=True, operations=first.operations | more
    )
    sign = holder(Family.SIGN)
    staff = Asker(actor="staff-1", service="library", document="x")
    codes = [bench.ask(sign, Operation.ENROL).to_object()["pseudonym"]]
    code, handle = str(codes[0]), handle_of(bench)
    with bench.map.store.engine.begin() as connection:
        # A bound card; what its key is does not matter to the plan.
        binding = {"handle": handle, "service": "library", "epoch": 1, "sealed": b""}
        connection.execute(insert(CARD_KEY), binding)

    def work() -> None:
        detail = consents.detail({"name"}, "1")
        presentation = bench.map.verify(bench.evidence(sign, Operation.CONSENT, detail=detail))
        bench.map.consent(presentation, bench.asker(items=frozenset({"name"})), notice="1")
        consents_of(bench.map, staff, code)
        bench.clock.forward(days=366)
        assert reminders_due(bench.map, staff).persons
        assert bench.map.recheck_all(bench.asker()).checked == 1
        with bench.map.store.reading() as connection:
            keys = open_keys(bench.key_file).service("library")
            with pytest.raises(KeyFileError):
                key_of(connection, keys, handle)
        with pytest.raises(KeyFileError):
            bench.map.rotate("library")  # the key of no card cannot be sealed anew

    found = plans(bench, work)
    for table in ("consent", "recheck_serial", "card_key", "certificate_index"):
        assert any(f"FROM {table}" in s or f"UPDATE {table}" in s for s, _ in found), table
    assert scans(found) == []


def handle_of(bench: Bench) -> bytes:
    with bench.map.store.reading() as connection:
        return bytes(connection.execute(select(HANDLE.c.handle)).scalar_one())


def test_partitions(cluster: map_bench.Cluster, tmp_path: Path) -> None:
    """PostgreSQL spreads the index by its hash; a look-up goes to one part of it."""
    bench = map_bench.new_bench(
        cluster.create("parts"), tmp_path, map_bench.two_services(), "library"
    )
    people = [holder() for _ in range(40)]
    for who in people:
        assert bench.ask(who, Operation.ENROL).done
    with bench.map.store.reading() as connection:
        parts = connection.execute(
            text("SELECT tableoid::regclass::text, count(*) FROM certificate_index GROUP BY 1")
        ).all()
        key = connection.execute(text("SELECT index_key FROM certificate_index LIMIT 1")).scalar()
        plan = connection.execute(
            text("EXPLAIN SELECT handle FROM certificate_index WHERE index_key = :key"),
            {"key": key},
        ).scalars()
        read = {part for part, _ in parts if any(part in line for line in plan)}
    assert sum(count for _, count in parts) == 40
    assert len(parts) > PARTITIONS // 2
    assert len(read) <= 1
    assert all(bench.ask(who, Operation.RESOLVE).done for who in people)
    bench.close()


def scans(found: list[tuple[str, str]]) -> list[str]:
    """Statements whose plan reads a whole table, beside those of one row."""
    wrong = []
    for statement, plan in found:
        for line in plan.splitlines():
            whole = "Seq Scan" in line or line.strip().startswith("SCAN")
            allowed = any(name in line for name in SINGLE) or "CONSTANT ROW" in line
            if whole and not allowed:
                wrong.append(f"{statement}\n{plan}")
    return wrong
