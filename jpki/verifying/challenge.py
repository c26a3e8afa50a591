# SPDX-License-Identifier: Apache-2.0
"""The login challenge ``jpki-auth/1``: issued by a verifier, answered with the auth key.

The signed text is the line ``jpki-auth/1``, a newline, and the challenge as canonical JSON
(keys sorted, no white space, UTF-8). Origin and purpose are inside it, so a response made
for one service says nothing to another.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from jpki.errors import ChallengeError

CHALLENGE_SCHEMA = "jpki.auth.challenge/1"
RESPONSE_SCHEMA = "jpki.auth.response/1"
NONCE_SIZE = 32
MAX_TEXT = 256
MAX_TTL = timedelta(days=1)
MAX_RESPONSE = 64 * 1024

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_CHALLENGE_KEYS = {"schema", "id", "nonce", "origin", "purpose", "issued_at", "expires_at"}
_RESPONSE_KEYS = {"schema", "challenge", "certificate", "signature"}


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a verifier asks a holder to sign.

    ``nonce``: 32 random bytes. ``origin``, ``purpose``: shown to the holder before the PIN,
    1 to 256 printable characters. ``issued_at``, ``expires_at``: aware, whole seconds, UTC.
    """

    id: str
    nonce: bytes = field(repr=False)
    origin: str
    purpose: str
    issued_at: datetime
    expires_at: datetime
    _text: bytes = field(default=b"", init=False, repr=False, compare=False)

    def to_object(self) -> dict[str, str]:
        """The JSON object, ``jpki.auth.challenge/1``."""
        return {
            "schema": CHALLENGE_SCHEMA,
            "id": self.id,
            "nonce": base64.b64encode(self.nonce).decode("ascii"),
            "origin": self.origin,
            "purpose": self.purpose,
            "issued_at": _time_text(self.issued_at),
            "expires_at": _time_text(self.expires_at),
        }

    def signed_text(self) -> bytes:
        """The bytes that are signed."""
        if not self._text:  # asked for by who verifies, and again by who keeps a digest of it
            text = b"jpki-auth/1\n" + _CANONICAL.encode(self.to_object()).encode("utf-8")
            object.__setattr__(self, "_text", text)
        return self._text

    def is_expired(self, now: datetime) -> bool:
        return now >= self.expires_at


@dataclass(frozen=True, slots=True)
class Response:
    """A holder's answer: the challenge as signed, the auth certificate (DER), the signature.

    The certificate holds no name; it is as good as a serial number and is not shown.
    """

    challenge: Challenge
    certificate: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def to_object(self) -> dict[str, object]:
        """The JSON object, ``jpki.auth.response/1``."""
        return {
            "schema": RESPONSE_SCHEMA,
            "challenge": self.challenge.to_object(),
            "certificate": base64.b64encode(self.certificate).decode("ascii"),
            "signature": base64.b64encode(self.signature).decode("ascii"),
        }


def new_challenge(
    origin: str, purpose: str, *, ttl: timedelta = timedelta(minutes=5), now: datetime
) -> Challenge:
    """A fresh challenge, good for ``ttl`` (1 second to 1 day) from ``now`` (aware).

    Raises ChallengeError for an empty, long or unprintable origin or purpose.
    """
    if not timedelta(seconds=1) <= ttl <= MAX_TTL:
        raise ChallengeError(reason="ttl")
    issued = now.astimezone(UTC).replace(microsecond=0)
    return Challenge(
        id=secrets.token_urlsafe(16),
        nonce=os.urandom(NONCE_SIZE),
        origin=_printable(origin, "origin"),
        purpose=_printable(purpose, "purpose"),
        issued_at=issued,
        expires_at=issued + ttl,
    )


def parse_challenge(data: bytes) -> Challenge:
    """Read a challenge file. Raises ChallengeError saying which member is wrong."""
    return _challenge(_load(data))


def parse_response(data: bytes) -> Response:
    """Read a response file. Raises ChallengeError saying which member is wrong."""
    return response_from(_load(data))


def response_from(raw: dict[str, Any]) -> Response:
    """A response from JSON that was read before. Raises ChallengeError."""
    _expect_keys(raw, _RESPONSE_KEYS, RESPONSE_SCHEMA)
    challenge = raw["challenge"]
    if not isinstance(challenge, dict):
        raise ChallengeError(reason="member", member="challenge")
    return Response(
        challenge=_challenge(challenge),
        certificate=_bytes(raw, "certificate"),
        signature=_bytes(raw, "signature"),
    )


def _load(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_RESPONSE:
        raise ChallengeError(reason="too_large")
    try:
        raw = json.loads(data.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except (UnicodeDecodeError, ValueError, RecursionError) as exc:
        raise ChallengeError(reason="not_json") from exc
    if not isinstance(raw, dict):
        raise ChallengeError(reason="not_json")
    return raw


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a member appears twice")
    return out


def _expect_keys(raw: dict[str, Any], keys: set[str], schema: str) -> None:
    if raw.get("schema") != schema:
        raise ChallengeError(reason="schema", expected=schema)
    if set(raw) != keys:
        # Only our own member names are echoed, never what the file holds.
        missing = sorted(keys - set(raw))
        raise ChallengeError(reason="member", member=missing[0] if missing else "unknown")


def _challenge(raw: dict[str, Any]) -> Challenge:
    _expect_keys(raw, _CHALLENGE_KEYS, CHALLENGE_SCHEMA)
    nonce = _bytes(raw, "nonce")
    identifier = raw["id"]
    if len(nonce) != NONCE_SIZE:
        raise ChallengeError(reason="member", member="nonce")
    if not isinstance(identifier, str) or not 16 <= len(identifier) <= 64:
        raise ChallengeError(reason="member", member="id")
    issued, expires = _time(raw, "issued_at"), _time(raw, "expires_at")
    if not timedelta(0) < expires - issued <= MAX_TTL:
        raise ChallengeError(reason="member", member="expires_at")
    return Challenge(
        id=_printable(identifier, "id"),
        nonce=nonce,
        origin=_printable(raw["origin"], "origin"),
        purpose=_printable(raw["purpose"], "purpose"),
        issued_at=issued,
        expires_at=expires,
    )


def _printable(value: object, member: str) -> str:
    # Control and format characters could make a terminal show another origin than is signed.
    if (
        not isinstance(value, str)
        or not 1 <= len(value) <= MAX_TEXT
        or value != value.strip()
        or not (value.isprintable() or all(map(_is_shown, value)))
    ):
        raise ChallengeError(reason="member", member=member)
    return value


def _is_shown(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] != "C" and category not in ("Zl", "Zp")


def _bytes(raw: dict[str, Any], member: str) -> bytes:
    value = raw[member]
    try:
        if not isinstance(value, str):
            raise TypeError
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as exc:
        raise ChallengeError(reason="member", member=member) from exc


def _time(raw: dict[str, Any], member: str) -> datetime:
    value = raw[member]
    try:
        if not isinstance(value, str):
            raise TypeError
        if _TIME.fullmatch(value) is None:
            raise ValueError
        return datetime.fromisoformat(value)
    except (TypeError, ValueError) as exc:
        raise ChallengeError(reason="member", member=member) from exc


def _time_text(value: datetime) -> str:
    return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
