# SPDX-License-Identifier: Apache-2.0
"""PC/SC readers through pyscard: the one file that knows it, and only inside functions.

``smartcard.scard`` is used as it is, without pyscard's classes: they keep monitors,
threads and globals that a long-running program cannot get rid of.
"""

from __future__ import annotations

import contextlib
import logging
import math
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Protocol, cast

from jpki_apdu import pcsc_codes as codes
from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.errors import (
    CardRemovedError,
    MalformedResponseError,
    NoCardError,
    NoReaderError,
    PcscMissingError,
    TransportTimeoutError,
)
from jpki_apdu.readers import ReaderState
from jpki_apdu.status import StatusWord

log = logging.getLogger(__name__)

_SCOPE_USER = 0
_SHARED = 2
_T0_OR_T1 = 3
_LEAVE_CARD, _UNPOWER_CARD = 0, 2
_CHANGED, _PRESENT, _EXCLUSIVE = 0x02, 0x20, 0x80

# PC/SC part 10: which control code tells a reader's properties, and the property wanted.
_GET_FEATURE_REQUEST = 3400
_FEATURE_GET_TLV_PROPERTIES = 0x12
_MAX_APDU_DATA_SIZE = 0x0A

# A wait in the library cannot be interrupted, so it is cut into slices (seconds). New
# readers are looked for once a slice: macOS has no notification for them.
_SLICE = 0.25


class _Scard(Protocol):
    """The part of ``smartcard.scard`` that is used. Every call returns its code first."""

    def SCardEstablishContext(self, scope: int) -> tuple[int, int]: ...
    def SCardReleaseContext(self, context: int) -> int: ...
    def SCardListReaders(self, context: int, groups: list[str]) -> tuple[int, list[str]]: ...
    def SCardGetStatusChange(
        self, context: int, milliseconds: int, states: list[tuple[str, int]]
    ) -> tuple[int, list[tuple[str, int, list[int]]]]: ...
    def SCardConnect(
        self, context: int, reader: str, share: int, protocols: int
    ) -> tuple[int, int, int]: ...
    def SCardReconnect(
        self, card: int, share: int, protocols: int, initialization: int
    ) -> tuple[int, int]: ...
    def SCardDisconnect(self, card: int, disposition: int) -> int: ...
    def SCardStatus(self, card: int) -> tuple[int, str, int, int, list[int]]: ...
    def SCardTransmit(self, card: int, pci: int, apdu: list[int]) -> tuple[int, list[int]]: ...
    def SCardControl(self, card: int, code: int, data: list[int]) -> tuple[int, list[int]]: ...
    def SCardBeginTransaction(self, card: int) -> int: ...
    def SCardEndTransaction(self, card: int, disposition: int) -> int: ...
    def SCARD_CTL_CODE(self, code: int) -> int: ...


_States = dict[str, tuple[int, bytes]]


def list_states() -> list[ReaderState]:
    """The readers in the order PC/SC names them. Raises PcscMissingError, NoServiceError."""
    api = _scard()
    with _context(api) as context:
        return _readable(_snapshot(api, context))


def pcsc_readers_with_card() -> list[str]:
    """Names of the readers that hold a card, each to be opened as ``pcsc:NAME``."""
    return [state.name for state in list_states() if state.card_present]


def wait_for_change(known: Sequence[ReaderState], timeout: float | None) -> list[ReaderState]:
    """The readers as soon as they differ from ``known``, or when ``timeout`` (s) is over."""
    api = _scard()
    until = _deadline(timeout)
    with _context(api) as context:
        while True:
            states = _snapshot(api, context)
            now = _readable(states)
            left = until - time.monotonic()
            if now != list(known) or left <= 0:
                return now
            _pause(api, context, states, left)


def open_pcsc(part: str, wait: float | None = None) -> PcscConnection:
    """Open the card in the reader of that name, or the first whose name holds ``part``.

    Case does not matter for a part. An empty one means any reader; one with a card comes
    before one without. Raises as :func:`jpki_apdu.readers.open_reader`.
    """
    api = _scard()
    until = _deadline(0 if wait is None else wait)
    with _context(api) as context:
        while True:
            states = _snapshot(api, context)
            try:
                return PcscConnection(_choose(states, part))
            except (NoReaderError, NoCardError) as error:
                left = until - time.monotonic()
                if wait is None:
                    raise
                if left <= 0:
                    raise TransportTimeoutError("no_card_in_time", seconds=wait) from error
            _pause(api, context, states, left)


