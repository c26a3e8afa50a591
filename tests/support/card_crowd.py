# SPDX-License-Identifier: Apache-2.0
"""Presentations by many at once on one reader. Run as a program, this file is one process.

``card_crowd.py WORKERS VISITS HOW``: each worker presents the PIN and signs, VISITS times; HOW is
``threads``, ``asyncio`` or ``thief``, which never presents anything and tries to sign all
the same. Prints one JSON object: how often a signature was made, refused, or the reader busy.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from jpki.card_map import PinKind
from jpki.errors import PinError, PinOutcomeUnknownError
from jpki.open import open_card
from jpki_apdu.errors import CardError, SecurityStatusError, TransportError

PIN = "1234"


class Crowd:
    """What one process does, and what came of it."""

    def __init__(self, visits: int) -> None:
        self.visits = visits
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def note(self, what: str) -> None:
        with self._lock:
            self.seen[what] += 1

    def present(self, number: int) -> None:
        """VISITS whole presentations; what a fault ends is begun again."""
        done = 0
        while done < self.visits:
            try:
                with open_card("pcsc:", wait=20).card as card, card.connection.exclusive():
                    self.note("entered")
                    card.pins.verify(PinKind.AUTH, bytearray(PIN, "ascii"))
                    card.jpki.authenticate(b"%d %d" % (number, done))
            except (PinError, PinOutcomeUnknownError, TransportError, CardError) as error:
                self.note(getattr(error, "code", type(error).__name__))
                if isinstance(error, SecurityStatusError):
                    raise  # somebody else came between the PIN and the key
            else:
                done += 1
                self.note("signed")

    def steal(self, number: int) -> None:
        """Use the key without a PIN, again and again: VISITS times, and until it was refused."""
        tries = 0
        while tries < self.visits or (not self.seen["refused"] and tries < 100 * self.visits):
            tries += 1
            try:
                with open_card("pcsc:", wait=20).card as card:
                    card.jpki.authenticate(b"not mine")
            except CardError as error:
                refused = isinstance(error, SecurityStatusError | PinError)
                self.note("refused" if refused else getattr(error, "code", type(error).__name__))
            else:
                self.note("stolen")


async def _together(work: object, workers: int) -> None:
    assert callable(work)
    await asyncio.gather(*(asyncio.to_thread(work, number) for number in range(workers)))


def main() -> None:
    workers, visits, how = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    crowd = Crowd(visits)
    if how == "asyncio":
        asyncio.run(_together(crowd.present, workers))
    else:
        work = crowd.steal if how == "thief" else crowd.present
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, range(workers)))
    print(json.dumps(crowd.seen))


if __name__ == "__main__":
    main()
