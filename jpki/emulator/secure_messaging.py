# SPDX-License-Identifier: Apache-2.0
"""Secure messaging of the text application: confidentiality only, AES-128. Source: [MC], grade B.

A session begins with SET SESSION KEY; commands then carry CLA 08. A 16-byte counter
starts at 1 and grows with every command, also one that fails; the initial vector is the
counter under the session key, and the reply uses the same counter value.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SEED_HEAD = bytes.fromhex("a0228020")  # A0 { 80 <32-byte seed> }


class SmError(Exception):
    """A data object that is not what it should be; the session ends."""


@dataclass(slots=True)
class SmSession:
    """Session key and counter. The key is the first 16 bytes of the seed."""

    key: bytes = field(repr=False)
    counter: int = 0

    def begin(self) -> None:
        """Count one command."""
        self.counter += 1

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Plain data of a command. Raises SmError."""
        if not ciphertext or len(ciphertext) % 16:
            raise SmError
        context = self._cipher().decryptor()
        padded = context.update(ciphertext) + context.finalize()
        plain = padded.rstrip(b"\x00")
        if not plain.endswith(b"\x80") or len(padded) - len(plain) > 15:
            raise SmError
        return plain[:-1]

    def encrypt(self, plain: bytes) -> bytes:
        """Ciphertext of a reply; ISO 7816-4 padding is always there."""
        padded = plain + b"\x80" + b"\x00" * (-(len(plain) + 1) % 16)
        context = self._cipher().encryptor()
        return context.update(padded) + context.finalize()

    def _cipher(self) -> Cipher[modes.CBC]:
        block = self.counter.to_bytes(16, "big")
        ecb = Cipher(algorithms.AES128(self.key), modes.ECB()).encryptor()  # noqa: S305 - one block
        return Cipher(algorithms.AES128(self.key), modes.CBC(ecb.update(block) + ecb.finalize()))


def seed_of(plain: bytes) -> bytes | None:
    """The 32-byte seed in the decrypted key block; None if the structure is wrong."""
    if len(plain) != 36 or not plain.startswith(SEED_HEAD):
        return None
    return plain[4:]
