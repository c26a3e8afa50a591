# SPDX-License-Identifier: Apache-2.0
"""The keys of a map: what it asks of them, wherever they lie.

They lie in a key file or in a PKCS#11 token: index keys per service and epoch, a key for what is
encrypted, one that signs the ledger. The database is useless without them, and they without the
database. Whoever holds both and can guess a serial can find the entry: keep them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from jpki.certificate.kinds import Environment

TOKEN_SCHEME = "pkcs11:"  # noqa: S105 - the scheme of an address [RFC7512 2.3]
ED25519_SIZE = 32  # bytes of its public key; that of ECDSA P-256 is a point of 65
Pin = Callable[[], bytearray]


class ServiceKeys(Protocol):
    """The keys of one service, by epoch, first to last: each epoch is built on those before.

    The index of epoch 1 is the MAC under key 1 of the certificate; of epoch n the MAC under key
    n of the index of n-1. So a new epoch re-keys what is stored without a serial at hand, and a
    stolen copy of the old keys opens nothing any more.
    """

    @property
    def epoch(self) -> int:
        """The newest epoch (count from 1)."""

    def mac(self, epoch: int, data: bytes) -> bytes:
        """HMAC-SHA256 with the index key of an epoch (32 bytes)."""

    def seal(self, use: str, value: bytes, bound_to: bytes) -> bytes:
        """Encrypt with the newest epoch's key for ``use``; ``bound_to`` is authenticated."""

    def open(self, use: str, sealed: bytes, bound_to: bytes, epoch: int) -> bytes:
        """The value again. Raises KeyFileError (``other_key``) unless this epoch sealed it."""

    def check(self) -> bytes:
        """16 bytes that tell this set of keys from another and say nothing about them."""


class KeyRing(Protocol):
    """All keys of one map. ``map_id``: 32 hexadecimal digits. Nothing in it is ever shown."""

    @property
    def map_id(self) -> str: ...

    @property
    def environment(self) -> Environment: ...

    @property
    def location(self) -> str:
        """Where they lie: a path, or the address of a token without a PIN."""

    @property
    def services(self) -> Mapping[str, ServiceKeys]: ...

    def service(self, service: str) -> ServiceKeys:
        """The keys of ``service``. Raises KeyFileError (``no_keys_for_service``)."""

    def public_key(self) -> bytes:
        """The public half of the key that signs checkpoints; it may be known to all."""

    def sign(self, text: bytes) -> bytes:
        """Sign a checkpoint."""

    def seal_head(self, text: bytes) -> bytes:
        """HMAC-SHA256 with the key that seals the head of the ledger (32 bytes)."""

    def seal_evidence(self, value: bytes, bound_to: bytes) -> bytes:
        """Encrypt for the evidence store, with a key that is for nothing else."""

    def open_evidence(self, sealed: bytes, bound_to: bytes) -> bytes:
        """The evidence again. Raises KeyFileError (``other_key``)."""

    def extended(self, services: tuple[str, ...]) -> KeyRing:
        """The ring with keys for these services, too; they are kept when this returns."""

    def renewed(self, service: str) -> KeyRing:
        """The ring with one more epoch for ``service``; it is kept when this returns."""

    def again(self) -> KeyRing:
        """The ring as it lies there now."""

    def discard(self) -> None:
        """Remove every key of the map: it was not made after all."""


def create_keys(
    location: Path | str,
    environment: Environment,
    services: tuple[str, ...],
    *,
    pin: Pin | None = None,
) -> KeyRing:
    """Fresh random keys for a new map, in a file or a token (``pkcs11:…``).

    Raises KeyFileError (``exists``, ``unwritable``, or as :func:`open_keys`).
    """
    if is_token(location):
        from jpki.mapping.key_token import create_in_token

        return create_in_token(str(location), environment, services, pin)
    from jpki.mapping.key_file import new_keys, write_keys

    return write_keys(new_keys(environment, services), Path(location))


def open_keys(location: Path | str, *, pin: Pin | None = None) -> KeyRing:
    """The keys of a map. ``pin``: asked once, for a token that wants one.

    Raises KeyFileError with ``reason``, MissingExtraError.
    """
    if is_token(location):
        from jpki.mapping.key_token import open_token

        return open_token(str(location), pin)
    from jpki.mapping.key_file import read_keys

    return read_keys(Path(location))


def is_token(location: Path | str) -> bool:
    """Whether a location is that of a token."""
    return str(location).startswith(TOKEN_SCHEME)


def is_signed(public_key: bytes, signature: bytes, text: bytes) -> bool:
    """Whether the ledger key made the signature: Ed25519 of a file, ECDSA P-256 of a token."""
    try:
        if len(public_key) == ED25519_SIZE:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text)
        else:
            curve = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
            curve.verify(signature, text, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
