# SPDX-License-Identifier: Apache-2.0
"""A certificate cut into its frame, which thousands share, and what is its holder's own.

JPKI's certificates of one municipality, family and generation are the same bytes except for
serial, dates, CN, key, attributes and signature. ``cut`` walks one in place: every length is
exact, nothing trails, and each byte either is in the frame or has been checked here. So once
a frame was read by ``parse_certificate``, whatever has the same frame reads the same.
``cut`` knows the usual form only and gives None for any other: then ``parse_certificate``
decides. Source of the form: [AUTH-EE], [SIGN-DUMMY].
"""

from __future__ import annotations

import re
import struct
from typing import Final, NamedTuple

from jpki.certificate import der, extensions
from jpki.certificate.certificate import MAX_SIZE, Certificate, parse_certificate
from jpki.certificate.names import COMMON_NAME

Frame = tuple[bytes, ...]


class Cut(NamedTuple):
    """``frame``: the shared parts, free of whatever points to a person.

    ``not_before``, ``not_after``: ``YYMMDDhhmmss`` in UTC, of 2000 to 2049. ``tbs_end``,
    ``name``, ``key``: offsets where the signed part ends, and the CN and the key begin.
    ``attributes``: whether subjectAltName was cut out.
    """

    frame: Frame
    serial: bytes
    not_before: bytes
    not_after: bytes
    signature: bytes
    tbs_end: int
    name: int
    key: int
    attributes: bool

    def key_info(self, data: bytes) -> bytes:
        """The SubjectPublicKeyInfo of the certificate that was cut."""
        return data[self.key : self.key + _KEY_SIZES[self.frame[2]]]


# Outer and inner SEQUENCE, version 3, and the header of the serial.
_HEAD: Final = struct.Struct(">HHHH5sBB")
_VERSION: Final = b"\xa0\x03\x02\x01\x02"
_DAY: Final = (
    rb"(?:[0-4]\d(?:(?:0[1-9]|1[0-2])(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])(?:29|30)"
    rb"|(?:0[13578]|1[02])31)|(?:[024][048]|[13][26])0229)"
)
_TIME: Final = rb"(" + _DAY + rb"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d)Z"
_VALIDITY: Final = re.compile(rb"\x30\x1e\x17\x0d" + _TIME + rb"\x17\x0d" + _TIME)
_CN: Final = bytes.fromhex("0603550403 0c")
# Everything before the modulus of an RSA-2048 key, and before the point of a P-384 key.
_RSA_HEAD: Final = bytes.fromhex(
    "30820122 300d06092a864886f70d0101010500 0382010f00 3082010a 0282010100"
)
_RSA_TAIL: Final = bytes.fromhex("0203010001")
_EC_HEAD: Final = bytes.fromhex("3076 3010 06072a8648ce3d0201 06052b81040022 036200 04")
# The whole key's size, by what it begins with (octets).
_KEY_SIZES: Final = {_RSA_HEAD: 294, _EC_HEAD: 120, b"": 0}
_EXTENSIONS: Final = struct.Struct(">HHHH")
_ALT_NAME: Final = bytes.fromhex("0603551d11")
# subjectAltName down to its names, with lengths of two octets more, and of one.
_LONG_NAMES: Final = struct.Struct(">HH5sHHHH")
_NAMES: Final = struct.Struct(">HB5sHBHB")
_ARC: Final = bytes.fromhex("060a2a83088c9b5508 0505")
_ATTRIBUTE_HEAD: Final = 18
# What stands before the text of an attribute (otherName, OID, [0], UTF8String) with lengths of
# one octet: a bit for the last arc of its OID, and the size of the whole (octets).
_ATTRIBUTES: Final = {
    bytes((0xA0, size, *_ARC, arc, 0xA0, size - 14, der.UTF8_STRING, size - 16)): (
        1 << arc,
        size + 2,
    )
    for arc in range(1, 7)
    for size in range(16, 0x80)
}
_KEY_ID_SIZE: Final = 20


