# SPDX-License-Identifier: Apache-2.0
"""One OCSP answer: read strictly. Nothing in it is believed yet. Source: [RFC6960 4.2]."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from jpki.certificate import der, extensions
from jpki.certificate.extensions import Extension
from jpki.certificate.serial import RefKind, SerialRef
from jpki.errors import RevocationDataError
from jpki.validation.crl import NOT_GIVEN, read_reason
from jpki.validation.named import AskedAbout
from jpki.validation.trust import Anchor

MAX_SIZE: Final = 256 * 1024
NONCE: Final = "1.3.6.1.5.5.7.48.1.2"
_BASIC: Final = "1.3.6.1.5.5.7.48.1.1"
_MAX_ANSWERS: Final = 256
_MAX_CERTIFICATES: Final = 8
_STATUSES: Final = {
    1: "malformed_request",
    2: "internal_error",
    3: "try_later",
    5: "sig_required",
    6: "unauthorized",
}
# Hashes of a CertID. SHA-1 only names something here; nothing is proven by it.
_HASHES: Final = {"1.3.14.3.2.26": "sha1", "2.16.840.1.101.3.4.2.1": "sha256"}


@dataclass(frozen=True, slots=True)
class CertId:
    """Which certificate is meant. ``hash_name`` None: a hash not known here."""

    hash_name: str | None
    name_hash: bytes = field(repr=False)
    key_hash: bytes = field(repr=False)
    serial: SerialRef = field(repr=False)

    def is_of(self, certificate: AskedAbout, anchor: Anchor) -> bool:
        """Whether it means that certificate, issued by that root."""
        if self.hash_name is None or self.serial != certificate.serial:
            return False
        root = anchor.certificate
        name = hashlib.new(self.hash_name, root.subject_der, usedforsecurity=False)
        key = hashlib.new(self.hash_name, root.key_bits, usedforsecurity=False)
        return (self.name_hash, self.key_hash) == (name.digest(), key.digest())


@dataclass(frozen=True, slots=True)
class SingleAnswer:
    """``status``: good, revoked or unknown; ``since`` and ``reason`` of a revoked one."""

    cert_id: CertId
    status: str
    since: datetime | None
    reason: str
    this_update: datetime
    next_update: datetime | None
    critical: bool


class _Responder(Protocol):
    """A certificate, as far as an answer names who gave it."""

    @property
    def subject_der(self) -> bytes: ...
    @property
    def key_bits(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class BasicAnswer:
    """A successful answer. Responder: by ``name`` (DER) or by ``key_hash`` (SHA-1).

    ``critical``: it has a critical extension that is not understood.
    """

    tbs: bytes = field(repr=False)
    algorithm: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    name: bytes | None = field(repr=False)
    key_hash: bytes | None = field(repr=False)
    produced_at: datetime
    answers: tuple[SingleAnswer, ...]
    nonce: bytes | None = field(repr=False)
    critical: bool
    certificates: tuple[bytes, ...] = field(repr=False)

    def names(self, certificate: _Responder) -> bool:
        """Whether it names that certificate as its responder."""
        if self.key_hash is not None:
            own = hashlib.sha1(certificate.key_bits, usedforsecurity=False).digest()
            return self.key_hash == own
        return self.name == certificate.subject_der


def parse_ocsp(data: bytes) -> BasicAnswer | str:
    """Reads one DER OCSPResponse: the answer, or the word for an unsuccessful status.

    Raises RevocationDataError with ``reason``.
    """
    data = bytes(data)
    try:
        if len(data) > MAX_SIZE:
            raise der.DerError("too_large", 0)
        der.check_strict(data)
        return _response(data)
    except der.DerError as error:
        raise RevocationDataError(reason=error.reason, source="ocsp") from None


def _response(data: bytes) -> BasicAnswer | str:
    reader = der.whole(data).reader()
    status = der.integer(reader.next(der.ENUMERATED))
    wrapped = reader.optional(0xA0)
    reader.done()
    if status in _STATUSES and wrapped is None:
        return _STATUSES[status]
    if status != 0 or wrapped is None:
        raise der.DerError("bad_status", 0)
    body = der.only(wrapped, der.SEQUENCE).reader()
    kind = der.oid(body.next(der.OBJECT_ID))
    content = body.next(der.OCTET_STRING).value
    body.done()
    if kind != _BASIC:
        raise der.DerError("not_basic", 0)
    der.check_strict(content)
    return _basic(content)


def _basic(data: bytes) -> BasicAnswer:
    outer = der.whole(data).reader()
    tbs, algorithm = outer.next(der.SEQUENCE), outer.next(der.SEQUENCE)
    signature = der.bits(outer.next(der.BIT_STRING))
    enclosed = outer.optional(0xA0)
    outer.done()
    reader = tbs.reader()
    if reader.peek() == 0xA0:
        # Version 1 is the default and not written in DER; there is no other.
        raise der.DerError("version", tbs.start)
    name, key_hash = _responder(reader.next())
    produced_at = der.time(reader.next(), generalized_only=True)
    singles = tuple(_single(node) for node in der.sequences(reader.next(der.SEQUENCE)))
    found = _extensions(reader.optional(0xA1))
    reader.done()
    if not 0 < len(singles) <= _MAX_ANSWERS:
        raise der.DerError("bad_answers", tbs.start)
    nonce = found.get(NONCE)
    return BasicAnswer(
        tbs=tbs.raw,
        algorithm=algorithm.raw,
        signature=signature,
        name=name,
        key_hash=key_hash,
        produced_at=produced_at,
        answers=singles,
        nonce=None if nonce is None else der.whole(nonce.value, der.OCTET_STRING).value,
        critical=any(e.critical for oid, e in found.items() if oid != NONCE),
        certificates=_certificates(enclosed),
    )


def _responder(node: der.Node) -> tuple[bytes | None, bytes | None]:
    if node.tag == 0xA1:
        return der.only(node, der.SEQUENCE).raw, None
    if node.tag == 0xA2:
        return None, der.only(node, der.OCTET_STRING).value
    raise der.DerError("wrong_tag", node.start)


def _certificates(node: der.Node | None) -> tuple[bytes, ...]:
    if node is None:
        return ()
    found = tuple(item.raw for item in der.only(node, der.SEQUENCE).reader().rest())
    if len(found) > _MAX_CERTIFICATES:
        raise der.DerError("too_many", node.start)
    return found


def _extensions(node: der.Node | None) -> Mapping[str, Extension]:
    if node is None:
        return {}
    return extensions.read_extensions(der.only(node, der.SEQUENCE), structured={NONCE})


def _single(node: der.Node) -> SingleAnswer:
    reader = node.reader()
    cert_id = _cert_id(reader.next(der.SEQUENCE))
    status, since, reason = _status(reader.next())
    this_update = der.time(reader.next(), generalized_only=True)
    until = reader.optional(0xA0)
    next_update = None
    if until is not None:
        next_update = der.time(der.only(until, der.GENERALIZED_TIME), generalized_only=True)
    found = _extensions(reader.optional(0xA1))
    reader.done()
    critical = any(extension.critical for extension in found.values())
    return SingleAnswer(cert_id, status, since, reason, this_update, next_update, critical)


def _cert_id(node: der.Node) -> CertId:
    reader = node.reader()
    algorithm = reader.next(der.SEQUENCE).reader()
    name_hash, key_hash = (reader.next(der.OCTET_STRING).value for _ in range(2))
    serial = reader.next(der.INTEGER)
    reader.done()
    der.integer(serial)
    hash_name = _HASHES.get(der.oid(algorithm.next(der.OBJECT_ID)))
    algorithm.optional(der.NULL)
    algorithm.done()
    ref = SerialRef(RefKind.CERTIFICATE_SERIAL, serial.value)
    return CertId(hash_name, name_hash, key_hash, ref)


def _status(node: der.Node) -> tuple[str, datetime | None, str]:
    if node.tag in (0x80, 0x82):
        if node.value:
            raise der.DerError("bad_null", node.start)
        return ("good" if node.tag == 0x80 else "unknown"), None, NOT_GIVEN
    if node.tag != 0xA1:
        raise der.DerError("wrong_tag", node.start)
    reader = node.reader()
    since = der.time(reader.next(), generalized_only=True)
    wrapped = reader.optional(0xA0)
    reader.done()
    reason = NOT_GIVEN if wrapped is None else read_reason(der.only(wrapped, der.ENUMERATED))
    return "revoked", since, reason
