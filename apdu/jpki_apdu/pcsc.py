# SPDX-License-Identifier: Apache-2.0
"""PC/SC readers through pyscard: the one file that knows it, and only inside functions.

``smartcard.scard`` is used as it is, without pyscard's classes: they keep monitors,
threads and globals that a long-running program cannot get rid of.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn, TypeVar, TypeVarTuple, cast

from jpki_apdu import pcsc_codes as codes
from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.errors import (
    CardError,
    CardRemovedError,
    MalformedResponseError,
    NoCardError,
    NoReaderError,
    NoServiceError,
    PcscMissingError,
    TransportTimeoutError,
)
from jpki_apdu.patience import OverdueError, PatientThread
from jpki_apdu.pcsc_api import (
    CHANGED,
    EXCLUSIVE,
    LEAVE_CARD,
    PRESENT,
    SCOPE_USER,
    SHARED,
    T0_OR_T1,
    UNPOWER_CARD,
    Scard,
    install_line,
)
from jpki_apdu.readers import ReaderState
from jpki_apdu.status import StatusWord

log = logging.getLogger(__name__)

# PC/SC part 10: which control code tells a reader's properties, and the property wanted.
_GET_FEATURE_REQUEST = 3400
_FEATURE_GET_TLV_PROPERTIES = 0x12
_MAX_APDU_DATA_SIZE = 0x0A

# A wait in the library cannot be interrupted, so it is cut into slices (seconds). New
# readers are looked for once a slice: macOS has no notification for them.
_SLICE = 0.25

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
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


def open_pcsc(part: str, wait: float | None = None, timeout: float | None = None) -> PcscConnection:
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
                return PcscConnection(_choose(states, part), timeout=timeout)
            except (NoReaderError, NoCardError) as error:
                left = until - time.monotonic()
                if wait is None:
                    raise
                if left <= 0:
                    raise TransportTimeoutError("no_card_in_time", seconds=wait) from error
            _pause(api, context, states, left)


class PcscConnection(CardConnection):
    """The card in one PC/SC reader, shared with other programs outside ``exclusive``.

    Not for use by several threads at once. PC/SC has no time limit of its own: a command
    waits for a card that has fallen silent, or for another program's transaction, as long
    as that lasts, and Ctrl-C is not heard. With ``timeout`` (seconds for one call,
    ``math.inf`` = only to hear Ctrl-C) the calls are made in a thread of their own, which
    costs some 20 us each; when time is up TransportTimeoutError is raised. The command may
    be carried out all the same, then or later; the card is let go once that call returns.

    A connection whose card left, whose service stopped or whose time was up stays lost:
    what is in the reader afterwards may be another card.
    """

    def __init__(self, reader: str, *, timeout: float | None = None) -> None:
        """Connect and power the card. Raises NoCardError, ReaderBusyError and their kin."""
        self._api = _scard()
        self._name = reader
        self._timeout = timeout
        self._depth = 0
        self._limits: ReplyLimits | None = None
        self._lost: CardError | None = None
        self._card: int | None = None
        self._thread: PatientThread | None = None
        self._context: int | None = _establish(self._api)
        try:
            if timeout is not None:
                self._thread = PatientThread(timeout)
            self._protocol, self._atr = self._connect(self._context)
        except BaseException:
            self.close()
            raise
        self._send = self._api.SCardTransmit

    def _connect(self, context: int) -> tuple[int, bytes]:
        code, card, protocol = self._made(
            self._api.SCardConnect, context, self._name, SHARED, T0_OR_T1
        )
        if code:
            raise codes.error_for(code, self._name)
        self._card = card
        code, _, _, _, atr = self._made(self._api.SCardStatus, card)
        if code:
            raise codes.error_for(code, self._name)
        return protocol, bytes(atr)

    def _made(self, function: Callable[[*_Ts], _T], *arguments: *_Ts) -> _T:
        """What the library's function returns. Raises TransportTimeoutError, CardRemovedError."""
        try:
            if self._thread is None:
                return function(*arguments)
            return self._thread.call(function, *arguments)
        except SystemError as exc:  # pyscard's way of saying: dead handle
            raise self._lose(CardRemovedError(reader=self._name)) from exc
        except OverdueError:
            late = TransportTimeoutError(reader=self._name, seconds=self._timeout)
            raise self._lose(late) from None

    def _lose(self, error: CardError) -> CardError:
        self._lost = error
        return error

    def _handle(self) -> int:
        """The card's handle, to be used. Raises CardRemovedError, or as what was lost."""
        if self._card is None:
            raise CardRemovedError("closed", reader=self._name)
        if self._lost is not None:
            raise type(self._lost)(self._lost.code, **self._lost.values)
        return self._card

    @property
    def name(self) -> str:
        return self._name

    @property
    def shared(self) -> bool:  # type: ignore[override]
        """Outside ``exclusive``."""
        return self._depth == 0

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
        code, reply = self._made(self._send, self._handle(), self._protocol, list(apdu))
        if code:
            self._failed(code)
        if len(reply) < 2:
            # Success without a byte is what pcscd says of a card pulled out meanwhile.
            if not reply:
                raise self._lose(CardRemovedError(reader=self._name))
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
            code = self._made(self._api.SCardBeginTransaction, self._handle())
            if code:
                self._failed(code)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0 and self._card is not None and self._lost is None:
                with contextlib.suppress(CardError):
                    self._made(self._api.SCardEndTransaction, self._card, LEAVE_CARD)

    def power_off(self) -> None:
        """Cut the card's power: it forgets every verification. The connection stays usable."""
        self.resets += 1
        self._reconnect(UNPOWER_CARD)

    def close(self) -> None:
        """Power the card off and let it go. Harmless when repeated; never raises."""
        card, self._card = self._card, None
        context, self._context = self._context, None
        if context is None:
            return
        held = self._depth > 0

        def release() -> None:
            if card is not None and held:
                with contextlib.suppress(Exception):
                    self._api.SCardEndTransaction(card, LEAVE_CARD)
            if card is not None:
                with contextlib.suppress(Exception):
                    self._api.SCardDisconnect(card, UNPOWER_CARD)
            with contextlib.suppress(Exception):
                self._api.SCardReleaseContext(context)

        if self._thread is None:
            release()
        else:
            self._thread.end(release)

    def _failed(self, code: int) -> NoReturn:
        """Raise what a failed call means; after a reset, first make the handle usable again."""
        code &= 0xFFFFFFFF
        if code == codes.RESET_CARD:
            self.resets += 1
            with contextlib.suppress(Exception):
                self._reconnect(LEAVE_CARD)
        raise self._meaning(code)

    def _meaning(self, code: int) -> CardError:
        """The error for a code; noted if there is no way back from it."""
        error = codes.error_for(code, self._name, talking=True)
        gone = isinstance(error, (CardRemovedError, NoServiceError))
        return self._lose(error) if gone else error

    def _reconnect(self, initialization: int) -> None:
        code, protocol = self._made(
            self._api.SCardReconnect, self._handle(), SHARED, T0_OR_T1, initialization
        )
        if code:
            raise self._meaning(code)
        self._protocol = protocol

    def _max_apdu_data_size(self) -> int:
        """dwMaxAPDUDataSize (bytes) as the reader tells it; 0 if it does not."""
        features = self._control(self._api.SCARD_CTL_CODE(_GET_FEATURE_REQUEST))
        where = _simple_tlv(features).get(_FEATURE_GET_TLV_PROPERTIES)
        if where is None:
            return 0
        properties = self._control(int.from_bytes(where, "big"))
        return int.from_bytes(_simple_tlv(properties).get(_MAX_APDU_DATA_SIZE, b""), "little")

    def _control(self, control_code: int) -> bytes:
        if self._card is None or self._lost is not None:
            return b""
        with contextlib.suppress(CardError):
            code, reply = self._made(self._api.SCardControl, self._card, control_code, [])
            if not code:
                return bytes(reply)
        return b""


