# SPDX-License-Identifier: Apache-2.0
"""Damage on purpose: takes a signed DER structure apart, changes it, signs it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

RSA_SHA1 = bytes.fromhex("2a864886f70d010105")  # sha1WithRSAEncryption


@dataclass
class Item:
    """One TLV; ``parts`` of a constructed one, ``value`` of a primitive one."""

    tag: int
    value: bytes = b""
    parts: list[Item] = field(default_factory=list)

    def encode(self) -> bytes:
        body = b"".join(part.encode() for part in self.parts) if self.tag & 0x20 else self.value
        return bytes([self.tag]) + length(len(body)) + body

    def find(self, oid: str) -> Item:
        """The first SEQUENCE below that begins with the OID (hex of its content)."""
        for part in self.parts:
            first = part.parts[0] if part.parts else None
            if first is not None and first.tag == 6 and first.value.hex() == oid:
                return part
            try:
                return part.find(oid)
            except KeyError:
                continue
        raise KeyError(oid)


def length(size: int) -> bytes:
    """DER length octets."""
    if size < 0x80:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def decode(data: bytes) -> list[Item]:
    """The TLVs of ``data``, which has to be right."""
    items: list[Item] = []
    pos = 0
    while pos < len(data):
        tag, size, start = data[pos], data[pos + 1], pos + 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[start : start + count], "big")
            start += count
        body = data[start : start + size]
        items.append(Item(tag, parts=decode(body)) if tag & 0x20 else Item(tag, body))
        pos = start + size
    return items


def of_no_known_curve(certificate: bytes) -> bytes:
    """A certificate with a key on a curve that nobody has."""
    (whole,) = decode(certificate)
    whole.parts[0].parts[6].parts[0].parts = [
        Item(6, bytes.fromhex("2a8648ce3d0201")),
        Item(6, b"\x2a\x03"),
    ]
    return whole.encode()


def of_no_version(certificate: bytes) -> bytes:
    """A certificate of a version that there is not."""
    (whole,) = decode(certificate)
    whole.parts[0].parts[0].parts = [Item(2, b"\x22")]
    return whole.encode()


def algorithm(oid: bytes, inside: int | None = None) -> Callable[[Item], None]:
    """An edit: another algorithm of the signature; ``inside``: its place in the signed part."""

    def edit(whole: Item) -> None:
        whole.parts[1].parts[0].value = oid
        if inside is not None:
            whole.parts[0].parts[inside].parts[0].value = oid

    return edit


def resigned(
    data: bytes,
    key: RSAPrivateKey,
    edit: Callable[[Item], None],
    digest: HashAlgorithm = SHA256(),  # noqa: B008 - has no state
) -> bytes:
    """``data`` (certificate, CRL, BasicOCSPResponse) after ``edit``, signed anew by ``key``.

    ``edit`` gets the whole: its parts are the signed part, the algorithm, the signature.
    """
    (whole,) = decode(data)
    edit(whole)
    signature = key.sign(whole.parts[0].encode(), padding.PKCS1v15(), digest)
    whole.parts[2].value = b"\x00" + signature
    return whole.encode()


def resigned_answer(
    data: bytes,
    key: RSAPrivateKey,
    edit: Callable[[Item], None],
    digest: HashAlgorithm = SHA256(),  # noqa: B008
) -> bytes:
    """The same for an OCSPResponse around a BasicOCSPResponse."""
    (response,) = decode(data)
    octets = response.parts[1].parts[0].parts[1]
    octets.value = resigned(octets.value, key, edit, digest)
    return response.encode()
