# SPDX-License-Identifier: Apache-2.0
"""What the gate of a school may ask of the server half (子どもの見守り), and what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from jpki.kiosk.shelter.half import Outcome
from jpki.mapping.card_answer import TapEvidence
from jpki.verifying.challenge import Challenge, Response

SERVICE: Final = "watch"
KEPT: Final = timedelta(hours=24)
"""No place is kept, or told, for longer."""


class Channel(StrEnum):
    """Where a guardian wants to hear of it. The address is the school's; none is kept here."""

    APP = "app"
    MAIL = "mail"
    CALL = "call"


class WatchDeed(StrEnum):
    """What a card is presented for at a gate."""

    CONSENT = "consent"  # the guardian, with the sign certificate
    WITHDRAW = "withdraw"  # the guardian
    SEE = "see"  # the guardian: today's arrivals
    CHILD = "child"  # the child's card, with the guardian's code
    ARRIVE = "arrive"  # the child's card


@dataclass(frozen=True, slots=True)
class WatchTold:
    """What one presentation came to. ``code``: eight digits for the child's registration.
    ``arrivals``: places and times of the last 24 hours."""

    outcome: Outcome
    reason: str = ""
    rule: str = ""
    article: str = ""
    code: str = field(default="", repr=False)
    arrivals: Sequence[tuple[str, datetime]] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ArrivalNotice:
    """A child's card was at ``place``, at ``at`` (aware)."""

    place: str = field(repr=False)
    at: datetime = field(repr=False)


class Notifier(Protocol):
    """Tells guardians. ``guardian``: the service's own pseudonym, by which the school knows the
    address. Raises whatever it likes: the notice is tried again later."""

    def __call__(self, guardian: str, channel: Channel, notice: ArrivalNotice) -> None: ...


class WatchHalf(Protocol):
    """Each call raises ServerHalfError."""

    def watch_challenge(self, deed: WatchDeed) -> Challenge:
        """A fresh challenge for one deed."""
        ...

    def guardian(
        self, deed: WatchDeed, response: Response, *, channel: Channel | None = None
    ) -> WatchTold:
        """CONSENT (with a ``channel``), WITHDRAW or SEE, by the guardian's card."""
        ...

    def child(self, response: Response, code: str) -> WatchTold:
        """Register a child's card with the guardian's code."""
        ...

    def arrive(self, evidence: Response | TapEvidence) -> WatchTold:
        """A child is here; the guardian hears of it."""
        ...
