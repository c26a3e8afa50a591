# SPDX-License-Identifier: Apache-2.0
"""The negative matrix: every way to be wrong, for both families, both media, three generations.

Each row says what is wrong, which check has to say so, and with which reason. A document
whose signature is over another digest is the matter of ``tests/jpki/verifying``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from jpki.certificate import Environment, Family, Medium
from jpki.synth.end_entity import POLICIES
from jpki.synth.municipalities import KIYOSE, SHIBUYA
from jpki.synth.overrides import CrlOverrides
from jpki.synth.pki import SynthPki
from jpki.validation import TrustStore, Validator
from jpki.validation.crl_store import ProcessMemory
from jpki.verdict import Check, Outcome

Make = Callable[..., bytes]
# A day in the life of each generation.
DAYS = {
    1: datetime(2020, 3, 2, tzinfo=UTC),
    2: datetime(2025, 3, 2, tzinfo=UTC),
    3: datetime(2026, 11, 21, tzinfo=UTC),
}
DAY = timedelta(days=1)
SERIAL = 0x0700_4001
KINDS = [
    pytest.param((family, medium, generation), id=f"{family.value}-{medium.value}-{generation}")
    for family in Family
    for medium in Medium
    for generation in DAYS
]
OTHER = {1: 2, 2: 3, 3: 2}
VALID, INVALID, CANNOT = Outcome.VALID, Outcome.INVALID, Outcome.CANNOT_TELL


@functools.cache
def pki_of(generation: int) -> SynthPki:
    return SynthPki(DAYS[generation])


@dataclass(frozen=True, slots=True)
class Kind:
    """One cell's column: what the certificate is, the day, and the PKI of that day."""

    family: Family
    medium: Medium
    generation: int
    make: Make

    @property
    def day(self) -> datetime:
        return DAYS[self.generation]

    @property
    def pki(self) -> SynthPki:
        return pki_of(self.generation)

    def certificate(self, **wrong: object) -> bytes:
        given = {"serial": SERIAL, "not_before": self.day - 30 * DAY, **wrong}
        return self.make(self.family, self.generation, medium=self.medium, of=self.pki, **given)

    def crl(self, *revoked: tuple[int, datetime, int | None], **wrong: object) -> bytes:
        overrides = CrlOverrides(**wrong)  # type: ignore[arg-type]
        return self.pki.crl(self.family, self.generation, KIYOSE, revoked, overrides)

    def answer(self, status: str, **wrong: object) -> bytes:
        return self.pki.ocsp_response(self.certificate(), status, **wrong)  # type: ignore[arg-type]

    def validator(self, **options: object) -> Validator:
        trust = TrustStore(Environment.TEST, self.pki.trust_anchors())
        given = {"clock": lambda: self.day, "unverified_policies": True, **options}
        return Validator(trust, **given)  # type: ignore[arg-type]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, make: Make) -> Kind:
    family, medium, generation = request.param
    return Kind(family, medium, generation, make)


def said(check: Check | None) -> tuple[Outcome, str]:
    assert check is not None
    return check.outcome, check.code


def test_the_right_one(kind: Kind) -> None:
    """Without this no row below would mean anything."""
    for source in ({"crls": [kind.crl()]}, {"ocsp": [kind.answer("good")]}):
        assert kind.validator(**source).validate(kind.certificate()).outcome is VALID


def policy_of_the_other_family(kind: Kind) -> Mapping[str, object]:
    other = next(family for family in Family if family is not kind.family)
    return {"policy": POLICIES[other, kind.medium]}


def signed_by_a_holder(kind: Kind) -> Mapping[str, object]:
    holder = kind.certificate(serial=SERIAL + 1)
    return {"signer": "card-00-auth", "issuer_certificate": holder}


