# SPDX-License-Identifier: Apache-2.0
"""Evidence that a law wants kept: in a database of its own, that nothing joins to the map."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, select

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
from jpki.mapping.policy import Evidence as EvidenceRule
from jpki.mapping.policy import Operation, Policy
from jpki.mapping.presentation import Evidence
from jpki.mapping.store import evidence_schema, schema
from jpki.mapping.store.evidence_schema import EVIDENCE
from map_bench import NOW, Bench, changed, holder


def keeping(policy: Policy) -> Policy:
    purpose = policy.services[0].purposes[0]
    assert purpose.legal_basis is not None
    return changed(
        policy, evidence=EvidenceRule(7, purpose.legal_basis),
        operations=purpose.operations | {Operation.KEEP_EVIDENCE},
    )  # fmt: skip


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