def cut(data: bytes) -> Cut | None:
    """The frame of a DER certificate and what was cut out of it; None for an unusual form."""
    try:
        return _cut(data) if len(data) <= MAX_SIZE else None
    except (struct.error, IndexError, der.DerError, UnicodeDecodeError):
        return None


def public_key_info(data: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate that a verdict has been given on, and only of
    such a one. Raises CertificateError for one that cannot be read."""
    found = cut(data)
    if found is None:
        return parse_certificate(data).spki
    return found.key_info(data)


def agrees(found: Cut, certificate: Certificate) -> bool:
    """Whether ``cut`` cut where the careful reader found the parts to be."""
    data, last = certificate.der, certificate.subject.rdns[-1][-1]
    return (
        data[4 : found.tbs_end] == certificate.tbs
        and found.serial == certificate.serial.reveal()
        and found.signature == certificate.signature
        and found.frame[0] == certificate.signature_algorithm + certificate.issuer_der
        and found.not_before == certificate.not_before.strftime("%y%m%d%H%M%S").encode()
        and found.not_after == certificate.not_after.strftime("%y%m%d%H%M%S").encode()
        and last.oid == COMMON_NAME
        and last.tag == der.UTF8_STRING
        and last.value == data[found.name : found.key]
        and certificate.subject.texts(COMMON_NAME) == [last.text]
        and data.startswith(certificate.spki, found.key)
        and list(certificate.extensions)[-1] == extensions.SUBJECT_KEY_ID
        and certificate.ski == data[found.tbs_end - _KEY_ID_SIZE : found.tbs_end]
        and found.attributes == (extensions.SUBJECT_ALT_NAME in certificate.extensions)
    )


def _cut(data: bytes) -> Cut | None:
    outer, size, inner, length, version, integer, count = _HEAD.unpack_from(data)
    if outer != 0x3082 or inner != 0x3082 or size != len(data) - 4 or length < 0x100:
        return None
    algorithm = 15 + count
    serial = data[15:algorithm]
    if version != _VERSION or integer != der.INTEGER or not _is_serial(serial):
        return None
    issuer = algorithm + 2 + data[algorithm + 1]
    validity = issuer + 3 + data[issuer + 2]
    times = _VALIDITY.match(data, validity)
    if data[issuer + 1] != 0x81 or times is None:
        return None
    not_before, not_after = times.groups()
    subject, tbs_end = validity + 32, 8 + length
    name, key = _subject(data, subject)
    signature = _signature(data, tbs_end, data[algorithm:issuer])
    if not name or signature is None or not_after < not_before:
        return None
    head = _key_head(data, key)
    tail = _extension_frame(data, key + _KEY_SIZES[head], tbs_end)
    if not head or not tail:
        return None
    frame = (data[algorithm:validity], data[subject:name], head, *tail)
    own = serial, not_before, not_after, signature
    return Cut(frame, *own, tbs_end, name, key, attributes=len(tail) == 2)


def _is_serial(serial: bytes) -> bool:
    """A minimal positive INTEGER of up to 20 octets."""
    first = serial[0]
    if not first:
        return 1 < len(serial) <= 20 and serial[1] > 0x7F
    return first < 0x80 and len(serial) <= 20


def _subject(data: bytes, start: int) -> tuple[int, int]:
    """Offsets of the value of the CN, which ends the subject, and of the subject's end."""
    size = data[start + 1]
    end = start + 2 + size if size < 0x80 else start + 3 + data[start + 2]
    name = data.rfind(_CN, start, end) + len(_CN) + 1
    fits = name > start and name + data[name - 1] == end and data[name:end].isascii()
    return (name, end) if fits and data[start] == der.SEQUENCE and size <= 0x81 else (0, 0)


def _key_head(data: bytes, start: int) -> bytes:
    """What stands before the numbers of the key: RSA of exactly 2048 bit, or P-384."""
    if data.startswith(_RSA_HEAD, start):
        modulus = start + len(_RSA_HEAD)
        exact = data[modulus] > 0x7F and data.startswith(_RSA_TAIL, modulus + 256)
        return _RSA_HEAD if exact else b""
    return _EC_HEAD if data.startswith(_EC_HEAD, start) else b""


def _signature(data: bytes, start: int, algorithm: bytes) -> bytes | None:
    """The signature, where nothing but the same algorithm and one BIT STRING is left."""
    bits = start + len(algorithm)
    size = len(data) - bits
    if not data.startswith(algorithm, start):
        return None
    if size == 261:
        return data[bits + 5 :] if data.startswith(b"\x03\x82\x01\x01\x00", bits) else None
    short = 3 <= size < 0x82 and data.startswith(bytes((der.BIT_STRING, size - 2, 0)), bits)
    return data[bits + 3 :] if short else None


def _extension_frame(data: bytes, start: int, end: int) -> Frame:
    """All extensions but the value of the last, the subject's key id; before and after the
    attributes, where they come second."""
    size = end - start - 8
    header = _EXTENSIONS.unpack_from(data, start)
    if header != (0xA382, size + 4, 0x3082, size) or size < 0x100:
        return ()
    first, stop = start + 8, end - _KEY_ID_SIZE
    second = first + 2 + data[first + 1]
    if data.find(_ALT_NAME, second, second + 9) < 0:
        return (data[first:stop],)
    after = _attributes(data, second, end)
    return (data[first:second], data[after:stop]) if after else ()


def _attributes(data: bytes, start: int, limit: int) -> int:
    """The end of the extension with the holder's attributes; 0 unless each is there once at
    most, and is good text. Raises DerError, struct.error, UnicodeDecodeError."""
    pos, end = _alt_name(data, start, limit)
    seen = 0
    while pos < end:
        usual = _ATTRIBUTES.get(data[pos : pos + _ATTRIBUTE_HEAD])
        if usual is not None:
            bit, begin, stop = usual[0], pos + _ATTRIBUTE_HEAD, pos + usual[1]
        else:
            bit, begin, stop = _long_attribute(data, pos, end)
        if seen & bit or stop > end:
            return 0
        data[begin:stop].decode()
        seen |= bit
        pos = stop
    return end if seen else 0


def _alt_name(data: bytes, start: int, limit: int) -> tuple[int, int]:
    """Where the names in subjectAltName begin and end, which is where the extension ends too.
    Raises DerError."""
    opening, size, oid, octets, second, inner, third = _LONG_NAMES.unpack_from(data, start)
    if (opening, octets, inner, oid) == (0x3082, 0x0482, 0x3082, _ALT_NAME):
        exact = second == size - 9 and third == size - 13 and third > 0xFF
        begin, end = start + 17, start + 4 + size
    else:
        opening, size, oid, octets, second, inner, third = _NAMES.unpack_from(data, start)
        exact = (opening, octets, inner, oid) == (0x3081, 0x0481, 0x3081, _ALT_NAME)
        exact = exact and second == size - 8 and third == size - 11 and third > 0x7F
        begin, end = start + 14, start + 3 + size
    if not exact or end > limit:
        raise der.DerError("wrong_tag", start)
    return begin, end


def _long_attribute(data: bytes, start: int, limit: int) -> tuple[int, int, int]:
    """As the values of ``_ATTRIBUTES``, and where the text begins, for one that needs more
    octets for a length. Raises DerError."""
    tag, body, end = der.header(data, start, limit)
    value = body + len(_ARC) + 1
    wrap, text, stop = der.header(data, value, end)
    kind, begin, last = der.header(data, text, stop)
    usual = (tag, wrap, kind) == (0xA0, 0xA0, der.UTF8_STRING) and end == stop == last
    if not usual or not data.startswith(_ARC, body) or not 0 < data[value - 1] < 7:
        raise der.DerError("bad_text", start)
    return 1 << data[value - 1], begin, end
