# SPDX-License-Identifier: Apache-2.0
"""Challenges written down a few ahead, for a server that many ask at once.

Each is on the disk before anybody gets it, as one that is written when asked for; those that
are not fetched in a few seconds are never given out.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection

from jpki.mapping import binding, challenges
from jpki.mapping.challenges import Aim
from jpki.mapping.errors import StoreStateError
from jpki.mapping.policy import Operation, Policy
from jpki.mapping.store.store import Store
from jpki.verifying.challenge import Challenge

FRESH: Final = timedelta(seconds=3)
"""Longer than this, or a twentieth of its time, no challenge lies about: the rest is the
holder's, to answer it."""
MOST: Final = 64
SHELVES: Final = 256
More = Callable[[Callable[[Connection], list[Challenge]]], Future[list[Challenge]]]
"""Begins a change of the store's."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a challenge is made for. Challenges of one order are as good as each other."""

    aim: Aim
    origin: str
    ttl: timedelta


@dataclass(slots=True)
class _Shelf:
    """``written``: how many were written the last time, at ``at``. ``coming``: more are being
    written while there are some."""

    ready: deque[Challenge] = field(default_factory=deque)
    coming: bool = False
    writing: threading.Lock = field(default_factory=threading.Lock)
    at: datetime | None = None
    written: int = 0


def aim_of(
    policy: Policy,
    operation: Operation,
    where: tuple[str | None, str | None],
    detail: str = "",
    binds_card: bool = False,
) -> Aim:
    """What a challenge is for. ``where``: service and purpose, where more than one fits.

    Raises StoreStateError (``purpose_unknown``) where the policy does not know what is meant.
    """
    service, purpose = policy.find(*where, operation)
    if service is None or purpose is None:
        raise StoreStateError(reason="purpose_unknown")
    if operation is Operation.ENROL and not detail:
        detail = binding.enrolment_detail(purpose, binds_card=binds_card)
    return Aim(service.id, purpose.id, operation, detail)


class ChallengeStock:
    """Gives challenges out, from many threads. ``most``: written in one transaction."""

    def __init__(self, store: Store, most: int = MOST) -> None:
        self._store = store
        self._most = most
        self._shelves: dict[Order, _Shelf] = {}

    def at_hand(self, order: Order, now: datetime, more: More | None = None) -> Challenge | None:
        """One that is written down already, or None. Never waits.

        ``more``: have more written before the last one is given out, while others are served.
        """
        shelf = self._shelves.get(order)
        while shelf is not None and shelf.ready:
            try:
                challenge = shelf.ready.popleft()
            except IndexError:  # another thread was faster
                return None
            if timedelta() <= now - challenge.issued_at <= min(FRESH, order.ttl / 20):
                if more is not None and not shelf.coming and 2 * len(shelf.ready) <= shelf.written:
                    self._refill(shelf, order, now, more)
                return challenge
        return None

    def _refill(self, shelf: _Shelf, order: Order, now: datetime, more: More) -> None:
        shelf.coming = True

        def written(done: Future[list[Challenge]]) -> None:
            if done.exception() is None:  # else: who finds none at hand is told
                _put(shelf, done.result(), now)
            shelf.coming = False

        count = self._count(shelf, now)
        more(partial(_written, order=order, now=now, count=count)).add_done_callback(written)

    def give(self, order: Order, now: datetime) -> Challenge:
        """One, written down now if none is at hand. Raises MapError, ChallengeError."""
        if len(self._shelves) >= SHELVES:  # orders have words in them: what nobody asks for goes
            self._shelves.clear()
        shelf = self._shelves.setdefault(order, _Shelf())
        with shelf.writing:
            found = self.at_hand(order, now)
            if found is not None:
                return found
            first, *others = self._store.change(
                lambda connection: _written(connection, order, now, self._count(shelf, now))
            )
            _put(shelf, others, now)
            return first

    def _count(self, shelf: _Shelf, now: datetime) -> int:
        """Twice as many as the last time if those went fast; else one."""
        if shelf.at is None or not timedelta() <= now - shelf.at <= FRESH:
            return 1
        return min(self._most, 2 * shelf.written)


def _put(shelf: _Shelf, made: list[Challenge], now: datetime) -> None:
    shelf.ready.extend(made)
    shelf.at, shelf.written = now, 1 + len(made)


def _written(connection: Connection, order: Order, now: datetime, count: int) -> list[Challenge]:
    challenges.purge(connection, now)
    return challenges.issue_many(
        connection, order.aim, count, origin=order.origin, now=now, ttl=order.ttl
    )
