# SPDX-License-Identifier: Apache-2.0
"""Presentations: proof that a holder used a certificate now, for this map, for one purpose.

What arrives is evidence only. A Presentation is made here and nowhere else, after the map's
own trust and revocation data were asked; it is neither copied nor stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NoReturn, final

from jpki.certificate.kinds import Environment, Family, Medium
from jpki.errors import CertificateError, ChallengeError
from jpki.mapping.index import (
    CertificateRef,
    StoredCertificate,
    certificate_ref,
)
from jpki.mapping.policy import Proof
from jpki.validation.known_frames import Seen
from jpki.validation.validator import Validator
from jpki.verdict import Check, Outcome, Verdict
from jpki.verifying.challenge import (
    MAX_RESPONSE,
    RESPONSE_SCHEMA,
    Challenge,
    Response,
    parse_response,
)
from jpki.verifying.login import check_signature

SCHEMA: Final = "jpki.presentation/1"
FRESH: Final = timedelta(minutes=5)  # how long a verdict opens the map
_KEY: Final = object()


class Cause(StrEnum):
    """Why a certificate that proved itself is not in force."""

    EXPIRED = "expired"
    MOVED = "affiliation_changed"
    REPLACED = "superseded"
    HELD = "certificate_hold"
    COMPROMISED = "key_compromise"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Evidence:
    """An answered challenge as it arrived; nothing in it is believed yet."""

    response: Response = field(repr=False)

    def to_bytes(self) -> bytes:
        """The file, ``jpki.presentation/1``."""
        body = {"schema": SCHEMA, "response": self.response.to_object()}
        return json.dumps(body, ensure_ascii=False, indent=1).encode("utf-8") + b"\n"


def parse_evidence(data: bytes) -> Evidence:
    """Read a presentation file, or a bare login response. Raises ChallengeError."""
    if len(data) > 2 * MAX_RESPONSE:
        raise ChallengeError(reason="too_large")
    try:
        raw = json.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise ChallengeError(reason="not_json") from None
    if isinstance(raw, dict) and raw.get("schema") == RESPONSE_SCHEMA:
        return Evidence(parse_response(data))
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise ChallengeError(reason="schema", expected=SCHEMA)
    if set(raw) != {"schema", "response"}:
        raise ChallengeError(reason="member", member="response")
    return Evidence(parse_response(json.dumps(raw["response"]).encode("utf-8")))


@dataclass(frozen=True, slots=True)
class Status:
    """What the revocation check said: ``text`` for the ledger, ``at`` of the data it rests on."""

    text: str
    at: datetime | None


@final
class Presentation:
    """A valid verdict over evidence. Only :func:`verify_presentation` makes one."""

    __slots__ = (
        "challenge", "environment", "family", "medium", "proof", "ref", "status", "stored",
        "verdict", "verified_at", "verifier",
    )  # fmt: skip
    challenge: Challenge
    environment: Environment
    family: Family
    medium: Medium
    proof: Proof
    ref: CertificateRef
    status: Status
    stored: StoredCertificate
    verdict: Verdict
    verified_at: datetime
    verifier: Validator

    def __init__(self, key: object, **facts: Any) -> None:
        if key is not _KEY:
            raise TypeError("a Presentation comes from verify_presentation")
        for name, value in facts.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"<Presentation {self.environment.value} {self.proof.value} {self.medium.value}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Presentation is neither copied nor pickled")

    def is_fresh(self, now: datetime) -> bool:
        """Whether the verdict may still open the map."""
        return timedelta(0) <= now - self.verified_at <= FRESH


@dataclass(frozen=True, slots=True)
class Rejected:
    """Evidence that opens nothing. ``reason``: a code.

    ``ref`` and ``cause`` where the certificate is genuine, signed this challenge, and is no
    longer in force: the map takes note of that.
    """

    challenge: Challenge
    reason: str
    verdict: Verdict
    environment: Environment
    proof: Proof = Proof.NONE
    status: Status = Status("", None)
    cause: Cause | None = None
    ref: CertificateRef | None = field(default=None, repr=False)


def verify_presentation(
    evidence: Evidence, validator: Validator, *, now: datetime
) -> Presentation | Rejected:
    """Verify evidence whole: signature, certificate, path, profile, dates, revocation.

    Whether the challenge is one of ours and unused is for the store to say, in the
    transaction that uses it. Never raises for what the evidence holds.
    """
    response = evidence.response
    verdict, seen = validator.examine(response.certificate)
    signed = check_signature(
        response.certificate, response.signature, response.challenge.signed_text(),
        None if seen is None else seen.key_info(response.certificate),
    )  # fmt: skip
    whole = Verdict(
        (*verdict.checks, signed), verdict.environment, verdict.genuine, verdict.in_force,
        verdict.subject,
    )  # fmt: skip
    environment = validator.trust.environment
    facts: dict[str, Any] = {
        "challenge": response.challenge,
        "environment": environment,
        "verdict": whole,
    }
    if signed.outcome is not Outcome.VALID:
        return Rejected(reason="signature_wrong", **facts)
    found = judge(response.certificate, verdict, validator, seen)
    if found.stored is None:
        return Rejected(reason=found.reason, **facts)
    ref = found.stored.ref
    facts.update(proof=Proof(ref.family.value), status=found.status, ref=ref)
    if found.reason:
        return Rejected(reason=found.reason, cause=found.cause, **facts)
    return Presentation(
        _KEY, **facts, stored=found.stored, family=ref.family, medium=ref.medium,
        verified_at=now, verifier=validator,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """What a verdict says of a certificate to the map. ``reason`` empty: genuine, in force.

    ``stored`` None: not genuine. ``cause`` where it is genuine and no longer in force.
    """

    stored: StoredCertificate | None
    status: Status
    reason: str = ""
    cause: Cause | None = None


def judge(der: bytes, verdict: Verdict, validator: Validator, seen: Seen | None = None) -> Judged:
    """Whether a certificate is genuine, which one it is, and whether it is in force.

    ``verdict``: the validator's own on it. ``seen``: what it saw on the way, if that is at hand.
    """
    stored = _stored(der, verdict, validator, seen)
    if isinstance(stored, str):
        return Judged(None, Status("", None), stored)
    revocation = verdict.check("revocation")
    asked = revocation is not None and revocation.outcome is Outcome.VALID
    status = status_of(revocation)
    if verdict.outcome is Outcome.VALID and asked:
        return Judged(stored, status)
    cause = _cause(verdict)  # a status left out is no good status
    return Judged(stored, status, "status_unknown" if cause is None else "not_in_force", cause)


def _stored(
    der: bytes, verdict: Verdict, validator: Validator, seen: Seen | None
) -> StoredCertificate | str:
    """What is known of a genuine certificate, or why it is none."""
    for name in ("certificate", "path", "profile"):
        check = verdict.check(name)
        if check is None or check.outcome is not Outcome.VALID:
            return f"{name}_not_valid"
    try:
        family = Family(str(verdict.subject["family"]))
        medium = Medium(str(verdict.subject["medium"]))
        named = validator.named(der) if seen is None else seen.named()
        ref = certificate_ref(named, validator.trust.environment, family, medium)
        return StoredCertificate(ref, named)
    except (CertificateError, KeyError, ValueError):
        return "profile_not_valid"


def _cause(verdict: Verdict) -> Cause | None:
    revocation, validity = verdict.check("revocation"), verdict.check("validity")
    if (cause := cause_of(revocation)) is not None:
        return cause
    if validity is not None and validity.outcome is Outcome.INVALID and validity.code == "expired":
        return Cause.EXPIRED
    return None


def cause_of(revocation: Check | None) -> Cause | None:
    """Why a certificate is revoked, by its ``revocation`` check; None where it is not."""
    if revocation is None or revocation.outcome is not Outcome.INVALID:
        return None
    return cause_named(str(revocation.values.get("reason", "")))


def cause_named(reason: str) -> Cause:
    """The cause for a reason as revocation data name it; any other is ``revoked``."""
    if reason == "ca_compromise":
        return Cause.COMPROMISED
    return {cause.value: cause for cause in Cause}.get(reason, Cause.REVOKED)


def status_of(check: Check | None) -> Status:
    """The ``revocation`` check as the ledger has it."""
    if check is None:
        return Status("", None)
    words = [check.outcome.value, check.code]
    if check.code == "revoked":
        words.append(str(check.values.get("reason", "")))
    return Status(" ".join(words), _time(check.values))


def _time(values: Any) -> datetime | None:
    for name in ("this_update", "date", "produced_at"):
        try:
            return datetime.fromisoformat(str(values[name]))
        except (KeyError, ValueError):
            continue
    return None
