# SPDX-License-Identifier: Apache-2.0
"""Tickets: who presented, for how long, and what was issued to them. In memory, short-lived."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from jpki.kiosk.documents.contents import DocumentKind
from jpki.kiosk.documents.issuing import IssuedDocument
from jpki.kiosk.server.half import Errand

LIFETIME: Final = 300.0  # seconds
MOST: Final = 10_000


@dataclass(slots=True)
class Ticket:
    """One presentation that resolved. The lock is held while a document is made for it."""

    terminal: str
    errand: Errand
    pseudonym: bytes = field(repr=False)
    until: float
    issued: dict[DocumentKind, IssuedDocument] = field(default_factory=dict, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


class TicketDesk:
    """Gives tickets out and takes them back. Safe for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tickets: dict[str, Ticket] = {}
        self._lock = threading.Lock()

    def give(self, terminal: str, errand: Errand, pseudonym: bytes) -> str:
        """A new ticket's code: 128 random bits."""
        code = secrets.token_urlsafe(16)
        with self._lock:
            self._forget()
            self._tickets[code] = Ticket(terminal, errand, pseudonym, self._clock() + LIFETIME)
        return code

    def take(self, code: str, terminal: str) -> Ticket | None:
        """The ticket, for the terminal it was given to and for no other."""
        with self._lock:
            self._forget()
            ticket = self._tickets.get(code)
        return ticket if ticket is not None and ticket.terminal == terminal else None

    def _forget(self) -> None:
        """Drop what expired; the oldest too, if there are too many."""
        now = self._clock()
        while self._tickets:
            code, oldest = next(iter(self._tickets.items()))
            if oldest.until > now and len(self._tickets) < MOST:
                return
            del self._tickets[code]
