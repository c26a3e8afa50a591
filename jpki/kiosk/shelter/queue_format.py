# SPDX-License-Identifier: Apache-2.0
"""The lines of a desk's queue: signed by the desk, chained, each record sealed for the server.

A line is the body (canonical JSON) and the desk's Ed25519 signature over it, both base64, with
a full stop between. The header names queue, desk and times; a record its place (``n``, from 1),
the check-in's id, the SHA-256 of the line before, and the sealed check-in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from jpki.errors import JpkiError
from jpki.kiosk.server.half import ServerHalfError
from jpki.kiosk.server.wire import read_object
from jpki.kiosk.shelter.half import Bundle

SCHEMA: Final = "jpki-shelter-queue/1"
LIFETIME: Final = timedelta(days=1)
_CONTEXT: Final = b"jpki-shelter-queue/1\n"


class QueueError(JpkiError):
    """A queue that is not as its desk left it. Codes: ``queue_altered``, ``queue_truncated``."""

    default_code = "queue_altered"


@dataclass(frozen=True, slots=True)
class Header:
    """Of a queue. ``id``: random. Times are the desk's (aware)."""

    id: str
    desk: str
    created: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """One sealed check-in. ``digest``: of its line (hexadecimal), which the next one names."""

    queue: str
    number: int
    id: str
    before: str
    sealed: bytes = field(repr=False)
    digest: str


def line_digest(line: bytes) -> str:
    """SHA-256 of a line, hexadecimal."""
    return hashlib.sha256(line).hexdigest()


def header_line(header: Header, key: Ed25519PrivateKey) -> bytes:
    """The first line of a queue."""
    return _signed(
        {
            "schema": SCHEMA, "queue": header.id, "desk": header.desk,
            "created": header.created.isoformat(), "expires": header.expires.isoformat(),
        },
        key,
    )  # fmt: skip


def record_line(
    queue: str, number: int, entry_id: str, before: str, sealed: bytes, key: Ed25519PrivateKey
) -> bytes:
    """The line of one check-in."""
    text = base64.b64encode(sealed).decode("ascii")
    body = {"queue": queue, "n": number, "id": entry_id, "before": before, "sealed": text}
    return _signed(body, key)


def head_line(queue: str, number: int, digest: str, key: Ed25519PrivateKey) -> bytes:
    """How far a queue goes: ``number`` records, and the digest of the last line."""
    return _signed({"queue": queue, "n": number, "digest": digest}, key)


def read_header(line: bytes, key: Ed25519PublicKey) -> Header:
    """Raises QueueError."""
    body = _verified(line, key)
    try:
        if body["schema"] != SCHEMA:
            raise ValueError
        created = datetime.fromisoformat(body["created"])
        expires = datetime.fromisoformat(body["expires"])
        if created.tzinfo is None or not timedelta(0) < expires - created <= LIFETIME:
            raise ValueError
        return Header(str(body["queue"]), str(body["desk"]), created, expires)
    except (KeyError, ValueError, TypeError):
        raise QueueError from None


def read_record(line: bytes, key: Ed25519PublicKey) -> Record:
    """Raises QueueError."""
    body = _verified(line, key)
    try:
        sealed = base64.b64decode(body["sealed"], validate=True)
        names = (body["queue"], body["id"], body["before"])
        if not all(isinstance(name, str) for name in names) or not isinstance(body["n"], int):
            raise ValueError
        return Record(names[0], body["n"], names[1], names[2], sealed, line_digest(line))
    except (KeyError, ValueError, TypeError):
        raise QueueError from None


def read_head(line: bytes, key: Ed25519PublicKey) -> tuple[str, int, str]:
    """Queue, number of records, digest of the last line. Raises QueueError."""
    body = _verified(line, key)
    try:
        return str(body["queue"]), int(body["n"]), str(body["digest"])
    except (KeyError, ValueError, TypeError, OverflowError):
        raise QueueError from None


def close_bundle(
    nonce: str, header: bytes, records: tuple[bytes, ...], key: Ed25519PrivateKey
) -> Bundle:
    """A part of a queue, closed for one sync."""
    return Bundle(nonce, header, records, key.sign(_closing(nonce, header, records)))


def open_bundle(bundle: Bundle, key: Ed25519PublicKey) -> tuple[Header, tuple[Record, ...]]:
    """Header and records, if the desk of ``key`` closed exactly these. Raises QueueError."""
    try:
        key.verify(bundle.closing, _closing(bundle.nonce, bundle.header, bundle.records))
    except InvalidSignature:
        raise QueueError from None
    header = read_header(bundle.header, key)
    records = tuple(read_record(line, key) for line in bundle.records)
    check_chain(header, bundle.header, records)
    return header, records


def check_chain(header: Header, line: bytes, records: tuple[Record, ...]) -> None:
    """Whether each record follows the one before; the first may be in the middle.

    Raises QueueError.
    """
    for before, record in zip((None, *records), records, strict=False):
        first = record.number == 1
        if record.queue != header.id or record.number < 1:
            raise QueueError
        if first and record.before != line_digest(line):
            raise QueueError
        if before is None:
            continue
        if record.number != before.number + 1 or record.before != before.digest:
            raise QueueError


def _closing(nonce: str, header: bytes, records: tuple[bytes, ...]) -> bytes:
    parts = (nonce.encode("utf-8"), header, *records)
    return b"jpki-shelter-sync/1\n" + b"\n".join(parts)


def _signed(body: dict[str, object], key: Ed25519PrivateKey) -> bytes:
    text = json.dumps(body, sort_keys=True, separators=(",", ":")).encode("utf-8")
    return base64.b64encode(text) + b"." + base64.b64encode(key.sign(_CONTEXT + text))


def _verified(line: bytes, key: Ed25519PublicKey) -> dict[str, Any]:
    try:
        text, signature = (base64.b64decode(part, validate=True) for part in line.split(b"."))
        key.verify(signature, _CONTEXT + text)
        return read_object(text)
    except (ValueError, binascii.Error, InvalidSignature, ServerHalfError):
        raise QueueError from None
