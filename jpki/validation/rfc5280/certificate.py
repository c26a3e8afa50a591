# SPDX-License-Identifier: Apache-2.0
"""Any X.509 certificate, read strictly. Which rules it keeps is asked in ``profile``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from jpki.certificate import der, extensions
from jpki.certificate.encode import tlv
from jpki.certificate.extensions import AuthorityKeyId, BasicConstraints, Extension
from jpki.certificate.names import parse_name
from jpki.errors import CertificateError
from jpki.validation.rfc5280.points import Point, directory_key, read_points

MAX_SIZE: Final = 512 * 1024
_MAX_NODES: Final = 30_000

POLICY_MAPPINGS: Final = "2.5.29.33"
POLICY_CONSTRAINTS: Final = "2.5.29.36"
NAME_CONSTRAINTS: Final = "2.5.29.30"
FRESHEST: Final = "2.5.29.46"
INHIBIT_ANY: Final = "2.5.29.54"
SUBJECT_INFO: Final = "1.3.6.1.5.5.7.1.11"

# What is looked into here or below, and so has to be DER.
_STRUCTURED: Final = frozenset(
    {
        extensions.SUBJECT_KEY_ID,
        extensions.KEY_USAGE,
        extensions.SUBJECT_ALT_NAME,
        extensions.ISSUER_ALT_NAME,
        extensions.BASIC_CONSTRAINTS,
        extensions.CRL_POINTS,
        extensions.POLICIES,
        extensions.AUTHORITY_KEY_ID,
        extensions.EXTENDED_KEY_USAGE,
        extensions.AUTHORITY_INFO,
        extensions.OCSP_NO_CHECK,
        NAME_CONSTRAINTS,
        POLICY_CONSTRAINTS,
        INHIBIT_ANY,
        POLICY_MAPPINGS,
        SUBJECT_INFO,
        FRESHEST,
    }
)
# Attributes that are text [RFC5280 4.1.2.4]: common name to title, those of a person's name,
# pseudonym, domain component, address of electronic mail.
_TEXTS: Final = frozenset(
    {
        *(f"2.5.4.{arc}" for arc in (3, 4, 5, 6, 7, 8, 10, 11, 12, 42, 43, 44, 46, 65)),
        "0.9.2342.19200300.100.1.25",
        "1.2.840.113549.1.9.1",
    }
)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AnyCertificate:
    """A certificate whose form is right. Nothing in it is believed yet.

    ``issuer``, ``subject``: keys under which equal names are equal. ``version``: 1, 2 or 3.
    """

    der: bytes
    version: int
    tbs: bytes
    algorithm: bytes
    signature: bytes
    serial: bytes
    issuer_der: bytes
    subject_der: bytes
    issuer: object
    subject: object
    not_before: datetime
    not_after: datetime
    spki: bytes
    key_bits: bytes
    extensions: Mapping[str, Extension]
    authority: AuthorityKeyId | None
    key_id: bytes | None
    key_usage: frozenset[int] | None
    purposes: tuple[str, ...]
    constraints: BasicConstraints | None
    points: tuple[Point, ...]

    @property
    def is_ca(self) -> bool:
        return self.constraints is not None and self.constraints.ca

    @property
    def self_issued(self) -> bool:
        return self.issuer == self.subject

    @property
    def critical(self) -> frozenset[str]:
        return frozenset(oid for oid, ext in self.extensions.items() if ext.critical)

    def may(self, usage: int) -> bool:
        """Whether the key usage allows it; without the extension everything is allowed."""
        return self.key_usage is None or usage in self.key_usage


def read_certificate(data: bytes) -> AnyCertificate:
    """Reads one DER certificate of any version. Raises CertificateError.

    Refused: what is not DER, oversize, rules of the version, an extension twice, differing
    signature algorithms inside and outside. Source: [RFC5280 4.1].
    """
    data = bytes(data)
    try:
        if len(data) > MAX_SIZE:
            raise der.DerError("too_large", 0)
        der.check_strict(data, max_nodes=_MAX_NODES)
        outer = der.whole(data).reader()
        tbs, algorithm = outer.next(der.SEQUENCE), outer.next(der.SEQUENCE)
        signature = der.bits(outer.next(der.BIT_STRING))
        outer.done()
        return _read(data, tbs, algorithm, signature)
    except der.DerError as error:
        raise CertificateError(reason=error.reason, field="certificate") from None


def _read(data: bytes, tbs: der.Node, algorithm: der.Node, signature: bytes) -> AnyCertificate:
    parts = _fields(tbs)
    if parts.algorithm.raw != algorithm.raw:
        raise der.DerError("algorithms_differ", parts.algorithm.start)
    found = parts.extensions
    not_before, not_after = _validity(parts.validity)
    return AnyCertificate(
        der=data,
        version=parts.version,
        tbs=tbs.raw,
        algorithm=algorithm.raw,
        signature=signature,
        serial=parts.serial.value,
        issuer_der=parts.issuer.raw,
        subject_der=parts.subject.raw,
        issuer=directory_key(parts.issuer.raw),
        subject=directory_key(parts.subject.raw),
        not_before=not_before,
        not_after=not_after,
        spki=parts.spki.raw,
        key_bits=_key_bits(parts.spki),
        extensions=found,
        authority=_one(found, extensions.AUTHORITY_KEY_ID, extensions.authority_key_id),
        key_id=_one(found, extensions.SUBJECT_KEY_ID, extensions.subject_key_id),
        key_usage=_one(found, extensions.KEY_USAGE, extensions.key_usage),
        purposes=_one(found, extensions.EXTENDED_KEY_USAGE, extensions.purposes) or (),
        constraints=_one(found, extensions.BASIC_CONSTRAINTS, extensions.basic_constraints),
        points=_one(found, extensions.CRL_POINTS, read_points) or (),
    )


@dataclass(frozen=True, slots=True)
class _Fields:
    version: int
    serial: der.Node
    algorithm: der.Node
    issuer: der.Node
    validity: der.Node
    subject: der.Node
    spki: der.Node
    extensions: Mapping[str, Extension]


def _fields(tbs: der.Node) -> _Fields:
    """The fields of a TBSCertificate, as far as their form goes."""
    reader = tbs.reader()
    version = _version(reader.optional(0xA0))
    serial = reader.next(der.INTEGER)
    algorithm, issuer, validity, subject, spki = (reader.next(der.SEQUENCE) for _ in range(5))
    unique = [reader.optional(tag) for tag in (0x81, 0x82)]
    wrapped = reader.optional(0xA3)
    reader.done()
    if (any(unique) and version < 2) or (wrapped is not None and version != 3):
        raise der.DerError("version", tbs.start)
    if len(serial.value) > 20:
        raise der.DerError("serial", serial.start)
    if not issuer.value:
        raise der.DerError("empty_issuer", issuer.start)
    for part in unique:
        if part is not None:
            der.check_strict(tlv(der.BIT_STRING, part.value))
    check_name(issuer.raw)
    check_name(subject.raw)
    found: Mapping[str, Extension] = {}
    if wrapped is not None:
        inside = der.only(wrapped, der.SEQUENCE)
        found = extensions.read_extensions(inside, structured=_STRUCTURED)
    return _Fields(version, serial, algorithm, issuer, validity, subject, spki, found)


def check_name(data: bytes) -> None:
    """Refuses what is no Name, or says in one of its common parts what is no text: DerError."""
    for rdn in parse_name(data).rdns:
        for attribute in rdn:
            if attribute.oid in _TEXTS and attribute.text is None:
                raise der.DerError("bad_name", 0)


def _version(node: der.Node | None) -> int:
    if node is None:
        return 1
    number = der.integer(der.only(node, der.INTEGER))
    if number not in (1, 2):  # v1 is the default and not written in DER
        raise der.DerError("version", node.start)
    return number + 1


def _validity(node: der.Node) -> tuple[datetime, datetime]:
    reader = node.reader()
    times = read_time(reader.next()), read_time(reader.next())
    reader.done()
    return times


def read_time(node: der.Node) -> datetime:
    """A time of either kind. That early dates are UTCTime binds issuers only."""
    return der.time(node, generalized_only=node.tag == der.GENERALIZED_TIME)


def _key_bits(spki: der.Node) -> bytes:
    reader = spki.reader()
    reader.next(der.SEQUENCE)
    bits = der.bits(reader.next(der.BIT_STRING))
    reader.done()
    return bits


def _one(found: Mapping[str, Extension], oid: str, read: Callable[[bytes], _T]) -> _T | None:
    extension = found.get(oid)
    return None if extension is None else read(extension.value)
