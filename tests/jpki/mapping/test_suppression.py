# SPDX-License-Identifier: Apache-2.0
"""非開示: to all who ask, a suppressed person is unknown: the same bytes, the same statements."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, func, select

import map_bench
from jpki.mapping.answers import Outcome
from jpki.mapping.policy import Operation
from jpki.mapping.records import pseudonym_text
from jpki.mapping.sitting import Asker
from jpki.mapping.store.schema import CERTIFICATE_INDEX, LEDGER, METADATA
from jpki.synth import Reason
from map_bench import Bench, Holder, holder

STAFF = Asker(actor="staff-3", service="library", document="非開示申出 12")


@contextmanager
def watched(bench: Bench) -> Iterator[list[tuple[str, int]]]:
    """Every statement with the rows it gave or changed."""
    seen: list[tuple[str, int]] = []

    def after(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append((statement, cursor.rowcount))

    event.listen(bench.map.store.engine, "after_cursor_execute", after)
    try:
        yield seen
    finally:
        event.remove(bench.map.store.engine, "after_cursor_execute", after)


def suppressed(bench: Bench) -> tuple[Holder, str]:
    who = holder()
    pseudonym = bench.ask(who, Operation.ENROL).pseudonym
    assert pseudonym is not None
    assert bench.map.suppress(pseudonym_text(pseudonym), STAFF).outcome is Outcome.DONE
    return who, pseudonym_text(pseudonym)


def rows(bench: Bench) -> dict[str, int]:
    with bench.map.store.reading() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in METADATA.sorted_tables
        }


def trace(bench: Bench, who: Holder, operation: Operation) -> tuple[bytes, Any, dict[str, int]]:
    """Answer, statements with their row counts, and rows that were added."""
    presentation = bench.map.verify(bench.evidence(who, operation))
    before = rows(bench)
    with watched(bench) as statements:
        if operation is Operation.DISCLOSE:
            answer: dict[str, object] = bench.map.disclose(presentation, bench.asker()).to_object()
        elif operation is Operation.WITHDRAW:
            answer = bench.map.withdraw(presentation, bench.asker()).to_object()
        else:
            deed = {
                Operation.RESOLVE: bench.map.resolve,
                Operation.ERASE: bench.map.erase,
                Operation.ENROL: bench.map.enrol,
            }[operation]
            answer = deed(presentation, bench.asker()).to_object()
    if operation is Operation.ENROL:
        assert answer.pop("pseudonym")  # random for both
    after = rows(bench)
    added = {name: after[name] - before[name] for name in after}
    return json.dumps(answer, ensure_ascii=False).encode(), list(statements), added


@pytest.mark.parametrize(
    "operation",
    [Operation.RESOLVE, Operation.ERASE, Operation.DISCLOSE, Operation.WITHDRAW, Operation.ENROL],
)
def test_a_suppressed_person_is_answered_like_nobody(bench: Bench, operation: Operation) -> None:
    who, _ = suppressed(bench)
    assert trace(bench, who, operation) == trace(bench, holder(), operation)


def test_what_is_added_is_something(bench: Bench) -> None:
    """The comparison above can fail: a registered person gives other statements."""
    who = holder()
    bench.ask(who, Operation.ENROL)
    answer, statements, added = trace(bench, who, Operation.RESOLVE)
    other = trace(bench, holder(), Operation.RESOLVE)
    assert added["ledger"] == added["ledger_person"] == 1
    assert answer != other[0]
    assert len(statements) == len(other[1])


def test_how_many_statements_a_resolve_takes(bench: Bench) -> None:
    """What `benchmarks/map_resolve.py` rests on: every one more is a way to the server and back."""
    who = holder()
    bench.ask(who, Operation.ENROL)
    presentation = bench.map.verify(bench.evidence(who, Operation.RESOLVE))
    with watched(bench) as statements:
        assert bench.map.resolve(presentation, bench.asker()).outcome is Outcome.RESOLVED
    kinds = [statement.split()[0] for statement, _ in statements]
    look_up = ["UPDATE", "SELECT", "SELECT"]  # the challenge, the person, the end of the chain
    if bench.url.startswith("sqlite"):
        assert kinds == ["BEGIN", *look_up, "INSERT", "INSERT", "UPDATE"]
    else:
        assert kinds == [*look_up, "WITH"]


def test_a_revoked_card_of_a_suppressed_person(bench: Bench) -> None:
    who, _ = suppressed(bench)
    stranger = holder()
    gone = ((who, Reason.KEY_COMPROMISE), (stranger, Reason.KEY_COMPROMISE))
    later = bench.again(validator=map_bench.validator(bench.clock, revoked=gone))
    answers = [
        later.resolve(later.verify(bench.evidence(one, Operation.RESOLVE)), bench.asker())
        for one in (who, stranger)
    ]
    assert answers[0].to_object() == answers[1].to_object()


@pytest.mark.parametrize("deed", ["suspend", "close_account", "suppress"])
def test_staff_who_ask_by_pseudonym(bench: Bench, deed: str) -> None:
    _, pseudonym = suppressed(bench)
    unknown = pseudonym_text(bytes(16))
    seen = []
    for name in (pseudonym, unknown, "no pseudonym at all"):
        with watched(bench) as statements:
            answer = getattr(bench.map, deed)(name, STAFF)
        seen.append((answer.to_object(), list(statements)))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0]["outcome"] == "unregistered"


def test_the_ledger_alone_knows(bench: Bench) -> None:
    who, _ = suppressed(bench)
    bench.ask(who, Operation.RESOLVE)
    bench.ask(holder(), Operation.RESOLVE)
    with bench.map.store.reading() as connection:
        found = connection.execute(select(LEDGER.c.reason).order_by(LEDGER.c.seq)).scalars().all()
    assert found[-2:] == ["suppressed", "unregistered"]


def test_lifted(bench: Bench) -> None:
    who, pseudonym = suppressed(bench)
    bench.ask(who, Operation.RESOLVE)
    assert bench.map.suppress(pseudonym, STAFF, lift=True).outcome is Outcome.DONE
    found = bench.ask(who, Operation.RESOLVE)
    assert found.pseudonym is not None
    assert pseudonym_text(found.pseudonym) == pseudonym
    # The person's view does not tell that there was one.
    presentation = bench.map.verify(bench.evidence(who, Operation.DISCLOSE))
    view = json.dumps(bench.map.disclose(presentation, bench.asker()).to_object())
    assert "suppress" not in view
    assert "lifted" not in view
    assert "unregistered" in view


def test_not_lifted_over_a_second_enrolment(bench: Bench) -> None:
    who, pseudonym = suppressed(bench)
    second = bench.ask(who, Operation.ENROL).pseudonym
    answer = bench.map.suppress(pseudonym, STAFF, lift=True)
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "card_enrolled_again")
    assert bench.ask(who, Operation.RESOLVE).pseudonym == second


def test_staff_need_a_document_and_their_role(bench: Bench) -> None:
    who = holder()
    pseudonym = bench.ask(who, Operation.ENROL).pseudonym
    assert pseudonym is not None
    name = pseudonym_text(pseudonym)
    for asker in (
        Asker(actor="staff-3", service="library"),
        Asker(actor="terminal-1", service="library", document="x"),
        Asker(actor="staff-3", service="pool", document="x"),
    ):
        answer = bench.map.suspend(name, asker)
        expected = Outcome.UNREGISTERED if asker.service == "pool" else Outcome.REFUSED
        assert answer.outcome is expected
    assert bench.ask(who, Operation.RESOLVE).done


def test_two_services_cannot_be_joined_by_anything_stored(bench: Bench) -> None:
    """Everybody in both services; no value that tells persons apart is on both sides."""
    people = [holder() for _ in range(5)]
    for who in people:
        for service in ("library", "pool"):
            bench.ask(who, Operation.ENROL, service)
            bench.ask(who, Operation.RESOLVE, service)
    sides: dict[str, set[object]] = {"library": set(), "pool": set()}
    with bench.map.store.reading() as connection:
        handles: dict[bytes, str] = {
            bytes(row.handle): row.service
            for row in connection.execute(
                select(CERTIFICATE_INDEX.c.handle, CERTIFICATE_INDEX.c.service)
            )
        }
        assert len(handles) == 10
        for table in METADATA.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                whose = bytes(row.get("handle") or b"")
                of: str = row.get("service") or handles.get(whose, "")
                if of in sides:
                    sides[of].update(_telling(dict(row)))
    assert len(sides["library"]) > 20
    assert sides["library"] & sides["pool"] == set()


def _telling(row: dict[str, Any]) -> set[object]:
    """Values that could name a person: codes, hashes, ids; not words, times and counts."""
    found: set[object] = set()
    for name, value in row.items():
        if name == "prev_hash":  # the entry before, of whatever service: the chain itself
            continue
        if isinstance(value, bytes | memoryview):
            found.add(bytes(value))
        elif name in ("id", "ledger_id", "reference"):
            found.add(value)
    return found
