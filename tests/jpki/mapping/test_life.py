# SPDX-License-Identifier: Apache-2.0
"""A person's life in the map: links, renewal, loss, and the table of states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

import map_bench
from jpki.certificate.kinds import Family, Medium
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.index import CertificateRef
from jpki.mapping.lifecycle import (
    TRANSITIONS,
    CertificateState,
    Event,
    State,
    after,
    event_of,
    refusal,
)
from jpki.mapping.platform import LinkAnswer
from jpki.mapping.policy import LinkKind, Operation
from jpki.mapping.presentation import Cause, Presentation
from jpki.mapping.records import pseudonym_text
from jpki.mapping.sitting import Asker
from jpki.synth import Reason
from map_bench import NOW, Bench, Holder, holder, link

STAFF = Asker(actor="staff-3", service="library", document="届出 7")


PAIRS: dict[LinkKind, Callable[[], Holder]] = {
    LinkKind.SIGN_AUTH: lambda: holder(Family.SIGN),
    LinkKind.CARD_PHONE: lambda: holder(medium=Medium.PHONE),
    LinkKind.OLD_NEW: lambda: holder(slot=1),
}


@pytest.mark.parametrize("kind", LinkKind)
def test_linked_in_one_sitting(bench: Bench, kind: LinkKind) -> None:
    first, second = holder(), PAIRS[kind]()
    pseudonym = bench.ask(first, Operation.ENROL).pseudonym
    assert bench.ask(second, Operation.RESOLVE).outcome is Outcome.UNREGISTERED
    answer = link(bench, second, first, kind)
    assert (answer.outcome, answer.pseudonym) == (Outcome.RESOLVED, pseudonym)
    assert bench.ask(second, Operation.RESOLVE).pseudonym == pseudonym
    old = bench.ask(first, Operation.RESOLVE)
    replaced = kind is LinkKind.OLD_NEW
    assert old.outcome is (Outcome.STALE if replaced else Outcome.RESOLVED)


@pytest.mark.parametrize("kind", LinkKind)
def test_certificates_that_do_not_fit_the_link(bench: Bench, kind: LinkKind) -> None:
    first = holder()
    bench.ask(first, Operation.ENROL)
    for other, make in PAIRS.items():
        if other is not kind:
            answer = link(bench, make(), first, kind)
            assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "link_not_proven")


def test_two_sittings_are_no_link(bench: Bench) -> None:
    first, second = holder(), holder(Family.SIGN)
    bench.ask(first, Operation.ENROL)
    detail = LinkKind.SIGN_AUTH.value
    new = bench.map.verify(bench.evidence(second, Operation.LINK, detail=detail))
    known = bench.map.verify(bench.evidence(first, Operation.LINK, detail=detail))
    answer = bench.map.link(new, bench.asker(), LinkKind.SIGN_AUTH, known=known)
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "link_evidence")
    assert bench.ask(second, Operation.RESOLVE).outcome is Outcome.UNREGISTERED


def test_two_persons_are_not_made_one(bench: Bench) -> None:
    first, second = holder(), holder(Family.SIGN)
    bench.ask(first, Operation.ENROL)
    bench.ask(second, Operation.ENROL)
    answer = link(bench, second, first, LinkKind.SIGN_AUTH)
    assert (answer.outcome, answer.reason) == (Outcome.DUPLICATE, "other_person")


def ref_of(bench: Bench, who: Holder) -> CertificateRef:
    presentation = bench.map.verify(bench.evidence(who, Operation.RESOLVE))
    assert isinstance(presentation, Presentation)
    return presentation.ref


class Platform:
    """Says of every certificate that it replaced ``old``."""

    def __init__(self, old: CertificateRef | None) -> None:
        self.old = old

    def linked(self, ref: CertificateRef, kind: LinkKind) -> LinkAnswer | None:
        return None if self.old is None else LinkAnswer(kind, self.old, NOW, "PF-1")


def renew(bench: Bench, new: Holder, old: CertificateRef | None) -> Resolution:
    evidence = bench.evidence(new, Operation.LINK, detail=LinkKind.OLD_NEW.value)
    return bench.map.link(
        bench.map.verify(evidence), bench.asker(), LinkKind.OLD_NEW,
        platform=Platform(old),  # type: ignore[arg-type]
    )  # fmt: skip


def test_renewed_after_the_old_one_ended(bench: Bench) -> None:
    old, new = holder(), holder(slot=1)
    pseudonym = bench.ask(old, Operation.ENROL).pseudonym
    ref = ref_of(bench, old)
    gone = map_bench.validator(bench.clock, revoked=((old, Reason.SUPERSEDED),))
    later = bench.again(validator=gone)
    later.resolve(later.verify(bench.evidence(old, Operation.RESOLVE)), bench.asker())
    assert renew(bench, new, None).reason == "link_evidence"
    answer = renew(bench, new, ref)
    assert (answer.outcome, answer.pseudonym) == (Outcome.RESOLVED, pseudonym)
    assert bench.ask(new, Operation.RESOLVE).pseudonym == pseudonym


def test_a_suspended_person_is_not_renewed(bench: Bench) -> None:
    old, new = holder(), holder(slot=1)
    pseudonym = bench.ask(old, Operation.ENROL).pseudonym
    assert pseudonym is not None
    bench.map.suspend(pseudonym_text(pseudonym), STAFF)
    assert bench.ask(old, Operation.RESOLVE).reason == "suspended"
    assert renew(bench, new, ref_of(bench, old)).reason == "suspended"


@pytest.mark.parametrize("lift", [False, True])
def test_a_lost_phone(bench: Bench, lift: bool) -> None:
    card, phone = holder(), holder(medium=Medium.PHONE)
    pseudonym = bench.ask(card, Operation.ENROL).pseudonym
    assert pseudonym is not None
    link(bench, phone, card, LinkKind.CARD_PHONE)
    bench.map.suspend(pseudonym_text(pseudonym), STAFF, medium=Medium.PHONE)
    assert bench.ask(card, Operation.RESOLVE).done
    switches = replace(bench.policy.switches, lift_phone_hold=lift)
    bench.map.policy = replace(bench.policy, switches=switches)
    answer = bench.ask(phone, Operation.RESOLVE)
    if lift:
        assert answer.pseudonym == pseudonym
    else:
        assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "certificate_held")


def test_closed(bench: Bench) -> None:
    who = holder()
    pseudonym = bench.ask(who, Operation.ENROL).pseudonym
    assert pseudonym is not None
    assert bench.map.close_account(pseudonym_text(pseudonym), STAFF).outcome is Outcome.DONE
    assert bench.ask(who, Operation.RESOLVE).outcome is Outcome.UNREGISTERED


# --- the table of states ----------------------------------------------------------------


def test_every_pair_of_the_table() -> None:
    """Nothing leaves suspension but erasure; nothing but enrolment begins."""
    assert {s for (s, e) in TRANSITIONS if e is Event.ENROLLED} == {State.UNREGISTERED}
    assert {t for (s, _), t in TRANSITIONS.items() if s is State.SUSPENDED} == {
        State.SUSPENDED, State.DELETED,
    }  # fmt: skip
    assert not [s for (s, _) in TRANSITIONS if s is State.DELETED]
    for state in (State.ACTIVE, State.NEEDS_SIGN_REFRESH, State.NEEDS_RELINK):
        assert after(state, Event.COMPROMISED) is State.SUSPENDED
    assert after(State.NEEDS_RELINK, Event.LOGIN) is None


@pytest.mark.parametrize(
    ("cause", "family", "medium", "event"),
    [
        (Cause.MOVED, Family.SIGN, Medium.CARD, Event.SIGN_ENDED),
        (Cause.EXPIRED, Family.AUTH, Medium.CARD, Event.AUTH_ENDED),
        (Cause.HELD, Family.AUTH, Medium.PHONE, Event.PHONE_HELD),
        (Cause.HELD, Family.AUTH, Medium.CARD, Event.COMPROMISED),
        (Cause.COMPROMISED, Family.AUTH, Medium.PHONE, Event.COMPROMISED),
        (Cause.EXPIRED, Family.SIGN, Medium.PHONE, Event.PHONE_ENDED),
    ],
)
def test_what_an_end_means(cause: Cause, family: Family, medium: Medium, event: Event) -> None:
    assert event_of(cause, family, medium)[0] is event


def test_only_an_active_certificate_of_an_open_entry_opens() -> None:
    opens = {(s, c) for s in State for c in CertificateState if refusal(s, c) is None}
    assert opens == {
        (State.ACTIVE, CertificateState.ACTIVE),
        (State.NEEDS_SIGN_REFRESH, CertificateState.ACTIVE),
    }
