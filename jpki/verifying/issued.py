# SPDX-License-Identifier: Apache-2.0
"""Issued documents: the signed statement in a PDF and in its two-dimensional code.

A statement is a compact JWS (RFC 7515) with ES384 (RFC 7518 3.4) that says what the document
says. A second one binds the file: the SHA-256 of the whole file with one hole set to zero, in
which both lie. Nothing of the PDF is parsed here: outside the hole every byte counts, and the
hole holds the two and spaces.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from jpki.certificate.kinds import Environment
from jpki.errors import IssuedDocumentError
from jpki.verdict import Check, Outcome, Verdict

SCHEMA: Final = "jpki.issued/1"
FILE_SCHEMA: Final = "jpki.issued-file/1"
TYPE: Final = "jpki-issued+jws"
FILE_TYPE: Final = "jpki-issued-file+jws"
MARK: Final = b"%jpki.issued/1 "  # begins the hole
MAX_FILE: Final = 16 * 1024 * 1024
MAX_TOKEN: Final = 4096
_COORDINATE: Final = 48  # bytes, P-384
_MEMBERS: Final = frozenset(
    {"schema", "environment", "number", "kind", "issuer", "issued_at", "fields"}
)
_FILE_MEMBERS: Final = frozenset({"schema", "statement", "file", "hole"})


@dataclass(frozen=True, slots=True)
class FileBinding:
    """``statement``: SHA-256 of the statement (JWS). ``file``: that of the file with ``hole``
    (offset, length) set to zero."""

    statement: bytes = field(repr=False)
    file: bytes = field(repr=False)
    hole: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Statement:
    """What was signed. ``number``: random, of the document; ``kind`` names words
    (``document.kind.KIND``); ``fields``: names (``document.field.NAME``) and texts, in order."""

    environment: Environment
    number: str
    kind: str
    issuer: str
    issued_at: datetime
    fields: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A key of who issues documents. Its environment is fixed for life."""

    key_id: str
    public_key: ec.EllipticCurvePublicKey = field(repr=False)
    environment: Environment


def to_payload(content: Statement | FileBinding) -> bytes:
    """The canonical JSON that is signed."""
    if isinstance(content, Statement):
        body: dict[str, object] = {
            "schema": SCHEMA,
            "environment": content.environment.value,
            "number": content.number,
            "kind": content.kind,
            "issuer": content.issuer,
            "issued_at": content.issued_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "fields": [list(pair) for pair in content.fields],
        }
    else:
        body = {
            "schema": FILE_SCHEMA,
            "statement": to_base64url(content.statement),
            "file": to_base64url(content.file),
            "hole": list(content.hole),
        }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def to_base64url(data: bytes) -> str:
    """Without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def parse_issuer_key(data: bytes, environment: Environment) -> IssuerKey:
    """Read a JWK (RFC 7517) of a P-384 key with a ``kid``. Raises IssuedDocumentError."""
    raw = _object(data, "jwk")
    if raw.get("kty") != "EC" or raw.get("crv") != "P-384" or "d" in raw:
        raise IssuedDocumentError(reason="jwk")
    kid, x, y = raw.get("kid"), _from_base64url(raw.get("x")), _from_base64url(raw.get("y"))
    if not isinstance(kid, str) or not kid or len(x) != _COORDINATE or len(y) != _COORDINATE:
        raise IssuedDocumentError(reason="jwk")
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP384R1()
    )
    try:
        return IssuerKey(kid, numbers.public_key(), environment)
    except ValueError as exc:
        raise IssuedDocumentError(reason="jwk") from exc


def is_issued(data: bytes) -> bool:
    """Whether a file says that it holds a statement."""
    return data.startswith(b"%PDF-") and MARK in data


def verify_issued(
    data: bytes, keys: Iterable[IssuerKey], *, now: datetime
) -> tuple[Verdict, Statement | None]:
    """The verdict on a whole file, and what was stated if the signature is good.

    Never raises for what ``data`` holds.
    """
    held = {key.key_id: key for key in keys}
    try:
        found = _find(data)
        verdict, statement = _statement_verdict(found.statement, held, now)
        if statement is None:
            return _with(verdict, Check("file", Outcome.NOT_RUN, "issued_statement_first")), None
        return _with(verdict, _check_file(data, found, held)), statement
    except IssuedDocumentError as error:
        return _unreadable(error, held), None


def read_statement(data: bytes) -> Statement | None:
    """What a file states, whoever signed it: for showing, not for relying on. None: nothing."""
    try:
        return _statement(_read(_find(data).statement, TYPE, {})[1])
    except IssuedDocumentError:
        return None


def verify_statement(
    token: str, keys: Iterable[IssuerKey], *, now: datetime
) -> tuple[Verdict, Statement | None]:
    """The verdict on a statement alone, as read from the code on paper.

    The paper itself was seen by nobody here: ``file`` is not_run, and the reader compares.
    """
    held = {key.key_id: key for key in keys}
    try:
        verdict, statement = _statement_verdict(token.encode("ascii", "replace"), held, now)
    except IssuedDocumentError as error:
        return _unreadable(error, held), None
    return _with(verdict, Check("file", Outcome.NOT_RUN, "issued_on_paper")), statement


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies in the hole that begins at ``start``."""

    start: int
    statement: bytes
    binding: bytes


