# SPDX-License-Identifier: Apache-2.0
"""Card files built by hand from the documented layouts, for the parsers' tests. All invented."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

NUMBER = "537686677188"  # invented, with a valid check digit
CA_ID = b"9000033\x08\x05001" + bytes(4)
CITY_ID = b"1322121\x08\x05000" + bytes(4)


@dataclass(frozen=True)
class Keys:
    """A CA, a municipality, an application on a card, and somebody else."""

    ca: rsa.RSAPrivateKey
    city: rsa.RSAPrivateKey
    ap: rsa.RSAPrivateKey
    other: rsa.RSAPrivateKey

    @property
    def trusted(self) -> dict[bytes, tuple[int, int]]:
        numbers = self.ca.public_key().public_numbers()
        return {CA_ID: (numbers.n, numbers.e)}


def tlv(tag: int, value: bytes, length: bytes | None = None) -> bytes:
    """BER-TLV with the shortest length, or the given length bytes."""
    if length is None:
        size = len(value)
        if size < 0x80:
            length = bytes((size,))
        elif size < 0x100:
            length = bytes((0x81, size))
        else:
            length = b"\x82" + size.to_bytes(2, "big")
    return tag.to_bytes((tag.bit_length() + 7) // 8, "big") + length + value


def key_value(key: rsa.RSAPrivateKey) -> bytes:
    """``90 03 010001 91 82 0100 <modulus>``: 265 bytes."""
    numbers = key.public_key().public_numbers()
    return tlv(0x90, numbers.e.to_bytes(3, "big")) + tlv(0x91, numbers.n.to_bytes(256, "big"))


def sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    return key.sign(data, padding.PKCS1v15(), SHA256())


def number_file(digits: str = NUMBER) -> bytes:
    """EF 0001 of the text AP, 17 bytes."""
    return tlv(0xFF10, digits.encode()) + b"\xff\xff"


def attributes_file(
    name: str = "番号\u3000花子",
    address: str = "東京都清瀬市中里五丁目８４２番地",
    birth: str = "19800217",
    sex: str = "2",
    *,
    long: bool = False,
    more: bytes = b"",
) -> bytes:
    """EF 0002 of the text AP, with a right offset table. ``long``: long length forms."""
    parts = [
        tlv(0xDF22, name.encode()),
        tlv(0xDF23, address.encode()),
        tlv(0xDF24, birth.encode()),
        tlv(0xDF25, sex.encode()),
    ]
    inside = 11 + sum(map(len, parts)) + len(more)
    outer_length = b"\x82" + inside.to_bytes(2, "big") if long else None
    head = len(tlv(0xFF20, bytes(inside), outer_length)) - inside
    offset = head + 11
    table = b""
    for part in parts:
        table += offset.to_bytes(2, "big")
        offset += len(part)
    return tlv(0xFF20, tlv(0xDF21, table) + b"".join(parts) + more, outer_length)


def digests_file(key: rsa.RSAPrivateKey, number: bytes, attributes: bytes) -> bytes:
    """EF 0003 of the text AP (336 bytes). ``attributes``: from DF22 to the end."""
    signed = tlv(0xDF31, hashlib.sha256(number).digest()) + tlv(
        0xDF32, hashlib.sha256(attributes).digest()
    )
    return tlv(0xFF30, signed + tlv(0xDF33, sign(key, signed)))


def cv_file(
    ca: rsa.RSAPrivateKey, city: rsa.RSAPrivateKey, issuer: bytes = CA_ID, subject: bytes = CITY_ID
) -> bytes:
    """EF 0004 (568 bytes)."""
    body = issuer + subject + key_value(city)
    return tlv(0x7F21, tlv(0x5F4E, body) + tlv(0x5F37, sign(ca, body)))


def ap_key_file(city: rsa.RSAPrivateKey, ap: rsa.RSAPrivateKey) -> bytes:
    """EF 0007 of the text AP (536 bytes)."""
    signed = tlv(0xDF51, key_value(ap))
    return tlv(0xFF50, signed + tlv(0xDF52, sign(city, signed)))


def token_file(label: str = "JPKIAPICCTOKEN2") -> bytes:
    """EF 0006 of the JPKI AP, 160 bytes [MC]."""
    return (
        label.ljust(32).encode()
        + b"00000000000000000000000000000001"
        + b"E16R01NJ".ljust(16)
        + b"0000000020500003"
        + bytes.fromhex("0000040D 00000001 00000000 00000001 00000000 00000010 00000006")
        + b"\xff" * 16
        + b"0301"
        + b"9" * 16
    )


def der(size: int = 1586) -> bytes:
    """Something of a certificate's outer form and ``size`` bytes."""
    return b"\x30\x82" + (size - 4).to_bytes(2, "big") + bytes(i % 251 for i in range(size - 4))
