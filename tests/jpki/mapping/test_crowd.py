# SPDX-License-Identifier: Apache-2.0
"""Many resolved together get what each would get alone, and the ledger says the same of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select, update

from jpki.certificate.kinds import Medium
from jpki.mapping import challenges, crowd, deeds
from jpki.mapping.answers import Resolution
from jpki.mapping.challenges import Aim
from jpki.mapping.crowd import Asked
from jpki.mapping.errors import ConflictError
from jpki.mapping.policy import Operation
from jpki.mapping.presentation import Evidence, Presentation, Rejected
from jpki.mapping.records import pseudonym_text
from jpki.mapping.sitting import Asker
from jpki.mapping.store.schema import CHALLENGE, HANDLE, LEDGER, LEDGER_HEAD, LEDGER_PERSON
from jpki.synth import Reason
from map_bench import ORIGIN, Bench, Holder, holder, validator

STAFF = Asker(actor="staff-3", service="library", document="申出 12")


@dataclass(frozen=True)
class People:
    """Enrolled; never seen; suppressed; shut out; a lost phone whose certificate is back."""

    known: Holder
    unknown: Holder
    hidden: Holder
    shut: Holder
    phone: Holder


def _people(bench: Bench) -> People:
    people = People(holder(), holder(), holder(), holder(), holder(medium=Medium.PHONE))
    for who in (people.known, people.hidden, people.shut, people.phone):
        assert bench.ask(who, Operation.ENROL).done
    names = {
        who: pseudonym_text(bench.ask(who, Operation.RESOLVE).pseudonym or b"")
        for who in (people.hidden, people.shut)
    }
    assert bench.map.suppress(names[people.hidden], STAFF).done
    assert bench.map.suspend(names[people.shut], STAFF).done
    held = bench.again(validator(bench.clock, revoked=((people.phone, Reason.CERTIFICATE_HOLD),)))
    assert not held.resolve(
        held.verify(bench.evidence(people.phone, Operation.RESOLVE)), bench.asker()
    ).done
    return people


def _verified(bench: Bench, who: Holder, operation: Operation = Operation.RESOLVE) -> Presentation:
    return _valid(bench, bench.evidence(who, operation))


def _valid(bench: Bench, evidence: Evidence) -> Presentation:
    presentation = bench.map.verify(evidence)
    assert isinstance(presentation, Presentation)
    return presentation


def _changed(bench: Bench, who: Holder, **members: Any) -> Presentation:
    """An answer to a challenge that is not as this map issued it."""
    challenge = bench.map.issue_challenge(Operation.RESOLVE, origin=ORIGIN, service="library")
    return _valid(bench, who.answer(replace(challenge, **members)))


def _forged(bench: Bench, who: Holder) -> Rejected:
    """Another one's answer beside the certificate."""
    first, other = (bench.evidence(each, Operation.RESOLVE) for each in (who, holder()))
    wrong = replace(first.response, signature=other.response.signature)
    return _rejected(bench.map.verify(Evidence(wrong)))


def _ended(bench: Bench, who: Holder) -> Rejected:
    """By lists that know that the certificate is revoked."""
    informed = bench.again(validator(bench.clock, revoked=((who, Reason.SUPERSEDED),)))
    return _rejected(informed.verify(bench.evidence(who, Operation.RESOLVE)))


def _rejected(found: Presentation | Rejected) -> Rejected:
    assert isinstance(found, Rejected)
    return found


def _crowd(bench: Bench, people: People) -> list[Asked]:
    """Every kind of answer there is, some of them more than once."""
    late = _verified(bench, people.known)
    bench.clock.forward(minutes=4)
    on_time = _verified(bench, people.known)
    presented: list[Presentation | Rejected] = [
        on_time,
        _verified(bench, people.unknown),
        _verified(bench, people.phone),
        _verified(bench, people.hidden),
        _forged(bench, people.known),
        on_time,
        _verified(bench, people.shut),
        _changed(bench, people.known, id="x" * 22),
        _changed(bench, people.known, origin="https://other.example"),
        _verified(bench, people.known, Operation.ENROL),
        late,
        _verified(bench, people.phone),
        _verified(bench, people.known),
        _ended(bench, people.known),
        _ended(bench, people.unknown),
        _verified(bench, people.known),
    ]
    bench.clock.forward(minutes=2)
    asked = [_asked(bench, each, bench.asker()) for each in presented]
    other = bench.asker(purpose="unheard-of")
    return [*asked, _asked(bench, _verified(bench, people.known), other)]


def _asked(bench: Bench, presentation: Presentation | Rejected, asker: Asker) -> Asked:
    request = bench.map.request(Operation.RESOLVE, asker, presentation=presentation)
    return Asked(presentation, asker, request)


