# SPDX-License-Identifier: Apache-2.0
"""A card level of one's own choosing behind GET DATA, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from jpki.card_map import ISD_AID
from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.status import StatusWord


class ObjectCard(CardConnection):
    """Answers SELECT of the card manager, and GET DATA from ``objects``; all else is 6D00.

    ``missing``: the status word for an object that is not there. ``sent``: the commands.
    """

    def __init__(
        self,
        objects: Mapping[int, bytes],
        *,
        missing: int = 0x6A88,
        manager: int = 0x9000,
        extended: int = 65536,
    ) -> None:
        self.objects = dict(objects)
        self._missing, self._manager, self._extended = missing, manager, extended
        self.sent: list[bytes] = []

    @property
    def name(self) -> str:
        return "objects"

    @property
    def atr(self) -> bytes:
        return b""

    @property
    def limits(self) -> ReplyLimits:
        return ReplyLimits(256, self._extended)

    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        command = bytes(apdu)
        self.sent.append(command)
        if command[1] == 0xA4:
            assert command[5:] == ISD_AID
            return b"", StatusWord(self._manager)
        if command[1] != 0xCA:
            return b"", StatusWord(0x6D00)
        data = self.objects.get(int.from_bytes(command[2:4], "big"))
        if data is None:
            return b"", StatusWord(self._missing)
        if len(data) > 256 and len(command) == 5:
            return b"", StatusWord(0x6700)
        return data, StatusWord(0x9000)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        yield

    def power_off(self) -> None:
        pass

    def close(self) -> None:
        pass
