# SPDX-License-Identifier: Apache-2.0
"""The key file: every key of a map in one file that only its owner can read."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jpki.certificate.kinds import Environment
from jpki.mapping.errors import KeyFileError

SCHEMA = "jpki.map.keys/1"
KEY_SIZE = 32
_NONCE = 12
MAX_FILE = 4 * 1024 * 1024
_MEMBERS = {"schema", "map", "environment", "ledger", "vault", "services"}


@dataclass(frozen=True, slots=True)
class FileServiceKeys:
    """The keys of one service, by epoch, first to last."""

    epochs: tuple[bytes, ...] = field(repr=False)
    _check: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole = hmac.digest(self._derived("check", self.epoch), b"".join(self.epochs), "sha256")
        object.__setattr__(self, "_check", whole[:16])

    @property
    def epoch(self) -> int:
        return len(self.epochs)

    def mac(self, epoch: int, data: bytes) -> bytes:
        return hmac.digest(self.epochs[epoch - 1], data, "sha256")

    def seal(self, use: str, value: bytes, bound_to: bytes) -> bytes:
        return _seal(self._derived(use, self.epoch), value, bound_to)

    def open(self, use: str, sealed: bytes, bound_to: bytes, epoch: int) -> bytes:
        return _open(self._derived(use, epoch), sealed, bound_to)

    def check(self) -> bytes:
        return self._check

    def _derived(self, use: str, epoch: int) -> bytes:
        """A key for another use than the index (32 bytes), of one epoch."""
        if not 1 <= epoch <= len(self.epochs):
            raise KeyFileError(reason="rotated")
        return self.mac(epoch, b"jpki.map/" + use.encode("ascii"))


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What the file holds. ``path`` None: not written yet."""

    map_id: str
    environment: Environment
    ledger_key: bytes = field(repr=False)
    vault_key: bytes = field(repr=False)
    services: Mapping[str, FileServiceKeys] = field(repr=False)
    path: Path | None = None

    @property
    def location(self) -> str:
        return str(self.path or "")

    def service(self, service: str) -> FileServiceKeys:
        keys = self.services.get(service)
        if keys is None:
            raise KeyFileError(reason="no_keys_for_service", service=service)
        return keys

    def public_key(self) -> bytes:
        return self._signing_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, text: bytes) -> bytes:
        return self._signing_key().sign(text)

    def _signing_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.ledger_key)

    def seal_head(self, text: bytes) -> bytes:
        own = hmac.digest(self.ledger_key, b"jpki.map/head", "sha256")
        return hmac.digest(own, text, "sha256")

    def seal_evidence(self, value: bytes, bound_to: bytes) -> bytes:
        return _seal(self.vault_key, value, bound_to)

    def open_evidence(self, sealed: bytes, bound_to: bytes) -> bytes:
        return _open(self.vault_key, sealed, bound_to)

    def extended(self, services: tuple[str, ...]) -> KeyFile:
        keys = self
        for service in services:
            keys = keys.with_service(service)
        return self._kept(keys)

    def renewed(self, service: str) -> KeyFile:
        return self._kept(self.rotated(service))

    def _kept(self, keys: KeyFile) -> KeyFile:
        if self.path is None:
            raise KeyFileError(reason="missing")
        return write_keys(keys, self.path, overwrite=True)

    def again(self) -> KeyFile:
        return self if self.path is None else read_keys(self.path)

    def discard(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def with_service(self, service: str) -> KeyFile:
        """The same keys with some for one more service."""
        if service in self.services:
            return self
        fresh = FileServiceKeys((secrets.token_bytes(KEY_SIZE),))
        return replace(self, services={**self.services, service: fresh})

    def rotated(self, service: str) -> KeyFile:
        """The same keys with one more epoch for ``service``."""
        keys = self.service(service)
        fresh = FileServiceKeys((*keys.epochs, secrets.token_bytes(KEY_SIZE)))
        return replace(self, services={**self.services, service: fresh})


def new_keys(environment: Environment, services: tuple[str, ...]) -> KeyFile:
    """Fresh random keys for a new map."""
    keys = KeyFile(
        map_id=secrets.token_hex(16),
        environment=environment,
        ledger_key=secrets.token_bytes(KEY_SIZE),
        vault_key=secrets.token_bytes(KEY_SIZE),
        services={},
    )
    for service in services:
        keys = keys.with_service(service)
    return keys


def write_keys(keys: KeyFile, path: Path, *, overwrite: bool = False) -> KeyFile:
    """Write the file, mode 0600, whole or not at all. Returns it with its path.

    Raises KeyFileError: ``exists``, or ``unwritable``.
    """
    if path.exists() and not overwrite:
        raise KeyFileError(reason="exists", path=str(path))
    text = json.dumps(_to_object(keys), indent=1) + "\n"
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        _sync_folder(path.parent)
    except OSError as exc:
        with suppress(OSError):  # or it was never made
            scratch.unlink()
        raise KeyFileError(reason="unwritable", path=str(path)) from exc
    return replace(keys, path=path)


def read_keys(path: Path) -> KeyFile:
    """Read a key file that only its owner may read. Raises KeyFileError with ``reason``."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as exc:
        raise KeyFileError(reason="missing", path=str(path)) from exc
    try:
        _check_mode(os.fstat(handle), path)
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(MAX_FILE + 1)
    finally:
        os.close(handle)
    try:
        keys = _from_object(json.loads(data.decode("utf-8")))
    except (KeyError, TypeError, ValueError, RecursionError, binascii.Error) as exc:
        # The cause is not chained: it could show a piece of the file.
        del exc
        raise KeyFileError(reason="malformed", path=str(path)) from None
    return replace(keys, path=path)


def _check_mode(facts: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise KeyFileError(reason="malformed", path=str(path))
    if os.name != "posix":
        return
    if facts.st_uid not in (os.geteuid(), 0):
        raise KeyFileError(reason="owner", path=str(path))
    if stat.S_IMODE(facts.st_mode) & 0o077:
        raise KeyFileError(reason="mode", path=str(path))


def _sync_folder(folder: Path) -> None:
    """A renamed file is on disk only when its folder is."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _to_object(keys: KeyFile) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "map": keys.map_id,
        "environment": keys.environment.value,
        "ledger": _text(keys.ledger_key),
        "vault": _text(keys.vault_key),
        "services": {
            name: [_text(key) for key in service.epochs]
            for name, service in sorted(keys.services.items())
        },
    }


def _from_object(raw: Any) -> KeyFile:
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA or set(raw) != _MEMBERS:
        raise ValueError
    services = raw["services"]
    if not isinstance(services, dict) or len(bytes.fromhex(raw["map"])) != 16:
        raise ValueError
    return KeyFile(
        map_id=raw["map"],
        environment=Environment(raw["environment"]),
        ledger_key=_key(raw["ledger"]),
        vault_key=_key(raw["vault"]),
        services={str(name): _service(epochs) for name, epochs in services.items()},
    )


def _service(epochs: Any) -> FileServiceKeys:
    if not isinstance(epochs, list) or not epochs:
        raise ValueError
    return FileServiceKeys(tuple(_key(key) for key in epochs))


def _key(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError
    key = base64.b64decode(text, validate=True)
    if len(key) != KEY_SIZE:
        raise ValueError
    return key


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode("ascii")


def _seal(key: bytes, value: bytes, bound_to: bytes) -> bytes:
    """AES-256-GCM, nonce first."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, value, bound_to)


def _open(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to)
    except (InvalidTag, ValueError):
        raise KeyFileError(reason="other_key") from None
