# SPDX-License-Identifier: Apache-2.0
"""OCSP answers a verifier holds: who may give them, and what they say of a certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from jpki.certificate import extensions
from jpki.certificate.certificate import Certificate, PublicKey, parse_certificate
from jpki.certificate.kinds import Environment
from jpki.errors import CertificateError, RevocationDataError
from jpki.validation.algorithms import key_allowed, signature_fits
from jpki.validation.findings import Dated, Finding, Source, judge_good, judge_revoked
from jpki.validation.named import AskedAbout
from jpki.validation.ocsp import BasicAnswer, SingleAnswer, parse_ocsp
from jpki.validation.ocsp_reader import OcspReader
from jpki.validation.path import signed_by
from jpki.validation.times import Moment, rfc3339
from jpki.validation.trust import Anchor
from jpki.verdict import Outcome

# How far a responder's clock may be ahead of ours.
CLOCK_SKEW: Final = timedelta(seconds=60)

_RANKS = {
    "ocsp_other_certificate": 2,
    "ocsp_refused": 3,
    "ocsp_malformed": 4,
    "ocsp_no_answer": 4,
    "ocsp_critical_extension": 5,
    "ocsp_responder": 6,
    "ocsp_signature": 6,
    "ocsp_nonce": 7,
    "ocsp_future": 8,
    "ocsp_no_next_update": 10,
    "ocsp_stale": 10,
    "ocsp_too_old": 10,
    "ocsp_unknown": 11,
}
_RESPONDER_CRITICAL: Final = frozenset(
    {
        extensions.KEY_USAGE,
        extensions.EXTENDED_KEY_USAGE,
        extensions.BASIC_CONSTRAINTS,
        extensions.OCSP_NO_CHECK,
    }
)
# Certificates of responders that are kept.
_MAX_DELEGATES: Final = 64
# Whether a responder's certificate without nocheck is shown to be in force.
Cleared = Callable[[Certificate], bool]


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """``der`` of an answer, and the nonce that was sent with the request, if one was."""

    der: bytes = field(repr=False)
    nonce: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Delegate:
    """Who answers in a root's place, and the key to prove it."""

    certificate: Certificate
    key: PublicKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeldAnswer:
    """An answer that was read, and the nonce of its request."""

    answer: BasicAnswer
    nonce: bytes | None = field(repr=False)


def read_answers(
    answers: Iterable[bytes | OcspAnswer], read: Callable[[bytes], BasicAnswer | str] = parse_ocsp
) -> tuple[list[HeldAnswer], list[Finding]]:
    """The answers that can be read; and for each other one, or refusal, that it tells nothing."""
    held: list[HeldAnswer] = []
    misses: list[Finding] = []
    for item in answers:
        given = item if isinstance(item, OcspAnswer) else OcspAnswer(item)
        try:
            parsed = read(given.der)
        except RevocationDataError as error:
            misses.append(ocsp_miss("ocsp_malformed", {"reason": error.values["reason"]}))
            continue
        if isinstance(parsed, str):
            misses.append(ocsp_miss("ocsp_refused", {"status": parsed}))
        else:
            held.append(HeldAnswer(parsed, given.nonce))
    return held, misses


class KnownResponders:
    """What one verifier has found out about responders and the form of their answers.

    Safe to use from several threads: entries are put in whole and never changed.
    """

    def __init__(self) -> None:
        self._reader = OcspReader()
        self._delegates: dict[tuple[bytes, bytes], _Delegate] = {}

    def read(self, data: bytes) -> BasicAnswer | str:
        """As ``parse_ocsp``."""
        return self._reader.read(data)

    def delegate(self, certificate_der: bytes, anchor: Anchor) -> _Delegate | None:
        """A certificate by which the root lets somebody answer in its place; None if it is not
        one. Of those that are, each is read and its signature checked once."""
        key = (certificate_der, anchor.certificate.der)
        known = self._delegates.get(key)
        if known is not None:
            return known
        try:
            certificate = parse_certificate(certificate_der)
            found = _Delegate(certificate, certificate.public_key)
        except CertificateError:
            return None
        if not _is_delegate(certificate, anchor):
            return None
        if len(self._delegates) >= _MAX_DELEGATES:
            self._delegates.clear()
        self._delegates[key] = found
        return found


