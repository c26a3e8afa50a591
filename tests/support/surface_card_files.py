# SPDX-License-Identifier: Apache-2.0
"""Files of the surface application built by hand from the documented layouts. All invented."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric import rsa

from card_files import CA_ID, CITY_ID, Keys, cv_file, key_value, sign, tlv

SURFACE_CA_ID = CA_ID.replace(b"33", b"23")
DIGEST_INFO_96 = bytes.fromhex("3071300D060960864801650304020105000460")


def trusted(keys: Keys) -> dict[bytes, tuple[int, int]]:
    numbers = keys.ca.public_key().public_numbers()
    return {SURFACE_CA_ID: (numbers.n, numbers.e)}


def surface_cv_file(keys: Keys, ca: rsa.RSAPrivateKey | None = None) -> bytes:
    """EF 0004 (568 bytes)."""
    return cv_file(ca or keys.ca, keys.city, SURFACE_CA_ID, CITY_ID)


def age_file(city: rsa.RSAPrivateKey, ap: rsa.RSAPrivateKey, birth: str = "19800217") -> bytes:
    """EF 0001 (547 bytes)."""
    signed = tlv(0xDF11, birth.encode()) + tlv(0xDF12, key_value(ap))
    return tlv(0xFF10, signed + tlv(0xDF13, sign(city, signed)))


def number_image_file(
    city: rsa.RSAPrivateKey, ap: rsa.RSAPrivateKey, image: bytes = b"a picture of digits"
) -> bytes:
    """EF 0005."""
    signed = tlv(0xDF41, image) + tlv(0xDF42, key_value(ap))
    return tlv(0xFF40, signed + tlv(0xDF43, sign(city, signed)))


def raw_sign(key: rsa.RSAPrivateKey, block: bytes) -> bytes:
    """The RSA operation itself over a block of 256 bytes."""
    private = key.private_numbers()
    modulus = private.public_numbers.n
    return pow(int.from_bytes(block, "big"), private.d, modulus).to_bytes(256, "big")


def segment_block(segments: tuple[bytes, bytes, bytes]) -> bytes:
    """What EF 0002's signature opens to: type 1 padding around the DigestInfo of 96 bytes."""
    info = DIGEST_INFO_96 + b"".join(hashlib.sha256(part).digest() for part in segments)
    return b"\x00\x01" + b"\xff" * (256 - 3 - len(info)) + b"\x00" + info


def face_file(
    city: rsa.RSAPrivateKey,
    ap: rsa.RSAPrivateKey,
    *,
    birth: str = "19800217",
    sex: str = "2",
    name: bytes = b"a picture of a name",
    address: bytes = b"a picture of an address",
    photo: bytes = b"a photo",
    expiry: str = "20350217",
    code: bytes = b"a picture of a code",
    signature: bytes | None = None,
) -> bytes:
    """EF 0002, with a right offset table. The outer length takes three bytes, as on cards."""
    parts = [
        tlv(0xDF22, birth.encode()),
        tlv(0xDF23, sex.encode()),
        tlv(0xDF24, key_value(ap)),
        tlv(0xDF25, name, b"\x82" + len(name).to_bytes(2, "big")),
        tlv(0xDF26, address, b"\x82" + len(address).to_bytes(2, "big")),
        tlv(0xDF27, photo, b"\x82" + len(photo).to_bytes(2, "big")),
    ]
    segments = (b"".join(parts[:3]), b"".join(parts[3:5]), parts[5])
    made = raw_sign(city, segment_block(segments)) if signature is None else signature
    parts += [tlv(0xDF28, made), tlv(0xDF29, expiry.encode()), tlv(0xDF2A, code)]
    return face_of(parts)


def face_of(parts: list[bytes], table: bytes | None = None) -> bytes:
    """EF 0002 of these nine TLVs; ``table``: another than the right one."""
    offset, offsets = 5 + 3 + 18, b""
    for part in parts:
        offsets += offset.to_bytes(2, "big")
        offset += len(part)
    inside = tlv(0xDF21, offsets if table is None else table) + b"".join(parts)
    return tlv(0xFF20, inside, b"\x82" + len(inside).to_bytes(2, "big"))
