# SPDX-License-Identifier: Apache-2.0
"""The reader of a terminal: whether a card lies there, and by which URI it is opened."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from jpki_apdu import readers
from jpki_apdu.errors import CardError, PcscMissingError
from jpki_apdu.readers import ReaderState


class Sight(StrEnum):
    """What a terminal sees of its reader."""

    EMPTY = "empty"
    CARD = "card"
    SEVERAL = "several"
    LOST = "lost"  # no reader, or no service to reach it by
    BROKEN = "broken"  # cannot be reached whatever happens (no PC/SC library)


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. ``mark`` changes when another card lies there than at the look before."""

    sight: Sight
    mark: int = 0


class ReaderPort(Protocol):
    """A reader that is watched from one thread. No call raises."""

    def wait(self, known: Seen | None, timeout: float) -> Seen:
        """What is seen as soon as it differs from ``known``, or after ``timeout`` seconds."""
        ...

    def uri(self) -> str:
        """By what the card that lies there now is opened, from another process."""
        ...

    def close(self) -> None:
        """Stop watching; a ``wait`` under way returns soon. Harmless when repeated."""
        ...


_RETRY: Final = 1.0  # seconds between two looks while there is no service


class PcscPort:
    """The PC/SC readers whose name holds ``part``; all of them by default."""

    def __init__(self, part: str = "") -> None:
        self._part = part.lower()
        self._states: list[ReaderState] = []
        self._card: ReaderState | None = None  # the only one, as it was first seen
        self._mark = 0
        self._closed = threading.Event()

    def wait(self, known: Seen | None, timeout: float) -> Seen:
        """As the Protocol has it."""
        before = None if known is None else known.sight
        try:
            self._states = readers.wait_for_change(
                self._states, 0 if known is None else min(timeout, _RETRY)
            )
        except PcscMissingError:
            self._closed.wait(timeout if before is Sight.BROKEN else 0)
            return Seen(Sight.BROKEN)
        except CardError:  # NoServiceError above all
            self._states, self._card = [], None
            self._closed.wait(min(timeout, _RETRY) if before is Sight.LOST else 0)
            return Seen(Sight.LOST)
        return self._seen()

    def uri(self) -> str:
        """As the Protocol has it."""
        found = [state.name for state in self._mine() if state.card_present]
        return f"pcsc:{found[0] if found else self._part}"

    def close(self) -> None:
        """As the Protocol has it."""
        self._closed.set()

    def _mine(self) -> Sequence[ReaderState]:
        return [state for state in self._states if self._part in state.name.lower()]

    def _seen(self) -> Seen:
        mine = self._mine()
        cards = [state for state in mine if state.card_present]
        before, self._card = self._card, cards[0] if len(cards) == 1 else None
        if not mine:
            return Seen(Sight.LOST)
        if not cards:
            return Seen(Sight.EMPTY)
        if len(cards) > 1:
            return Seen(Sight.SEVERAL)
        if before is not None and not _swapped(before, cards[0]):
            self._card = before  # as it was first seen: what is counted may come later
        else:
            self._mark += 1
        return Seen(Sight.CARD, self._mark)


def _swapped(before: ReaderState, now: ReaderState) -> bool:
    """Whether another card lies there than at a look before, or the same one again.

    Cards of one kind have one ATR, and some readers make up a new one whenever a card is
    powered; so what counts is how many came and went, where that is counted. One more is
    the same card: a program that connects may see it before it was counted [obs vpcd bed].
    """
    if before.name != now.name:
        return True
    if before.events or now.events:
        return (now.events - before.events) % 0x10000 > 1
    return bool(before.atr and now.atr) and before.atr != now.atr
