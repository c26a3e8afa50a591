# SPDX-License-Identifier: Apache-2.0
"""Taps and re-reads: what a card proves without a PIN, and what that never opens."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from importlib import resources
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import select

import map_cards
from jpki.certificate.kinds import Medium
from jpki.errors import ChallengeError
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.card_answer import read_again, read_binding, read_tap
from jpki.mapping.card_proof import Recheck, Tap
from jpki.mapping.decision import decide
from jpki.mapping.lifecycle import State
from jpki.mapping.policy import CARD_OPERATIONS, Operation, Proof
from jpki.mapping.presentation import Evidence
from jpki.mapping.records import pseudonym_text
from jpki.mapping.request import Request
from jpki.mapping.sitting import Asker
from jpki.mapping.store.schema import CARD_KEY, CERTIFICATE_INDEX, HANDLE, LEDGER
from jpki.synth import Reason
from map_bench import NOW, ORIGIN, Bench, changed
from map_cards import AtTheReader, bind, reread, tap, weak_policy

STAFF = Asker(actor="staff-3", service="library", document="届出 7")
WAYS: dict[str, Callable[[Bench, str], Resolution]] = {"tap": tap, "reread": reread}


@pytest.fixture
def bench(url: str, tmp_path: Path) -> Iterator[Bench]:
    made = map_cards.card_bench(url, tmp_path, weak_policy())
    yield made
    made.close()


def last_entry(bench: Bench) -> dict[str, object]:
    with bench.map.store.reading() as connection:
        row = connection.execute(select(LEDGER).order_by(LEDGER.c.seq.desc()).limit(1)).one()
    return dict(row._mapping)


@pytest.mark.parametrize(("way", "proof"), [("tap", "tap"), ("reread", "recheck")])
def test_a_bound_card_is_known_again(bench: Bench, way: str, proof: str) -> None:
    pseudonym = bind(bench).pseudonym
    answer = WAYS[way](bench, "hanako")
    assert (answer.outcome, answer.pseudonym) == (Outcome.RESOLVED, pseudonym)
    entry = last_entry(bench)
    assert (entry["proof"], entry["obtained"], entry["medium"]) == (proof, proof, "card")
    assert entry["status"] == ("" if way == "tap" else "valid crl_good")
    assert bench.map.verify_ledger().intact


@pytest.mark.parametrize("way", WAYS)
def test_a_card_nobody_bound_is_unknown(bench: Bench, way: str) -> None:
    bind(bench)
    assert WAYS[way](bench, "driver").outcome is Outcome.UNREGISTERED


def test_who_is_registered_binds_later_and_stays_the_same(bench: Bench) -> None:
    challenge = bench.map.issue_challenge(Operation.ENROL, origin=ORIGIN, service="library")
    first = bench.map.enrol(
        bench.map.verify(AtTheReader("hanako").present(challenge)), bench.asker()
    )
    assert tap(bench).outcome is Outcome.UNREGISTERED
    assert (reread(bench).outcome, reread(bench).reason) == (Outcome.REFUSED, "card_not_bound")
    for _ in range(2):
        assert bind(bench).pseudonym == first.pseudonym
    assert tap(bench).pseudonym == first.pseudonym


def test_a_copied_card_does_not_answer(bench: Bench) -> None:
    """It has another card's 製造番号 and certificate; keys cannot be read from a card."""
    bind(bench)
    victim = AtTheReader("hanako")
    challenge = bench.map.issue_challenge(Operation.RESOLVE, origin=ORIGIN, service="library")
    forged = replace(
        victim.tap(challenge), signature=AtTheReader("driver").tap(challenge).signature
    )
    answer = bench.map.tap(forged, bench.asker())
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "card_answer_wrong")
    challenge = bench.map.issue_challenge(Operation.RECHECK, origin=ORIGIN, service="library")
    read = replace(
        victim.again(challenge), signature=AtTheReader("driver").again(challenge).signature
    )
    answer = bench.map.reread(read, bench.asker())
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "card_answer_wrong")


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_is_used_once_and_for_its_purpose(bench: Bench, way: str) -> None:
    bind(bench)
    own = Operation.RESOLVE if way == "tap" else Operation.RECHECK
    other = Operation.RECHECK if way == "tap" else Operation.RESOLVE

    def ask(operation: Operation) -> Callable[[], Resolution]:
        challenge = bench.map.issue_challenge(operation, origin=ORIGIN, service="library")
        card = AtTheReader("hanako")
        if way == "tap":
            evidence = card.tap(challenge)
            return lambda: bench.map.tap(evidence, bench.asker())
        read = card.again(challenge)
        return lambda: bench.map.reread(read, bench.asker())

    again = ask(own)
    assert again().outcome is Outcome.RESOLVED
    assert again().reason == "challenge_used"
    assert ask(other)().reason == "challenge_other_purpose"
    late = ask(own)
    bench.clock.forward(minutes=6)
    assert late().reason == "challenge_expired"


