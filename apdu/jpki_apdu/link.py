# SPDX-License-Identifier: Apache-2.0
"""One command and all it takes to get its answer: 61xx, 6Cxx, and what is never sent twice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from jpki_apdu.command import CommandApdu
from jpki_apdu.connection import CardConnection
from jpki_apdu.errors import MalformedResponseError, TransportError
from jpki_apdu.status import StatusWord

log = logging.getLogger(__name__)

GET_RESPONSE = 0xC0

# Each of these can cost a try, so each is sent once, whatever comes back: VERIFY in both
# forms, CHANGE REFERENCE DATA, RESET RETRY COUNTER, EXTERNAL AUTHENTICATE [ISO4 11.6].
_ONCE = frozenset((0x20, 0x21, 0x24, 0x2C, 0x82))
_ONCE_JICSAP = frozenset((0x32, 0x54))  # CHANGE KEY, UNLOCK KEY; class 80 [MC]
_MAX_ROUNDS = 1024


def can_cost_a_try(cla: int, ins: int) -> bool:
    """Whether such a command carries a PIN or another secret, and may count against it."""
    return ins in _ONCE or bool(cla & 0x80 and ins in _ONCE_JICSAP)


class Link:
    """Sends commands over a connection and counts them.

    ``short``: data bytes of one short reply, for GET RESPONSE. ``on_lost`` is told of a
    TransportError before it is raised.
    """

    __slots__ = ("_on_lost", "_short", "_transmit", "apdus")

    def __init__(
        self, connection: CardConnection, short: int, on_lost: Callable[[TransportError], None]
    ) -> None:
        self._transmit = connection.transmit
        self._short = short
        self._on_lost = on_lost
        self.apdus = 0

    def raw(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        """One APDU, and nothing after it."""
        self.apdus += 1
        try:
            reply, sw = self._transmit(apdu)
        except TransportError as error:
            self._on_lost(error)
            raise
        # A refusal comes without data [ISO4 5.6]. With data, the end of a reply that was cut
        # short is being taken for a status word: every seventh pair of bytes looks like one.
        if sw != 0x9000 and not (
            0x6100 <= sw < 0x6400
            or (not reply and (0x6400 <= sw < 0x7000 or 0x9000 <= sw < 0xA000))
        ):
            raise MalformedResponseError(reason="status_word")
        if log.isEnabledFor(logging.DEBUG):
            head = apdu[:4].hex()
            log.debug("%s, %d bytes sent, %d received, %s", head, len(apdu), len(reply), sw)
        return reply, sw

    def send(self, apdu: bytes) -> tuple[bytes, StatusWord]:
        """One command that may be repeated, with 61xx and 6Cxx followed."""
        reply, sw = self.raw(apdu)
        if sw >> 8 == 0x6C:
            command = replace(CommandApdu.from_bytes(apdu), le=(sw & 0xFF) or 256)
            reply, sw = self.raw(command.to_bytes())
        return self._collect(reply, sw) if sw >> 8 == 0x61 else (reply, sw)

    def deliver(self, command: CommandApdu) -> tuple[bytes, StatusWord]:
        """A command as given: repeated or continued only if that cannot cost a try."""
        if not can_cost_a_try(command.cla, command.ins):
            return self.send(command.to_bytes())
        apdu = command.to_bytearray()
        try:
            return self.raw(apdu)
        finally:
            apdu[:] = bytes(len(apdu))

    def present(self, cla: int, ins: int, p1: int, p2: int, value: bytearray) -> StatusWord:
        """Reference data (1-255 bytes), sent exactly once in a buffer that is wiped."""
        apdu = bytearray(5 + len(value))
        apdu[:5] = (cla, ins, p1, p2, len(value))
        apdu[5:] = value
        try:
            return self.raw(apdu)[1]
        finally:
            apdu[:] = bytes(len(apdu))

    def _collect(self, reply: bytes, sw: StatusWord) -> tuple[bytes, StatusWord]:
        """GET RESPONSE until the card has nothing more; every round must bring a byte."""
        whole = bytearray(reply)
        for _ in range(_MAX_ROUNDS):
            le = min((sw & 0xFF) or 256, self._short)
            part, sw = self.raw(bytes((0, GET_RESPONSE, 0, 0, le & 0xFF)))
            if sw >> 8 == 0x6C:
                part, sw = self.raw(bytes((0, GET_RESPONSE, 0, 0, sw & 0xFF)))
            whole += part
            if sw >> 8 != 0x61:
                return bytes(whole), sw
            if not part:
                break
        raise MalformedResponseError(reason="get_response")


def check_value(value: bytearray) -> None:
    """An empty VERIFY would be a query, and a long one could not be sent in one piece."""
    if not 1 <= len(value) <= 255:
        raise ValueError("reference data has 1 to 255 bytes")
