# SPDX-License-Identifier: Apache-2.0
"""The keys of a map in a PKCS#11 token: they are made in it and never leave it.

Objects are named ``NAME/index/SERVICE/EPOCH`` (generic secret, HMAC-SHA256), ``NAME/seal/…``
(AES-256-GCM), ``NAME/head`` and ``NAME/evidence`` likewise, ``NAME/ledger`` (ECDSA P-256); a data
object ``NAME``, written last, says which map they belong to. Source: [PKCS11].
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from jpki.certificate.kinds import Environment
from jpki.mapping.errors import KeyFileError
from jpki.mapping.keys import Pin
from jpki.signing.pkcs11 import (
    TokenError,
    TokenUri,
    ecdsa_der,
    find_token,
    log_in,
    module_errors,
)

SCHEMA: Final = "jpki.map.token/1"
_NONCE: Final = 12
_TAG_BITS: Final = 128
_POINT: Final = 65  # bytes of an uncompressed P-256 point
_NAME: Final = "jpki-map"
_WRONG_KEY: Final = (
    "GeneralError", "EncryptedDataInvalid", "EncryptedDataLenRange", "DataInvalid",
)  # fmt: skip


@dataclass(slots=True)
class _Token:
    """A session with the user logged in. One thread at a time: a session has one operation."""

    session: Any
    location: str
    name: str
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def turn(self) -> Iterator[Any]:
        with self.lock, module_errors():
            yield self.session

    def mac(self, key: Any, data: bytes) -> bytes:
        import pkcs11

        with self.turn():
            return bytes(key.sign(data, mechanism=pkcs11.Mechanism.SHA256_HMAC))

    def seal(self, key: Any, value: bytes, bound_to: bytes) -> bytes:
        import pkcs11

        nonce = os.urandom(_NONCE)
        with self.turn():
            sealed = key.encrypt(
                value, mechanism=pkcs11.Mechanism.AES_GCM,
                mechanism_param=pkcs11.GCMParams(nonce, bound_to, _TAG_BITS),
            )  # fmt: skip
        return nonce + bytes(sealed)

    def open(self, key: Any, sealed: bytes, bound_to: bytes) -> bytes:
        import pkcs11

        if len(sealed) < _NONCE + _TAG_BITS // 8:
            raise KeyFileError(reason="other_key")
        with self.turn():
            try:
                value = key.decrypt(
                    sealed[_NONCE:], mechanism=pkcs11.Mechanism.AES_GCM,
                    mechanism_param=pkcs11.GCMParams(sealed[:_NONCE], bound_to, _TAG_BITS),
                )  # fmt: skip
            except pkcs11.PKCS11Error as exc:
                # Modules do not agree on what a wrong tag is.
                if type(exc).__name__ not in _WRONG_KEY:
                    raise
                raise KeyFileError(reason="other_key") from None
        return bytes(value)


@dataclass(frozen=True, slots=True)
class TokenServiceKeys:
    """The keys of one service in the token, first epoch to last."""

    _token: _Token = field(repr=False)
    _index: tuple[Any, ...] = field(repr=False)
    _seals: tuple[Any, ...] = field(repr=False)
    _check: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        value = b"jpki.map/check"
        for epoch in range(1, self.epoch + 1):
            value = self.mac(epoch, value)
        object.__setattr__(self, "_check", value[:16])

    @property
    def epoch(self) -> int:
        return len(self._index)

    def mac(self, epoch: int, data: bytes) -> bytes:
        return self._token.mac(self._index[epoch - 1], data)

    def seal(self, use: str, value: bytes, bound_to: bytes) -> bytes:
        return self._token.seal(self._seals[-1], value, _bound(use, bound_to))

    def open(self, use: str, sealed: bytes, bound_to: bytes, epoch: int) -> bytes:
        if not 1 <= epoch <= self.epoch:
            raise KeyFileError(reason="rotated")
        return self._token.open(self._seals[epoch - 1], sealed, _bound(use, bound_to))

    def check(self) -> bytes:
        return self._check


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """The ring in a token."""

    _token: _Token = field(repr=False)
    map_id: str
    environment: Environment
    services: Mapping[str, TokenServiceKeys] = field(repr=False)
    _head: Any = field(repr=False)
    _evidence: Any = field(repr=False)
    _ledger: Any = field(repr=False)
    _public: bytes = field(repr=False)

    @property
    def location(self) -> str:
        return self._token.location

    def service(self, service: str) -> TokenServiceKeys:
        keys = self.services.get(service)
        if keys is None:
            raise KeyFileError(reason="no_keys_for_service", service=service)
        return keys

    def public_key(self) -> bytes:
        return self._public

    def sign(self, text: bytes) -> bytes:
        import pkcs11

        with self._token.turn():
            # The digest is made here: few tokens hash and sign ECDSA in one.
            digest = hashlib.sha256(text).digest()
            return ecdsa_der(bytes(self._ledger.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)))

    def seal_head(self, text: bytes) -> bytes:
        return self._token.mac(self._head, text)

    def seal_evidence(self, value: bytes, bound_to: bytes) -> bytes:
        return self._token.seal(self._evidence, value, bound_to)

    def open_evidence(self, sealed: bytes, bound_to: bytes) -> bytes:
        return self._token.open(self._evidence, sealed, bound_to)

    def extended(self, services: tuple[str, ...]) -> TokenKeys:
        for service in services:
            if service not in self.services:
                _make_epoch(self._token, service, 1)
        return self.again()

    def renewed(self, service: str) -> TokenKeys:
        _make_epoch(self._token, service, self.service(service).epoch + 1)
        return self.again()

    def again(self) -> TokenKeys:
        return _read(self._token)

    def discard(self) -> None:
        _destroy(self._token)


def create_in_token(
    text: str, environment: Environment, services: tuple[str, ...], pin: Pin | None
) -> TokenKeys:
    """Make a map's keys in a token. Raises KeyFileError (``exists``); then nothing is left."""
    token = _login(text, pin)
    if _objects(token):
        raise KeyFileError(reason="exists", path=text)
    try:
        for use in ("head", "evidence"):
            _make_secret(token, use, encrypts=use == "evidence")
        _make_pair(token)
        for service in services:
            _make_epoch(token, service, 1)
        _write_facts(token, environment)
    except BaseException:
        _destroy(token)
        raise
    return _read(token)


