# SPDX-License-Identifier: Apache-2.0
"""READ BINARY of a file in as few commands as reader and card allow, losing no byte.

A file whose size is known, or known about, is asked for with one extended command if the
reader carries it. Else the first command is short, and once the file's own header says how
much there is, one extended command fetches the rest. What a reader refuses or mangles is
asked for again in smaller pieces, and the smaller size is kept for the rest of the
channel's life. Sources: [ISO4 11.3.3]; sizes that cheap readers carry
are those of pcsc readers in the field ([PJ] 255, ACR122U 250, [JW] 224), grade C.
"""

from __future__ import annotations

from collections.abc import Callable

from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import MalformedResponseError, status_error
from jpki_apdu.sfi import READ_BINARY
from jpki_apdu.status import StatusWord

SizeOf = Callable[[bytes], int | None]
"""Total bytes wanted, from the first bytes of a file; None = not known, read on to the end.

Asked again after every reply until it answers a number.
"""

MAX_OFFSET = 0x7FFF
STEPS = (255, 250, 224, 128)

_READ = (0x9000, 0x6282)
_EXTENDED_ANSWERS = frozenset((0x9000, 0x6282, 0x6982, 0x6A82, 0x6B00))


class BinaryReader:
    """Reads the current EF through ``send``; keeps what size of reply has been found to work.

    ``send`` transmits one command, follows 61xx and 6Cxx and raises for no status word.
    """

    __slots__ = ("_send", "extended", "short")

    def __init__(
        self, send: Callable[[bytes], tuple[bytes, StatusWord]], limits: ReplyLimits
    ) -> None:
        self._send = send
        self.short = limits.short
        self.extended = limits.extended

    def first(self, p1: int, wanted: int | None, *, steps: bool = True) -> tuple[bytes, StatusWord]:
        """The first READ BINARY of a file that has about ``wanted`` bytes (None: not known), in
        one reply if the reader carries it. ``steps``: try smaller ones if refused."""
        asked = min(self.short, wanted or self.short)
        if wanted is None or not self.extended >= wanted > self.short:
            return self._short(p1, 0, asked, steps=steps)
        found = self._extended(p1, 0, wanted)
        return found or self._short_instead(p1, 0, asked, steps=steps)

    def rest(self, first: bytes, sw: StatusWord, size: SizeOf | int | None) -> bytes:
        """The file, given the first reply. A reply shorter than asked for is not its end."""
        data = bytearray(first)
        ended = not first or sw == 0x6282
        total = None if callable(size) else size
        while True:
            if total is None and callable(size):
                total = size(bytes(data))
            if total is not None and len(data) >= total:
                return bytes(data[: max(total, 0)])
            if ended:
                return bytes(data)
            part, sw = self._next(len(data), None if total is None else total - len(data))
            if sw == 0x6B00:
                return bytes(data)
            if sw not in _READ:
                raise status_error(sw, READ_BINARY)
            data += part
            ended = not part or sw == 0x6282

    def _next(self, offset: int, remaining: int | None) -> tuple[bytes, StatusWord]:
        """One more piece at ``offset``; ``remaining`` bytes are wanted, None = all there are."""
        if offset > MAX_OFFSET:
            raise MalformedResponseError("file_too_long", limit=MAX_OFFSET)
        p1, p2 = offset >> 8, offset & 0xFF
        asked = min(self.short, remaining or self.short)
        if self.extended <= self.short or asked == remaining:
            return self._short(p1, p2, asked)
        found = self._extended(p1, p2, min(self.extended, remaining or self.extended))
        return found or self._short_instead(p1, p2, asked)

    def _short_instead(
        self, p1: int, p2: int, asked: int, *, steps: bool = True
    ) -> tuple[bytes, StatusWord]:
        """A short READ BINARY where an extended one was refused; if it is answered, it was the
        length that was refused, and no other is sent."""
        data, sw = self._short(p1, p2, asked, steps=steps)
        if data and sw in _READ:
            self.extended = 0
        return data, sw

    def _extended(self, p1: int, p2: int, le: int) -> tuple[bytes, StatusWord] | None:
        """One extended READ BINARY; None if refused, mangled or empty: short then decides."""
        head = (0, READ_BINARY, p1, p2, 0, le >> 8 & 0xFF, le & 0xFF)
        try:
            data, sw = self._send(bytes(head))
        except MalformedResponseError:
            return None
        _bounded(data, le)
        if sw not in _EXTENDED_ANSWERS or (sw == 0x9000 and not data):
            return None
        return data, sw

    def _short(
        self, p1: int, p2: int, asked: int, *, steps: bool = True
    ) -> tuple[bytes, StatusWord]:
        """One short READ BINARY; after 6700 or a mangled reply again, with less."""
        le = asked
        while True:
            smaller = next((step for step in STEPS if step < le), None) if steps else None
            try:
                data, sw = self._send(bytes((0, READ_BINARY, p1, p2, le & 0xFF)))
            except MalformedResponseError:
                if smaller is None:
                    raise
            else:
                _bounded(data, le)
                # Data with any other word: the end of a cut reply was taken for the word.
                mangled = bool(data) and sw not in _READ
                if smaller is None or not (mangled or sw == 0x6700):
                    if le < asked and sw in _READ:
                        self.short = min(self.short, le)
                    return data, sw
            le = smaller


def _bounded(data: bytes, le: int) -> None:
    if len(data) > le:
        raise MalformedResponseError(reason="reply_too_long", asked=le, received=len(data))
