# SPDX-License-Identifier: Apache-2.0
"""Faults of card, reader and link, as data: what goes wrong, and when.

One fault in one line, the same words in Python, in a card file and after ``--fault``::

    KIND[=VALUE][@WHEN]

    pull:before@12        pulled out before the 12th command reaches the card
    pull:during@verify    the card carries VERIFY out; its answer never arrives
    pull:after@12         pulled out after the 12th answer
    reinsert@12           out and in again within one poll: one error, then a blank card
    reset@12              another program resets the card (in process only)
    sw=6F00@3             the 3rd command is not carried out; the answer is 6F00
    sw:after=6982@verify  every VERIFY is carried out, and answered 6982
    reply:cut=100@7       of the 7th answer 100 bytes arrive, the status word is lost
    reply:flip@sign       one bit of the last data byte is wrong (=N: of byte N, from 0)
    reply:repeat@7        instead of the 7th answer the one before it arrives again
    reply:delay=2s@any    every answer is late (s or ms)
    reply:never@7         no answer at all; the card stays

These hold as long as the card is used, and take no ``@WHEN``::

    card:6F00             first command after power-up answered 6F00
    card:61xx=128         longer answers in pieces: 61xx, then GET RESPONSE
    card:6Cxx             an Le that is not exact is answered 6Cxx
    reader:6700=128       answers with more data bytes: 6700 in their place
    reader:cut=128        … 128 bytes of them arrive, the status word is lost
    reader:trim=128       … the data end after 128 bytes, the status word is right
    reader:break=128      … the link breaks
    extended:6700         the reader says it carries extended commands, and answers 6700
    extended:cut=256      … 256 bytes of their answer arrive, the status word is lost
    extended:trim=256     … the data end after 256 bytes, the status word is right
    extended:break        … the link breaks
    busy:open             another program holds it: it cannot be opened (in process only)
    busy:exclusive        … it can be opened, but not held alone (in process only)
    wrong:auth-certificate   EF 000A holds another holder's certificate
    wrong:sign-certificate   EF 0001 likewise
    wrong:answer          one bit of every signature and challenge answer is wrong

WHEN is ``12`` (the 12th command sent since the faults were set, whether it arrived or not),
``verify`` (every VERIFY), ``verify#2`` (the second) or ``any``. The names of commands are
select, read, record, query (VERIFY without data), verify, change, sign, authenticate,
challenge, data, response; any other one is ``0x8A``, by its instruction byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from jpki.errors import FaultSpecError


class FaultKind(StrEnum):
    """What goes wrong. The values are the words of card files and of ``--fault``."""

    PULL_BEFORE = "pull:before"
    PULL_DURING = "pull:during"
    PULL_AFTER = "pull:after"
    REINSERT = "reinsert"
    RESET = "reset"
    SW = "sw"
    SW_AFTER = "sw:after"
    REPLY_CUT = "reply:cut"
    REPLY_FLIP = "reply:flip"
    REPLY_REPEAT = "reply:repeat"
    REPLY_DELAY = "reply:delay"
    REPLY_NEVER = "reply:never"
    CARD_6F00 = "card:6F00"
    CARD_61XX = "card:61xx"
    CARD_6CXX = "card:6Cxx"
    READER_6700 = "reader:6700"
    READER_CUT = "reader:cut"
    READER_TRIM = "reader:trim"
    READER_BREAK = "reader:break"
    EXTENDED_6700 = "extended:6700"
    EXTENDED_CUT = "extended:cut"
    EXTENDED_TRIM = "extended:trim"
    EXTENDED_BREAK = "extended:break"
    BUSY_OPEN = "busy:open"
    BUSY_EXCLUSIVE = "busy:exclusive"
    WRONG_AUTH_CERTIFICATE = "wrong:auth-certificate"
    WRONG_SIGN_CERTIFICATE = "wrong:sign-certificate"
    WRONG_ANSWER = "wrong:answer"

    @property
    def standing(self) -> bool:
        """Whether it holds all the time, rather than at one command."""
        return self.value.startswith(("card:", "reader:", "extended:", "busy:", "wrong:"))

    @property
    def in_process_only(self) -> bool:
        """Whether it is the PC/SC service's doing, which no card behind it can bring about."""
        return self in (FaultKind.RESET, FaultKind.BUSY_OPEN, FaultKind.BUSY_EXCLUSIVE)


COMMANDS = (
    "select",
    "read",
    "record",
    "query",
    "verify",
    "change",
    "sign",
    "authenticate",
    "challenge",
    "data",
    "response",
)
"""Names of commands in WHEN."""

_MAX_COUNT = 65535
_MAX_SECONDS = 3600.0

