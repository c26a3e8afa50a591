# SPDX-License-Identifier: Apache-2.0
"""A DER writer, nothing more. It writes what it is told, wrong things too.

The test PKI needs certificates no honest library would write (negative serials, repeated
extensions, lengths that are not minimal), and lists of a million entries. Source: [X690].
"""

from __future__ import annotations

from datetime import UTC, datetime

NULL = b"\x05\x00"
TRUE = b"\x01\x01\xff"
FALSE = b"\x01\x01\x00"


def length(size: int) -> bytes:
    """The shortest DER length field for ``size`` bytes."""
    if size < 0x80:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def tlv(tag: int, content: bytes) -> bytes:
    """One element; ``tag`` is the single identifier octet."""
    return bytes([tag]) + length(len(content)) + content


def long_tlv(tag: int, content: bytes) -> bytes:
    """One element whose length field has a leading zero octet: BER, and not DER."""
    size = len(content)
    octets = b"\0" + size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE (or SEQUENCE OF) of elements already encoded."""
    return tlv(0x30, b"".join(parts))


def set_of(*parts: bytes) -> bytes:
    """SET OF, its elements sorted as DER wants it."""
    return tlv(0x31, b"".join(sorted(parts)))


def explicit(number: int, *parts: bytes) -> bytes:
    """Context tag around whole elements (also: implicit tag of a constructed type)."""
    return tlv(0xA0 | number, b"".join(parts))


def implicit(number: int, content: bytes) -> bytes:
    """Context tag in place of a primitive element's own."""
    return tlv(0x80 | number, content)


def integer_content(value: int) -> bytes:
    """Shortest two's complement octets of ``value``."""
    bits = value.bit_length() if value >= 0 else (value + 1).bit_length()
    return value.to_bytes(bits // 8 + 1, "big", signed=True)


def integer(value: int) -> bytes:
    """INTEGER."""
    return tlv(0x02, integer_content(value))


def enumerated(value: int) -> bytes:
    """ENUMERATED."""
    return tlv(0x0A, integer_content(value))


def bit_string(content: bytes, unused: int = 0) -> bytes:
    """BIT STRING; ``unused`` is the number of padding bits at its end."""
    return tlv(0x03, bytes([unused]) + content)


def octet_string(content: bytes) -> bytes:
    """OCTET STRING."""
    return tlv(0x04, content)


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return tlv(0x06, b"".join(_base128(arc) for arc in (first * 40 + second, *rest)))


def _base128(value: int) -> bytes:
    octets = [value & 0x7F]
    while value := value >> 7:
        octets.append(0x80 | value & 0x7F)
    return bytes(reversed(octets))


def utf8(text: str) -> bytes:
    """UTF8String."""
    return tlv(0x0C, text.encode())


def printable(text: str) -> bytes:
    """PrintableString."""
    return tlv(0x13, text.encode("ascii"))


def ia5(text: str) -> bytes:
    """IA5String."""
    return tlv(0x16, text.encode("ascii"))


def utc_time(moment: datetime) -> bytes:
    """UTCTime to the second, always Z."""
    return tlv(0x17, f"{moment.astimezone(UTC):%y%m%d%H%M%SZ}".encode())


def generalized_time(moment: datetime) -> bytes:
    """GeneralizedTime to the second, always Z."""
    moment = moment.astimezone(UTC)
    return tlv(0x18, f"{moment.year:04}{moment:%m%d%H%M%SZ}".encode())


def time(moment: datetime) -> bytes:
    """UTCTime until 2049, GeneralizedTime from 2050 [RFC5280 4.1.2.5]."""
    in_utc_time = 1950 <= moment.astimezone(UTC).year < 2050
    return utc_time(moment) if in_utc_time else generalized_time(moment)