def _scard() -> Scard:
    try:
        from smartcard import scard
    except ImportError as exc:
        raise PcscMissingError(install=install_line()) from exc
    return cast(Scard, scard)


def _establish(api: Scard) -> int:
    code, context = api.SCardEstablishContext(SCOPE_USER)
    if code:
        raise codes.error_for(code, "")
    return context


@contextlib.contextmanager
def _context(api: Scard) -> Iterator[int]:
    context = _establish(api)
    try:
        yield context
    finally:
        with contextlib.suppress(Exception):
            api.SCardReleaseContext(context)


def _snapshot(api: Scard, context: int) -> _States:
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


def _pause(api: Scard, context: int, states: _States, left: float) -> None:
    """Until something changes at the readers of ``states``, at most a slice."""
    pause = min(_SLICE, left)
    if not states:
        time.sleep(pause)
        return
    known = [(name, state & ~CHANGED) for name, (state, _) in states.items()]
    code, _ = api.SCardGetStatusChange(context, max(1, int(pause * 1000)), known)
    if code & 0xFFFFFFFF in (codes.UNKNOWN_READER, codes.READER_UNAVAILABLE):
        time.sleep(pause)
    elif code and code & 0xFFFFFFFF != codes.TIMEOUT:
        raise codes.error_for(code, "")


def _readable(states: _States) -> list[ReaderState]:
    return [
        ReaderState(name, bool(state & PRESENT), bool(state & EXCLUSIVE), atr, state >> 16 & 0xFFFF)
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
        if states[name][0] & PRESENT:
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
