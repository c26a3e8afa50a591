# SPDX-License-Identifier: Apache-2.0
"""Fuzzed: certificates, revocation lists and OCSP answers, by every reader we have."""

from __future__ import annotations

import functools

from fuzz_targets import FindingError, calls
from jpki.certificate import parse_certificate
from jpki.certificate.certificate import Certificate
from jpki.certificate.der import DerError
from jpki.certificate.files import load_certificates, load_crls
from jpki.certificate.frame import agrees, cut
from jpki.errors import CertificateError, RevocationDataError
from jpki.open import load_trust
from jpki.validation.crl import Crl, parse_crl, read_form
from jpki.validation.crl_index.columns import collect
from jpki.validation.ocsp import parse_ocsp
from jpki.validation.rfc5280.certificate import extension_fault, profile_fault, read_certificate
from jpki.validation.rfc5280.crl import read_crl
from jpki.validation.validator import Validator
from jpki.verdict import Outcome
from jpki.verifying.material import ValidationOptions
from virtual_terminal import AT


@functools.cache
def validator() -> Validator:
    """The test PKI as of one day."""
    trust = load_trust("test", at=AT)
    return ValidationOptions(at=AT, crls=trust.crls).validator(trust)


@functools.cache
def known() -> frozenset[bytes]:
    """What was signed, of the certificates in the corpus."""
    from fuzz_targets import TARGETS

    return frozenset(parse_certificate(der).tbs for der in TARGETS["certificate"].corpus())


def certificates(data: bytes) -> None:
    """Both readers agree, and only what a CA signed is valid."""
    calls((_general,), data)
    frame = cut(data)
    try:
        certificate = parse_certificate(data)
    except CertificateError:
        return
    _show(certificate)
    if frame is not None:
        agrees(frame, certificate)
    if certificate.tbs in known():
        return  # an untouched one
    if validator().validate(data).outcome is Outcome.VALID:
        raise FindingError("an altered certificate is valid")


def _show(certificate: Certificate) -> None:
    """What the command line shows of one."""
    repr(certificate)
    calls((lambda _: certificate.holder, lambda _: certificate.medium), b"")


def _general(data: bytes) -> None:
    certificate = read_certificate(data)
    profile_fault(certificate, last=True)
    profile_fault(certificate, last=False)
    extension_fault(certificate)


def certificate_files(data: bytes) -> None:
    """PEM or DER, one or many."""
    calls((load_certificates, load_crls), data)


def crls(data: bytes) -> None:
    """The lists of JPKI, and any."""
    calls((_own, read_crl), data)


def _own(data: bytes) -> Crl:
    crl = parse_crl(data)
    if len(crl.tbs) > len(data):
        raise FindingError("longer than it is")
    return crl


def crl_columns(data: bytes) -> None:
    """The index's two ways to read a list's entries see the same."""
    try:
        form = read_form(data)
    except (DerError, RevocationDataError):
        form = None
    start, end = (0, len(data)) if form is None else form.entries
    found: list[tuple[object, ...] | None] = []
    for numpy in (False, True):
        try:
            one = collect(data, start, end, numpy=numpy)
            found.append((one.width, one.rows, bytes(one.keys), bytes(one.offsets)))
        except DerError:
            found.append(None)
    if found[0] != found[1]:
        raise FindingError("the two ways differ")


def ocsp_answers(data: bytes) -> None:
    calls((parse_ocsp,), data)
