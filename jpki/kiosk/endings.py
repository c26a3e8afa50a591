# SPDX-License-Identifier: Apache-2.0
"""How a visit ends when something is in the way: one ending for each thing a person can do next.

The words (``kiosk.ending.CODE``) say what happened, what it did to the tries, and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jpki.errors import (
    CardDataError,
    CertificateError,
    ChallengeError,
    IssuedDocumentError,
    NoCertificateError,
    NotOurCardError,
    NotPermittedError,
    PinBlockedError,
    PinError,
    PinFormatError,
    PinIncorrectError,
    PinLastTryError,
    PinOutcomeUnknownError,
    UnsupportedTokenError,
)
from jpki.kiosk.server.half import Answer, ServerHalfError
from jpki.kiosk.visit import CancelledError, Close, Ending, ExpiredError
from jpki.mapping.answers import Outcome
from jpki.signing.signer import SigningError
from jpki_apdu.errors import (
    CardError,
    CardRemovedError,
    Coded,
    NoCardError,
    TransportError,
)

_SIMPLE: Final[tuple[tuple[type[Coded], Close, str], ...]] = (
    (CancelledError, Close.REFUSED, "cancelled"),
    (ExpiredError, Close.FAILED, "expired"),
    (PinFormatError, Close.FAILED, "pin_format"),
    (ChallengeError, Close.FAILED, "clock"),  # expired or not yet issued: a clock is wrong
    (NoCertificateError, Close.FAILED, "no_certificate"),
    (NotOurCardError, Close.FAILED, "not_our_card"),
    (UnsupportedTokenError, Close.FAILED, "not_our_card"),
    (CardRemovedError, Close.FAILED, "card_gone"),
    (NoCardError, Close.FAILED, "card_gone"),
    (TransportError, Close.FAILED, "card_silent"),
    (CardDataError, Close.FAILED, "card_unreadable"),
    (CertificateError, Close.FAILED, "card_unreadable"),
    (CardError, Close.FAILED, "card_unreadable"),
)
_PINS: Final[tuple[tuple[type[PinError], str], ...]] = (
    (PinIncorrectError, "pin_incorrect"),
    (PinBlockedError, "pin_blocked"),
    (PinLastTryError, "pin_last_try"),
    (PinOutcomeUnknownError, "pin_unknown"),
)
_SERVER: Final[Mapping[str, str]] = {
    "server_slow": "server_down",
    "server_down": "server_down",
    "server_nonsense": "server_down",
    "server_busy": "server_busy",
    "server_clock": "clock",
}
_REASONS: Final[Mapping[str, str]] = {
    "not_in_force": "certificate_ended",
    "signature_wrong": "not_genuine",
    "card_answer_wrong": "not_genuine",
    "card_not_bound": "card_not_bound",
    "guardian_consent": "guardian_consent",
    "challenge_expired": "too_late",
    "challenge_used": "too_late",
    "status_unknown": "not_known",
    "certificate_not_valid": "not_known",
    "path_not_valid": "not_known",
    "profile_not_valid": "not_known",
}
"""What the map says of a card that opens nothing, whatever the rule: what can be done about it."""
CODES: Final = frozenset(
    {code for *_, code in _SIMPLE}
    | {code for _, code in _PINS}
    | set(_SERVER.values())
    | {
        "pin_absent",
        "pin_floor",
        "pin_incorrect_unlimited",
        "pin_tries_unknown",
        "server_refused",
        "not_registered",
        "unregistered",
        "stale",
        "duplicate",
    }
    | set(_REASONS.values())
    | {"refused", "internal"}
)
"""Every code of an ending made here. Each has words in each language."""


def ending_of(error: Exception) -> Ending:
    """The ending for an error of card, desk or server; ``internal`` for what nobody foresaw."""
    if isinstance(error, PinError):
        values = {"kind": error.kind.value, "attempts_left": error.attempts_left}
        return Ending(Close.FAILED, _pin_code(error), values)
    if isinstance(error, ServerHalfError):
        return Ending(Close.FAILED, _SERVER.get(error.code, "server_refused"))
    if isinstance(error, IssuedDocumentError) and error.values.get("reason") == "not_registered":
        return Ending(Close.REFUSED, "not_registered")
    if isinstance(error, SigningError) and error.code == "signing_wrong":
        return Ending(Close.FAILED, "not_genuine")  # the key does not fit its certificate
    if isinstance(error, NotPermittedError):
        return Ending(Close.REFUSED, "refused", error.values)
    for kind, close, code in _SIMPLE:
        if isinstance(error, kind):
            return Ending(close, code)
    return Ending(Close.FAILED, "internal")


def _pin_code(error: PinError) -> str:
    if isinstance(error, PinIncorrectError) and error.attempts_left == 1:
        return "pin_floor"  # nobody is sent to try again where the last try is not taken
    if error.code in ("pin_incorrect_unlimited", "pin_tries_unknown"):
        return error.code
    return next((code for kind, code in _PINS if isinstance(error, kind)), "pin_absent")


def ending_of_answer(answer: Answer) -> Ending:
    """The ending for an answer of the map that opens nothing."""
    if answer.outcome in (Outcome.UNREGISTERED, Outcome.STALE, Outcome.DUPLICATE):
        return Ending(Close.REFUSED, answer.outcome.value, {"reason": answer.reason})
    return ending_of_refusal(answer.reason, answer.rule, answer.article)


def ending_of_refusal(reason: str, rule: str, article: str) -> Ending:
    """The ending for what the map, or a rule, refuses."""
    values = {"reason": reason, "rule": rule, "article": article}
    if reason in _REASONS:
        return Ending(Close.FAILED, _REASONS[reason], values)
    return Ending(Close.REFUSED, "refused", values)


def ending_without_pin(ending: Ending) -> Ending:
    """The ending of a visit without a PIN: nobody registered may mean that only with one."""
    if ending.code != Outcome.UNREGISTERED.value:
        return ending
    return Ending(Close.FAILED, "card_not_bound", ending.values)
