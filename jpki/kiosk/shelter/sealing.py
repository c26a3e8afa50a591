# SPDX-License-Identifier: Apache-2.0
"""Sealing for somebody who is not here: X25519, HKDF-SHA256, AES-256-GCM.

Each message has a key of its own, which the sender cannot make again: a desk cannot read what
it sealed. Layout: ephemeral public key (32 bytes), ciphertext, tag (16 bytes). The nonce is
zero, as the key is used once. Source: [RFC7748 6.1] [RFC5869 2] [RFC9180 4].
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from jpki.errors import JpkiError

_KEY_SIZE: Final = 32
_NONCE: Final = bytes(12)
_INFO: Final = b"jpki.shelter.seal/1"


class SealError(JpkiError):
    """Sealed for another, bound to something else, or altered."""

    default_code = "shelter_seal"


def seal(receiver: X25519PublicKey, value: bytes, bound_to: bytes) -> bytes:
    """Encrypt for ``receiver`` alone; ``bound_to`` is authenticated with it."""
    own = X25519PrivateKey.generate()
    public = own.public_key().public_bytes_raw()
    key = _key(own.exchange(receiver), public, receiver)
    return public + AESGCM(key).encrypt(_NONCE, value, bound_to)


def open_sealed(own: X25519PrivateKey, sealed: bytes, bound_to: bytes) -> bytes:
    """The value again. Raises SealError."""
    public, rest = sealed[:_KEY_SIZE], sealed[_KEY_SIZE:]
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(public))
        key = _key(shared, public, own.public_key())
        return AESGCM(key).decrypt(_NONCE, rest, bound_to)
    except (InvalidTag, ValueError):
        raise SealError from None


def _key(shared: bytes, public: bytes, receiver: X25519PublicKey) -> bytes:
    salt = public + receiver.public_bytes_raw()
    return HKDF(SHA256(), _KEY_SIZE, salt, _INFO).derive(shared)
