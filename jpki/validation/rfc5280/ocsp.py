# SPDX-License-Identifier: Apache-2.0
"""OCSP answers in the general profile: who may answer for any issuer. Source: [RFC6960]."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Final

from jpki.certificate import extensions
from jpki.errors import CertificateError
from jpki.validation.findings import Finding
from jpki.validation.ocsp import BasicAnswer, CertId
from jpki.validation.ocsp_store import (
    HeldAnswer,
    OcspAnswer,
    common_fault,
    judge_single,
    ocsp_miss,
    read_answers,
)
from jpki.validation.rfc5280.certificate import AnyCertificate, read_certificate
from jpki.validation.rfc5280.profile import profile_fault
from jpki.validation.rfc5280.signatures import (
    UnsupportedSignatureError,
    is_weak_algorithm,
    is_weak_key,
    verify,
)
from jpki.validation.times import Moment

# Whether a responder's certificate without nocheck is shown to be in force.
Cleared = Callable[[AnyCertificate], bool]
_NEVER_CRITICAL_HERE: Final = frozenset({extensions.SUBJECT_ALT_NAME})


class OcspAnswers:
    """Reads every answer once. One that cannot be read, or is a refusal, tells nothing."""

    def __init__(self, answers: Iterable[bytes | OcspAnswer], *, weak_keys: bool) -> None:
        self._weak_keys = weak_keys
        self._held, self._misses = read_answers(answers)

    def check(
        self,
        certificate: AnyCertificate,
        issuer: AnyCertificate,
        moment: Moment,
        cleared: Cleared,
    ) -> list[Finding]:
        """What each answer says of a certificate of ``issuer``."""
        findings = list(self._misses)
        for held in self._held:
            singles = [
                single
                for single in held.answer.answers
                if _means(single.cert_id, certificate, issuer)
            ]
            if not singles:
                findings.append(ocsp_miss("ocsp_other_certificate"))
                continue
            code = self._fault(held, issuer, moment, cleared)
            if code is not None:
                findings.append(ocsp_miss(code))
            else:
                findings += [judge_single(s, certificate, moment) for s in singles]
        return findings

    def _fault(
        self, held: HeldAnswer, issuer: AnyCertificate, moment: Moment, cleared: Cleared
    ) -> str | None:
        """Why an answer as a whole is not believed, or None."""
        if (fault := common_fault(held, moment)) is not None:
            return fault
        answer = held.answer
        if not issuer.not_before <= answer.produced_at <= issuer.not_after:
            return "ocsp_responder"
        if answer.names(issuer):
            return None if self._signed(answer, issuer, moment) else "ocsp_signature"
        responder = self._delegated(answer, issuer, moment, cleared)
        if responder is None:
            return "ocsp_responder"
        return None if self._signed(answer, responder, moment) else "ocsp_signature"

    def _signed(self, answer: BasicAnswer, signer: AnyCertificate, moment: Moment) -> bool:
        return self._fits(answer.algorithm, answer.signature, answer.tbs, signer.spki, moment)

    def _fits(
        self, algorithm: bytes, signature: bytes, data: bytes, spki: bytes, moment: Moment
    ) -> bool:
        try:
            weak = is_weak_algorithm(algorithm, moment.at) or is_weak_key(spki, moment.at)
            return verify(algorithm, signature, data, spki) and (self._weak_keys or not weak)
        except UnsupportedSignatureError:
            return False

    def _delegated(
        self, answer: BasicAnswer, issuer: AnyCertificate, moment: Moment, cleared: Cleared
    ) -> AnyCertificate | None:
        """The enclosed certificate that the issuer lets answer in its place, or None."""
        for enclosed in answer.certificates:
            try:
                certificate = read_certificate(enclosed)
            except CertificateError:
                continue
            if not answer.names(certificate):
                continue
            if self._may_answer(certificate, issuer, answer, moment) and (
                _unchecked(certificate) or cleared(certificate)
            ):
                return certificate
        return None

    def _may_answer(
        self,
        certificate: AnyCertificate,
        issuer: AnyCertificate,
        answer: BasicAnswer,
        moment: Moment,
    ) -> bool:
        """Issued by the very key that issued the certificate asked about, for OCSP, in its
        time [RFC6960 4.2.2.2]."""
        return (
            certificate.issuer == issuer.subject
            and self._fits(
                certificate.algorithm,
                certificate.signature,
                certificate.tbs,
                issuer.spki,
                moment,
            )
            # Who else it is does not matter here: one in the wild has no names where some belong.
            and profile_fault(certificate, last=True) in (None, "alternative_name")
            and not certificate.critical & _NEVER_CRITICAL_HERE
            and extensions.OCSP_SIGNING in certificate.purposes
            and certificate.may(extensions.DIGITAL_SIGNATURE)
            and not certificate.is_ca
            and certificate.not_before <= answer.produced_at <= certificate.not_after
        )


def _unchecked(certificate: AnyCertificate) -> bool:
    """Whether its issuer says, or leaves it to us, that it need not be checked: nocheck, or
    no source of revocation named in it [RFC6960 4.2.2.2.1]."""
    if extensions.OCSP_NO_CHECK in certificate.extensions:
        return True
    return not certificate.points and extensions.AUTHORITY_INFO not in certificate.extensions


def _means(cert_id: CertId, certificate: AnyCertificate, issuer: AnyCertificate) -> bool:
    if cert_id.hash_name is None or cert_id.serial.reveal() != certificate.serial:
        return False
    # Over the name as the certificate has it, not as its issuer writes itself [RFC6960 4.1.1].
    name = hashlib.new(cert_id.hash_name, certificate.issuer_der, usedforsecurity=False)
    key = hashlib.new(cert_id.hash_name, issuer.key_bits, usedforsecurity=False)
    return (cert_id.name_hash, cert_id.key_hash) == (name.digest(), key.digest())
