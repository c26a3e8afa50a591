# SPDX-License-Identifier: Apache-2.0
"""A certificate, read strictly: two readers agree on it or it is refused.

What it claims (family, medium, environment) is a claim until ``validation`` has checked it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from jpki.certificate import der, extensions, holder
from jpki.certificate.extensions import (
    AuthorityKeyId,
    BasicConstraints,
    DistributionPoint,
    Extension,
)
from jpki.certificate.holder import HolderAttributes
from jpki.certificate.kinds import Environment, Family, Medium
from jpki.certificate.names import Name, issuer_facts, parse_name
from jpki.certificate.policy import PolicyTable
from jpki.certificate.serial import RefKind, SerialRef
from jpki.errors import CertificateError

# A sign certificate has about 2 kB; the longest address adds less than 1 kB.
MAX_SIZE: Final = 32 * 1024

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
_T = TypeVar("_T")
_RSA: Final = "1.2.840.113549.1.1.1"
_EC: Final = "1.2.840.10045.2.1"
# Curve: its name and the size of its order (bits).
_CURVES: Final = {
    "1.2.840.10045.3.1.7": ("P-256", 256),
    "1.3.132.0.34": ("P-384", 384),
    "1.3.132.0.35": ("P-521", 521),
}
_TABLE: Final = PolicyTable()


@dataclass(frozen=True, slots=True, repr=False)
class Certificate:
    """Two are equal when their DER is. ``repr`` shows only what cannot identify a person.

    ``key_algorithm``: RSA, P-256, P-384, P-521 or a dotted OID; ``key_size`` in bits (0 if
    not known). ``key_usage``: bit numbers, None without the extension. Times: aware, UTC.
    """

    der: bytes
    tbs: bytes = field(compare=False)
    signature: bytes = field(compare=False)
    signature_algorithm: bytes = field(compare=False)
    serial: SerialRef = field(compare=False)
    issuer: Name = field(compare=False)
    subject: Name = field(compare=False)
    not_before: datetime = field(compare=False)
    not_after: datetime = field(compare=False)
    spki: bytes = field(compare=False)
    key_bits: bytes = field(compare=False)
    key_algorithm: str = field(compare=False)
    key_size: int = field(compare=False)
    extensions: Mapping[str, Extension] = field(compare=False)
    aki: AuthorityKeyId | None = field(compare=False)
    ski: bytes | None = field(compare=False)
    key_usage: frozenset[int] | None = field(compare=False)
    extended_key_usage: tuple[str, ...] = field(compare=False)
    basic_constraints: BasicConstraints | None = field(compare=False)
    policies: tuple[str, ...] = field(compare=False)
    crl_points: tuple[DistributionPoint, ...] = field(compare=False)
    ocsp_urls: tuple[str, ...] = field(compare=False)
    holder: HolderAttributes | None = field(compare=False)

    def __repr__(self) -> str:
        claims = (self.environment, self.family, self.medium)
        return f"<Certificate {' '.join(c.value if c else '?' for c in claims)}>"

    @property
    def issuer_der(self) -> bytes:
        return self.issuer.der

    @property
    def subject_der(self) -> bytes:
        return self.subject.der

    @property
    def crl_distribution_point_names(self) -> tuple[bytes, ...]:
        """DER GeneralNames of the points that can be used (fullName, no reasons)."""
        return tuple(n for point in self.crl_points if point.plain for n in point.names)

    @property
    def critical_extensions(self) -> frozenset[str]:
        return frozenset(oid for oid, ext in self.extensions.items() if ext.critical)

    @property
    def public_key(self) -> PublicKey:
        """The key, loaded anew each time. Raises CertificateError for one nobody can use."""
        return _usable(x509.load_der_x509_certificate(self.der).public_key)

    @property
    def key_id(self) -> bytes:
        """subjectKeyIdentifier, or SHA-1 of the key's bits, which is how JPKI makes it."""
        if self.ski is not None:
            return self.ski
        return hashlib.sha1(self.key_bits, usedforsecurity=False).digest()

    @property
    def is_ca(self) -> bool:
        return self.basic_constraints is not None and self.basic_constraints.ca

    @property
    def environment(self) -> Environment | None:
        """By the issuer's name alone."""
        return issuer_facts(self.issuer).environment

    @property
    def family(self) -> Family | None:
        """By the issuer's name, else by the policy."""
        by_name = issuer_facts(self.issuer).family
        if by_name is not None or len(self.policies) != 1:
            return by_name
        row = _TABLE.find(self.policies[0], self.environment)
        return row.family if row else None

    @property
    def medium(self) -> Medium | None:
        """By the policy."""
        if len(self.policies) != 1:
            return None
        row = _TABLE.find(self.policies[0], self.environment)
        return row.medium if row else None

    def hash(self) -> SerialRef:
        """SHA-256 of the certificate, wrapped: it follows a person as the serial does."""
        return SerialRef(RefKind.CERTIFICATE_HASH, hashlib.sha256(self.der).digest())


