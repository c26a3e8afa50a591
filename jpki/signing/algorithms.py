# SPDX-License-Identifier: Apache-2.0
"""What may be signed with: three hashes, three schemes, and nothing older."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class HashName(StrEnum):
    """A hash that is signed. SHA-1 is not one of them, and never will be."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"

    @property
    def size(self) -> int:
        """Bytes of a digest."""
        return hashlib.new(self.value).digest_size

    def digest(self, data: bytes) -> bytes:
        """The digest of ``data``."""
        return hashlib.new(self.value, data).digest()


class Scheme(StrEnum):
    """How a digest becomes a signature."""

    PKCS1 = "rsa-pkcs1"  # RSASSA-PKCS1-v1_5
    PSS = "rsa-pss"  # RSASSA-PSS, MGF1 with the same hash, salt as long as the digest
    ECDSA = "ecdsa"  # DER


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """A scheme with the hash it is given."""

    scheme: Scheme
    hash: HashName

    def __str__(self) -> str:
        return f"{self.scheme.value}-{self.hash.value}"


RSA_PKCS1: Final = tuple(SignatureAlgorithm(Scheme.PKCS1, name) for name in HashName)
RSA_PSS: Final = tuple(SignatureAlgorithm(Scheme.PSS, name) for name in HashName)
CARD_RSA: Final = (*RSA_PKCS1, SignatureAlgorithm(Scheme.PSS, HashName.SHA256))
"""The RSA keys of a card: it makes the padding of PSS itself, with SHA-256 only [MC]."""
P384: Final = (SignatureAlgorithm(Scheme.ECDSA, HashName.SHA384),)
