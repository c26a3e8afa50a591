# SPDX-License-Identifier: Apache-2.0
"""A connection to an emulated card in this process, and one to pcscd's virtual reader."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from jpki.emulator.card import EmulatedCard
from jpki.emulator.faults import FaultKind
from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.errors import (
    CardRemovedError,
    CardResetError,
    MalformedResponseError,
    ReaderBusyError,
    TransportTimeoutError,
)
from jpki_apdu.mishap import Mishap
from jpki_apdu.status import StatusWord


class VirtualConnection(CardConnection):
    """Talks to an :class:`EmulatedCard` without a reader. No thread, no lock.

    Faults of the card come out as the errors a real reader would give. ``limits``: what the
    imagined reader says it carries; by default everything. ``timeout``: seconds for one
    answer, after which the link is given up. Raises ReaderBusyError by fault.
    """

    synthetic = True

    def __init__(
        self, card: EmulatedCard, limits: ReplyLimits | None = None, *, timeout: float = 30.0
    ) -> None:
        self.card = card
        self._limits = limits or ReplyLimits(256, 65536)
        self._timeout = timeout
        self._there = True
        if card.has_fault(FaultKind.BUSY_OPEN):
            raise ReaderBusyError(reader=self.name)
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
        """Exchange one APDU. Raises TransportError, MalformedResponseError, as faults have it."""
        if not self._there:
            raise CardRemovedError(reader=self.name)
        try:
            answer = self.card.transmit(apdu)
        except Mishap as mishap:
            answer = self._what_arrives(mishap)
        return answer[:-2], StatusWord(answer[-2] << 8 | answer[-1])

    def _what_arrives(self, mishap: Mishap) -> bytes:
        """The answer after all, or the error a reader gives."""
        if mishap.reset:
            self.card.reset()
            self.resets += 1
            raise CardResetError(reader=self.name)
        late = mishap.seconds > self._timeout or (mishap.reply is None and not mishap.leaves)
        if mishap.seconds and self.card.sleep is not None:
            self.card.sleep(min(mishap.seconds, self._timeout))
        if mishap.returns:
            self.card.power_off()
        elif mishap.leaves or late:
            self.eject()
        if late:
            raise TransportTimeoutError(reader=self.name, seconds=self._timeout)
        if mishap.reply is None:
            raise CardRemovedError(reader=self.name)
        if len(mishap.reply) < 2:
            raise MalformedResponseError(reason="status_word")
        return mishap.reply

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else can reach this card: nothing to lock. Raises ReaderBusyError by fault."""
        if self.card.has_fault(FaultKind.BUSY_EXCLUSIVE):
            raise ReaderBusyError(reader=self.name)
        yield

    def power_off(self) -> None:
        """Power off; the next command finds the card freshly powered. Raises CardRemovedError."""
        if not self._there:
            raise CardRemovedError(reader=self.name)
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
