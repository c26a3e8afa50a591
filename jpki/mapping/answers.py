# SPDX-License-Identifier: Apache-2.0
"""What the map answers: an outcome, a pseudonym, and the decision with its steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from jpki.mapping.decision import Decision
from jpki.mapping.explain import decision_json
from jpki.mapping.records import pseudonym_text

SCHEMA = "jpki.map.resolution/1"


class Outcome(StrEnum):
    """``stale``: known, and the certificate or the link is no longer good."""

    RESOLVED = "resolved"
    UNREGISTERED = "unregistered"
    DUPLICATE = "duplicate"
    STALE = "stale"
    REFUSED = "refused"
    DONE = "done"  # an operation that gives no pseudonym


# Beside the policy's words: rule and article of what the map itself refuses.
GROUNDS = {
    "signature_wrong": ("R2", "公的個人認証法19条"),
    "certificate_not_valid": ("R2", "公的個人認証法19条"),
    "path_not_valid": ("R2", "公的個人認証法19条"),
    "profile_not_valid": ("R2", "公的個人認証法19条"),
    "status_unknown": ("R2", "公的個人認証法19条"),
    "not_in_force": ("R2", "公的個人認証法19条"),
    "verdict_stale": ("R2", "公的個人認証法19条"),
    "challenge_foreign": ("R10", "公的個人認証法38条"),
    "challenge_edited": ("R10", "公的個人認証法38条"),
    "challenge_used": ("R10", "公的個人認証法38条"),
    "challenge_expired": ("R10", "公的個人認証法38条"),
    "challenge_other_purpose": ("R10", "公的個人認証法38条"),
    "suspended": ("R12", "公的個人認証法19条"),
    "certificate_held": ("R12", "公的個人認証法19条"),
    "binding_not_accepted": ("R10", "公的個人認証法38条の4"),
    "card_not_proven": ("R3", "公的個人認証法38条の4"),
    "card_not_bound": ("R10", "公的個人認証法38条の4"),
    "card_answer_wrong": ("R10", "公的個人認証法38条の4"),
    "link_not_proven": ("R3", "公的個人認証法18条"),
    "refresh_not_sign": ("R3", "公的個人認証法18条"),
    "other_person": ("R3", "公的個人認証法18条"),
    "no_consent": ("R8", "公的個人認証法18条3項"),
}


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer. ``reason``, ``rule``, ``article``: of a refusal; empty otherwise.

    A suppressed person's is, byte for byte, that of somebody unknown.
    """

    outcome: Outcome
    decision: Decision
    pseudonym: bytes | None = field(default=None, repr=False)
    reason: str = ""

    @property
    def done(self) -> bool:
        return self.outcome in (Outcome.RESOLVED, Outcome.DONE)

    @property
    def rule(self) -> str:
        if self.outcome is not Outcome.REFUSED:
            return ""
        return GROUNDS[self.reason][0] if self.reason in GROUNDS else self.decision.rule

    @property
    def article(self) -> str:
        if self.outcome is not Outcome.REFUSED:
            return ""
        return GROUNDS[self.reason][1] if self.reason in GROUNDS else self.decision.article

    def to_object(self) -> dict[str, object]:
        """The JSON object, ``jpki.map.resolution/1``."""
        pseudonym = None if self.pseudonym is None else pseudonym_text(self.pseudonym)
        return {
            "schema": SCHEMA,
            "outcome": self.outcome.value,
            "pseudonym": pseudonym,
            "reason": self.reason or None,
            "rule": self.rule or None,
            "article": self.article or None,
            "decision": decision_json(self.decision),
        }