CERTIFICATES: dict[str, tuple[object, str, Outcome, str]] = {
    "policy of the other family": (
        policy_of_the_other_family, "profile", INVALID, "family_mismatch"
    ),
    "key of another generation, right name": (
        lambda kind: {"signer": f"{kind.family.value}-ca-{OTHER[kind.generation]}"},
        "path", INVALID, "signature_wrong",
    ),
    "serial of the authority wrong": (
        {"aki_serial": 0x1234}, "path", INVALID, "authority_key_id_mismatch"
    ),
    "signed by a holder": (signed_by_a_holder, "path", INVALID, "untrusted"),
    "no policy": ({"drop": ("policies",)}, "profile", INVALID, "policy_missing"),
    "unknown policy": (
        {"policy": "1.2.392.200149.8.5.1.1.99"}, "profile", INVALID, "policy_unknown"
    ),
    "one more critical extension": (
        {"extra_critical": True}, "profile", INVALID, "critical_extension"
    ),
    "one second past notAfter": (
        lambda kind: {"not_after": kind.day - timedelta(seconds=1)},
        "validity", INVALID, "expired",
    ),
    "SHA-1": ({"signature_hash": "sha1"}, "path", INVALID, "weak_algorithm"),
    "RSA 1024": ({"key": "weak-1024"}, "profile", INVALID, "weak_key"),
    "negative serial": (
        {"serial_content": b"\xff"}, "certificate", INVALID, "certificate_unreadable"
    ),
    "serial zero": (
        {"serial_content": b"\x00"}, "certificate", INVALID, "certificate_unreadable"
    ),
    "serial of 21 octets": (
        {"serial_content": b"\x01" * 21}, "certificate", INVALID, "certificate_unreadable"
    ),
    "extension twice": (
        {"duplicate": "policies"}, "certificate", INVALID, "certificate_unreadable"
    ),
    "length not minimal": (
        {"non_minimal_length": True}, "certificate", INVALID, "certificate_unreadable"
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", CERTIFICATES)
def test_certificates(kind: Kind, row: str) -> None:
    wrong, name, outcome, code = CERTIFICATES[row]
    deviations = wrong(kind) if callable(wrong) else wrong
    assert isinstance(deviations, Mapping)
    verdict = kind.validator(crls=[kind.crl()]).validate(kind.certificate(**deviations))
    assert said(verdict.check(name)) == (outcome, code)
    assert verdict.outcome is INVALID


def test_wrong_family(kind: Kind) -> None:
    """Used for what the other family is for."""
    other = next(family for family in Family if family is not kind.family)
    validator = kind.validator(crls=[kind.crl()])
    verdict = validator.validate(kind.certificate(), family=other)
    assert said(verdict.check("profile")) == (INVALID, "wrong_family")


def test_test_root_in_production(kind: Kind) -> None:
    production = Validator(TrustStore(Environment.PRODUCTION), clock=lambda: kind.day)
    verdict = production.validate(kind.certificate(), chain=kind.pki.trust_anchors())
    assert said(verdict.check("path")) == (INVALID, "test_root")


BEFORE = -3 * DAY
CRLS: dict[str, tuple[Callable[[Kind], bytes], Outcome, str]] = {
    "other municipality": (
        lambda k: k.crl(partition=SHIBUYA), CANNOT, "crl_other_point"
    ),
    "no IDP": (lambda k: k.crl(idp_absent=True), VALID, "crl_good"),
    "no IDP, listed": (
        lambda k: k.crl((SERIAL, k.day + BEFORE, 4), idp_absent=True), INVALID, "revoked"
    ),
    "of another generation": (
        lambda k: k.pki.crl(k.family, OTHER[k.generation], KIYOSE, ()),
        CANNOT, "crl_other_generation",
    ),
    "signed by another generation": (
        lambda k: k.crl(signer=f"{k.family.value}-ca-{OTHER[k.generation]}"),
        CANNOT, "crl_signature",
    ),
    "of the other family": (
        lambda k: k.pki.crl(next(f for f in Family if f is not k.family), k.generation, KIYOSE, ()),
        CANNOT, "crl_missing",
    ),
    "expired": (
        lambda k: k.crl(this_update=k.day - 3 * DAY, next_update=k.day - timedelta(seconds=1)),
        CANNOT, "crl_expired",
    ),
    "on hold": (lambda k: k.crl((SERIAL, k.day + BEFORE, 6)), INVALID, "revoked"),
    "no reason": (lambda k: k.crl((SERIAL, k.day + BEFORE, None)), INVALID, "revoked"),
    "reason 0": (lambda k: k.crl((SERIAL, k.day + BEFORE, 0)), INVALID, "revoked"),
    "another serial": (lambda k: k.crl((SERIAL + 1, k.day + BEFORE, 4)), VALID, "crl_good"),
}  # fmt: skip


@pytest.mark.parametrize("row", CRLS)
def test_crls(kind: Kind, row: str) -> None:
    data, outcome, code = CRLS[row]
    verdict = kind.validator(crls=[data(kind)]).validate(kind.certificate())
    assert said(verdict.check("revocation")) == (outcome, code)


ANSWERS: dict[str, tuple[Callable[[Kind], bytes], Outcome, str]] = {
    "on hold": (lambda k: k.answer("revoked", reason=6), INVALID, "revoked"),
    "no reason": (lambda k: k.answer("revoked"), INVALID, "revoked"),
    "reason 0": (lambda k: k.answer("revoked", reason=0), INVALID, "revoked"),
    "unknown": (lambda k: k.answer("unknown"), CANNOT, "ocsp_unknown"),
    "responder of another generation": (
        lambda k: k.answer("good", responder="other-generation"), CANNOT, "ocsp_responder"
    ),
    "responder not for OCSP": (
        lambda k: k.answer("good", responder="no-eku"), CANNOT, "ocsp_responder"
    ),
    "responder expired": (
        lambda k: k.answer("good", responder="expired"), CANNOT, "ocsp_responder"
    ),
    "responder's key is another": (
        lambda k: k.answer("good", responder="rogue"), CANNOT, "ocsp_responder"
    ),
    "another serial": (
        lambda k: k.answer("good", serial=SERIAL + 1), CANNOT, "ocsp_other_certificate"
    ),
    "stale": (
        lambda k: k.answer("good", this_update=k.day - DAY, next_update=k.day - DAY / 24),
        CANNOT, "ocsp_stale",
    ),
    "from the future": (
        lambda k: k.answer("good", this_update=k.day + DAY, next_update=k.day + 2 * DAY),
        CANNOT, "ocsp_future",
    ),
    "damaged signature": (
        lambda k: k.answer("good", damage_signature=True), CANNOT, "ocsp_signature"
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", ANSWERS)
def test_answers(kind: Kind, row: str) -> None:
    data, outcome, code = ANSWERS[row]
    verdict = kind.validator(ocsp=[data(kind)]).validate(kind.certificate())
    assert said(verdict.check("revocation")) == (outcome, code)


def test_a_list_that_was_rolled_back(kind: Kind) -> None:
    memory = ProcessMemory()
    certificate = kind.certificate()
    newer, older = kind.crl(number=9), kind.crl(number=8)
    for data, wanted in ((newer, (VALID, "crl_good")), (older, (CANNOT, "crl_rollback"))):
        validator = kind.validator(crls=[data], memory=memory)
        assert said(validator.validate(certificate).check("revocation")) == wanted


def test_revoked_after_the_time_of_signing(kind: Kind) -> None:
    """Historic validation: the date in the current list decides, and so it does in an answer."""
    since = kind.day - 2 * DAY
    crl = kind.crl((SERIAL, since, 1))
    answer = kind.answer("revoked", revoked_at=since, reason=1)
    for source in ({"crls": [crl]}, {"ocsp": [answer]}):
        validator = kind.validator(**source)
        before = validator.validate(kind.certificate(), at=since - DAY).check("revocation")
        after = validator.validate(kind.certificate(), at=since).check("revocation")
        assert said(before) == (VALID, "revoked_later")
        assert said(after) == (INVALID, "revoked")


@pytest.mark.parametrize("listed", [False, True])
def test_crl_and_ocsp_disagree(kind: Kind, listed: bool) -> None:
    """Whichever says revoked wins; the issuer's «unknown» is not outweighed by a list."""
    crl = kind.crl((SERIAL, kind.day + BEFORE, 4)) if listed else kind.crl()
    answer = kind.answer("good" if listed else "revoked")
    verdict = kind.validator(crls=[crl], ocsp=[answer]).validate(kind.certificate())
    assert said(verdict.check("revocation")) == (INVALID, "revoked")
    unknown = kind.validator(crls=[kind.crl()], ocsp=[kind.answer("unknown")])
    assert said(unknown.validate(kind.certificate()).check("revocation")) == (
        CANNOT,
        "ocsp_unknown",
    )


def test_one_serial_in_both_families(kind: Kind) -> None:
    """The same serial in both families is normal: a list of one says nothing of the other."""
    other = next(family for family in Family if family is not kind.family)
    foreign = kind.pki.crl(other, kind.generation, KIYOSE, [(SERIAL, kind.day + BEFORE, 4)])
    verdict = kind.validator(crls=[foreign, kind.crl()]).validate(kind.certificate())
    assert said(verdict.check("revocation")) == (VALID, "crl_good")
