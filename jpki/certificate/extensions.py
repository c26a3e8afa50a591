# SPDX-License-Identifier: Apache-2.0
"""Certificate and CRL extensions, read strictly. Source: [RFC5280 4.2], [RFC5280 5.2]."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from jpki.certificate import der
from jpki.certificate.serial import RefKind, SerialRef

SUBJECT_KEY_ID: Final = "2.5.29.14"
KEY_USAGE: Final = "2.5.29.15"
SUBJECT_ALT_NAME: Final = "2.5.29.17"
ISSUER_ALT_NAME: Final = "2.5.29.18"
BASIC_CONSTRAINTS: Final = "2.5.29.19"
CRL_POINTS: Final = "2.5.29.31"
POLICIES: Final = "2.5.29.32"
AUTHORITY_KEY_ID: Final = "2.5.29.35"
EXTENDED_KEY_USAGE: Final = "2.5.29.37"
AUTHORITY_INFO: Final = "1.3.6.1.5.5.7.1.1"
OCSP_NO_CHECK: Final = "1.3.6.1.5.5.7.48.1.5"

CLIENT_AUTH: Final = "1.3.6.1.5.5.7.3.2"
OCSP_SIGNING: Final = "1.3.6.1.5.5.7.3.9"
_AD_OCSP: Final = "1.3.6.1.5.5.7.48.1"

DIGITAL_SIGNATURE, NON_REPUDIATION, KEY_CERT_SIGN, CRL_SIGN = 0, 1, 5, 6

MAX_EXTENSIONS: Final = 32
_MAX_POINTS: Final = 16


@dataclass(frozen=True, slots=True)
class Extension:
    """``value``: the bytes inside the OCTET STRING."""

    critical: bool
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthorityKeyId:
    """``key_id`` names the issuer's key; issuer and serial name the issuer's certificate."""

    key_id: bytes | None = field(repr=False)
    issuer_der: bytes | None = field(repr=False)
    serial: SerialRef | None = field(repr=False)


class BasicConstraints(NamedTuple):
    ca: bool
    path_length: int | None


class DistributionPoint(NamedTuple):
    """Where the CRL is. ``names``: DER GeneralNames of fullName. ``plain``: no reasons, no
    cRLIssuer, no relative name; only such points are used."""

    names: tuple[bytes, ...]
    plain: bool


def read_extensions(
    node: der.Node, structured: Container[str] | None = None
) -> Mapping[str, Extension]:
    """Extensions by OID, in order. Refuses duplicates, none at all and too many.

    ``structured``: OIDs whose values have to be DER; the others are octets. None: all.
    """
    found: dict[str, Extension] = {}
    for item in node.reader().rest():
        if item.tag != der.SEQUENCE:
            raise der.DerError("wrong_tag", item.start)
        reader = item.reader()
        oid = der.oid(reader.next(der.OBJECT_ID))
        flag = reader.optional(der.BOOLEAN)
        if flag is not None and not der.boolean(flag):
            raise der.DerError("default_encoded", flag.start)
        value = reader.next(der.OCTET_STRING)
        reader.done()
        if oid in found:
            raise der.DerError("duplicate_extension", item.start)
        if len(found) == MAX_EXTENSIONS:
            raise der.DerError("too_many", item.start)
        if structured is None or oid in structured:
            der.check_strict(value.value)
        found[oid] = Extension(flag is not None, value.value)
    if not found:
        raise der.DerError("no_extensions", node.start)
    return MappingProxyType(found)


def authority_key_id(value: bytes) -> AuthorityKeyId:
    """AuthorityKeyIdentifier; issuer and serial come together or not at all."""
    reader = der.whole(value).reader()
    key, names, serial = (reader.optional(tag) for tag in (0x80, 0xA1, 0x82))
    reader.done()
    if (names is None) != (serial is None):
        raise der.DerError("bad_authority_key_id", 0)
    issuer = None
    if names is not None:
        directory = [name for name in names.reader().rest() if name.tag == 0xA4]
        issuer = directory[0].value if len(directory) == 1 else b""
    ref = None
    if serial is not None:
        der.integer(serial)
        ref = SerialRef(RefKind.CERTIFICATE_SERIAL, serial.value)
    return AuthorityKeyId(None if key is None else key.value, issuer, ref)


def subject_key_id(value: bytes) -> bytes:
    """SubjectKeyIdentifier."""
    return der.whole(value, der.OCTET_STRING).value


def key_usage(value: bytes) -> frozenset[int]:
    """Bit numbers of KeyUsage; an empty one is refused ([RFC5280 4.2.1.3])."""
    found = der.named_bits(der.whole(value, der.BIT_STRING))
    if not found:
        raise der.DerError("empty", 0)
    return found


def purposes(value: bytes) -> tuple[str, ...]:
    """Purposes of ExtendedKeyUsage, in order."""
    return _non_empty([der.oid(node) for node in der.whole(value).reader().rest()])


def basic_constraints(value: bytes) -> BasicConstraints:
    """BasicConstraints; ``cA FALSE`` written out is not DER."""
    reader = der.whole(value).reader()
    flag = reader.optional(der.BOOLEAN)
    if flag is not None and not der.boolean(flag):
        raise der.DerError("default_encoded", flag.start)
    length = reader.optional(der.INTEGER)
    reader.done()
    if length is not None and (flag is None or der.integer(length) < 0):
        raise der.DerError("bad_path_length", length.start)
    return BasicConstraints(flag is not None, None if length is None else der.integer(length))


def policies(value: bytes) -> tuple[str, ...]:
    """Policy OIDs, in order; the same one twice is refused."""
    found: list[str] = []
    for item in der.sequences(der.whole(value)):
        reader = item.reader()
        found.append(der.oid(reader.next(der.OBJECT_ID)))
        reader.optional(der.SEQUENCE)
        reader.done()
    if len(set(found)) != len(found):
        raise der.DerError("duplicate", 0)
    return _non_empty(found)


def distribution_points(value: bytes) -> tuple[DistributionPoint, ...]:
    """CRLDistributionPoints."""
    found: list[DistributionPoint] = []
    for item in der.whole(value).reader().rest():
        if item.tag != der.SEQUENCE or len(found) == _MAX_POINTS:
            raise der.DerError("bad_point", item.start)
        reader = item.reader()
        point, reasons, issuer = (reader.optional(tag) for tag in (0xA0, 0x81, 0xA2))
        reader.done()
        if point is None and issuer is None:
            raise der.DerError("bad_point", item.start)
        names = () if point is None else full_name(point)
        plain = bool(names) and reasons is None and issuer is None
        found.append(DistributionPoint(names, plain))
    if not found:
        raise der.DerError("empty", 0)
    return tuple(found)


def full_name(point: der.Node) -> tuple[bytes, ...]:
    """The GeneralNames of a DistributionPointName; none when it is relative to the issuer."""
    reader = point.reader()
    choice = reader.next()
    reader.done()
    if choice.tag == 0xA1:
        return ()
    if choice.tag != 0xA0:
        raise der.DerError("wrong_tag", choice.start)
    names = tuple(name.raw for name in choice.reader().rest())
    if not names:
        raise der.DerError("empty", choice.start)
    return names


def ocsp_urls(value: bytes) -> tuple[str, ...]:
    """OCSP addresses of AuthorityInfoAccess. Strings only: nothing here asks them."""
    found: list[str] = []
    for item in der.sequences(der.whole(value)):
        reader = item.reader()
        method = der.oid(reader.next(der.OBJECT_ID))
        place = reader.next()
        reader.done()
        if method == _AD_OCSP and place.tag == 0x86:
            if not place.value.isascii():
                raise der.DerError("bad_text", place.start)
            found.append(place.value.decode("ascii"))
    return tuple(found)


def _non_empty(values: list[str]) -> tuple[str, ...]:
    if not values:
        raise der.DerError("empty", 0)
    return tuple(values)
