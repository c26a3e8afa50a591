# SPDX-License-Identifier: Apache-2.0
"""Looks after a desk: a stock of challenges before the line fails, its queue sent after."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from jpki.errors import ChallengeError
from jpki.kiosk.server.half import ServerHalfError
from jpki.kiosk.shelter.desk import ShelterDesk
from jpki.kiosk.shelter.half import Receipt
from jpki.kiosk.shelter.queue_format import QueueError
from jpki.kiosk.shelter.repeating import repeated

_log = logging.getLogger(__name__)
EVERY: Final = 3.0  # seconds; nothing is asked of the server where nothing is to be done
Told = Callable[[Sequence[Receipt]], None]
"""Takes the receipts of a sync. They name nobody."""


def nobody(receipts: Sequence[Receipt]) -> None:
    """Nobody is there to be told."""


def kept(
    desk: ShelterDesk, told: Told = nobody, *, every: float = EVERY
) -> AbstractContextManager[None]:
    """Look after ``desk`` from a thread of its own, as long as the block lasts."""
    return repeated(lambda: look_after(desk, told), "shelter-desk", every)


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