def load_key(spki: bytes) -> PublicKey:
    """The RSA or EC key in a SubjectPublicKeyInfo. Raises CertificateError."""
    # Not above: it brings much along that certificates do not need.
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    return _usable(lambda: load_der_public_key(spki))


def _usable(load: Callable[[], object]) -> PublicKey:
    try:
        key = load()
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(reason="bad_key", field="public_key") from None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise CertificateError(reason="bad_key", field="public_key")
    return key


def parse_certificate(data: bytes) -> Certificate:
    """Reads one DER certificate. Raises CertificateError with ``reason`` and ``field``.

    Refused: anything but DER, bytes after the end, another version than v3, a serial that is
    not positive or longer than 20 octets, an extension twice, differing signature
    algorithms inside and outside, oversize. Source: [RFC5280 4.1].
    """
    data = bytes(data)
    if len(data) > MAX_SIZE:
        raise CertificateError(reason="too_large", field="certificate")
    _read("certificate", der.check_strict, data)
    parts = _read("certificate", _outer, data)
    certificate = _build(data, *parts)
    try:
        # A second reader, which knows more of ASN.1 types; disagreement is refusal.
        x509.load_der_x509_certificate(data)
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(reason="second_reader", field="certificate") from None
    return certificate


def _read(what: str, read: Callable[[bytes], _T], data: bytes) -> _T:
    try:
        return read(data)
    except der.DerError as error:
        raise CertificateError(reason=error.reason, field=what) from None


def _outer(data: bytes) -> tuple[der.Node, der.Node, bytes]:
    reader = der.whole(data).reader()
    tbs, algorithm = reader.next(der.SEQUENCE), reader.next(der.SEQUENCE)
    signature = der.bits(reader.next(der.BIT_STRING))
    reader.done()
    return tbs, algorithm, signature


class _Tbs(NamedTuple):
    version: der.Node | None
    serial: der.Node
    algorithm: der.Node
    issuer: der.Node
    validity: der.Node
    subject: der.Node
    spki: der.Node
    extensions: der.Node | None


def _tbs(node: der.Node) -> _Tbs:
    reader = node.reader()
    version = reader.optional(0xA0)
    serial = reader.next(der.INTEGER)
    algorithm, issuer, validity, subject, spki = (reader.next(der.SEQUENCE) for _ in range(5))
    # Unique identifiers ([1], [2]) are not used in JPKI and fall out as trailing bytes.
    extensions_node = reader.optional(0xA3)
    reader.done()
    return _Tbs(version, serial, algorithm, issuer, validity, subject, spki, extensions_node)


