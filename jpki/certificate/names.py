# SPDX-License-Identifier: Apache-2.0
"""Distinguished names: reading, comparing, and what a JPKI issuer's name says."""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from jpki.certificate import der
from jpki.certificate.kinds import Environment, Family

COUNTRY: Final = "2.5.4.6"
LOCALITY: Final = "2.5.4.7"
ORGANISATION: Final = "2.5.4.10"
UNIT: Final = "2.5.4.11"
COMMON_NAME: Final = "2.5.4.3"

JLIS_UNIT: Final = "Japan Agency for Local Authority Information Systems"
CRLDP_UNIT: Final = "CRL Distribution Points"

# O of the issuer says the environment. Source: [CA-DER]; JPKI-TEST: [MC].
ORGANISATIONS: Final = {
    "JPKI": Environment.PRODUCTION,
    "JPKI-TEST": Environment.JLIS_TEST,
    "JPKI-SYNTH": Environment.TEST,
}
# Endings of the first OU. Source: [CA-DER]. The product name before them is the O's.
_FAMILY_ENDINGS: Final = {
    " for digital signature": Family.SIGN,
    " for user authentication": Family.AUTH,
}
_MAX_RDNS: Final = 32
_DECODERS: Final = {
    der.UTF8_STRING: "utf-8",
    der.PRINTABLE_STRING: "ascii",
    der.NUMERIC_STRING: "ascii",
    der.IA5_STRING: "ascii",
    der.TELETEX_STRING: "latin-1",
    der.BMP_STRING: "utf-16-be",
    der.UNIVERSAL_STRING: "utf-32-be",
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a name; ``value`` may identify a person."""

    oid: str
    tag: int
    value: bytes = field(repr=False)

    @property
    def text(self) -> str | None:
        """The value as text, or None when it is no string."""
        codec = _DECODERS.get(self.tag)
        try:
            return self.value.decode(codec) if codec else None
        except UnicodeDecodeError:
            return None


@dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name; RDNs in order."""

    der: bytes = field(repr=False)
    rdns: tuple[tuple[Attribute, ...], ...] = field(repr=False, compare=False)

    def texts(self, oid: str) -> list[str]:
        """The values of every attribute of that type, in order."""
        return [a.text for rdn in self.rdns for a in rdn if a.oid == oid and a.text is not None]


def parse_name(data: bytes) -> Name:
    """Reads a DER Name. Raises DerError."""
    rdns: list[tuple[Attribute, ...]] = []
    for rdn in der.whole(data).reader().rest():
        if rdn.tag != der.SET or len(rdns) == _MAX_RDNS:
            raise der.DerError("bad_name", rdn.start)
        attributes: list[Attribute] = []
        for pair in rdn.reader().rest():
            if pair.tag != der.SEQUENCE:
                raise der.DerError("bad_name", pair.start)
            reader = pair.reader()
            oid = der.oid(reader.next(der.OBJECT_ID))
            value = reader.next()
            reader.done()
            attributes.append(Attribute(oid, value.tag, value.value))
        if not attributes:
            raise der.DerError("bad_name", rdn.start)
        rdns.append(tuple(attributes))
    return Name(data, tuple(rdns))


def names_equal(first: bytes, second: bytes) -> bool:
    """Whether two DER names are the same name: by bytes, else as [RFC5280 7.1] compares them."""
    if first == second:
        return True
    try:
        return _normal(parse_name(first)) == _normal(parse_name(second))
    except der.DerError:
        return False


@functools.lru_cache(maxsize=8192)
def general_name_key(general_name: bytes) -> object:
    """A key that is equal for equal GeneralNames: a directoryName counts as a name, all else
    by its bytes. Kept, since a verifier meets the same few thousand points again and again."""
    try:
        return _normal(parse_name(der.whole(general_name, 0xA4).value))
    except der.DerError:
        return general_name


def _normal(name: Name) -> tuple[tuple[tuple[str, object], ...], ...]:
    return tuple(tuple(sorted(((a.oid, _value(a)) for a in rdn), key=repr)) for rdn in name.rdns)


def _value(attribute: Attribute) -> object:
    text = attribute.text
    if text is None:
        return (attribute.tag, attribute.value)
    # Case, width and runs of blanks do not matter: [RFC4518 2] in short.
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


class IssuerFacts(NamedTuple):
    """What an issuer's name claims; None where it claims nothing known."""

    family: Family | None
    environment: Environment | None


@functools.lru_cache(maxsize=256)
def issuer_facts(name: Name) -> IssuerFacts:
    """Family and environment by the name alone: a claim, which only the key can prove."""
    units = name.texts(UNIT)
    organisations = name.texts(ORGANISATION)
    environment = ORGANISATIONS.get(organisations[0]) if len(organisations) == 1 else None
    families = {
        family
        for unit in units
        for ending, family in _FAMILY_ENDINGS.items()
        if unit.endswith(ending)
    }
    return IssuerFacts(families.pop() if len(families) == 1 else None, environment)


def claims_test(name: Name) -> bool:
    """Whether any O of the name is one of the test hierarchies'."""
    tests = {Environment.TEST, Environment.JLIS_TEST}
    return any(ORGANISATIONS.get(o) in tests for o in name.texts(ORGANISATION))


def _tlv(tag: int, value: bytes) -> bytes:
    length = bytes([len(value)]) if len(value) < 0x80 else bytes([0x81, len(value)])
    return bytes([tag]) + length + value


def _ca_name(unit: str) -> bytes:
    parts = (
        ("0603550406", der.PRINTABLE_STRING, "JP"),
        ("060355040a", der.UTF8_STRING, "JPKI"),
        ("060355040b", der.UTF8_STRING, unit),
        ("060355040b", der.UTF8_STRING, JLIS_UNIT),
    )
    rdns = (
        _tlv(der.SET, _tlv(der.SEQUENCE, bytes.fromhex(oid) + _tlv(tag, text.encode())))
        for oid, tag, text in parts
    )
    return _tlv(der.SEQUENCE, b"".join(rdns))


# The two production issuer names, to the byte; every generation shares them. [CA-DER]
PRODUCTION_NAMES: Final = {
    Family.SIGN: _ca_name("JPKI for digital signature"),
    Family.AUTH: _ca_name("JPKI for user authentication"),
}


@functools.lru_cache(maxsize=8192)
def point_label(general_name: bytes) -> str | None:
    """«Tokyo-to/Kiyose-shi» for the name of a municipal distribution point, else None.

    A municipality is not personal data. Source of the shape: [AUTH-EE].
    """
    try:
        name = parse_name(der.whole(general_name, 0xA4).value)
    except der.DerError:
        return None
    units, commons = name.texts(UNIT), name.texts(COMMON_NAME)
    if len(units) != 3 or units[1] != CRLDP_UNIT or len(commons) != 1:
        return None
    if not commons[0].endswith(" CRLDP"):
        return None
    return f"{units[2]}/{commons[0].removesuffix(' CRLDP')}"
