# SPDX-License-Identifier: Apache-2.0
"""Fuzzed: certificates, revocation lists and OCSP answers, by every reader we have."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Final
from unittest import mock

from fuzz_targets import TARGETS, FindingError, calls
from jpki.certificate import der, extensions, parse_certificate
from jpki.certificate.certificate import Certificate
from jpki.certificate.der import DerError
from jpki.certificate.files import load_certificates, load_crls
from jpki.certificate.frame import agrees, cut, public_key_info
from jpki.certificate.kinds import Environment
from jpki.certificate.names import general_name_key, names_equal, parse_name, point_label
from jpki.certificate.serial import RefKind, SerialRef
from jpki.errors import CertificateError, RevocationDataError
from jpki.open import load_trust
from jpki.validation.crl import Crl, parse_crl, read_form
from jpki.validation.crl_index import plain
from jpki.validation.crl_index.columns import collect
from jpki.validation.ocsp import parse_ocsp
from jpki.validation.ocsp_store import KnownResponders
from jpki.validation.policy import RevocationMode
from jpki.validation.rfc5280 import GeneralOptions, GeneralValidator
from jpki.validation.rfc5280.certificate import read_certificate
from jpki.validation.rfc5280.constraints import constraint_fault
from jpki.validation.rfc5280.crl import read_crl
from jpki.validation.rfc5280.policies import policies_fault
from jpki.validation.rfc5280.profile import extension_fault, profile_fault
from jpki.validation.rfc5280.signatures import (
    UnsupportedSignatureError,
    load_key,
    read_algorithm,
    verify,
)
from jpki.validation.trust import Anchor
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
def anchors() -> tuple[Anchor, ...]:
    """Its roots."""
    return load_trust("test", at=AT).store.anchors


@functools.cache
def read() -> list[Certificate]:
    """The certificates of the corpus that are any."""
    found = []
    for seed in TARGETS["certificate"].corpus():
        with contextlib.suppress(CertificateError):
            found.append(parse_certificate(seed))
    return found


@functools.cache
def known() -> frozenset[bytes]:
    """What was signed, of those."""
    return frozenset(one.tbs for one in read())


def certificates(data: bytes) -> None:
    """Both readers agree, and only what a CA signed is valid."""
    calls((_general,), data)
    frame = cut(data)
    try:
        certificate = parse_certificate(data)
    except CertificateError:
        return
    _show(certificate)
    key = public_key_info(data)
    if frame is not None and agrees(frame, certificate) and key != certificate.spki:
        raise FindingError("another key")
    if certificate.tbs in known():
        return  # an untouched one
    if validator().validate(data).outcome is Outcome.VALID:
        raise FindingError("an altered certificate is valid")


def _show(certificate: Certificate) -> None:
    """What the command line shows of one, and what a verdict asks of it."""
    repr(certificate)
    calls(
        tuple(
            functools.partial(lambda name, _: getattr(certificate, name), name)
            for name in ("holder", "medium", "family", "environment", "public_key", "key_id")
        ),
        b"",
    )
    names_equal(certificate.issuer_der, certificate.subject_der)
    for name in certificate.crl_distribution_point_names:
        point_label(name)
        general_name_key(name)


def _general(data: bytes) -> None:
    certificate = read_certificate(data)
    profile_fault(certificate, last=True)
    profile_fault(certificate, last=False)
    extension_fault(certificate)
    policies_fault(certificate)
    constraint_fault((certificate, certificate))
    for point in certificate.points:
        if point.name is not None:
            point.name.below(certificate.issuer_der)


PARTS: Final[tuple[Callable[[bytes], object], ...]] = (
    der.check_strict,
    parse_name,
    extensions.authority_key_id,
    extensions.subject_key_id,
    extensions.key_usage,
    extensions.purposes,
    extensions.basic_constraints,
    extensions.policies,
    extensions.distribution_points,
    extensions.ocsp_urls,
    lambda data: extensions.read_extensions(der.whole(data)),
    lambda data: names_equal(data, data.swapcase()),
    point_label,
    general_name_key,
    *(
        lambda data, read=read: read(der.whole(data, data[0] if data else 0))
        for read in (der.integer, der.boolean, der.oid, der.bits, der.named_bits, der.time)
    ),
)


def parts(data: bytes) -> None:
    """What certificates and lists are made of, each by itself."""
    for read in PARTS:
        with contextlib.suppress(DerError):
            read(data)


def general(data: bytes) -> None:
    """The general profile: as a certificate; then as all that helps to judge another one."""
    verdict = _general_alone().validate(data)
    if verdict.outcome is Outcome.VALID and not any(tbs in data for tbs in known()):
        raise FindingError("an altered certificate is valid")
    beside = GeneralOptions(at=AT, chain=(data,), crls=(data,), ocsp=(data,))
    judged, root = _judged()
    GeneralValidator([root.der], beside, environment=Environment.TEST).validate(judged.der)
    for check in (load_key, read_algorithm, lambda raw: verify(raw, b"", b"", raw)):
        with contextlib.suppress(UnsupportedSignatureError):
            check(data)


@functools.cache
def _general_alone() -> GeneralValidator:
    """Trusts every root and has nothing else at hand."""
    ders = [anchor.certificate.der for anchor in anchors()]
    options = GeneralOptions(at=AT, revocation=RevocationMode.NONE)
    return GeneralValidator(ders, options, environment=Environment.TEST)


@functools.cache
def _judged() -> tuple[Certificate, Certificate]:
    """A certificate of a person, and the root that issued it."""
    roots = {anchor.certificate.subject: anchor.certificate for anchor in anchors()}
    for certificate in read():
        root = roots.get(certificate.issuer)
        if root is not None and root.der != certificate.der:
            return certificate, root
    raise FindingError("no certificate of the corpus was issued by a root")


def certificate_files(data: bytes) -> None:
    """PEM or DER, one or many."""
    calls((load_certificates, load_crls), data)


def crls(data: bytes) -> None:
    """The lists of JPKI, and any."""
    calls((_own, read_crl), data)


def _own(data: bytes) -> Crl:
    """Every serial in the list is found in it; nobody but its issuer signed it."""
    crl = parse_crl(data)
    for number in list(crl.index)[:50]:
        octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
        found = crl.find(SerialRef(RefKind.CERTIFICATE_SERIAL, octets))
        if found is None:
            raise FindingError("an entry is not found")
    if crl.find(SerialRef(RefKind.CERTIFICATE_SERIAL, b"\x01" * 21)) is not None:
        raise FindingError("an entry that is not there is found")
    answers = [[crl.signed_by(anchor) for anchor in anchors()] for _ in range(2)]
    if answers[0] != answers[1]:
        raise FindingError("signed and not signed")
    if any(answers[0]) and data not in TARGETS["crl"].corpus():
        raise FindingError("an altered list is signed")
    return crl


def crl_columns(data: bytes) -> None:
    """The index's two ways to read a list's entries see the same, in pieces of any size."""
    try:
        form = read_form(data)
    except (DerError, RevocationDataError):
        form = None
    start, end = (0, len(data)) if form is None else form.entries
    found = [
        _columns(data, start, end, numpy=True),
        _columns(data, start, end, numpy=False),
        *(_in_pieces(data, start, end, size) for size in (64, 200)),
    ]
    if any(one != found[0] for one in found):
        raise FindingError("the ways differ")


def _in_pieces(data: bytes, start: int, end: int, size: int) -> tuple[object, ...] | None:
    """The way without numpy, which looks at 256 KB together, with pieces of a few entries."""
    with mock.patch.multiple(plain, _CHUNK=size, _STRETCH=size // 2):
        return _columns(data, start, end, numpy=False)


def _columns(data: bytes, start: int, end: int, *, numpy: bool) -> tuple[object, ...] | None:
    try:
        one = collect(data, start, end, numpy=numpy)
    except DerError:
        return None
    return one.width, one.rows, bytes(one.keys), bytes(one.offsets)


@functools.cache
def responders() -> KnownResponders:
    """They have met every answer of the corpus."""
    made = KnownResponders()
    calls(tuple(functools.partial(lambda seed, _: made.read(seed), seed)
                for seed in TARGETS["ocsp"].corpus()), b"")  # fmt: skip
    return made


def ocsp_answers(data: bytes) -> None:
    calls((_answer,), data)


def _answer(data: bytes) -> None:
    """Of every certificate that it may be about: whether it is."""
    found = parse_ocsp(data)
    if responders().read(data) != found:
        raise FindingError("the ways differ")
    if isinstance(found, str):
        return
    for certificate in read():
        found.names(certificate)
        for single in found.answers:
            for anchor in anchors():
                single.cert_id.is_of(certificate, anchor)