class PcscConnection(CardConnection):
    """The card in one PC/SC reader, shared with other programs outside ``exclusive``.

    Not for use by several threads at once. A command that another program's transaction
    holds up waits for it; PC/SC has no time limit for that.
    """

    def __init__(self, reader: str) -> None:
        """Connect and power the card. Raises NoCardError, ReaderBusyError and their kin."""
        self._api = _scard()
        self._name = reader
        self._depth = 0
        self._limits: ReplyLimits | None = None
        self._context: int | None = _establish(self._api)
        self._card: int | None = None
        try:
            self._card, self._protocol, self._atr = self._connect(self._context)
        except BaseException:
            self.close()
            raise
        self._send = self._api.SCardTransmit

    def _connect(self, context: int) -> tuple[int, int, bytes]:
        code, card, protocol = self._api.SCardConnect(context, self._name, _SHARED, _T0_OR_T1)
        if code:
            raise codes.error_for(code, self._name)
        self._card = card
        code, _, _, _, atr = self._api.SCardStatus(card)
        if code:
            raise codes.error_for(code, self._name)
        return card, protocol, bytes(atr)

    @property
    def name(self) -> str:
        return self._name

    @property
    def atr(self) -> bytes:
        return self._atr

    @property
    def limits(self) -> ReplyLimits:
        """Extended replies if the reader says so (PC/SC part 10), or is the virtual one."""
        if self._limits is None:
            size = 65536 if self._name.startswith("Virtual PCD") else self._max_apdu_data_size()
            self._limits = ReplyLimits(256, min(size, 65536) if size > 256 else 0)
        return self._limits

    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        """Exchange one APDU. Raises TransportError; never raises for a status word.

        A payload of one byte would be a control code to the virtual reader, so fewer
        than four bytes are refused (ValueError).
        """
        if len(apdu) < 4:
            raise ValueError("a command has at least 4 bytes")
        if self._card is None:
            raise CardRemovedError("closed", reader=self._name)
        try:
            code, reply = self._send(self._card, self._protocol, list(apdu))
        except SystemError as exc:  # pyscard's way of saying: dead handle
            raise CardRemovedError(reader=self._name) from exc
        if code:
            self._failed(code)
        if len(reply) < 2:
            # Success without a byte is what pcscd says of a card pulled out meanwhile.
            if not reply:
                raise CardRemovedError(reader=self._name)
            raise MalformedResponseError(reason="status_word")
        data = bytes(reply)
        return data[:-2], StatusWord(data[-2] << 8 | data[-1])

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else talks to the card inside this block; what it verified stays verified.

        A transaction on the shared connection. Windows ends one that is idle for five
        seconds and resets the card: ask for the PIN before, not inside.
        """
        if self._depth == 0:
            self._call(self._api.SCardBeginTransaction)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0 and self._card is not None:
                with contextlib.suppress(SystemError):
                    self._api.SCardEndTransaction(self._card, _LEAVE_CARD)

    def power_off(self) -> None:
        """Cut the card's power: it forgets every verification. The connection stays usable."""
        self.resets += 1
        self._reconnect(_UNPOWER_CARD)

    def close(self) -> None:
        """Power the card off and let it go. Harmless when repeated; never raises."""
        card, self._card = self._card, None
        context, self._context = self._context, None
        if card is not None:
            if self._depth:
                with contextlib.suppress(Exception):
                    self._api.SCardEndTransaction(card, _LEAVE_CARD)
            with contextlib.suppress(Exception):
                self._api.SCardDisconnect(card, _UNPOWER_CARD)
        if context is not None:
            with contextlib.suppress(Exception):
                self._api.SCardReleaseContext(context)

    def _failed(self, code: int) -> None:
        """Raise what a failed call means; after a reset, first make the handle usable again."""
        code &= 0xFFFFFFFF
        if code == codes.RESET_CARD:
            self.resets += 1
            with contextlib.suppress(Exception):
                self._reconnect(_LEAVE_CARD)
        raise codes.error_for(code, self._name, talking=True)

    def _reconnect(self, initialization: int) -> None:
        if self._card is None:
            raise CardRemovedError("closed", reader=self._name)
        try:
            code, protocol = self._api.SCardReconnect(
                self._card, _SHARED, _T0_OR_T1, initialization
            )
        except SystemError as exc:
            raise CardRemovedError(reader=self._name) from exc
        if code:
            raise codes.error_for(code, self._name, talking=True)
        self._protocol = protocol

    def _call(self, function: _OnCard) -> None:
        if self._card is None:
            raise CardRemovedError("closed", reader=self._name)
        try:
            code = function(self._card)
        except SystemError as exc:
            raise CardRemovedError(reader=self._name) from exc
        if code:
            self._failed(code)

    def _max_apdu_data_size(self) -> int:
        """dwMaxAPDUDataSize (bytes) as the reader tells it; 0 if it does not."""
        features = self._control(self._api.SCARD_CTL_CODE(_GET_FEATURE_REQUEST))
        where = _simple_tlv(features).get(_FEATURE_GET_TLV_PROPERTIES)
        if where is None:
            return 0
        properties = self._control(int.from_bytes(where, "big"))
        return int.from_bytes(_simple_tlv(properties).get(_MAX_APDU_DATA_SIZE, b""), "little")

    def _control(self, control_code: int) -> bytes:
        if self._card is None:
            return b""
        with contextlib.suppress(SystemError):
            code, reply = self._api.SCardControl(self._card, control_code, [])
            if not code:
                return bytes(reply)
        return b""


