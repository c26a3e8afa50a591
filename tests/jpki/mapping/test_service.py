# SPDX-License-Identifier: Apache-2.0
"""The map: enrol, resolve, erase; what opens it and what does not; what is written down."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest
from sqlalchemy import select

import map_bench
from jpki.certificate.kinds import Family
from jpki.mapping.answers import Outcome
from jpki.mapping.errors import ClockError, EnvironmentMixedError
from jpki.mapping.policy import Operation
from jpki.mapping.presentation import Evidence, Presentation
from jpki.mapping.store.schema import LEDGER
from jpki.synth import Reason
from map_bench import Bench, holder

ENROL, RESOLVE, ERASE = Operation.ENROL, Operation.RESOLVE, Operation.ERASE


def last_entry(bench: Bench) -> dict[str, object]:
    with bench.map.store.reading() as connection:
        row = connection.execute(select(LEDGER).order_by(LEDGER.c.seq.desc()).limit(1)).one()
    return dict(row._mapping)


def test_enrol_and_resolve(bench: Bench) -> None:
    who = holder()
    enrolled = bench.ask(who, ENROL)
    assert enrolled.outcome is Outcome.RESOLVED
    assert enrolled.pseudonym is not None
    assert len(enrolled.pseudonym) == 16
    resolved = bench.ask(who, RESOLVE)
    assert resolved.outcome is Outcome.RESOLVED
    assert resolved.pseudonym == enrolled.pseudonym
    entry = last_entry(bench)
    assert (entry["operation"], entry["outcome"], entry["reason"]) == (
        "resolve", "resolved", "resolved",
    )  # fmt: skip
    assert (entry["giver"], entry["receiver"], entry["obtained"]) == (
        "holder", "library", "presentation",
    )  # fmt: skip
    assert entry["article"] == "Act of the library6条"
    assert bench.map.verify_ledger().entries == 2


def test_unregistered_and_duplicate(bench: Bench) -> None:
    who = holder()
    unknown = bench.ask(who, RESOLVE)
    assert (unknown.outcome, unknown.pseudonym) == (Outcome.UNREGISTERED, None)
    bench.ask(who, ENROL)
    again = bench.ask(who, ENROL)
    assert (again.outcome, again.pseudonym) == (Outcome.DUPLICATE, None)


def test_each_service_has_its_own_pseudonym(bench: Bench) -> None:
    who = holder()
    first = bench.ask(who, ENROL, "library").pseudonym
    assert bench.ask(who, RESOLVE, "pool").outcome is Outcome.UNREGISTERED
    second = bench.ask(who, ENROL, "pool").pseudonym
    assert first != second
    assert bench.ask(who, RESOLVE, "library").pseudonym == first


def test_the_same_serial_of_another_issuer_is_another_certificate(bench: Bench) -> None:
    who = holder()
    bench.ask(who, ENROL)
    other = holder(Family.SIGN, serial=who.serial)
    assert bench.ask(other, RESOLVE).outcome is Outcome.UNREGISTERED


def test_erased(bench: Bench) -> None:
    who = holder()
    first = bench.ask(who, ENROL).pseudonym
    assert bench.ask(who, ERASE).outcome is Outcome.DONE
    assert bench.ask(who, RESOLVE).outcome is Outcome.UNREGISTERED
    assert bench.map.verify_ledger().intact
    assert bench.ask(who, ENROL).pseudonym != first


def test_a_presentation_opens_once(bench: Bench) -> None:
    who = holder()
    bench.ask(who, ENROL)
    evidence = bench.evidence(who, RESOLVE)
    assert bench.map.resolve(bench.map.verify(evidence), bench.asker()).done
    for _ in range(2):
        again = bench.map.resolve(bench.map.verify(evidence), bench.asker())
        assert (again.outcome, again.reason) == (Outcome.REFUSED, "challenge_used")
        assert again.pseudonym is None
    assert last_entry(bench)["reason"] == "challenge_used"


def test_a_challenge_is_for_one_operation_and_one_service(bench: Bench) -> None:
    who = holder()
    bench.ask(who, ENROL)
    presentation = bench.map.verify(bench.evidence(who, RESOLVE))
    erased = bench.map.erase(presentation, bench.asker())
    assert (erased.outcome, erased.reason) == (Outcome.REFUSED, "challenge_other_purpose")
    elsewhere = bench.map.resolve(presentation, bench.asker("pool"))
    assert (elsewhere.outcome, elsewhere.reason) == (Outcome.REFUSED, "challenge_other_purpose")


def test_a_foreign_challenge(bench: Bench) -> None:
    from jpki.verifying.challenge import new_challenge

    foreign = new_challenge(map_bench.ORIGIN, "library/library-use: resolve", now=map_bench.NOW)
    answer = bench.map.resolve(bench.map.verify(holder().answer(foreign)), bench.asker())
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "challenge_foreign")


def test_an_edited_challenge_that_the_holder_signed(bench: Bench) -> None:
    who = holder()
    ours = bench.evidence(who, RESOLVE).response.challenge
    longer = replace(ours, nonce=bytes(32))
    answer = bench.map.resolve(bench.map.verify(who.answer(longer)), bench.asker())
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "challenge_edited")


def test_an_edited_presentation(bench: Bench) -> None:
    who = holder()
    bench.ask(who, ENROL)
    evidence = bench.evidence(who, RESOLVE)
    broken = bytearray(evidence.response.signature)
    broken[7] ^= 1
    forged = Evidence(replace(evidence.response, signature=bytes(broken)))
    answer = bench.map.resolve(bench.map.verify(forged), bench.asker())
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "signature_wrong")
    assert last_entry(bench)["reason"] == "signature_wrong"


def test_an_expired_challenge(bench: Bench) -> None:
    who = holder()
    evidence = bench.evidence(who, RESOLVE)
    bench.clock.forward(minutes=5)
    answer = bench.map.resolve(bench.map.verify(evidence), bench.asker())
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "challenge_expired")


def test_a_verdict_grows_old(bench: Bench) -> None:
    from datetime import timedelta

    challenge = bench.map.issue_challenge(
        RESOLVE, origin=map_bench.ORIGIN, service="library", ttl=timedelta(hours=1)
    )
    presentation = bench.map.verify(holder().answer(challenge))
    bench.clock.forward(minutes=6)
    answer = bench.map.resolve(presentation, bench.asker())
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "verdict_stale")


def test_an_actor_that_the_policy_does_not_name(bench: Bench) -> None:
    bench.actor = "stranger"
    answer = bench.ask(holder(), RESOLVE)
    assert (answer.outcome, answer.rule) == (Outcome.REFUSED, "R9")
    assert answer.article
    assert last_entry(bench)["outcome"] == "refused"


def test_a_revoked_certificate_is_stale_and_shuts_its_holder_out(bench: Bench) -> None:
    who = holder()
    bench.ask(who, ENROL)
    after = map_bench.validator(bench.clock, revoked=((who, Reason.AFFILIATION_CHANGED),))
    later = bench.again(validator=after)
    evidence = bench.evidence(who, RESOLVE)
    answer = later.resolve(later.verify(evidence), bench.asker())
    assert (answer.outcome, answer.reason) == (Outcome.STALE, "affiliation_changed")
    assert answer.pseudonym is None
    # Older revocation data do not open it again.
    again = bench.ask(who, RESOLVE)
    assert (again.outcome, again.reason) == (Outcome.STALE, "certificate_ended")


def test_a_compromised_key_suspends(bench: Bench) -> None:
    who = holder()
    bench.ask(who, ENROL)
    after = map_bench.validator(bench.clock, revoked=((who, Reason.KEY_COMPROMISE),))
    later = bench.again(validator=after)
    later.resolve(later.verify(bench.evidence(who, RESOLVE)), bench.asker())
    answer = bench.ask(who, RESOLVE)
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "suspended")


def test_a_revoked_certificate_of_nobody(bench: Bench) -> None:
    who = holder()
    after = map_bench.validator(bench.clock, revoked=((who, Reason.AFFILIATION_CHANGED),))
    later = bench.again(validator=after)
    answer = later.enrol(later.verify(bench.evidence(who, ENROL)), bench.asker())
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "not_in_force")
    assert bench.ask(who, RESOLVE).outcome is Outcome.UNREGISTERED


def test_a_presentation_of_another_validator(bench: Bench) -> None:
    other = bench.again(validator=map_bench.validator(bench.clock))
    presentation = other.verify(bench.evidence(holder(), RESOLVE))
    with pytest.raises(EnvironmentMixedError):
        bench.map.resolve(presentation, bench.asker())


def test_a_presentation_is_made_in_one_place(bench: Bench) -> None:
    presentation = bench.map.verify(bench.evidence(holder(), RESOLVE))
    assert isinstance(presentation, Presentation)
    for copier in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            copier(presentation)
    with pytest.raises(TypeError):
        Presentation(object())
    with pytest.raises(AttributeError):
        presentation.proof = presentation.proof


def test_the_clock_moved_back(bench: Bench) -> None:
    who = holder()
    bench.ask(who, ENROL)
    evidence = bench.evidence(who, RESOLVE)
    presentation = bench.map.verify(evidence)
    bench.clock.forward(seconds=-60)
    with pytest.raises(ClockError) as caught:
        bench.map.resolve(presentation, bench.asker())
    assert caught.value.values["behind"] == 60
    bench.clock.forward(seconds=60)
    # Nothing was half-written: the challenge is still unused.
    assert bench.map.resolve(presentation, bench.asker()).done
