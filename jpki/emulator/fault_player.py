# SPDX-License-Identifier: Apache-2.0
"""Plays faults: stands between an emulated card and whoever carries its bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from jpki.emulator import words
from jpki.emulator.apdu import Command, parse
from jpki.emulator.faults import Fault, FaultKind
from jpki_apdu.mishap import Mishap

_NAMES = {
    0xA4: "select",
    0xB0: "read",
    0xB2: "record",
    0x24: "change",
    0x32: "change",
    0x2A: "sign",
    0x88: "authenticate",
    0x84: "challenge",
    0xCA: "data",
    0xC0: "response",
}
_VERIFY = 0x20
_BY_KEY = (0x2A, 0x88)  # answers that a key of the card makes


def command_name(apdu: bytes) -> str:
    """The name of a command as faults have it; ``0x8A`` for one without a name."""
    if len(apdu) < 2:
        return "0x00"
    if apdu[1] == _VERIFY:
        return "verify" if len(apdu) > 5 else "query"
    return _NAMES.get(apdu[1], f"0x{apdu[1]:02X}")


class FaultPlayer:
    """The faults of one card at work. ``faults``: as set; ``sent``: commands so far (count)."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        self.sent = 0
        self._seen: Counter[str] = Counter()
        self._timed = [fault for fault in self.faults if not fault.kind.standing]
        self._standing = {f.kind: int(f.value or 0) for f in self.faults if f.kind.standing}
        self._pending = b""
        self._before = b""

    def holds(self, kind: FaultKind) -> bool:
        """Whether a fault that stands all the time was set."""
        return kind in self._standing

    def forget(self) -> None:
        """The card lost its power: nothing waits for GET RESPONSE any more."""
        self._pending = b""

    def play(self, apdu: bytes, execute: Callable[[bytes], bytes]) -> bytes:
        """What arrives for ``apdu``. Raises Mishap where it is more than an answer.

        ``execute`` is the card itself; it is called once or not at all.
        """
        due = self._due(apdu)
        if FaultKind.PULL_BEFORE in due:
            raise Mishap(leaves=True)
        if FaultKind.REINSERT in due:
            raise Mishap(leaves=True, returns=True)
        if FaultKind.RESET in due:
            raise Mishap(reset=True)
        command = parse(apdu)
        reply = self._carried(command, self._answer(apdu, command, due, execute))
        if FaultKind.REPLY_CUT in due:
            reply = reply[: int(due[FaultKind.REPLY_CUT] or 0)]
        if FaultKind.REPLY_REPEAT in due and self._before:
            reply = self._before
        self._before = reply
        return _deliver(reply, due)

    def _due(self, apdu: bytes) -> dict[FaultKind, int | float | None]:
        """Kind and value of every fault at this command; of two of a kind the first."""
        self.sent += 1
        name, code = command_name(apdu), f"0x{apdu[1] if len(apdu) > 1 else 0:02X}"
        for key in {name, code}:
            self._seen[key] += 1
        due: dict[FaultKind, int | float | None] = {}
        for fault in self._timed:
            when = fault.when
            if when is None or when.command not in (None, name, code):
                continue
            count = self.sent if when.command is None else self._seen[when.command]
            if when.number in (None, count):
                due.setdefault(fault.kind, fault.value)
        return due

    # What the card answers.

    def _answer(
        self,
        apdu: bytes,
        command: Command | None,
        due: dict[FaultKind, int | float | None],
        execute: Callable[[bytes], bytes],
    ) -> bytes:
        if FaultKind.SW in due:
            return _word(due[FaultKind.SW])
        if command is not None and command.extended:
            if self.holds(FaultKind.EXTENDED_BREAK):
                raise Mishap(leaves=True)
            if self.holds(FaultKind.EXTENDED_6700):
                return words.WRONG_LENGTH
        reply = self._from_card(apdu, command, execute)
        if FaultKind.SW_AFTER in due:
            return _word(due[FaultKind.SW_AFTER])
        if FaultKind.REPLY_FLIP in due:
            reply = _flipped(reply, due[FaultKind.REPLY_FLIP])
        if self.holds(FaultKind.WRONG_ANSWER) and len(apdu) > 1 and apdu[1] in _BY_KEY:
            reply = _flipped(reply, None)
        return self._in_pieces(reply)

    def _from_card(
        self, apdu: bytes, command: Command | None, execute: Callable[[bytes], bytes]
    ) -> bytes:
        """The card's own answer, the rest of an earlier one, or 6Cxx."""
        pending, self._pending = self._pending, b""
        if pending and command is not None and command.ins == 0xC0 and command.le:
            asked = command.le
            if asked < len(pending) - 2:
                self._pending = pending[asked:]
                return pending[:asked] + words.more(len(self._pending) - 2)
            return pending
        reply = execute(apdu)
        exact = len(reply) - 2
        if (
            self.holds(FaultKind.CARD_6CXX)
            and command is not None
            and command.le is not None
            and command.le > exact
            and 1 <= exact <= 256
        ):
            return words.exact_length(exact)
        return reply

    def _in_pieces(self, reply: bytes) -> bytes:
        """61xx: all but the first piece waits for GET RESPONSE."""
        most = self._standing.get(FaultKind.CARD_61XX, 0)
        if self._pending or not most or len(reply) - 2 <= most:
            return reply
        self._pending = reply[most:]
        return reply[:most] + words.more(len(self._pending) - 2)

    # What reader and link make of it.

    def _carried(self, command: Command | None, reply: bytes) -> bytes:
        reply = self._limited("reader", reply)
        if command is not None and command.extended:
            reply = self._limited("extended", reply)
        return reply

    def _limited(self, where: str, reply: bytes) -> bytes:
        for kind, most in self._standing.items():
            if not most or not kind.value.startswith(f"{where}:") or len(reply) - 2 <= most:
                continue
            how = kind.value.partition(":")[2]
            if how == "break":
                raise Mishap(leaves=True)
            reply = {
                "6700": words.WRONG_LENGTH,
                "cut": reply[:most],
                "trim": reply[:most] + reply[-2:],
            }[how]
        return reply


def _deliver(reply: bytes, due: dict[FaultKind, int | float | None]) -> bytes:
    """Hand the answer over, if that is all."""
    if FaultKind.PULL_DURING in due:
        raise Mishap(leaves=True)
    if FaultKind.REPLY_NEVER in due:
        raise Mishap
    seconds = float(due.get(FaultKind.REPLY_DELAY) or 0)
    leaves = FaultKind.PULL_AFTER in due
    if seconds or leaves or len(reply) < 2:
        raise Mishap(reply, seconds=seconds, leaves=leaves)
    return reply


def _word(value: float | None) -> bytes:
    return int(value or 0).to_bytes(2, "big")


def _flipped(reply: bytes, place: float | None) -> bytes:
    """One bit wrong, in the data byte at ``place`` or in the last one."""
    data = bytearray(reply[:-2])
    if data:
        data[min(int(place), len(data) - 1) if place is not None else -1] ^= 0x01
    return bytes(data) + reply[-2:]