def test_a_card_is_not_asked_with_an_expired_challenge(bench: Bench) -> None:
    challenge = bench.map.issue_challenge(
        Operation.RESOLVE, origin=ORIGIN, service="library", ttl=timedelta(seconds=1)
    )
    with AtTheReader("hanako").open() as card:
        for read in (read_tap, read_again, read_binding):
            with pytest.raises(ChallengeError):
                read(card, challenge, now=NOW + timedelta(seconds=2))


# --- binding ----------------------------------------------------------------------------


def test_another_card_is_not_bound(bench: Bench) -> None:
    """Two cards in one sitting: each proves itself, and the second belongs to somebody else."""
    assert bind(bench, "driver").done
    answer = bind(bench, "hanako", other="driver")
    assert (answer.outcome, answer.reason) == (Outcome.DUPLICATE, "other_person")


@pytest.mark.parametrize("fault", ["other_sitting", "unsigned_key", "other_keys", "forged_answer"])
def test_a_card_that_is_not_proven_is_not_bound(bench: Bench, fault: str) -> None:
    challenge, other = (
        bench.map.issue_challenge(
            Operation.ENROL, origin=ORIGIN, service="library", binds_card=True
        )
        for _ in range(2)
    )
    reader = AtTheReader("hanako")
    card = reader.binding(other if fault == "other_sitting" else challenge)
    if fault == "unsigned_key":
        card = replace(card, key=replace(card.key, signature=bytes(256)))
    if fault == "forged_answer":
        card = replace(card, tap=replace(card.tap, signature=bytes(256)))
    presentation = bench.map.verify(reader.present(challenge))
    if fault == "other_keys":
        bench.map._cv_keys = {}
    answer = bench.map.enrol(presentation, bench.asker(), card=card)
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "card_not_proven")
    with bench.map.store.reading() as connection:
        assert connection.execute(select(CARD_KEY)).first() is None
        assert connection.execute(select(HANDLE)).first() is None


def test_the_holder_signs_that_the_card_is_bound(bench: Bench) -> None:
    challenge = bench.map.issue_challenge(Operation.ENROL, origin=ORIGIN, service="library")
    reader = AtTheReader("hanako")
    presentation = bench.map.verify(reader.present(challenge))
    answer = bench.map.enrol(presentation, bench.asker(), card=reader.binding(challenge))
    assert answer.reason == "challenge_other_purpose"


@pytest.mark.parametrize(
    ("accept", "kinds"),
    [({Proof.TAP}, {"auth", "card"}), ({Proof.RECHECK}, {"auth"}), (set(), {"auth"})],
)
def test_only_what_the_policy_names_is_kept(
    bench: Bench, accept: set[Proof], kinds: set[str]
) -> None:
    assert bind(bench).done
    bench.map.policy = changed(bench.policy, accept=frozenset(accept))
    again = bind(bench)
    if not accept:
        assert (again.outcome, again.reason) == (Outcome.REFUSED, "binding_not_accepted")
        kinds = {"auth", "card"}
    with bench.map.store.reading() as connection:
        found = connection.execute(select(CERTIFICATE_INDEX.c.family)).scalars()
        assert set(found) == kinds
    for proof, answer in ((Proof.TAP, tap(bench)), (Proof.RECHECK, reread(bench))):
        assert answer.done is (proof in accept)
        if proof not in accept:
            assert answer.reason == "weak_proof_not_accepted"


# --- what it never opens ----------------------------------------------------------------


@pytest.mark.parametrize("operation", sorted(set(Operation) - CARD_OPERATIONS))
@pytest.mark.parametrize("proof", [Proof.TAP, Proof.RECHECK])
def test_no_other_operation_is_opened(operation: Operation, proof: Proof) -> None:
    """By the decision, in a policy that allows everything; and Map has no other door for them."""
    everything = weak_policy(
        operations=frozenset(Operation), assurance=dict.fromkeys(Operation, Proof.TAP)
    )
    request = Request(
        operation, "terminal-1", NOW, "library", proof=proof, medium=Medium.CARD, consent=True,
        confirmed_before=True, document="届出 7", purpose="library-use",
    )  # fmt: skip
    opened = {(Operation.RESOLVE, Proof.TAP), (Operation.RESOLVE, Proof.RECHECK),
              (Operation.RECHECK, Proof.RECHECK)}  # fmt: skip
    assert decide(everything, request).allowed is ((operation, proof) in opened)


@pytest.mark.parametrize("kind", [Tap, Recheck])
def test_only_verification_makes_one(kind: type[Tap | Recheck]) -> None:
    with pytest.raises(TypeError):
        kind(object(), None)  # type: ignore[arg-type]
    made = object.__new__(kind)
    for deed in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            deed(made)


