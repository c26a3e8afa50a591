# SPDX-License-Identifier: Apache-2.0
"""Shelter and gate on the wire: JSON both ways. Used by both ends.

Paths begin with ``/v1/shelter/`` and ``/v1/watch/``; the rules are those of the server half:
POST, the terminal's token, nothing from a browser.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from jpki.errors import ChallengeError
from jpki.kiosk.server.half import ServerHalfError
from jpki.kiosk.server.wire import RequestMalformedError, read_object
from jpki.kiosk.shelter.entries import read_tap_object
from jpki.kiosk.shelter.half import Bundle, Mark, Outcome, Receipt, Relation, Told
from jpki.kiosk.shelter.watch_half import WatchTold
from jpki.mapping.card_answer import TapEvidence

CHALLENGE, RATION = "/v1/shelter/challenge", "/v1/shelter/ration"
CHECK_IN, TELL, COUNTS = "/v1/shelter/check-in", "/v1/shelter/tell", "/v1/shelter/counts"
BEGIN, SYNC = "/v1/shelter/begin-sync", "/v1/shelter/sync"
WATCH_CHALLENGE, GUARDIAN = "/v1/watch/challenge", "/v1/watch/guardian"
CHILD, ARRIVE = "/v1/watch/child", "/v1/watch/arrive"
TOLD_SCHEMA: Final = "jpki.kiosk.shelter/1"
_E = TypeVar("_E", bound=StrEnum)


def read_choice(raw: Mapping[str, Any], member: str, kind: type[_E]) -> _E:
    """One of the words of ``kind``. Raises RequestMalformedError."""
    try:
        return kind(raw[member])
    except (KeyError, ValueError):
        raise RequestMalformedError(member=member) from None


def read_choice_or_none(raw: Mapping[str, Any], member: str, kind: type[_E]) -> _E | None:
    """The same, where it may be left out."""
    return None if raw.get(member) is None else read_choice(raw, member, kind)


def read_digits(raw: Mapping[str, Any]) -> str:
    """A code, or an empty text. Raises RequestMalformedError."""
    code = raw.get("code", "")
    if not isinstance(code, str) or len(code) > 8 or not (code == "" or code.isdigit()):
        raise RequestMalformedError(member="code")
    return code


def read_tap(raw: Mapping[str, Any]) -> TapEvidence:
    """A tap. Raises RequestMalformedError."""
    try:
        return read_tap_object(raw["tap"])
    except (KeyError, ValueError, TypeError, ChallengeError):
        raise RequestMalformedError(member="tap") from None


def bundle_object(bundle: Bundle) -> dict[str, object]:
    """A bundle as members."""
    return {
        "nonce": bundle.nonce,
        "header": bundle.header.decode("ascii"),
        "records": [line.decode("ascii") for line in bundle.records],
        "closing": base64.b64encode(bundle.closing).decode("ascii"),
    }


def read_bundle(raw: Mapping[str, Any]) -> Bundle:
    """A bundle from members. Raises RequestMalformedError."""
    try:
        return Bundle(
            str(raw["nonce"]), raw["header"].encode("ascii"),
            tuple(line.encode("ascii") for line in raw["records"]),
            base64.b64decode(raw["closing"], validate=True),
        )  # fmt: skip
    except (KeyError, ValueError, TypeError, AttributeError, binascii.Error):
        raise RequestMalformedError(member="bundle") from None


def receipts_object(receipts: Sequence[Receipt]) -> dict[str, object]:
    """Receipts as members."""
    return {
        "schema": TOLD_SCHEMA,
        "receipts": [
            [each.id, each.outcome.value, each.reason, each.rule, each.article] for each in receipts
        ],
    }


def read_receipts(data: bytes) -> list[Receipt]:
    """Receipts from a reply. Raises ServerHalfError ``server_nonsense``."""
    try:
        return [
            Receipt(str(name), Outcome(outcome), str(reason), str(rule), str(article))
            for name, outcome, reason, rule, article in _reply(data)["receipts"]
        ]
    except (KeyError, ValueError, TypeError):
        raise ServerHalfError("server_nonsense") from None


def told_object(told: Told) -> dict[str, object]:
    """What was told, as members: the same members whatever there is to tell."""
    return {
        **_outcome(told),
        "code": told.code,
        "places": {mark.value: place for mark, place in told.places.items()},
        "asked": [[relation.value, at.isoformat()] for relation, at in told.asked],
    }


def read_told(data: bytes) -> Told:
    """What was told, from a reply. Raises ServerHalfError ``server_nonsense``."""
    raw = _reply(data)
    try:
        return Told(
            Outcome(raw["outcome"]), str(raw["reason"]), str(raw["rule"]), str(raw["article"]),
            str(raw["code"]),
            {Mark(mark): str(place) for mark, place in raw["places"].items()},
            [(Relation(relation), datetime.fromisoformat(at)) for relation, at in raw["asked"]],
        )  # fmt: skip
    except (KeyError, ValueError, TypeError, AttributeError):
        raise ServerHalfError("server_nonsense") from None


def watch_told_object(told: WatchTold) -> dict[str, object]:
    """What a gate is told, as members."""
    return {
        **_outcome(told),
        "code": told.code,
        "arrivals": [[place, at.isoformat()] for place, at in told.arrivals],
    }


def read_watch_told(data: bytes) -> WatchTold:
    """The same from a reply. Raises ServerHalfError ``server_nonsense``."""
    raw = _reply(data)
    try:
        return WatchTold(
            Outcome(raw["outcome"]), str(raw["reason"]), str(raw["rule"]), str(raw["article"]),
            str(raw["code"]),
            [(str(place), datetime.fromisoformat(at)) for place, at in raw["arrivals"]],
        )  # fmt: skip
    except (KeyError, ValueError, TypeError):
        raise ServerHalfError("server_nonsense") from None


def counts_object(counts: Mapping[str, int | None]) -> dict[str, object]:
    """Counts as members; null: fewer than ten."""
    return {"schema": TOLD_SCHEMA, "counts": dict(counts)}


def read_counts(data: bytes) -> dict[str, int | None]:
    """Counts from a reply. Raises ServerHalfError ``server_nonsense``."""
    try:
        found = _reply(data)["counts"].items()
        return {str(place): None if count is None else int(count) for place, count in found}
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        raise ServerHalfError("server_nonsense") from None


def _outcome(told: Told | WatchTold) -> dict[str, object]:
    return {
        "schema": TOLD_SCHEMA, "outcome": told.outcome.value, "reason": told.reason,
        "rule": told.rule, "article": told.article,
    }  # fmt: skip


def _reply(data: bytes) -> dict[str, Any]:
    raw = read_object(data)
    if raw.get("schema") != TOLD_SCHEMA:
        raise ServerHalfError("server_nonsense")
    return raw
