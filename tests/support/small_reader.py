# SPDX-License-Identifier: Apache-2.0
"""Readers that carry less than the standard asks, in the ways that readers in the field fail."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from jpki.emulator import EmulatedCard, VirtualConnection
from jpki_apdu.command import CommandApdu
from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.errors import CardRemovedError, CardResetError, MalformedResponseError, NoCardError
from jpki_apdu.status import StatusWord


@dataclass
class SmallReader:
    """``short`` and ``extended``: the longest data of a reply; ``way``: what happens beyond.

    ``way``: ``refuse`` (6700), ``cut``, ``mangle``, ``unreadable``, ``reset``, ``eject``, and
    ``more`` (bytes that nobody asked for). ``says``: what the reader claims of itself.
    ``away``: connects refused after an ejection.
    """

    card: EmulatedCard
    short: int = 256
    extended: int = 65536
    way: str = "refuse"
    says: ReplyLimits = field(default_factory=lambda: ReplyLimits(256, 65536))
    away: int = 0
    ejected: bool = False
    opened: int = 0
    closed: int = 0
    too_long: int = 0
    apdus: list[bytes] = field(default_factory=list)

    def connect(self) -> CardConnection:
        if self.ejected and self.away:
            self.away -= 1
            raise NoCardError(reader="small")
        self.opened += 1
        return _Connection(self)


class _Connection(CardConnection):
    def __init__(self, reader: SmallReader) -> None:
        self._reader = reader
        self._inner = VirtualConnection(reader.card)
        self._locked = False

    @property
    def name(self) -> str:
        return "Small Reader 00 00"

    @property
    def atr(self) -> bytes:
        return self._inner.atr

    @property
    def limits(self) -> ReplyLimits:
        return self._reader.says

    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        reader = self._reader
        assert self._locked, "somebody else could have come between"
        reader.apdus.append(bytes(apdu))
        data, sw = self._inner.transmit(apdu)
        extended = len(apdu) > 5 and apdu[4] == 0 and CommandApdu.from_bytes(bytes(apdu)).le
        most = reader.extended if extended else reader.short
        if len(data) <= most:
            return data, sw
        reader.too_long += 1
        return self._too_long(data, sw, most)

    def _too_long(self, data: bytes, sw: StatusWord, most: int) -> tuple[bytes, StatusWord]:
        way = self._reader.way
        if way == "cut":
            return data[:most], sw
        if way == "mangle":
            return bytes(len(data)), sw
        if way == "more":
            return data + b"\0", sw
        if way == "unreadable":
            raise MalformedResponseError(reason="reply_too_long")
        if way == "reset":
            self._inner.power_off()
            raise CardResetError
        if way == "eject":
            self._reader.ejected = True
            raise CardRemovedError
        return b"", StatusWord(0x6700)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        self._locked = True
        try:
            yield
        finally:
            self._locked = False

    def power_off(self) -> None:
        self._inner.power_off()

    def close(self) -> None:
        self._reader.closed += 1
        self._inner.close()