def _find(data: bytes) -> _Found:
    if len(data) > MAX_FILE:
        raise IssuedDocumentError(reason="too_large")
    start = data.find(MARK)
    if start < 0 or data.find(MARK, start + 1) >= 0:
        raise IssuedDocumentError(reason="no_statement" if start < 0 else "two_statements")
    begin = start + len(MARK)
    parts = data[begin : begin + 2 * MAX_TOKEN + 2].split(b" ", 2)
    if len(parts) != 3:
        raise IssuedDocumentError(reason="not_jws")
    return _Found(start, parts[0], parts[1])


def _statement_verdict(
    token: bytes, keys: Mapping[str, IssuerKey], now: datetime
) -> tuple[Verdict, Statement | None]:
    """Checks ``statement`` and ``issuer``; the statement if it can be relied on."""
    key_id, raw, signed = _read(token, TYPE, keys)
    statement = _statement(raw)
    key = keys.get(key_id)
    issuer = _issuer(key, statement, signed, now)
    read = Check("statement", Outcome.VALID, "issued_read", {"kind": statement.kind})
    good = issuer.outcome is Outcome.VALID
    environment = statement.environment if key is None else key.environment
    subject = {"kind": statement.kind, "issuer": statement.issuer} if good else {}
    verdict = Verdict((read, issuer), environment.value, subject=subject)
    return verdict, statement if good else None


def _with(verdict: Verdict, check: Check) -> Verdict:
    return Verdict((*verdict.checks, check), verdict.environment, subject=verdict.subject)


def _unreadable(error: IssuedDocumentError, keys: Mapping[str, IssuerKey]) -> Verdict:
    checks = (
        Check("statement", Outcome.INVALID, "issued_unreadable", error.values),
        Check("issuer", Outcome.NOT_RUN, "issued_statement_first"),
        Check("file", Outcome.NOT_RUN, "issued_statement_first"),
    )
    environments = (key.environment.value for key in keys.values())
    return Verdict(checks, next(environments, Environment.CUSTOM.value))


def _issuer(key: IssuerKey | None, statement: Statement, signed: bool, now: datetime) -> Check:
    if key is None:
        return Check("issuer", Outcome.CANNOT_TELL, "issued_key_unknown")
    if not signed:
        return Check("issuer", Outcome.INVALID, "issued_signature_wrong")
    if key.environment is not statement.environment:
        return Check("issuer", Outcome.INVALID, "issued_environment")
    if statement.issued_at > now:
        return Check("issuer", Outcome.INVALID, "issued_in_future")
    return Check("issuer", Outcome.VALID, "issued_signed", {"issuer": statement.issuer})


