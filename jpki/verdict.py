# SPDX-License-Identifier: Apache-2.0
"""Answers: what was checked, and what came of it. Nothing is skipped silently."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Outcome(StrEnum):
    """Of a verdict: the first three. Of a check: all four."""

    VALID = "valid"
    INVALID = "invalid"
    CANNOT_TELL = "cannot_tell"
    NOT_RUN = "not_run"


class Headline(StrEnum):
    """The two short answers about a card."""

    YES = "yes"
    NO = "no"
    CANNOT_TELL = "cannot_tell"
    NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    ``name``: a stable name (``path``, ``revocation``, ``text_data``, ``card_present`` ...).
    ``code``: a stable reason code; its words are in ``messages`` under ``check.CODE``.
    ``values``: what the words need; never a serial, hash, name or other personal data.
    """

    name: str
    outcome: Outcome
    code: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))


def combine(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of them: invalid, then cannot_tell, then valid. ``not_run`` changes nothing.

    Nothing at all, or only ``not_run``, is cannot_tell: no check is no yes.
    """
    seen = set(outcomes)
    for worst in (Outcome.INVALID, Outcome.CANNOT_TELL, Outcome.VALID):
        if worst in seen:
            return worst
    return Outcome.CANNOT_TELL


_HEADLINES = {
    Outcome.VALID: Headline.YES,
    Outcome.INVALID: Headline.NO,
    Outcome.CANNOT_TELL: Headline.CANNOT_TELL,
    Outcome.NOT_RUN: Headline.NOT_RUN,
}


def headline(outcomes: Iterable[Outcome]) -> Headline:
    """The headline over a group of checks; ``not_run`` when none of them ran."""
    ran = [outcome for outcome in outcomes if outcome is not Outcome.NOT_RUN]
    return _HEADLINES[combine(ran)] if ran else Headline.NOT_RUN


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome over ``checks``; ``genuine`` and ``in_force`` only where they mean something.

    ``environment``: production, test or custom. ``subject``: facts about what was checked
    that may be shown (never a serial, a hash or the 個人番号).
    """

    checks: tuple[Check, ...]
    environment: str
    genuine: Headline | None = None
    in_force: Headline | None = None
    subject: Mapping[str, object] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        return combine(check.outcome for check in self.checks)

    def check(self, name: str) -> Check | None:
        """The first check of that name, or None."""
        return next((check for check in self.checks if check.name == name), None)
