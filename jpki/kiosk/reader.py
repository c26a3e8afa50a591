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
        self._atr = b""
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
            self._states = []
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
        if not mine:
            return Seen(Sight.LOST)
        if not cards:
            return Seen(Sight.EMPTY)
        if len(cards) > 1:
            return Seen(Sight.SEVERAL)
        if cards[0].atr != self._atr:
            self._atr = cards[0].atr
            self._mark += 1
        return Seen(Sight.CARD, self._mark)