def _check_file(data: bytes, found: _Found, keys: Mapping[str, IssuerKey]) -> Check:
    """Whether the file is, byte for byte, the one the statement's issuer bound to it."""
    key_id, raw, signed = _read(found.binding, FILE_TYPE, keys)
    binding = _binding(raw)
    start, length = binding.hole
    filling = MARK + found.statement + b" " + found.binding + b" "
    whole = (
        signed
        and key_id == _read(found.statement, TYPE, keys)[0]
        and binding.statement == hashlib.sha256(found.statement).digest()
        and start == found.start
        and start + length <= len(data)
        and data[start : start + length] == filling.ljust(length, b" ")
        and digest_with_hole(data, binding.hole) == binding.file
    )
    if not whole:
        return Check("file", Outcome.INVALID, "issued_file_altered")
    return Check("file", Outcome.VALID, "issued_file_whole")


def digest_with_hole(data: bytes, hole: tuple[int, int]) -> bytes:
    """SHA-256 of ``data`` with ``hole`` (offset, length) set to zero."""
    offset, length = hole
    digest = hashlib.sha256(data[:offset])
    digest.update(bytes(length))
    digest.update(data[offset + length :])
    return digest.digest()


def _read(
    token: bytes, kind: str, keys: Mapping[str, IssuerKey]
) -> tuple[str, dict[str, Any], bool]:
    """Key id, payload, and whether the key of that id signed it."""
    if len(token) > MAX_TOKEN:
        raise IssuedDocumentError(reason="too_large")
    parts = token.split(b".")
    if len(parts) != 3:
        raise IssuedDocumentError(reason="not_jws")
    header, payload, signature = (
        _from_base64url(part.decode("ascii", "replace")) for part in parts
    )
    head = _object(header, "header")
    if set(head) != {"alg", "kid", "typ"} or head["alg"] != "ES384" or head["typ"] != kind:
        raise IssuedDocumentError(reason="header")
    key_id = str(head["kid"])
    key = keys.get(key_id)
    signed = key is not None and _signed(key, parts[0] + b"." + parts[1], signature)
    return key_id, _object(payload, "payload"), signed


def _signed(key: IssuerKey, data: bytes, signature: bytes) -> bool:
    if len(signature) != 2 * _COORDINATE:
        return False
    r, s = (
        int.from_bytes(half, "big") for half in (signature[:_COORDINATE], signature[_COORDINATE:])
    )
    try:
        key.public_key.verify(encode_dss_signature(r, s), data, ec.ECDSA(SHA384()))
    except InvalidSignature:
        return False
    return True


def _statement(raw: dict[str, Any]) -> Statement:
    if raw.get("schema") != SCHEMA or set(raw) != _MEMBERS:
        raise IssuedDocumentError(reason="payload")
    try:
        return Statement(
            environment=Environment(raw["environment"]),
            number=_text(raw["number"]),
            kind=_text(raw["kind"]),
            issuer=_text(raw["issuer"]),
            issued_at=_time(raw["issued_at"]),
            fields=tuple((_text(name), _text(value)) for name, value in raw["fields"]),
        )
    except (TypeError, ValueError) as exc:
        raise IssuedDocumentError(reason="payload") from exc


def _binding(raw: dict[str, Any]) -> FileBinding:
    if raw.get("schema") != FILE_SCHEMA or set(raw) != _FILE_MEMBERS:
        raise IssuedDocumentError(reason="payload")
    hole = raw["hole"]
    if (
        not isinstance(hole, list)
        or len(hole) != 2
        or not all(type(part) is int and part >= 0 for part in hole)
    ):
        raise IssuedDocumentError(reason="payload")
    statement, file = _from_base64url(raw["statement"]), _from_base64url(raw["file"])
    return FileBinding(statement, file, (hole[0], hole[1]))


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 256:
        raise ValueError("text")
    if not value.replace("\u3000", " ").isprintable():  # names on cards have that space
        raise ValueError("text")
    return value


def _time(value: object) -> datetime:
    return datetime.strptime(_text(value), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        raw = json.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise IssuedDocumentError(reason=what) from None
    if not isinstance(raw, dict):
        raise IssuedDocumentError(reason=what)
    return raw


def _from_base64url(text: object) -> bytes:
    if not isinstance(text, str) or "=" in text:
        raise IssuedDocumentError(reason="base64url")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise IssuedDocumentError(reason="base64url") from None
