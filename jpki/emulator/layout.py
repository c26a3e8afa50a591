# SPDX-License-Identifier: Apache-2.0
"""Building blocks of 券面 files: TLV with an offset table, public keys, signatures, filler."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from jpki.emulator.rsa import SigningKey
from jpki_apdu import tlv

_DIGEST_INFO_96 = bytes.fromhex("3071300d060960864801650304020105000460")


def long_form(tag: int, value: bytes) -> bytes:
    """TLV whose length takes three bytes (82) however short it is, as seen on cards [MY]."""
    return tag.to_bytes(2, "big") + b"\x82" + len(value).to_bytes(2, "big") + value


def with_offsets(
    outer: int, table: int, fields: Sequence[tuple[int, bytes]], *, long: bool = False
) -> bytes:
    """``outer`` around a table of 16-bit offsets from the start of the file, then the fields."""
    parts = [tlv.encode(tag, value) for tag, value in fields]
    size = len(tlv.encode(table, bytes(2 * len(parts)))) + sum(map(len, parts))
    head = len(long_form(outer, b"")) if long else len(tlv.encode(outer, bytes(size))) - size
    position = head + size - sum(map(len, parts))
    offsets = b""
    for part in parts:
        offsets += position.to_bytes(2, "big")
        position += len(part)
    body = tlv.encode(table, offsets) + b"".join(parts)
    return long_form(outer, body) if long else tlv.encode(outer, body)


def public_key(numbers: tuple[int, int]) -> bytes:
    """``90`` exponent, ``91`` modulus: 265 bytes."""
    modulus, exponent = numbers
    return tlv.encode(0x90, exponent.to_bytes(3, "big")) + tlv.encode(
        0x91, modulus.to_bytes(256, "big")
    )


def sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    """RSASSA-PKCS1-v1_5 with SHA-256, 256 bytes."""
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def sign_segments(key: rsa.RSAPrivateKey, segments: Sequence[bytes]) -> bytes:
    """The signature of surface EF 0002: three SHA-256 hashes in one DigestInfo of 96 bytes [MC]."""
    digests = b"".join(hashlib.sha256(segment).digest() for segment in segments)
    return SigningKey(key).raw_pkcs1(_DIGEST_INFO_96 + digests)


def padded(data: bytes, allocation: int) -> bytes:
    """``data`` and FF up to the file's size (bytes), or to the next multiple of 256 above it."""
    size = max(allocation, -(-len(data) // 256) * 256)
    return data + b"\xff" * (size - len(data))