class OcspStore:
    """Reads every answer once. One that cannot be read, or is a refusal, tells nothing."""

    def __init__(self, answers: Iterable[bytes | OcspAnswer], known: KnownResponders) -> None:
        self._known = known
        held, self._misses = read_answers(answers, self._known.read)
        self._by_serial: dict[bytes, list[tuple[HeldAnswer, SingleAnswer]]] = {}
        for one in held:
            for single in one.answer.answers:
                serial = single.cert_id.serial.reveal()
                self._by_serial.setdefault(serial, []).append((one, single))

    def check(
        self, certificate: AskedAbout, anchor: Anchor, moment: Moment, cleared: Cleared
    ) -> list[Finding]:
        """What the answers say of the certificate; none without any answer."""
        findings = list(self._misses)
        faults: dict[int, str | None] = {}
        for held, single in self._by_serial.get(certificate.serial.reveal(), ()):
            if not single.cert_id.is_of(certificate, anchor):
                continue
            if id(held) not in faults:
                faults[id(held)] = self._fault(held, anchor, moment, cleared)
            code = faults[id(held)]
            if code is not None:
                findings.append(ocsp_miss(code))
            else:
                findings.append(judge_single(single, certificate, moment))
        if self._by_serial and not faults:
            findings.append(ocsp_miss("ocsp_other_certificate"))
        return findings

    def _fault(
        self, held: HeldAnswer, anchor: Anchor, moment: Moment, cleared: Cleared
    ) -> str | None:
        """Why an answer as a whole is not believed, or None."""
        if (fault := common_fault(held, moment)) is not None:
            return fault
        answer = held.answer
        key: PublicKey | None = anchor.key
        if not answer.names(anchor.certificate):
            key = self._delegated(answer, anchor, cleared)
        if key is None:
            return "ocsp_responder"
        fits = signature_fits(key, answer.algorithm, answer.signature, answer.tbs)
        return None if fits else "ocsp_signature"

    def _delegated(self, answer: BasicAnswer, anchor: Anchor, cleared: Cleared) -> PublicKey | None:
        """The key in the enclosed certificate of who answers in the root's place, or None:
        of the answer's time, and in force. Without nocheck a CRL has to say that."""
        for enclosed in answer.certificates:
            found = self._known.delegate(enclosed, anchor)
            if found is None or not answer.names(found.certificate):
                continue
            certificate = found.certificate
            if certificate.not_before <= answer.produced_at <= certificate.not_after and (
                extensions.OCSP_NO_CHECK in certificate.extensions or cleared(certificate)
            ):
                return found.key
        return None


def common_fault(held: HeldAnswer, moment: Moment) -> str | None:
    """Why an answer is not believed whoever signed it, in either profile; or None."""
    answer = held.answer
    if answer.critical or any(single.critical for single in answer.answers):
        return "ocsp_critical_extension"
    if held.nonce is not None and answer.nonce != held.nonce:
        return "ocsp_nonce"
    if answer.produced_at > moment.now + CLOCK_SKEW:
        return "ocsp_future"
    return None


def _is_delegate(certificate: Certificate, anchor: Anchor) -> bool:
    """Issued by the very key of the root, for OCSP [RFC6960 4.2.2.2]."""
    environment = certificate.environment or Environment.CUSTOM
    usage = certificate.key_usage
    return (
        certificate.issuer_der == anchor.certificate.subject_der
        and signed_by(certificate, anchor)
        and key_allowed(certificate, environment)
        and extensions.OCSP_SIGNING in certificate.extended_key_usage
        and (usage is None or extensions.DIGITAL_SIGNATURE in usage)
        and not certificate.is_ca
        and not certificate.critical_extensions - _RESPONDER_CRITICAL
    )


def judge_single(single: SingleAnswer, certificate: Dated, moment: Moment) -> Finding:
    """What one answer, already believed, says of the certificate it is about."""
    values: dict[str, object] = {"this_update": rfc3339(single.this_update)}
    if single.next_update is not None:
        values["next_update"] = rfc3339(single.next_update)
    source = Source("ocsp", single.this_update, values)
    if single.this_update > moment.now + CLOCK_SKEW:
        return ocsp_miss("ocsp_future", values)
    if single.since is not None:
        return judge_revoked(single.since, single.reason, certificate, source, moment)
    fault = moment.fault(min(single.this_update, moment.now), single.next_update)
    if fault is not None:
        return ocsp_miss(_TIME_FAULTS.get(fault, f"ocsp_{fault}"), values)
    if single.status == "unknown":
        # The issuer says it does not know the certificate: no «good» outweighs that.
        return ocsp_miss("ocsp_unknown", values, decisive=True)
    return judge_good(certificate, source)


_TIME_FAULTS: Final = {"expired": "ocsp_stale"}


def ocsp_miss(
    code: str, values: Mapping[str, object] | None = None, *, decisive: bool = False
) -> Finding:
    """The finding that an answer tells nothing, and how near it came."""
    return Finding(Outcome.CANNOT_TELL, code, values or {}, rank=_RANKS[code], decisive=decisive)