def open_token(text: str, pin: Pin | None) -> TokenKeys:
    """The keys of a map in a token. Raises KeyFileError with ``reason``."""
    return _read(_login(text, pin))


def _login(text: str, pin: Pin | None) -> _Token:
    """A session after one C_Login; a PIN is never tried twice."""
    uri = TokenUri.parse(text)
    if uri.label is not None and "/" in uri.label:
        raise TokenError(reason="uri")
    token = find_token(uri)
    if pin is None:
        raise KeyFileError(reason="pin_needed", path=text)
    return _Token(log_in(token, pin(), writes=True), text, uri.label or _NAME)


def _objects(token: _Token) -> dict[str, list[Any]]:
    """The map's objects in the token by what stands behind its name; the data object as ''."""
    name, found = token.name, dict[str, list[Any]]()
    with token.turn() as session:
        for each in session.get_objects():
            label = _label(each)
            if label == name or label.startswith(f"{name}/"):
                found.setdefault(label[len(name) + 1 :], []).append(each)
    return found


def _label(each: Any) -> str:
    import pkcs11

    try:
        return str(each[pkcs11.Attribute.LABEL])
    except pkcs11.PKCS11Error:
        return ""  # an object without a name is none of ours


def _read(token: _Token) -> TokenKeys:
    found = _objects(token)
    if "" not in found:
        raise KeyFileError(reason="missing", path=token.location)
    try:
        facts = _facts(token, found[""])
        environment = Environment(facts["environment"])
        private, public = _pair(found["ledger"])
        return TokenKeys(
            token, str(facts["map"]), environment, _services(token, found), _one(found, "head"),
            _one(found, "evidence"), private, public,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        raise KeyFileError(reason="malformed", path=token.location) from None


def _services(token: _Token, found: Mapping[str, list[Any]]) -> dict[str, TokenServiceKeys]:
    names = {label.split("/")[1] for label in found if label.startswith("index/")}
    services = {}
    for name in sorted(names):
        epochs = 0
        while f"index/{name}/{epochs + 1}" in found:
            epochs += 1
        every = range(1, epochs + 1)
        services[name] = TokenServiceKeys(
            token,
            tuple(_one(found, f"index/{name}/{epoch}") for epoch in every),
            tuple(_one(found, f"seal/{name}/{epoch}") for epoch in every),
        )
    return services


def _one(found: Mapping[str, list[Any]], label: str) -> Any:
    (key,) = found[label]
    return key


def _facts(token: _Token, objects: list[Any]) -> Any:
    import pkcs11

    (data,) = objects
    with token.turn():
        facts = json.loads(bytes(data[pkcs11.Attribute.VALUE]).decode("utf-8"))
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
        raise ValueError
    return facts


def _pair(objects: list[Any]) -> tuple[Any, bytes]:
    """The private key of the ledger and the point of its public half."""
    import pkcs11

    (private,) = (o for o in objects if o.object_class is pkcs11.ObjectClass.PRIVATE_KEY)
    (public,) = (o for o in objects if o.object_class is pkcs11.ObjectClass.PUBLIC_KEY)
    # An OCTET STRING around the point; some tokens leave it away.
    point = bytes(public[pkcs11.Attribute.EC_POINT])[-_POINT:]
    if len(point) != _POINT or point[0] != 4:
        raise ValueError
    return private, point


def _write_facts(token: _Token, environment: Environment) -> None:
    import pkcs11

    facts = {"schema": SCHEMA, "map": secrets.token_hex(16), "environment": environment.value}
    with token.turn() as session:
        session.create_object(
            {
                pkcs11.Attribute.CLASS: pkcs11.ObjectClass.DATA,
                pkcs11.Attribute.TOKEN: True,
                pkcs11.Attribute.PRIVATE: True,
                pkcs11.Attribute.APPLICATION: "jpki",
                pkcs11.Attribute.LABEL: token.name,
                pkcs11.Attribute.VALUE: json.dumps(facts).encode("utf-8"),
            }
        )


def _make_epoch(token: _Token, service: str, epoch: int) -> None:
    """Both keys of an epoch; what was left of an attempt that was cut short is used.

    The index key comes last: with it the epoch is there.
    """
    there = _objects(token)
    for use in ("seal", "index"):
        if f"{use}/{service}/{epoch}" not in there:
            _make_secret(token, f"{use}/{service}/{epoch}", encrypts=use == "seal")


def _make_secret(token: _Token, use: str, *, encrypts: bool) -> None:
    import pkcs11

    flags = pkcs11.MechanismFlag
    kind = pkcs11.KeyType.AES if encrypts else pkcs11.KeyType.GENERIC_SECRET
    with token.turn() as session:
        session.generate_key(
            kind, 256, label=f"{token.name}/{use}", store=True,
            capabilities=flags.ENCRYPT | flags.DECRYPT if encrypts else flags.SIGN,
            template={pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.SENSITIVE: True},
        )  # fmt: skip


def _make_pair(token: _Token) -> None:
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    with token.turn() as session:
        parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
        parameters.generate_keypair(
            label=f"{token.name}/ledger", store=True,
            private_template={
                pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.SENSITIVE: True,
            },
        )  # fmt: skip


def _destroy(token: _Token) -> None:
    found = _objects(token)
    with token.turn():
        for objects in found.values():
            for each in objects:
                each.destroy()


def _bound(use: str, bound_to: bytes) -> bytes:
    """One key seals for several uses: the use is authenticated, too."""
    return use.encode("ascii") + b"\0" + bound_to
