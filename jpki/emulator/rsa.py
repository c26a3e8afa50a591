# SPDX-License-Identifier: Apache-2.0
"""RSA as the card's COMPUTE DIGITAL SIGNATURE does it, all six ways. Source: [MC], grade A/B."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

_SHA256 = hashes.SHA256()
_PREHASHED = utils.Prehashed(_SHA256)
_PSS = padding.PSS(mgf=padding.MGF1(_SHA256), salt_length=32)
_PKCS1 = padding.PKCS1v15()

# The DigestInfo heads that cryptography makes itself: these blocks take its fast path,
# any other data is padded and exponentiated here. The result is the same either way.
_DIGEST_INFO_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")


class SigningKey:
    """A private RSA-2048 key on the card. Not shown by ``repr``."""

    __slots__ = ("_crt", "_key", "size")

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        self._crt: tuple[int, int, int, int, int] | None = None
        self.size = key.key_size // 8

    @property
    def public_numbers(self) -> tuple[int, int]:
        """Modulus and exponent."""
        numbers = self._key.public_key().public_numbers()
        return numbers.n, numbers.e

    def raw_pkcs1(self, data: bytes) -> bytes:
        """PKCS#1 type 1 padding around ``data`` exactly as given (P1=00)."""
        if len(data) == 51 and data.startswith(_DIGEST_INFO_SHA256):
            return self._key.sign(data[19:], _PKCS1, _PREHASHED)
        block = b"\x00\x01" + b"\xff" * (self.size - 3 - len(data)) + b"\x00" + data
        return self._private(int.from_bytes(block, "big")).to_bytes(self.size, "big")

    def bare_hash(self, data: bytes) -> bytes:
        """SHA-256 on the card, the bare hash padded without DigestInfo (P1=01)."""
        return self.raw_pkcs1(hashlib.sha256(data).digest())

    def pkcs1_digest(self, digest: bytes) -> bytes:
        """A SHA-256 hash given; DigestInfo and PKCS#1 v1.5 (P1=02)."""
        return self._key.sign(digest, _PKCS1, _PREHASHED)

    def pkcs1(self, data: bytes) -> bytes:
        """SHA-256 on the card, DigestInfo and PKCS#1 v1.5 (P1=03 and INTERNAL AUTHENTICATE)."""
        return self._key.sign(data, _PKCS1, _SHA256)

    def pss_digest(self, digest: bytes) -> bytes:
        """A SHA-256 hash given; RSASSA-PSS with 32 bytes of salt (P1=04)."""
        return self._key.sign(digest, _PSS, _PREHASHED)

    def pss(self, data: bytes) -> bytes:
        """SHA-256 on the card; RSASSA-PSS with 32 bytes of salt (P1=05)."""
        return self._key.sign(data, _PSS, _SHA256)

    def decrypt_oaep(self, ciphertext: bytes) -> bytes:
        """RSA-OAEP, SHA-256 and MGF1-SHA-256, empty label. Raises ValueError."""
        oaep = padding.OAEP(mgf=padding.MGF1(_SHA256), algorithm=_SHA256, label=None)
        return self._key.decrypt(ciphertext, oaep)

    def _private(self, message: int) -> int:
        """The private operation by the Chinese remainder theorem; cryptography has no raw RSA."""
        if self._crt is None:
            numbers = self._key.private_numbers()
            self._crt = (numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
        p, q, dp, dq, qi = self._crt
        m1, m2 = pow(message, dp, p), pow(message, dq, q)
        return m2 + (m1 - m2) * qi % p * q