def test_nothing_that_follows_the_card_is_shown(bench: Bench) -> None:
    challenge = bench.map.issue_challenge(Operation.RESOLVE, origin=ORIGIN, service="library")
    reader = AtTheReader("hanako")
    with reader.open() as card:
        number = card.common.card_record().serial.reveal()
    for evidence in (reader.tap(challenge), reader.again(challenge), reader.binding(challenge)):
        shown = repr(evidence)
        assert number not in shown
        assert len(shown) < 900


# --- life -------------------------------------------------------------------------------


def test_a_reread_of_a_revoked_certificate_moves_the_person(bench: Bench) -> None:
    bind(bench)
    gone = map_cards.validator(bench.clock, revoked=(("hanako", Reason.SUPERSEDED),))
    later = bench.again(validator=gone)
    challenge = later.issue_challenge(Operation.RECHECK, origin=ORIGIN, service="library")
    evidence = AtTheReader("hanako").again(challenge)
    # Not by somebody who only has the certificate.
    other = later.issue_challenge(Operation.RECHECK, origin=ORIGIN, service="library")
    forged = replace(AtTheReader("driver").again(other), certificate=evidence.certificate)
    assert later.reread(forged, bench.asker()).reason == "card_answer_wrong"
    assert state(bench) is State.ACTIVE
    answer = later.reread(evidence, bench.asker())
    assert (answer.outcome, answer.reason) == (Outcome.STALE, "superseded")
    assert state(bench) is State.NEEDS_RELINK
    # The tap asks no revocation itself; what the map has learned it knows.
    assert (tap(bench).outcome, tap(bench).reason) == (Outcome.STALE, "needs_relink")


def state(bench: Bench) -> State:
    with bench.map.store.reading() as connection:
        return State(connection.execute(select(HANDLE.c.state)).scalar_one())


def test_a_lost_card(bench: Bench) -> None:
    pseudonym = bind(bench).pseudonym
    assert pseudonym is not None
    bench.map.suspend(pseudonym_text(pseudonym), STAFF, medium=Medium.CARD)
    for way in WAYS.values():
        answer = way(bench, "hanako")
        assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "certificate_held")


@pytest.mark.parametrize("way", WAYS)
def test_suppressed_is_unregistered(bench: Bench, way: str) -> None:
    pseudonym = bind(bench).pseudonym
    assert pseudonym is not None
    stranger = WAYS[way](bench, "driver").to_object()
    bench.map.suppress(pseudonym_text(pseudonym), STAFF)
    assert WAYS[way](bench, "hanako").to_object() == stranger
    assert last_entry(bench)["reason"] == "suppressed"
    bench.map.suppress(pseudonym_text(pseudonym), STAFF, lift=True)
    assert WAYS[way](bench, "hanako").pseudonym == pseudonym


def test_erased_with_the_person(bench: Bench) -> None:
    bind(bench)
    challenge = bench.map.issue_challenge(Operation.ERASE, origin=ORIGIN, service="library")
    evidence: Evidence = AtTheReader("hanako").present(challenge)
    assert bench.map.erase(bench.map.verify(evidence), bench.asker()).done
    for way in WAYS.values():
        assert way(bench, "hanako").outcome is Outcome.UNREGISTERED
    with bench.map.store.reading() as connection:
        assert connection.execute(select(CARD_KEY)).first() is None


def test_new_keys(bench: Bench) -> None:
    pseudonym = bind(bench).pseudonym
    bench.map.rotate("library")
    for way in WAYS.values():
        assert way(bench, "hanako").pseudonym == pseudonym


def test_without_an_earlier_presentation_on_the_ledger(bench: Bench) -> None:
    """38条の4: who was confirmed before. The link of the entry to the person is gone here."""
    from jpki.mapping.store.schema import LEDGER_PERSON

    bind(bench)
    bench.map.store.change(lambda c: c.execute(LEDGER_PERSON.delete()))
    answer = reread(bench)
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "confirmed_before")
    assert "38条の4" in answer.article


def test_the_persons_own_view_shows_the_binding(bench: Bench) -> None:
    bind(bench)
    challenge = bench.map.issue_challenge(Operation.DISCLOSE, origin=ORIGIN, service="library")
    presentation = bench.map.verify(AtTheReader("hanako").present(challenge))
    disclosed = bench.map.disclose(presentation, bench.asker())
    assert [(link.kind, link.evidence) for link in disclosed.view.links] == [
        ("card", "same_sitting")
    ]
    schema = json.loads((resources.files("jpki") / "schemas/map.disclosure-1.json").read_text())
    Draft202012Validator(schema).validate(json.loads(json.dumps(disclosed.to_object())))
