# SPDX-License-Identifier: Apache-2.0
"""What a desk of a shelter or a gate of a school may ask of the server half, and what comes back.

Nobody is looked for: no call takes a name, a number or an attribute. A desk learns an outcome;
what a viewer is told goes to the viewer's own screen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from jpki.mapping.card_answer import TapEvidence
from jpki.verifying.challenge import Challenge, Response

SERVICE: Final = "shelter"
LEAST: Final = 10
"""Fewer persons than this are «below 10»."""


class Relation(StrEnum):
    """What a viewer is to a person, by the person's own word."""

    FAMILY = "family"
    FRIEND = "friend"
    WORK = "work"


class Mark(StrEnum):
    """Under which mark a viewer keeps a person who named them: no name is stored."""

    SUN = "sun"
    MOON = "moon"
    STAR = "star"
    FLOWER = "flower"
    TREE = "tree"
    FISH = "fish"
    BIRD = "bird"
    MOUNTAIN = "mountain"


class Deed(StrEnum):
    """What a card is presented for; it stands in what the holder signs."""

    CHECK_IN = "check-in"  # or leaving
    MARK = "mark"  # a viewer asks for a code
    NAME = "name"  # a person names who has that code
    FORGET = "forget"  # a person takes back whom they named
    ASK = "ask"  # a viewer asks after those who named them
    ASKED = "asked"  # a person sees who asked


class Outcome(StrEnum):
    """What came of it. Somebody suppressed is ``unregistered``, like anybody unknown."""

    CHECKED_IN = "checked_in"
    LEFT = "left"
    LISTED = "listed"  # on the city's own list, without registration
    UNREGISTERED = "unregistered"
    STALE = "stale"
    REFUSED = "refused"
    EXPIRED = "expired"  # too late: taken down once more, on paper
    CONFLICT = "conflict"  # an id that something else has
    DONE = "done"
    CODE_UNKNOWN = "code_unknown"


@dataclass(frozen=True, slots=True)
class CheckIn:
    """One person at a desk, as it goes to the server, now or from the queue.

    ``id``: of the challenge that was answered; random for a ``sealed`` entry of the city's
    list. ``shared``: relations the person opted in now; none = the city only. ``at``: by the
    desk's clock (aware).
    """

    id: str
    at: datetime
    evidence: Response | TapEvidence | None = field(default=None, repr=False)
    sealed: bytes = field(default=b"", repr=False)
    shared: frozenset[Relation] = frozenset()
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of one check-in. ``reason``, ``rule``, ``article``: of a refusal."""

    id: str
    outcome: Outcome
    reason: str = ""
    rule: str = ""
    article: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What one presentation came to. ``code``: eight digits to hand on. ``places``: by mark,
    empty for no word. ``asked``: relation and time of each who asked after the person."""

    outcome: Outcome
    reason: str = ""
    rule: str = ""
    article: str = ""
    code: str = field(default="", repr=False)
    places: Mapping[Mark, str] = field(default_factory=dict, repr=False)
    asked: Sequence[tuple[Relation, datetime]] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A part of a desk's queue, as it stands in the file, closed by the desk for one sync.

    ``header``, ``records``: lines of the file. ``closing``: signature over ``nonce`` and the
    rest, so that nothing is left out, added or sent a second time by a stranger.
    """

    nonce: str
    header: bytes
    records: tuple[bytes, ...]
    closing: bytes


class ShelterHalf(Protocol):
    """Each call raises ServerHalfError."""

    def shelter_challenge(self, deed: Deed) -> Challenge:
        """A fresh challenge for one deed."""
        ...

    def ration(self, count: int) -> Sequence[Challenge]:
        """Challenges for check-ins while the line is down, good for a day."""
        ...

    def check_in(self, entry: CheckIn) -> Receipt:
        """Decide on one check-in. Sent again, the same receipt comes back."""
        ...

    def begin_sync(self) -> str:
        """What a bundle is closed over, once."""
        ...

    def sync(self, bundle: Bundle) -> Sequence[Receipt]:
        """Decide on a part of a queue; all of it is refused if any of it was touched."""
        ...

    def tell(
        self,
        deed: Deed,
        response: Response,
        *,
        mark: Mark | None = None,
        code: str = "",
        relation: Relation | None = None,
    ) -> Told:
        """Everything but check-ins. ``mark``: for MARK; ``code``, ``relation``: for NAME."""
        ...

    def counts(self) -> Mapping[str, int | None]:
        """Persons at each place; None: fewer than ten."""
        ...
