# SPDX-License-Identifier: Apache-2.0
"""Evidence files: read strictly, and verified whole before they prove anything."""

from __future__ import annotations

import json

import pytest

import map_bench
from jpki.certificate.kinds import Environment, Family
from jpki.errors import ChallengeError
from jpki.mapping.policy import Proof
from jpki.mapping.presentation import (
    Cause,
    Evidence,
    Presentation,
    Rejected,
    parse_evidence,
    verify_presentation,
)
from jpki.synth import Reason
from jpki.validation.policy import RevocationMode
from jpki.validation.trust import TrustStore
from jpki.validation.validator import Validator
from jpki.verifying.challenge import new_challenge
from map_bench import NOW, Clock, Holder, holder

CHALLENGE = new_challenge(map_bench.ORIGIN, "library/lend: resolve", now=NOW)


def verified(
    who: Holder, *revoked: tuple[Holder, Reason], evidence: Evidence | None = None
) -> Presentation | Rejected:
    validator = map_bench.validator(Clock(), revoked=revoked)
    return verify_presentation(evidence or who.answer(CHALLENGE), validator, now=NOW)


def test_files() -> None:
    evidence = holder().answer(CHALLENGE)
    assert parse_evidence(evidence.to_bytes()) == evidence
    bare = json.dumps(evidence.response.to_object()).encode()
    assert parse_evidence(bare) == evidence


def test_cut_at_every_length() -> None:
    whole = holder().answer(CHALLENGE).to_bytes().rstrip()
    for cut in range(len(whole)):
        with pytest.raises(ChallengeError):
            parse_evidence(whole[:cut])


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"schema": "jpki.presentation/2", "response": {}}',
        b'{"schema": "jpki.presentation/1"}',
        b'{"schema": "jpki.presentation/1", "response": {}, "outcome": "valid"}',
        b'{"schema": "jpki.presentation/1", "response": 5}',
        b" " * 200_000,
        b"[" * 100_000,
    ],
)
def test_what_is_no_evidence(body: bytes) -> None:
    with pytest.raises(ChallengeError):
        parse_evidence(body)


@pytest.mark.parametrize(
    ("family", "proof"), [(Family.AUTH, Proof.AUTH), (Family.SIGN, Proof.SIGN)]
)
def test_the_proof_is_of_the_certificates_family(family: Family, proof: Proof) -> None:
    found = verified(holder(family))
    assert isinstance(found, Presentation)
    assert found.proof is proof
    assert found.status.text == "valid crl_good"
    assert repr(found) == f"<Presentation test {proof.value} card>"


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (Reason.AFFILIATION_CHANGED, Cause.MOVED),
        (Reason.SUPERSEDED, Cause.REPLACED),
        (Reason.KEY_COMPROMISE, Cause.COMPROMISED),
        (Reason.CERTIFICATE_HOLD, Cause.HELD),
    ],
)
def test_revoked(reason: Reason, cause: Cause) -> None:
    who = holder()
    found = verified(who, (who, reason))
    assert isinstance(found, Rejected)
    assert (found.reason, found.cause) == ("not_in_force", cause)
    assert found.ref is not None


def test_a_rejected_signature_names_nobody() -> None:
    """Somebody else's certificate with one's own signature tells nothing about its holder."""
    victim, other = holder(), holder(slot=2)
    forged = Holder(victim.certificate, other.key, victim.serial)
    found = verified(forged, (victim, Reason.KEY_COMPROMISE))
    assert isinstance(found, Rejected)
    assert (found.reason, found.ref, found.cause) == ("signature_wrong", None, None)


@pytest.mark.parametrize("mode", [RevocationMode.REQUIRE, RevocationMode.NONE])
def test_without_a_revocation_check_there_is_no_presentation(mode: RevocationMode) -> None:
    roots = map_bench.pki().trust_anchors()
    trust = TrustStore(Environment.TEST, roots)
    validator = Validator(trust, revocation=mode, clock=Clock())
    found = verify_presentation(holder().answer(CHALLENGE), validator, now=NOW)
    assert isinstance(found, Rejected)
    assert (found.reason, found.cause) == ("status_unknown", None)
