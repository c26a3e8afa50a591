# SPDX-License-Identifier: Apache-2.0
"""A check-in as bytes: what a desk seals, what it sends, what the server compares."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from jpki.certificate.serial import RefKind, SerialRef
from jpki.errors import ChallengeError
from jpki.kiosk.server.wire import RequestMalformedError
from jpki.kiosk.shelter.half import CheckIn, Relation
from jpki.mapping.card_answer import TapEvidence
from jpki.verifying.challenge import Response, parse_challenge, parse_response

_SEALED_MOST: Final = 4096  # bytes of an entry of the city's list
_MEMBERS: Final = frozenset({"id", "at", "response", "tap", "sealed", "shared", "leaving"})


def entry_bytes(entry: CheckIn) -> bytes:
    """The check-in as canonical JSON. Holds a certificate or a 製造番号: seal it."""
    return json.dumps(entry_object(entry), sort_keys=True, separators=(",", ":")).encode("utf-8")


def entry_object(entry: CheckIn) -> dict[str, object]:
    """The check-in as members."""
    members: dict[str, object] = {
        "id": entry.id,
        "at": entry.at.isoformat(),
        "shared": sorted(relation.value for relation in entry.shared),
        "leaving": entry.leaving,
    }
    match entry.evidence:
        case Response():
            members["response"] = entry.evidence.to_object()
        case TapEvidence():
            members["tap"] = tap_object(entry.evidence)
        case None:
            members["sealed"] = _text(entry.sealed)
    return members


def read_entry(raw: Mapping[str, Any]) -> CheckIn:
    """The check-in from members. Raises RequestMalformedError (``member``)."""
    member = "entry"
    try:
        if not set(raw) <= _MEMBERS:
            raise ValueError
        member = "at"
        at = datetime.fromisoformat(raw["at"])
        if at.tzinfo is None:
            raise ValueError
        member = "shared"
        shared = frozenset(Relation(each) for each in raw["shared"])
        member = "leaving"
        if not isinstance(raw["leaving"], bool):
            raise TypeError
        member = "evidence"
        evidence, sealed = _evidence(raw)
        member = "id"
        name = raw["id"]
        if not isinstance(name, str) or not 16 <= len(name) <= 64:
            raise ValueError
        if evidence is not None and evidence.challenge.id != name:
            raise ValueError
    except (KeyError, ValueError, TypeError, ChallengeError):
        raise RequestMalformedError(member=member) from None
    return CheckIn(name, at, evidence, sealed, shared, raw["leaving"])


def tap_object(tap: TapEvidence) -> dict[str, object]:
    """A tap as members. The 製造番号 is as good as a serial: for the server half alone."""
    return {
        "challenge": tap.challenge.to_object(),
        "number": _text(tap.number.reveal()),
        "signature": _text(tap.signature),
    }


def read_tap_object(raw: Mapping[str, Any]) -> TapEvidence:
    """A tap from members. Raises KeyError, ValueError, TypeError, ChallengeError."""
    challenge = parse_challenge(json.dumps(raw["challenge"]).encode("utf-8"))
    number = SerialRef(RefKind.CARD_NUMBER, _bytes(raw["number"]))
    return TapEvidence(challenge, number, _bytes(raw["signature"]))


def _evidence(raw: Mapping[str, Any]) -> tuple[Response | TapEvidence | None, bytes]:
    if len({"response", "tap", "sealed"} & set(raw)) != 1:
        raise ValueError
    if "response" in raw:
        return parse_response(json.dumps(raw["response"]).encode("utf-8")), b""
    if "tap" in raw:
        return read_tap_object(raw["tap"]), b""
    sealed = _bytes(raw["sealed"])
    if not 1 <= len(sealed) <= _SEALED_MOST:
        raise ValueError
    return None, sealed


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise ValueError from exc
