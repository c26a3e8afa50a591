# SPDX-License-Identifier: Apache-2.0
"""A small ISO 7816 card with switches for what readers and cards get wrong; nothing Japanese."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from jpki_apdu.command import CommandApdu
from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.errors import MalformedResponseError
from jpki_apdu.status import StatusWord

AID = bytes.fromhex("A000000000010203")
OTHER_AID = bytes.fromhex("A000000000040506")
PIN_FID, KEY_FID, GUARDED_FID = 0x18, 0x17, 0x05

Reply = tuple[bytes, int]


def pattern(size: int) -> bytes:
    """``size`` bytes in which no two stretches of a file look alike."""
    return b"".join(n.to_bytes(2, "big") for n in range(1, size // 2 + 2))[:size]


@dataclass
class Habits:
    """What this card and its reader do. The defaults are what a good pair does.

    ``sfi``: a status word that refuses every short identifier. ``short``: longest reply
    carried; a longer one is answered with ``too_long``, None = mangled. ``extended``: the
    same question for extended commands: a word, None = mangled, 0x9000 = carried.
    ``cap``: data bytes the card gives at a time, whatever was asked. ``over_end``: the word
    for a reply shorter than asked for because the file ends. ``chained``: replies by 61xx.
    """

    sfi: int = 0x9000
    short: int = 256
    too_long: int | None = 0x6700
    extended: int | None = 0x9000
    cap: int = 65536
    over_end: int = 0x9000
    past_end: int = 0x6B00
    chained: int = 0


@dataclass
class FileCard(CardConnection):
    """Files by application, one PIN (fid 18, guards 05 and the key 17), faults by command."""

    files: dict[bytes, dict[int, bytes]]
    habits: Habits = field(default_factory=Habits)
    pin: bytes = b"4711"
    tries: int = 3
    faults: dict[int, Exception] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    buffers: list[bytes | bytearray] = field(default_factory=list)
    allowed: ReplyLimits = field(default_factory=ReplyLimits)
    verified: bool = False
    aid: bytes | None = None
    fid: int | None = None
    closed: bool = False
    pending: bytes = b""

    @property
    def name(self) -> str:
        return "file card"

    @property
    def atr(self) -> bytes:
        return b"\x3b\x00"

    @property
    def limits(self) -> ReplyLimits:
        return self.allowed

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        yield

    def power_off(self) -> None:
        self.aid, self.fid, self.verified = None, None, False

    def close(self) -> None:
        self.closed = True

    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        self.sent.append(apdu.hex())
        self.buffers.append(apdu)
        if fault := self.faults.pop(len(self.sent), None):
            raise fault
        data, sw = self._answer(CommandApdu.from_bytes(bytes(apdu)))
        return data, StatusWord(sw)

    def _answer(self, command: CommandApdu) -> Reply:
        handler = {
            0xA4: self._select, 0xB0: self._read, 0xB2: self._record, 0x20: self._verify,
            0x24: self._change, 0x2A: self._sign, 0xC0: self._get_response,
        }.get(command.ins)  # fmt: skip
        return handler(command) if handler else (b"", 0x6D00)

    def _select(self, command: CommandApdu) -> Reply:
        if command.p1 == 4:
            if command.data not in self.files:
                return b"", 0x6A82
            if self.aid != command.data:
                self.verified = False
            self.aid, self.fid = bytes(command.data), None
            return b"", 0x9000
        fid = int.from_bytes(command.data, "big")
        if self.aid is None or fid not in self.files[self.aid]:
            return b"", 0x6A82
        self.fid = fid
        return b"", 0x9000

    def _by_sfi(self, sfi: int) -> int:
        """Make the file of that short identifier current; a status word."""
        if self.habits.sfi != 0x9000:
            return self.habits.sfi
        if self.aid is None or sfi not in self.files[self.aid]:
            return 0x6A82
        if sfi == GUARDED_FID and not self.verified:
            return 0x6982
        self.fid = sfi
        return 0x9000

    def _read(self, command: CommandApdu) -> Reply:
        offset = command.p1 << 8 | command.p2
        if command.p1 & 0x80:
            offset = command.p2
            if (sw := self._by_sfi(command.p1 & 0x1F)) != 0x9000:
                return b"", sw
        if self.aid is None or self.fid is None:
            return b"", 0x6986
        if self.fid == GUARDED_FID and not self.verified:
            return b"", 0x6982
        if self.fid in (PIN_FID, KEY_FID):
            return b"", 0x6981
        return self._piece(self.files[self.aid][self.fid], offset, command)

    def _piece(self, content: bytes, offset: int, command: CommandApdu) -> Reply:
        habits, le = self.habits, command.le or 0
        carried = habits.extended if command.is_extended else 0x9000
        if not command.is_extended and le > habits.short:
            carried = habits.too_long
        if carried is None:
            raise MalformedResponseError(reason="status_word")
        if carried != 0x9000:
            return b"", carried
        left = len(content) - offset
        if left <= 0:
            return b"", habits.past_end
        data = content[offset : offset + min(le, habits.cap)]
        if left < le and habits.over_end == 0x6C00:
            return b"", 0x6C00 | left & 0xFF
        if habits.chained:
            self.pending = data[habits.chained :]
            data = data[: habits.chained]
            if self.pending:
                return data, 0x6100 | min(len(self.pending), 255)
        return data, habits.over_end if left < le and offset + len(data) == len(content) else 0x9000

    def _get_response(self, command: CommandApdu) -> Reply:
        size = min(command.le or 256, self.habits.chained)
        data, self.pending = self.pending[:size], self.pending[size:]
        return data, 0x6100 | min(len(self.pending), 255) if self.pending else 0x9000

    def _record(self, command: CommandApdu) -> Reply:
        if sfi := command.p2 >> 3:
            if (sw := self._by_sfi(sfi)) != 0x9000:
                return b"", sw
        elif self.fid is None:
            return b"", 0x6986
        return (b"\x01\x02hi", 0x9000) if command.p1 == 1 else (b"", 0x6A83)

    def _verify(self, command: CommandApdu) -> Reply:
        if (sfi := command.p2 & 0x1F) and (sw := self._by_sfi(sfi)) != 0x9000:
            return b"", sw
        if self.fid != PIN_FID:
            return b"", 0x6A88
        if not command.data:
            return b"", 0x63C0 | self.tries
        if not self.tries:
            return b"", 0x6984
        self.verified = command.data == self.pin
        self.tries = 3 if self.verified else self.tries - 1
        return b"", 0x9000 if self.verified else 0x63C0 | self.tries

    def _change(self, command: CommandApdu) -> Reply:
        if self.fid != PIN_FID or not self.verified:
            return b"", 0x6982
        self.pin = bytes(command.data)
        return b"", 0x9000

    def _sign(self, command: CommandApdu) -> Reply:
        if sfi := command.p2 & 0x1F:
            if (sw := self._by_sfi(sfi)) != 0x9000:
                return b"", sw
        elif command.p2 == 0x80 and self.fid != KEY_FID:
            return b"", 0x6985
        if command.p2 and not self.verified:
            return b"", 0x6982
        signature = bytes((command.p1,)) + bytes(command.data).ljust(255, b"\x5a")
        if self.habits.chained:
            self.pending = signature
            return b"", 0x6100
        return signature, 0x9000


class Answers(FileCard):
    """Answers every command with the next of ``replies``, whatever it is."""

    def __init__(self, *replies: str) -> None:
        super().__init__({})
        self.replies = [bytes.fromhex(reply) for reply in replies]

    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        self.sent.append(apdu.hex())
        self.buffers.append(apdu)
        reply = self.replies.pop(0)
        return reply[:-2], StatusWord.from_bytes(reply[-2:])


def card(size: int = 1586, **switches: int | None) -> FileCard:
    """A card with a file 0A of ``size`` bytes and the rest; ``switches`` are its habits."""
    files = {0x0A: pattern(size), 0x01: pattern(40), GUARDED_FID: pattern(300)}
    files |= {PIN_FID: b"", KEY_FID: b"", 0x2F01: pattern(20)}
    habits = Habits(**switches)  # type: ignore[arg-type]
    return FileCard({AID: files, OTHER_AID: {0x0A: pattern(50), 0x03: b""}}, habits)
