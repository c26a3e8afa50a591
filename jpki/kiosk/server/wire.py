# SPDX-License-Identifier: Apache-2.0
"""The server half on the wire: JSON both ways, a PDF as it is. Used by both ends.

Paths: ``/v1/challenge``, ``/v1/present``, ``/v1/document``. All are POST, all want the
terminal's token (RFC 6750), none is for a browser.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from jpki.errors import ChallengeError
from jpki.kiosk.documents.contents import DocumentKind
from jpki.kiosk.server.half import Answer, Errand, ServerHalfError
from jpki.mapping.answers import Outcome
from jpki.mapping.policy import Operation
from jpki.verifying.challenge import Challenge, Response, parse_challenge, response_from

ANSWER_SCHEMA: Final = "jpki.kiosk.answer/1"
ERROR_SCHEMA: Final = "jpki.error/1"
MAX_REQUEST: Final = 64 * 1024
MAX_REPLY: Final = 16 * 1024 * 1024
CHALLENGE, PRESENT, DOCUMENT = "/v1/challenge", "/v1/present", "/v1/document"

OPERATIONS: Final = frozenset(
    {Operation.ENROL, Operation.RESOLVE, Operation.RECHECK, Operation.KEEP_EVIDENCE}
)
"""What a terminal may ask for. All else is the office's own."""
STATUS: Final[Mapping[str, int]] = {
    "request_malformed": 400,
    "errand_unknown": 400,
    "server_refused": 401,
    "desk_revoked": 401,
    "ticket_unknown": 404,
    "request_too_large": 413,
    "not_registered": 409,
    "queue_altered": 409,
    "queue_gap": 409,
    "queue_replayed": 409,
    "server_busy": 429,
    "server_fault": 500,
    "server_down": 503,
    "server_clock": 503,
}
"""HTTP status of an error's code."""


class RequestMalformedError(ServerHalfError):
    """A request that is not as it should be. ``member``: which part."""

    default_code = "request_malformed"


def errand_object(errand: Errand) -> dict[str, object]:
    """An errand as members."""
    return {
        "service": errand.service,
        "purpose": errand.purpose,
        "operation": errand.operation.value,
        "reference": errand.reference,
        "guardian": errand.guardian,
    }


def read_errand(raw: Mapping[str, Any]) -> Errand:
    """An errand from members. Raises RequestMalformedError."""
    try:
        operation = Operation(raw["operation"])
    except (KeyError, ValueError):
        raise RequestMalformedError(member="operation") from None
    if operation not in OPERATIONS:
        raise RequestMalformedError(member="operation")
    reference = _text(raw, "reference") if raw.get("reference") else ""
    guardian = raw.get("guardian", False)
    if not isinstance(guardian, bool):
        raise RequestMalformedError(member="guardian")
    return Errand(_text(raw, "service"), _text(raw, "purpose"), operation, reference, guardian)


def read_response(raw: Mapping[str, Any]) -> Response:
    """The answered challenge from a request. Raises RequestMalformedError."""
    try:
        response = raw["response"]
        if not isinstance(response, dict):
            raise RequestMalformedError(member="response")
        return response_from(response)
    except (KeyError, ChallengeError):
        raise RequestMalformedError(member="response") from None


def read_document(raw: Mapping[str, Any]) -> tuple[str, DocumentKind]:
    """Ticket and kind from a request. Raises RequestMalformedError."""
    try:
        return _text(raw, "ticket"), DocumentKind(raw["kind"])
    except (KeyError, ValueError):
        raise RequestMalformedError(member="kind") from None


def answer_object(answer: Answer) -> dict[str, object]:
    """An answer as members."""
    return {
        "schema": ANSWER_SCHEMA,
        "outcome": answer.outcome.value,
        "reason": answer.reason,
        "rule": answer.rule,
        "article": answer.article,
        "ticket": answer.ticket,
        "fees": {kind.value: fee for kind, fee in answer.fees.items()},
    }


def read_answer(data: bytes) -> Answer:
    """An answer from a reply. Raises ServerHalfError ``server_nonsense``."""
    raw = read_object(data)
    try:
        if raw["schema"] != ANSWER_SCHEMA:
            raise ValueError
        fees = {DocumentKind(kind): int(fee) for kind, fee in raw["fees"].items()}
        words = {name: raw[name] for name in ("reason", "rule", "article", "ticket")}
        if not all(isinstance(word, str) for word in words.values()):
            raise ValueError
        return Answer(Outcome(raw["outcome"]), fees=fees, **words)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        raise ServerHalfError("server_nonsense") from None


def read_challenge(data: bytes) -> Challenge:
    """A challenge from a reply. Raises ServerHalfError ``server_nonsense``."""
    try:
        return parse_challenge(data)
    except ChallengeError:
        raise ServerHalfError("server_nonsense") from None


def read_object(data: bytes) -> dict[str, Any]:
    """A JSON object, every text of which can be written down. Raises ServerHalfError
    ``server_nonsense``."""
    try:
        text = data.decode("utf-8")
        raw = json.loads(text)
        if "\\u" in text:  # an escaped half of a character, or a NUL: no database takes it
            written = json.dumps(raw, ensure_ascii=False)
            if "\\u0000" in written or not written.encode("utf-8"):
                raise ValueError
    except (ValueError, RecursionError):
        raise ServerHalfError("server_nonsense") from None
    if not isinstance(raw, dict):
        raise ServerHalfError("server_nonsense")
    return raw


def _text(raw: Mapping[str, Any], member: str) -> str:
    value = raw.get(member)
    if not isinstance(value, str) or not 1 <= len(value) <= 100 or not value.isprintable():
        raise RequestMalformedError(member=member)
    return value