Work = Callable[[Connection], list[Resolution]]


def _alone(bench: Bench, asked: Sequence[Asked]) -> Work:
    def work(connection: Connection) -> list[Resolution]:
        return [
            bench.map.sitting().presented(
                connection, each.presentation, each.asker, each.request, deeds.resolve
            )
            for each in asked
        ]

    return work


def _together(bench: Bench, asked: Sequence[Asked], size: int) -> Work:
    def work(connection: Connection) -> list[Resolution]:
        parts = [asked[n : n + size] for n in range(0, len(asked), size)]
        return [
            one
            for part in parts
            for one in crowd.resolve_all(bench.map.sitting(), connection, part)
        ]

    return work


def _tried(bench: Bench, work: Work) -> tuple[list[Any], ...]:
    """Answers, ledger without what is random, of whom it tells, challenges; and all undone."""
    fixed = [c for c in LEDGER.columns if c.name not in ("ledger_id", "prev_hash", "hash")]
    persons = LEDGER.join(LEDGER_PERSON, LEDGER_PERSON.c.ledger_id == LEDGER.c.ledger_id)
    known = LEDGER_PERSON.c.handle.in_(select(HANDLE.c.handle))
    with bench.map.store.engine.connect() as connection:
        transaction = connection.begin()
        answers = [(a.outcome, a.reason, a.rule, a.pseudonym) for a in work(connection)]
        seen = [
            list(connection.execute(query).all())
            for query in (
                select(*fixed).order_by(LEDGER.c.seq),
                select(LEDGER.c.seq, LEDGER_PERSON.c.handle)
                .select_from(persons).where(known).order_by(LEDGER.c.seq),
                select(CHALLENGE.c.id, CHALLENGE.c.consumed_at).order_by(CHALLENGE.c.id),
                select(LEDGER_HEAD.c.seq, LEDGER_HEAD.c.at),
                select(func.count()).select_from(LEDGER_PERSON),
            )
        ]  # fmt: skip
        transaction.rollback()
    return answers, *seen


def test_together_as_alone(bench: Bench) -> None:
    bench.policy = replace(
        bench.policy, switches=replace(bench.policy.switches, lift_phone_hold=True)
    )
    bench.map.policy = bench.policy
    asked = _crowd(bench, _people(bench))
    alone = _tried(bench, _alone(bench, asked))
    reasons = {answer[1] for answer in alone[0]}
    assert reasons >= {
        "", "challenge_used", "challenge_foreign", "challenge_edited", "challenge_expired",
        "challenge_other_purpose", "suspended", "signature_wrong", "certificate_ended",
    }, reasons  # fmt: skip
    for size in (len(asked), 4, 1):
        assert _tried(bench, _together(bench, asked, size)) == alone, size


def test_the_ledger_that_many_wrote_is_whole(bench: Bench) -> None:
    asked = _crowd(bench, _people(bench))
    before = bench.map.verify_ledger().entries
    bench.map.change(lambda c: _together(bench, asked, len(asked))(c)[0])
    report = bench.map.verify_ledger()
    assert (report.intact, report.entries) == (True, before + len(asked))


def test_sixteen_cost_the_statements_of_one(bench: Bench) -> None:
    who = holder()
    assert bench.ask(who, Operation.ENROL).done
    asked = [_asked(bench, _verified(bench, who), bench.asker()) for _ in range(16)]
    seen: list[str] = []

    def after(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement.split()[0])

    def work(connection: Connection) -> list[Resolution]:
        event.listen(bench.map.store.engine, "after_cursor_execute", after)
        answers = _together(bench, asked, 16)(connection)
        event.remove(bench.map.store.engine, "after_cursor_execute", after)
        return answers

    _tried(bench, work)
    # Challenges looked at and used up, persons, the ledger's head; entries, persons, the head.
    wanted = ["SELECT", "UPDATE", "SELECT", "SELECT", "INSERT", "INSERT", "UPDATE"]
    assert seen == wanted


def test_a_challenge_that_another_writer_used_meanwhile(bench: Bench) -> None:
    presentation = _verified(bench, holder())
    named = bench.policy.services[0]
    aim = Aim(named.id, named.purposes[0].id, Operation.RESOLVE)

    def between(
        connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> None:
        if statement.startswith("SELECT") and "challenge" in statement:
            connection.execute(update(CHALLENGE).values(consumed_at=1))

    def work(connection: Connection) -> None:
        event.listen(bench.map.store.engine, "after_cursor_execute", between)
        challenges.consume_all(connection, [(presentation.challenge, aim)], bench.clock())

    with pytest.raises(ConflictError):
        bench.map.store.change(work)
    event.remove(bench.map.store.engine, "after_cursor_execute", between)
    assert bench.map.resolve(presentation, bench.asker()).reason == ""
