# SPDX-License-Identifier: Apache-2.0
"""What a terminal may ask of the server half, and what comes back.

The terminal learns whether and why not, and gets a ticket. It learns no pseudonym and nothing
of the person but the document that was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from jpki.errors import JpkiError
from jpki.kiosk.documents.contents import DocumentKind
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.policy import Operation
from jpki.mapping.store.grouped import Turn
from jpki.verifying.challenge import Challenge, Response


class ServerHalfError(JpkiError):
    """The server half did not give what it should. Nothing was issued that the person lacks.

    Codes: ``errand_unknown`` (the policy knows no such purpose), ``server_down``,
    ``server_slow``, ``server_nonsense``, ``server_refused`` (this terminal may not ask),
    ``server_busy`` (asked too often), ``server_clock`` (its clock is behind its ledger),
    ``ticket_unknown`` (used up, expired or a stranger's), ``server_fault``. Of a desk's queue:
    ``desk_revoked``, ``queue_altered``, ``queue_gap``, ``queue_replayed``.
    """

    default_code = "server_down"


@dataclass(frozen=True, slots=True)
class Errand:
    """What a presentation is for, by the policy's words.

    ``reference``: the organisation's own, under which evidence is kept; else empty.
    ``guardian``: who presents is a child's guardian, who agrees to it (R14).
    """

    service: str
    purpose: str
    operation: Operation
    reference: str = ""
    guardian: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the map decided. ``ticket``: opens what was resolved, for this terminal, for a
    short time; empty where nothing was. ``reason``, ``rule``, ``article``: of a refusal.

    ``fees``: yen, by document.
    """

    outcome: Outcome
    reason: str = ""
    rule: str = ""
    article: str = ""
    ticket: str = field(default="", repr=False)
    fees: Mapping[DocumentKind, int] = field(default_factory=dict)


class ServerHalf(Protocol):
    """Each call raises ServerHalfError."""

    def challenge(self, errand: Errand) -> Challenge:
        """A fresh challenge for this errand, to be answered once."""
        ...

    def present(self, errand: Errand, response: Response) -> Answer:
        """Verify the answer whole and do the errand: verdict, policy, map, ledger."""
        ...

    def document(self, ticket: str, kind: DocumentKind) -> bytes:
        """Issue a document (PDF) to who presented. Asked again with the same ticket, the same
        document comes back: a lost answer issues nothing twice."""
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """A presentation under way. ``answer`` makes what is answered of what it came to, at once."""

    resolution: Future[Resolution]
    answer: Callable[[Resolution], Answer]


class PromptHalf(ServerHalf, Protocol):
    """A half in this process, which a server may ask without waiting."""

    def present_begun(self, errand: Errand, response: Response, turn: Turn) -> Begun | None:
        """As :meth:`present`, begun; None: that call would wait before anything is begun.

        ``turn``: runs a work in the server's own thread.
        """
        ...

    def challenge_at_hand(self, errand: Errand, turn: Turn) -> Challenge | None:
        """As :meth:`challenge`, if one is ready; None: that call would wait for the disk."""
        ...
