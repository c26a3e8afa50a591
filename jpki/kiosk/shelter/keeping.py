# SPDX-License-Identifier: Apache-2.0
"""Looks after a desk: a stock of challenges before the line fails, its queue sent after."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from jpki.errors import ChallengeError
from jpki.kiosk.server.half import ServerHalfError
from jpki.kiosk.shelter.desk import ShelterDesk
from jpki.kiosk.shelter.half import Receipt
from jpki.kiosk.shelter.queue_format import QueueError

_log = logging.getLogger(__name__)
EVERY: Final = 3.0  # seconds; nothing is asked of the server where nothing is to be done
Told = Callable[[Sequence[Receipt]], None]
"""Takes the receipts of a sync. They name nobody."""


def nobody(receipts: Sequence[Receipt]) -> None:
    """Nobody is there to be told."""


@contextmanager
def kept(desk: ShelterDesk, told: Told = nobody, *, every: float = EVERY) -> Iterator[None]:
    """Look after ``desk`` from a thread of its own, as long as the block lasts."""
    closing = threading.Event()

    def run() -> None:
        look_after(desk, told)
        while not closing.wait(every):
            look_after(desk, told)

    thread = threading.Thread(target=run, name="shelter-desk", daemon=True)
    thread.start()
    try:
        yield
    finally:
        closing.set()
        thread.join(1)  # it may wait for a server that says nothing


def look_after(desk: ShelterDesk, told: Told = nobody) -> None:
    """Fill the stock and send the queue, once. What does not work now is tried the next time."""
    try:
        desk.stock()
        receipts = desk.sync()
    except (ServerHalfError, QueueError, ChallengeError) as error:
        _log.info("the desk was not looked after: %s", error.code)
        return
    except OSError as error:
        _log.warning("the desk's folder does not work: %s", type(error).__name__)
        return
    if receipts:
        told(receipts)
