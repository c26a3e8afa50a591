# SPDX-License-Identifier: Apache-2.0
"""The largest reply that reader and card carry, found by reading files that need no PIN.

One file is read in pieces of 128 bytes, which every reader carries; then its beginning is
asked for in ever larger replies, and each is compared with it. The search climbs and stops
at the first size that fails, because a reply that is too long can make a reader reset the
card or lose it: at most one short and one extended reply go wrong. No PIN is presented
and no counter is asked for.

Sizes that cheap readers carry: [JW] 224, [PJ] 255, ACR122U 250, grade C.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum

from jpki_apdu.binary import STEPS, SizeOf
from jpki_apdu.channel import Channel
from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.errors import (
    CardError,
    FileNotFoundOnCardError,
    MalformedResponseError,
    SecurityStatusError,
    StatusWordError,
    TransportError,
)
from jpki_apdu.link import Link
from jpki_apdu.sfi import READ_BINARY

log = logging.getLogger(__name__)

SAFE = STEPS[-1]
SHORT_STEPS = (*sorted(STEPS), 256)
# Beyond 256: the buffers that readers are sold with end near 261, 300, 512 and 1024 [inferred].
EXTENDED_STEPS = (257, 300, 512, 1024, 2048, 4096)


class Carried(StrEnum):
    """What became of one reply."""

    WHOLE = "whole"  # every byte, and the right ones
    REFUSED = "refused"  # a status word instead
    CUT = "cut"  # fewer bytes than there are, as if that were all
    MANGLED = "mangled"  # other bytes, more bytes, or no answer that can be read
    LOST = "lost"  # the card was reset or left over it


@dataclass(frozen=True, slots=True)
class ProbeFile:
    """A file that needs no PIN; ``size``: its length from its first bytes (bytes)."""

    aid: bytes
    fid: int
    size: SizeOf


@dataclass(frozen=True, slots=True)
class Attempt:
    """One reply of ``size`` bytes, asked for in short or extended form."""

    size: int
    extended: bool
    carried: Carried


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found. ``reader``: its name, as PC/SC gives it.

    ``measured``: the largest reply that came whole (bytes). ``limits`` may allow more than
    that only where the reader itself says so and nothing contradicted it. ``card_back``:
    whether the card still answered at the end.
    """

    reader: str
    limits: ReplyLimits
    measured: int
    attempts: tuple[Attempt, ...]
    card_back: bool = True


def probe(
    connect: Callable[[], CardConnection],
    files: Iterable[ProbeFile],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> Probe:
    """Search with the first of ``files`` that is longer than a short reply, or the longest.

    ``connect`` opens the card; it is called again after a reply that lost it. ``pause``
    waits (seconds) before that. Raises what ``connect`` and the plain reads raise, and
    FileNotFoundOnCardError if the card has none of the files.
    """
    search = _Search(connect, pause)
    try:
        search.begin(tuple(files))
        return search.climb()
    finally:
        search.close()


class _Search:
    """The card, one file of it, and what has been tried."""

    def __init__(
        self, connect: Callable[[], CardConnection], pause: Callable[[float], None]
    ) -> None:
        self._connect = connect
        self._pause = pause
        self._open = ExitStack()
        self._connection: CardConnection | None = None
        self._file: ProbeFile | None = None
        self._whole = b""
        self._attempts: list[Attempt] = []

    def begin(self, files: Sequence[ProbeFile]) -> None:
        """Open the card and read the first file that is long enough, in small pieces."""
        channel = self._fresh()
        refusal: StatusWordError | None = None
        for file in files:
            try:
                _select(channel, file.aid)
                whole = channel.read_file(file.aid, file.fid, file.size)
            except (FileNotFoundOnCardError, SecurityStatusError) as error:
                refusal = error
                continue
            if self._file is None or len(whole) > len(self._whole):
                self._file, self._whole = file, whole
            if len(whole) > SHORT_STEPS[-1]:
                break
        if self._file is None:
            raise refusal or ValueError("a probe needs a file")
        _select(channel, self._file.aid)
        channel.select_file(self._file.fid)

    def climb(self) -> Probe:
        """Short replies first; extended ones only where the longest short reply came whole."""
        assert self._connection is not None
        name, stated = self._connection.name, self._connection.limits.extended
        short, stopped = self._ladder(SHORT_STEPS, extended=False)
        limit, longer, extended = short or SAFE, 0, 0
        if not stopped and len(self._whole) > SHORT_STEPS[-1]:
            steps = [step for step in EXTENDED_STEPS if step < len(self._whole)]
            longer, stopped = self._ladder([*steps, len(self._whole)], extended=True)
            # The file ends where it ends: beyond it, only the reader's own word counts.
            extended = longer if stopped else max(stated, longer)
        elif not stopped:
            limit, extended = SHORT_STEPS[-1], stated  # a small file contradicts nothing
        return Probe(
            reader=name,
            limits=ReplyLimits(limit, extended),
            measured=max(short, longer),
            attempts=tuple(self._attempts),
            card_back=self._connection is not None,
        )

    def _ladder(self, steps: Sequence[int], *, extended: bool) -> tuple[int, bool]:
        """The largest step whose reply came whole (0 = none), and whether one did not."""
        best = 0
        for size in steps:
            if size > len(self._whole):
                break
            carried = self._ask(size, extended=extended)
            log.debug("reply of %d bytes, extended=%s: %s", size, extended, carried)
            self._attempts.append(Attempt(size, extended, carried))
            if carried is not Carried.WHOLE:
                self._recover()
                return best, True
            best = size
        return best, False

    def _ask(self, size: int, *, extended: bool) -> Carried:
        """One READ BINARY from the start of the file, compared with what it holds."""
        assert self._connection is not None
        le = bytes((0, size >> 8, size & 0xFF)) if extended else bytes((size & 0xFF,))
        link = Link(self._connection, min(size, 256), lambda error: None)
        try:
            data, sw = link.send(bytes((0, READ_BINARY, 0, 0)) + le)
        except TransportError:
            return Carried.LOST
        except MalformedResponseError:
            return Carried.MANGLED
        if sw not in (0x9000, 0x6282):
            return Carried.REFUSED
        if data == self._whole[:size]:
            return Carried.WHOLE
        return Carried.CUT if self._whole.startswith(data) else Carried.MANGLED

    def _recover(self) -> None:
        """The file selected again, on a fresh connection, since the old one is suspect.

        A card that was thrown out comes back within a second or two, or not by itself.
        """
        assert self._file is not None
        for seconds in (0.0, 0.5, 1.5):
            self.close()
            if seconds:
                self._pause(seconds)
            try:
                channel = self._fresh()
                _select(channel, self._file.aid)
                again = channel.read_file(
                    self._file.aid, self._file.fid, min(SAFE, len(self._whole))
                )
            except CardError as error:
                log.debug("the card is not back: %s", error.code)
                continue
            if self._whole.startswith(again):
                return
        self.close()

    def _fresh(self) -> Channel:
        """The card, opened anew and for us alone."""
        self._connection = self._open.enter_context(self._connect())
        self._open.enter_context(self._connection.exclusive())
        return Channel(self._connection, limits=ReplyLimits(SAFE, 0), sfi=False)

    def close(self) -> None:
        """Let the card go. Harmless when repeated."""
        self._connection = None
        self._open.close()


def _select(channel: Channel, aid: bytes) -> None:
    """SELECT; the first command after power-up may be answered 6F00 and is sent again [MC]."""
    try:
        channel.select(aid)
    except StatusWordError as error:
        if error.sw != 0x6F00:
            raise
        channel.select(aid)