class _OnCard(Protocol):
    def __call__(self, card: int, /) -> int: ...


def install_line() -> str:
    """The shell line that brings the ``pcsc`` extra to this system."""
    pip = "pip install 'jpki[pcsc]'"
    if sys.platform != "linux":
        return pip
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return pip
    family = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    if family & {"debian", "ubuntu"}:
        return f"sudo apt-get install pcscd libpcsclite-dev gcc python3-dev && {pip}"
    if family & {"fedora", "rhel"}:
        return f"sudo dnf install pcsc-lite pcsc-lite-devel gcc python3-devel && {pip}"
    if "arch" in family:
        return f"sudo pacman -S pcsclite ccid gcc && {pip}"
    return pip


def _scard() -> _Scard:
    try:
        from smartcard import scard
    except ImportError as exc:
        raise PcscMissingError(install=install_line()) from exc
    return cast(_Scard, scard)


def _establish(api: _Scard) -> int:
    code, context = api.SCardEstablishContext(_SCOPE_USER)
    if code:
        raise codes.error_for(code, "")
    return context


@contextlib.contextmanager
def _context(api: _Scard) -> Iterator[int]:
    context = _establish(api)
    try:
        yield context
    finally:
        with contextlib.suppress(Exception):
            api.SCardReleaseContext(context)


def _snapshot(api: _Scard, context: int) -> _States:
    """State bits and ATR of every reader now, without waiting and without opening any."""
    code, names = api.SCardListReaders(context, [])
    code &= 0xFFFFFFFF
    if code == codes.NO_READERS or (not code and not names):
        return {}
    if code:
        raise codes.error_for(code, "")
    code, found = api.SCardGetStatusChange(context, 0, [(name, 0) for name in names])
    code &= 0xFFFFFFFF
    if code in (codes.UNKNOWN_READER, codes.READER_UNAVAILABLE):
        return {}  # one left between the two calls; the next look will tell
    if code not in (codes.SUCCESS, codes.TIMEOUT):
        raise codes.error_for(code, "")
    return {name: (state, bytes(atr)) for name, state, atr in found}


def _pause(api: _Scard, context: int, states: _States, left: float) -> None:
    """Until something changes at the readers of ``states``, at most a slice."""
    pause = min(_SLICE, left)
    if not states:
        time.sleep(pause)
        return
    known = [(name, state & ~_CHANGED) for name, (state, _) in states.items()]
    code, _ = api.SCardGetStatusChange(context, max(1, int(pause * 1000)), known)
    if code & 0xFFFFFFFF in (codes.UNKNOWN_READER, codes.READER_UNAVAILABLE):
        time.sleep(pause)
    elif code and code & 0xFFFFFFFF != codes.TIMEOUT:
        raise codes.error_for(code, "")


def _readable(states: _States) -> list[ReaderState]:
    return [
        ReaderState(name, bool(state & _PRESENT), bool(state & _EXCLUSIVE), atr)
        for name, (state, atr) in states.items()
    ]


def _choose(states: _States, part: str) -> str:
    """The reader to open. Raises NoReaderError, NoCardError."""
    if part in states:
        names = [part]
    else:
        names = [name for name in states if part.casefold() in name.casefold()]
    if not states:
        raise NoReaderError
    if not names:
        raise NoReaderError("no_reader_match", wanted=part, names=", ".join(states))
    for name in names:
        if states[name][0] & _PRESENT:
            return name
    raise NoCardError(reader=", ".join(names))


def _simple_tlv(data: bytes) -> dict[int, bytes]:
    """Tags and values of one-byte TLV as PC/SC part 10 has it; what is cut off is left out."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 2 <= len(data) and at + 2 + data[at + 1] <= len(data):
        found[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return found


def _deadline(seconds: float | None) -> float:
    return math.inf if seconds is None else time.monotonic() + seconds
