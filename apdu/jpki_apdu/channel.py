# SPDX-License-Identifier: Apache-2.0
"""ISO 7816-4 over a connection: chaining, sizing, selection, files and reference data.

The channel knows what is selected and never guesses. A card that was reset by another
program has forgotten its PINs: until an application is selected again by name, everything
else raises StaleSessionError. A card that left is gone for good, because what comes next
may be another person's; a new connection is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jpki_apdu.binary import BinaryReader, SizeOf
from jpki_apdu.command import CommandApdu
from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.errors import (
    CardResetError,
    MalformedResponseError,
    ReaderBusyError,
    StaleSessionError,
    TransportError,
    require_ok,
    status_error,
)
from jpki_apdu.link import GET_RESPONSE, Link, check_value
from jpki_apdu.selected import NOT_BY_SFI, Selection, held, in_turn, is_counter
from jpki_apdu.sfi import READ_BINARY, ShortIds
from jpki_apdu.status import StatusWord

__all__ = ["Channel", "Selection", "SizeOf"]

VERIFY, CHANGE, SELECT, READ_RECORD = 0x20, 0x24, 0xA4, 0xB2
SIGN, GET_CHALLENGE, GET_DATA = 0x2A, 0x84, 0xCA

_NEUTRAL = frozenset((GET_CHALLENGE, GET_DATA, GET_RESPONSE))  # they leave the current EF
_RECOVERABLE = (CardResetError, ReaderBusyError)


class Channel:
    """Talks ISO 7816-4 to one card and knows what is selected.

    ``limits``: overrides what the connection says its reader carries; what holds, afterwards.
    ``sfi``: None = try short EF identifiers once per application and remember a refusal;
    False = never; True = always.
    """

    def __init__(
        self,
        connection: CardConnection,
        *,
        limits: ReplyLimits | None = None,
        sfi: bool | None = None,
    ) -> None:
        self._connection = connection
        self.limits = limits or connection.limits
        self._link = Link(connection, self.limits.short, self._lose)
        self._send = self._link.send
        self._reading = BinaryReader(self._send, self.limits)
        self._sfi = ShortIds(sfi)
        self._aid: bytes | None = None
        self._fid: int | None = None
        self._counter_by_sfi: set[int] = set()
        self._verified: int | None = None
        self._lost: TransportError | None = None
        self._resets = connection.resets

    @property
    def connection(self) -> CardConnection:
        return self._connection

    @property
    def selection(self) -> Selection:
        return Selection(self._aid, self._fid)

    @property
    def apdus(self) -> int:
        """Commands sent through this channel (count)."""
        return self._link.apdus

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Commands with nobody else's between them, so that what is selected stays selected.

        On a connection that is shared, selects anew what was selected before, except after
        ``verify``, which a SELECT would undo. Raises TransportError.
        """
        if not self._connection.shared:
            yield
            return
        with held(self._connection, self._lose):
            if self._verified is None:
                self._forget()
            yield

    def power_off(self) -> None:
        """Power the card off: it forgets every verification, and this channel its selection."""
        self._forget()
        self._connection.power_off()
        self._resets = self._connection.resets

    def transmit(self, command: CommandApdu) -> tuple[bytes, StatusWord]:
        """Send one command; follow 61xx and 6Cxx (never for VERIFY and CHANGE REFERENCE DATA)."""
        self._check(selecting=command.ins == SELECT and command.p1 == 0x04)
        before, self._fid = Selection(self._aid, self._fid), None
        if command.ins == SELECT:
            self._aid = None
        reply, sw = self._link.deliver(command)
        if command.ins == SELECT:
            self._track_select(command, sw, before)
        elif command.ins in _NEUTRAL or (command.ins == READ_BINARY and command.p1 < 0x80):
            self._fid = before.fid
        return reply, sw

    def exchange(self, command: CommandApdu) -> bytes:
        """``transmit``, and raise the typed StatusWordError unless the answer is 9000."""
        reply, sw = self.transmit(command)
        require_ok(sw, command.ins)
        return reply

    def select(self, aid: bytes) -> None:
        """SELECT an application by AID. Raises FileNotFoundOnCardError. No APDU if current."""
        self._check(selecting=True)
        if aid != self._aid:
            require_ok(self._select(aid), SELECT)

    def select_file(self, fid: int) -> None:
        """SELECT EF under the current application. No APDU if it is current."""
        self._check()
        require_ok(self._select_file(fid), SELECT)

    @in_turn
    def read_file(
        self, aid: bytes, fid: int, size: SizeOf | int | None = None, *, about: int | None = None
    ) -> bytes:
        """Read an EF of application ``aid`` (selected if it is not), whole or ``size`` bytes.

        ``size``: exact bytes, or a function of the first bytes read (a certificate's header).
        ``about``: what to ask for at once, when long replies have come. A short chunk is no end:
        reading goes on to ``size``, 6B00, 6282 or an empty reply. Raises SecurityStatusError,
        FileNotFoundOnCardError, MalformedResponseError (``file_too_long``: 15 bits of offset).
        """
        wanted = size if isinstance(size, int) else about
        if wanted is not None and wanted < 1:
            raise ValueError("size is at least one byte")
        self._enter(aid)
        by_sfi = self._fid != fid and self._sfi.wanted(aid, READ_BINARY, fid)
        first = self._first_by_sfi(fid, wanted) if by_sfi else None
        first = first or self._first_by_name(fid, wanted, refused=by_sfi)
        return self._reading.rest(*first, size)

    @in_turn
    def read_record(self, aid: bytes, fid: int, record: int) -> bytes:
        """READ RECORD ``record`` (1-254)."""
        if not 1 <= record <= 254:
            raise ValueError("record is 1 to 254")
        self._enter(aid)

        def read(sfi: int) -> tuple[bytes, StatusWord]:
            return self._send(bytes((0, READ_RECORD, record, sfi << 3 | 4, 0)))

        return self._with_file(READ_RECORD, fid, read, lambda: read(0))

    @in_turn
    def query_reference(self, aid: bytes, fid: int) -> StatusWord:
        """VERIFY without data: the counter (63Cx). Costs no try. Raises for nothing but the link.

        A refused SELECT is answered with its status word (6A82: not on this card).
        """
        self._check()
        if aid != self._aid and (sw := self._select(aid)) != 0x9000:
            return sw
        by_sfi = self._fid != fid and self._sfi.wanted(aid, VERIFY, fid)
        if by_sfi:
            self._fid = None
            _, sw = self._link.raw(bytes((0, VERIFY, 0, 0x80 | fid)))
            if is_counter(sw):
                self._counter_by_sfi.add(fid)
                self._sfi.answer(aid)
            if self._sfi.forced or is_counter(sw):
                return sw
        if (sw := self._select_file(fid)) != 0x9000:
            return sw
        _, sw = self._link.raw(bytes((0, VERIFY, 0, 0x80)))
        if by_sfi and is_counter(sw):
            self._sfi.refuse(aid, VERIFY)
        return sw

    def verify(self, aid: bytes, fid: int, value: bytearray) -> StatusWord:
        """VERIFY, sent exactly once, never retried or chained. ``value`` must not be empty.

        By SFI only if ``query_reference`` on the same file was answered by SFI in this
        selection; else the file is selected first. The APDU buffer is wiped. TransportError
        and MalformedResponseError leave open whether a try was spent.
        """
        check_value(value)
        self._enter(aid)
        p2 = 0x80
        if fid in self._counter_by_sfi and self._fid != fid:
            p2 |= fid
        else:
            self.select_file(fid)
        self._verified = None
        sw = self._link.present(0x00, VERIFY, 0x00, p2, value)
        if p2 != 0x80:
            self._fid = None
        self._verified = fid if sw == 0x9000 else None
        return sw

    def change_reference(
        self,
        aid: bytes,
        fid: int,
        value: bytearray,
        *,
        cla: int = 0x00,
        ins: int = CHANGE,
        p1: int = 1,
    ) -> StatusWord:
        """CHANGE REFERENCE DATA (new value only) on the file verified last; sent exactly once.

        Raises StaleSessionError (nothing sent) unless ``fid`` was verified last and its
        application is still selected: the value would land in another file.
        """
        check_value(value)
        self._check()
        if self._aid != aid or self._verified != fid:
            raise StaleSessionError(reason="not_verified")
        self.select_file(fid)
        return self._link.present(cla, ins, p1, 0x80, value)

    @in_turn
    def compute_signature(self, aid: bytes, fid: int | None, data: bytes, *, p1: int = 0) -> bytes:
        """COMPUTE DIGITAL SIGNATURE (80 2A) with the key in ``fid``; None = the AP's default key.

        ``data``: 1-255 bytes. Needs a reader that carries 256-byte replies, or 61xx.
        """
        if not 1 <= len(data) <= 255:
            raise ValueError("data has 1 to 255 bytes")
        self._enter(aid)

        def sign(p2: int) -> tuple[bytes, StatusWord]:
            return self._send(bytes((0x80, SIGN, p1, p2, len(data))) + data + b"\0")

        if fid is None:
            reply, sw = sign(0x00)
            require_ok(sw, SIGN)
        else:
            reply = self._with_file(SIGN, fid, lambda sfi: sign(0x80 | sfi), lambda: sign(0x80))
        if not reply:
            raise MalformedResponseError(reason="empty_reply")
        return reply

    def get_challenge(self, size: int) -> bytes:
        """GET CHALLENGE, 1-256 bytes."""
        if not 1 <= size <= 256:
            raise ValueError("size is 1 to 256")
        reply = self.exchange(CommandApdu(0, GET_CHALLENGE, 0, 0, le=size))
        if len(reply) != size:
            raise MalformedResponseError(reason="length", asked=size, received=len(reply))
        return reply

    def get_data(self, tag: int) -> bytes:
        """GET DATA; a large object answered with 6700 is asked for again in extended form.

        Not where ``limits`` forbid the extended form: then 6700 is raised.
        """
        if not 0 <= tag <= 0xFFFF:
            raise ValueError("tag has two bytes")
        self._check()
        head = bytes((0, GET_DATA, tag >> 8, tag & 0xFF))
        reply, sw = self._send(head + b"\0")
        if sw == 0x6700 and self.limits.extended:
            le = self.limits.extended & 0xFFFF
            reply, sw = self._send(head + b"\0" + le.to_bytes(2, "big"))
        require_ok(sw, GET_DATA)
        return reply

    # What is selected.

    def _check(self, *, selecting: bool = False) -> None:
        """Raise StaleSessionError if the card was reset or left since it was last selected."""
        if self._resets != self._connection.resets:
            self._lose(CardResetError())  # noticed by somebody else, between two commands
        if self._lost is not None and not (selecting and isinstance(self._lost, _RECOVERABLE)):
            raise StaleSessionError(reason=self._lost.default_code) from self._lost

    def _lose(self, error: TransportError) -> None:
        self._forget()
        self._lost = error
        self._resets = self._connection.resets

    def _enter(self, aid: bytes) -> None:
        self._check()
        if aid != self._aid:
            self.select(aid)

    def _forget(self) -> None:
        self._aid = self._fid = self._verified = None
        self._counter_by_sfi.clear()

    def _select(self, aid: bytes) -> StatusWord:
        """SELECT by AID. A refusal leaves the card where it was; no answer leaves it unknown."""
        if not 1 <= len(aid) <= 16:
            raise ValueError("an AID has 1 to 16 bytes")
        before, self._aid, self._fid = self._aid, None, None
        _, sw = self._send(bytes((0, SELECT, 0x04, 0x0C, len(aid))) + aid)
        self._aid = before
        if sw == 0x9000:
            self._entered(aid)
        return sw

    def _entered(self, aid: bytes | None) -> None:
        self._forget()
        self._aid = aid
        self._lost = None

    def _select_file(self, fid: int) -> StatusWord:
        if self._fid == fid:
            return StatusWord(0x9000)
        self._fid = None
        _, sw = self._send(bytes((0, SELECT, 0x02, 0x0C, 2, fid >> 8, fid & 0xFF)))
        if sw == 0x9000:
            self._fid = fid
        return sw

    def _track_select(self, command: CommandApdu, sw: StatusWord, before: Selection) -> None:
        """Keep track of a SELECT that went out as it is."""
        if command.p1 == 0x04 and sw == 0x9000:
            whole = command.data and not command.p2 & 0x03
            self._entered(bytes(command.data) if whole else None)
        elif command.p1 == 0x04:
            self._aid = before.aid
        elif command.p1 == 0x02:
            self._aid = before.aid
            if sw == 0x9000 and len(command.data) == 2:
                self._fid = int.from_bytes(command.data, "big")

    # Files by short identifier or by name.

    def _first_by_sfi(self, fid: int, wanted: int | None) -> tuple[bytes, StatusWord] | None:
        """The first bytes by SFI; None if the card or reader will not have it that way."""
        settled = self._sfi.settled(self._aid)
        self._fid = None
        try:
            data, sw = self._reading.first(0x80 | fid, wanted, steps=settled)
        except MalformedResponseError:
            if settled:
                raise
            return None
        if sw in (0x9000, 0x6282):
            self._sfi.take(self._aid)
            self._fid = fid
            return data, sw
        if settled and sw == 0x6B00:
            return b"", sw
        if settled or sw == 0x6982:
            raise status_error(sw, READ_BINARY)
        return None

    def _first_by_name(
        self, fid: int, wanted: int | None, *, refused: bool
    ) -> tuple[bytes, StatusWord]:
        """The first bytes after SELECT EF. ``refused``: the SFI was tried in vain before."""
        self.select_file(fid)
        size = self._reading.short
        data, sw = self._reading.first(0x00, wanted)
        if sw == 0x6B00:
            return b"", sw
        if sw not in (0x9000, 0x6282):
            raise status_error(sw, READ_BINARY)
        # With a smaller reply it may have been the size that was refused, not the SFI.
        if refused and self._reading.short == size:
            self._sfi.refuse(self._aid, READ_BINARY)
        return data, sw

    def _with_file(
        self,
        ins: int,
        fid: int,
        by_sfi: Callable[[int], tuple[bytes, StatusWord]],
        current: Callable[[], tuple[bytes, StatusWord]],
    ) -> bytes:
        """A command on a file: by SFI, or on the current EF after SELECT where that is refused."""
        tried = self._fid != fid and self._sfi.wanted(self._aid, ins, fid)
        if tried:
            self._fid = None
            reply, sw = by_sfi(fid)
            if sw == 0x9000:
                self._sfi.answer(self._aid)
                return reply
            if self._sfi.forced or sw not in NOT_BY_SFI:
                raise status_error(sw, ins)
        self.select_file(fid)
        reply, sw = current()
        require_ok(sw, ins)
        if tried:
            self._sfi.refuse(self._aid, ins)
        return reply
