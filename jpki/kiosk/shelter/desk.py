# SPDX-License-Identifier: Apache-2.0
"""A desk of a shelter: asks the server half, and goes on without it.

While the line is down a check-in answers a challenge that was fetched before, and is queued.
Nothing is decided at the desk and nobody is looked up there: everybody sees the same screen.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from jpki.errors import ChallengeError
from jpki.kiosk.server.half import ServerHalfError
from jpki.kiosk.shelter.files import alone, write_whole
from jpki.kiosk.shelter.half import CheckIn, Deed, Receipt, Relation, ShelterHalf
from jpki.kiosk.shelter.queue import DeskKeys, DeskQueue, Queued
from jpki.kiosk.shelter.queue_format import close_bundle
from jpki.kiosk.shelter.sealing import seal
from jpki.mapping.card_answer import TapEvidence
from jpki.verifying.challenge import Challenge, Response, parse_challenge

RATION: Final = 50  # challenges in stock
SKEW: Final = timedelta(minutes=2)  # by which a clock may be behind
BUNDLE: Final = 40_000  # bytes of one sync, well under what a server takes
LINE_DOWN: Final = frozenset({"server_down", "server_slow", "server_busy"})


class ShelterDesk:
    """One desk. ``folder``: its own, private. ``clock``: the desk's (aware)."""

    def __init__(
        self, half: ShelterHalf, folder: Path, keys: DeskKeys, clock: Callable[[], datetime]
    ) -> None:
        self.half = half
        self.keys = keys
        self._ration = folder / "ration.json"
        self._queue = DeskQueue(folder, keys, clock)
        self._clock = clock

    def challenge(self) -> Challenge:
        """What a check-in answers: from the server, or from the stock.

        Raises ServerHalfError where neither has any, ChallengeError (``not_yet_issued``) where
        the desk's clock is behind.
        """
        try:
            return self.half.shelter_challenge(Deed.CHECK_IN)
        except ServerHalfError as error:
            if error.code not in LINE_DOWN:
                raise
            taken = self._take()
            if taken is None:
                raise
            return taken

    def stock(self) -> None:
        """Fetch challenges for the next time the line is down. Raises ServerHalfError."""
        with alone(self._ration.parent):
            held = [each for each in self._held() if not each.is_expired(self._clock())]
            if len(held) < RATION // 2:
                self._keep([*held, *self.half.ration(RATION - len(held))])

    def entry(
        self,
        evidence: Response | TapEvidence,
        *,
        shared: frozenset[Relation] = frozenset(),
        leaving: bool = False,
    ) -> CheckIn:
        """A check-in by a card's answer."""
        return CheckIn(evidence.challenge.id, self._clock(), evidence, b"", shared, leaving)

    def listed(self, words: bytes) -> CheckIn:
        """An entry of the city's own list, sealed for the city; the server cannot read it.

        Raises ServerHalfError (``server_refused``) at a desk that knows no key of the city.
        """
        if self.keys.city is None:
            raise ServerHalfError("server_refused")
        name = secrets.token_urlsafe(16)
        return CheckIn(name, self._clock(), sealed=seal(self.keys.city, words, name.encode()))

    def check_in(self, entry: CheckIn) -> Receipt | None:
        """Have it decided now; None: it is queued, and will be decided at the next sync.

        An answer that was lost on the way is asked for again, by the same id.
        """
        try:
            return self.half.check_in(entry)
        except ServerHalfError as error:
            if error.code not in LINE_DOWN:
                raise
            self._queue.append(entry)
            return None

    def waiting(self) -> int:
        """How many check-ins are queued."""
        return self._queue.count()

    def sync(self) -> tuple[Receipt, ...]:
        """Have everything decided that is queued. What was decided goes from the disk.

        Raises ServerHalfError, QueueError; what was not decided stays.
        """
        receipts: list[Receipt] = []
        for queued in self._queue.waiting():
            for part in _parts(queued):
                nonce = self.half.begin_sync()
                bundle = close_bundle(nonce, queued.header, part, self.keys.signing)
                receipts += self.half.sync(bundle)
            self._queue.done(queued)
        return tuple(receipts)

    def _take(self) -> Challenge | None:
        """One challenge of the stock, which is out of it for good when this returns."""
        with alone(self._ration.parent):
            now = self._clock()
            held = self._held()
            if any(now + SKEW < each.issued_at for each in held):
                raise ChallengeError(reason="not_yet_issued")
            good = [each for each in held if not each.is_expired(now)]
            if not good:
                return None
            self._keep(good[1:])
            return good[0]

    def _held(self) -> list[Challenge]:
        try:
            raw = json.loads(self._ration.read_bytes())
            return [parse_challenge(json.dumps(each).encode("utf-8")) for each in raw]
        except (OSError, ValueError, TypeError, RecursionError, ChallengeError):
            return []

    def _keep(self, held: list[Challenge]) -> None:
        objects = [each.to_object() for each in held]
        write_whole(self._ration, json.dumps(objects).encode("utf-8"))


def _parts(queued: Queued) -> list[tuple[bytes, ...]]:
    """The records in parts that a server takes."""
    parts: list[tuple[bytes, ...]] = []
    part: list[bytes] = []
    for line in queued.records:
        if part and sum(map(len, part)) + len(line) > BUNDLE:
            parts.append(tuple(part))
            part = []
        part.append(line)
    return [*parts, tuple(part)] if part else parts