# What a kind's value is, and its least and greatest; kinds not listed take none.
_COUNTS = {
    FaultKind.REPLY_CUT: (1, _MAX_COUNT),
    FaultKind.REPLY_FLIP: (0, _MAX_COUNT),
    FaultKind.CARD_61XX: (1, 256),
    FaultKind.READER_6700: (1, 256),
    FaultKind.READER_CUT: (1, 256),
    FaultKind.READER_TRIM: (1, 256),
    FaultKind.READER_BREAK: (1, 256),
    FaultKind.EXTENDED_CUT: (1, _MAX_COUNT),
    FaultKind.EXTENDED_TRIM: (1, _MAX_COUNT),
}
_WORDS = (FaultKind.SW, FaultKind.SW_AFTER)
_OPTIONAL = (FaultKind.REPLY_FLIP,)


@dataclass(frozen=True, slots=True)
class When:
    """At which commands. ``command``: name or ``0x8A``, None = any; ``number``: the nth of
    those (from 1), None = every one.
    """

    command: str | None = None
    number: int | None = None

    def __str__(self) -> str:
        if self.command is None:
            return "any" if self.number is None else str(self.number)
        return self.command if self.number is None else f"{self.command}#{self.number}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. Raises FaultSpecError if its parts do not fit together.

    ``value``: bytes for a size (count), seconds for a delay, the status word for ``sw``.
    ``str`` gives the line that :func:`parse_fault` reads.
    """

    kind: FaultKind
    value: int | float | None = None
    when: When | None = None

    def __post_init__(self) -> None:
        if self.kind.standing != (self.when is None):
            raise _error("when", "missing" if self.when is None else "contradiction")
        number = None if self.when is None else self.when.number
        if number is not None and not 1 <= number <= _MAX_COUNT:
            raise _error("when", "bad_value")
        low, high = _range(self.kind)
        if self.value is None and high and self.kind not in _OPTIONAL:
            raise _error("value", "missing")
        if self.value is not None and not high:
            raise _error("value", "contradiction")
        if self.value is not None and not low <= self.value <= high:
            raise _error("value", "bad_value")

    def __str__(self) -> str:
        at = "" if self.when is None else f"@{self.when}"
        return f"{self.kind}{_shown(self.kind, self.value)}{at}"


def parse_fault(line: str) -> Fault:
    """One fault from ``KIND[=VALUE][@WHEN]``.

    Raises FaultSpecError; its ``part`` is kind, value or when, its ``reason`` a code.
    """
    head, at, when = line.partition("@")
    kind, equals, value = head.partition("=")
    return fault_of(kind, value if equals else None, when if at else None)


def fault_of(kind: str, value: str | None, when: str | None) -> Fault:
    """One fault from its three parts as text, as a card file has them. Raises as above."""
    if kind not in list(FaultKind):
        raise _error("kind", "bad_value")
    known = FaultKind(kind)
    parsed = None if value is None else _value(known, value)
    return Fault(known, parsed, None if when is None else _when(when))


def faults_of(faults: Iterable[Fault | str]) -> tuple[Fault, ...]:
    """Faults, of which some may be lines. Raises FaultSpecError with ``position`` (from 1)."""
    found = []
    for position, fault in enumerate(faults, start=1):
        try:
            found.append(fault if isinstance(fault, Fault) else parse_fault(fault))
        except FaultSpecError as error:
            error.values["position"] = position
            raise
    return tuple(found)


def _value(kind: FaultKind, text: str) -> int | float:
    if kind in _WORDS:
        if not re.fullmatch(r"[0-9A-Fa-f]{4}", text, re.ASCII):
            raise _error("value", "bad_value")
        return int(text, 16)
    if kind is FaultKind.REPLY_DELAY:
        found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(m?)s", text, re.ASCII)
        if not found:
            raise _error("value", "bad_value")
        return float(found[1]) / (1000 if found[2] else 1)
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII):
        raise _error("value", "bad_value" if _range(kind)[1] else "contradiction")
    return int(text)


def _when(text: str) -> When:
    if text == "any":
        return When()
    if re.fullmatch(r"\d{1,5}", text, re.ASCII):
        return When(number=int(text))
    found = re.fullmatch(r"([a-z]+|0x[0-9A-Fa-f]{2})(?:#(\d{1,5}))?", text, re.ASCII)
    if not found or (not found[1].startswith("0x") and found[1] not in COMMANDS):
        raise _error("when", "bad_value")
    command = found[1] if found[1] in COMMANDS else f"0x{found[1][2:].upper()}"
    return When(command, int(found[2]) if found[2] else None)


def _range(kind: FaultKind) -> tuple[float, float]:
    """Least and greatest value; (0, 0) for a kind that takes none."""
    if kind in _WORDS:
        return 0x6000, 0x9FFF
    if kind is FaultKind.REPLY_DELAY:
        return 0.0, _MAX_SECONDS
    return _COUNTS.get(kind, (0, 0))


def _shown(kind: FaultKind, value: float | None) -> str:
    if value is None:
        return ""
    if kind in _WORDS:
        return f"={int(value):04X}"
    return f"={value:g}s" if kind is FaultKind.REPLY_DELAY else f"={int(value)}"


def _error(part: str, reason: str) -> FaultSpecError:
    return FaultSpecError(position=1, part=part, reason=reason)
