# SPDX-License-Identifier: Apache-2.0
"""A connection to an emulated card in this process, and one to pcscd's virtual reader."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from jpki.emulator.card import EmulatedCard, FaultPoint
from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.errors import CardRemovedError
from jpki_apdu.status import StatusWord


class VirtualConnection(CardConnection):
    """Talks to an :class:`EmulatedCard` without a reader. No thread, no lock.

    ``limits``: what the imagined reader carries; by default everything.
    """

    def __init__(self, card: EmulatedCard, limits: ReplyLimits | None = None) -> None:
        self.card = card
        self._limits = limits or ReplyLimits(256, 65536)
        self._there = True
        card.power_on()

    @property
    def name(self) -> str:
        return f"virtual:{self.card.name}"

    @property
    def atr(self) -> bytes:
        return self.card.atr

    @property
    def limits(self) -> ReplyLimits:
        return self._limits

    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        """Exchange one APDU. Raises CardRemovedError once the card is out, or by a fault."""
        if not self._there:
            raise CardRemovedError
        card = self.card
        point = card.fault(card.apdus + 1, bytes(apdu)) if card.fault is not None else None
        if point is FaultPoint.BEFORE:
            self.eject()
            raise CardRemovedError
        answer = card.transmit(apdu)
        if point is FaultPoint.AFTER:
            self.eject()
            raise CardRemovedError
        return answer[:-2], StatusWord(answer[-2] << 8 | answer[-1])

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else can reach this card: nothing to lock."""
        yield

    def power_off(self) -> None:
        """Power off; the next command finds the card freshly powered."""
        self.card.power_off()

    def eject(self) -> None:
        """Pull the card out: it loses power, and every later command fails."""
        self._there = False
        self.card.power_off()

    def insert(self) -> None:
        """Put the card back, without power until the next command."""
        self._there = True

    def close(self) -> None:
        """Power the card off and let it go."""
        self._there = False
        self.card.power_off()


def serve_vpcd(card: EmulatedCard, host: str, port: int, stop: threading.Event) -> None:
    """Be the card in pcscd's virtual reader at ``host``:``port`` until ``stop`` is set.

    Raises TransportError if the reader cannot be reached.
    """
    from jpki_apdu.vpcd import VpcdCardSide

    side = VpcdCardSide(host, port, card)
    try:
        side.serve(stop)
    finally:
        side.close()
