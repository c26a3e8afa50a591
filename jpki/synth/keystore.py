# SPDX-License-Identifier: Apache-2.0
"""The stored test keys. They are published, and therefore worth nothing.

A key is a line of ``keys/TEST-KEYS.txt``: name, base64 of PKCS#8. Keys are stored because
making an RSA key takes a hundred times as long as all else a test does, and because equal
keys give equal bytes. Loading skips the check of the primes (35 ms a key): the file is ours.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    PrivateKey: TypeAlias = RSAPrivateKey | EllipticCurvePrivateKey
    PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey

KEY_FILE = Path(__file__).parent / "keys" / "TEST-KEYS.txt"

CARD_SLOTS = 16
CARD_ROLES = ("auth", "sign", "surface", "text", "common", "session")


@functools.cache
def _lines() -> dict[str, str]:
    entries = (line.split() for line in KEY_FILE.read_text("ascii").splitlines())
    return {entry[0]: entry[1] for entry in entries if entry and entry[0] != "#"}


def stored_key_names() -> tuple[str, ...]:
    """Names of all stored keys, in the order of the file."""
    return tuple(_lines())


@functools.cache
def any_stored_key(name: str) -> PrivateKey:
    """The stored key ``name``, RSA or EC. Raises KeyError if there is none of that name."""
    import base64

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    der = base64.b64decode(_lines()[name])
    key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey)
    return key


def stored_key(name: str) -> RSAPrivateKey:
    """The stored RSA key ``name``, cached. Raises KeyError for an unknown name or an EC key."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    key = any_stored_key(name)
    if not isinstance(key, RSAPrivateKey):
        raise KeyError(name)
    return key


def stored_ec_key(name: str) -> EllipticCurvePrivateKey:
    """The stored P-384 key ``name``. Raises KeyError for an unknown name or an RSA key."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    key = any_stored_key(name)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise KeyError(name)
    return key


def card_key(slot: int, role: str) -> RSAPrivateKey:
    """Key of an emulated card: slot 0-15; role auth, sign, surface, text, common or session."""
    return stored_key(f"card-{slot:02}-{role}")