def _build(data: bytes, tbs: der.Node, algorithm: der.Node, signature: bytes) -> Certificate:
    parts = _read("certificate", lambda _: _tbs(tbs), data)
    if parts.version is None or _version(parts.version) != 2 or parts.extensions is None:
        raise CertificateError(reason="version", field="version")
    serial = der.integer(parts.serial)
    if serial <= 0 or len(parts.serial.value) > 20:
        raise CertificateError(reason="serial", field="serial")
    if parts.algorithm.raw != algorithm.raw:
        raise CertificateError(reason="algorithms_differ", field="signature_algorithm")
    names = [_read(f, parse_name, n.raw) for f, n in _named(parts)]
    not_before, not_after = _read("validity", lambda _: _validity(parts.validity), data)
    key_bits, key_algorithm, key_size = _read("public_key", _key, parts.spki.raw)
    inner = _read("extensions", lambda _: der.only(_node(parts), der.SEQUENCE), data)
    found = _read("extensions", lambda _: extensions.read_extensions(inner), data)
    read = _extension
    return Certificate(
        der=data,
        tbs=tbs.raw,
        signature=signature,
        signature_algorithm=algorithm.raw,
        serial=SerialRef(RefKind.CERTIFICATE_SERIAL, parts.serial.value),
        issuer=names[0],
        subject=names[1],
        not_before=not_before,
        not_after=not_after,
        spki=parts.spki.raw,
        key_bits=key_bits,
        key_algorithm=key_algorithm,
        key_size=key_size,
        extensions=found,
        aki=read(found, extensions.AUTHORITY_KEY_ID, extensions.authority_key_id),
        ski=read(found, extensions.SUBJECT_KEY_ID, extensions.subject_key_id),
        key_usage=read(found, extensions.KEY_USAGE, extensions.key_usage),
        extended_key_usage=read(found, extensions.EXTENDED_KEY_USAGE, extensions.purposes) or (),
        basic_constraints=read(found, extensions.BASIC_CONSTRAINTS, extensions.basic_constraints),
        policies=read(found, extensions.POLICIES, extensions.policies) or (),
        crl_points=read(found, extensions.CRL_POINTS, extensions.distribution_points) or (),
        ocsp_urls=read(found, extensions.AUTHORITY_INFO, extensions.ocsp_urls) or (),
        holder=read(found, extensions.SUBJECT_ALT_NAME, holder.read_holder),
    )


def _node(parts: _Tbs) -> der.Node:
    assert parts.extensions is not None
    return parts.extensions


def _named(parts: _Tbs) -> tuple[tuple[str, der.Node], ...]:
    return ("issuer", parts.issuer), ("subject", parts.subject)


def _version(node: der.Node) -> int:
    return _read("version", lambda _: der.integer(der.only(node, der.INTEGER)), b"")


def _validity(node: der.Node) -> tuple[datetime, datetime]:
    reader = node.reader()
    times = der.time(reader.next()), der.time(reader.next())
    reader.done()
    if times[1] < times[0]:
        raise der.DerError("bad_time", node.start)
    return times


def _key(spki: bytes) -> tuple[bytes, str, int]:
    """The key's bits, its algorithm and its size in bits."""
    reader = der.whole(spki).reader()
    algorithm = reader.next(der.SEQUENCE).reader()
    bits = der.bits(reader.next(der.BIT_STRING))
    reader.done()
    oid = der.oid(algorithm.next(der.OBJECT_ID))
    if oid == _RSA:
        algorithm.next(der.NULL)
        algorithm.done()
        numbers = der.whole(bits).reader()
        modulus, exponent = der.integer(numbers.next(2)), der.integer(numbers.next(2))
        numbers.done()
        if modulus <= 0 or exponent < 3 or not exponent & 1:
            raise der.DerError("bad_key", 0)
        return bits, "RSA", modulus.bit_length()
    if oid == _EC:
        curve = der.oid(algorithm.next(der.OBJECT_ID))
        algorithm.done()
        return bits, *_CURVES.get(curve, (curve, 0))
    return bits, oid, 0


def _extension(
    found: Mapping[str, Extension], oid: str, read: Callable[[bytes], _T | None]
) -> _T | None:
    extension = found.get(oid)
    return None if extension is None else _read(_FIELDS[oid], read, extension.value)


_FIELDS: Final = {
    extensions.AUTHORITY_KEY_ID: "authority_key_id",
    extensions.SUBJECT_KEY_ID: "subject_key_id",
    extensions.KEY_USAGE: "key_usage",
    extensions.EXTENDED_KEY_USAGE: "extended_key_usage",
    extensions.BASIC_CONSTRAINTS: "basic_constraints",
    extensions.POLICIES: "policies",
    extensions.CRL_POINTS: "crl_points",
    extensions.AUTHORITY_INFO: "authority_info",
    extensions.SUBJECT_ALT_NAME: "subject_alt_name",
}
