# SPDX-License-Identifier: Apache-2.0
"""What every way of reaching a card offers, and no more."""

from __future__ import annotations

import abc
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from jpki_apdu.status import StatusWord


@dataclass(frozen=True, slots=True)
class ReplyLimits:
    """What reader and link carry in one reply.

    ``short``: data bytes of a reply to a short command (1-256).
    ``extended``: data bytes of a reply to an extended command; 0 = extended not to be used.
    """

    short: int = 256
    extended: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.short <= 256 or not 0 <= self.extended <= 65536:
            raise ValueError("short is 1 to 256, extended 0 to 65536")


class CardConnection(abc.ABC):
    """One open card. Open for one presentation; ``close`` powers the card off.

    Subclasses raise only errors of :mod:`jpki_apdu.errors`. One that survives a reset or
    a power-off counts it in ``resets``: what was selected and verified before is gone.
    ``synthetic``: an emulated card of this process, or a recording of one, so that its
    data are nobody's. What comes over a wire cannot prove that.
    ``shared``: another program's commands may reach the card between two of ours.
    """

    resets: int = 0
    synthetic: bool = False
    shared: bool = False

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The reader, as a person would name it. No identifier of a card."""

    @property
    @abc.abstractmethod
    def atr(self) -> bytes:
        """Answer to reset (2-33 bytes); empty if the link has none."""

    @property
    def limits(self) -> ReplyLimits:
        """What this reader is known to carry. Short, 256 bytes, unless known better."""
        return ReplyLimits()

    @abc.abstractmethod
    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        """Exchange one APDU. Raises TransportError; never raises for a status word."""

    @abc.abstractmethod
    def exclusive(self) -> AbstractContextManager[None]:
        """Nobody else talks to the card inside this block."""

    @abc.abstractmethod
    def power_off(self) -> None:
        """Cut the card's power: it forgets every verification. The connection stays usable."""

    @abc.abstractmethod
    def close(self) -> None:
        """Power the card off and let it go. Harmless when repeated; never raises."""

    def finish(self) -> None:  # noqa: B027, for most there is nothing to say
        """Say that the job ended as planned. A replay raises TranscriptError if it did not."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
