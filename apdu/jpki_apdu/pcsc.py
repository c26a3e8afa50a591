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
    CardResetError,
    MalformedResponseError,
    NoCardError,
    NoReaderError,
    NoServiceError,
    PcscMissingError,
    TransportTimeoutError,
)
from jpki_apdu.patience import OverdueError, PatientThread
from jpki_apdu.pcsc_api import (
    DIRECT,
    EXCLUSIVE,
    IN_USE,
    LEAVE_CARD,
    PRESENT,
    SCOPE_USER,
    SHARED,
    T0_OR_T1,
    UNPOWER_CARD,
    Scard,
    install_line,
)
from jpki_apdu.pcsc_features import max_apdu_data_size
from jpki_apdu.pcsc_states import choose, pause, readable, snapshot
from jpki_apdu.readers import ReaderState
from jpki_apdu.status import StatusWord

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


def list_states() -> list[ReaderState]:
    """The readers in the order PC/SC names them. Raises PcscMissingError, NoServiceError."""
    api = _scard()
    with _context(api) as context:
        return readable(snapshot(api, context))


def pcsc_readers_with_card() -> list[str]:
    """Names of the readers that hold a card, each to be opened as ``pcsc:NAME``."""
    return [state.name for state in list_states() if state.card_present]


def wait_for_change(known: Sequence[ReaderState], timeout: float | None) -> list[ReaderState]:
    """The readers as soon as they differ from ``known``, or when ``timeout`` (s) is over."""
    api = _scard()
    until = _deadline(timeout)
    with _context(api) as context:
        while True:
            states = snapshot(api, context)
            now = readable(states)
            left = until - time.monotonic()
            if now != list(known) or left <= 0:
                return now
            pause(api, context, states, left)


def open_pcsc(part: str, wait: float | None = None, timeout: float | None = None) -> PcscConnection:
    """Open the card in the reader of that name, or the first whose name holds ``part``.

    Case does not matter for a part. An empty one means any reader; one with a card comes
    before one without. Raises as :func:`jpki_apdu.readers.open_reader`.
    """
    api = _scard()
    until = _deadline(0 if wait is None else wait)
    with _context(api) as context:
        while True:
            states = snapshot(api, context)
            try:
                return PcscConnection(choose(states, part), timeout=timeout)
            except (NoReaderError, NoCardError) as error:
                left = until - time.monotonic()
                if wait is None:
                    raise
                if left <= 0:
                    raise TransportTimeoutError("no_card_in_time", seconds=wait) from error
            pause(api, context, states, left)


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
        if code & 0xFFFFFFFF == codes.PROTO_MISMATCH and self._blank(context):
            code, card, protocol = self._power_up(context)
        if code:
            raise codes.error_for(code, self._name)
        self._card = card
        code, _, _, _, atr = self._made(self._api.SCardStatus, card)
        if code:
            raise codes.error_for(code, self._name)
        return protocol, bytes(atr)

    def _blank(self, context: int) -> bool:
        """Whether a card lies there of which no ATR is known, and which nobody uses.

        pcscd holds a card that it failed to power for powered, and never tries again.
        Source: [PCSC src/winscard.c SCardConnect], [obs vpcd bed].
        """
        state, atr = snapshot(self._api, context).get(self._name, (0, b""))
        return bool(state & PRESENT) and not atr and not state & (EXCLUSIVE | IN_USE)

    def _power_up(self, context: int) -> tuple[int, int, int]:
        """Off and on, once, then as SCardConnect. No command was sent to this card yet."""
        code, card, _ = self._made(self._api.SCardConnect, context, self._name, DIRECT, 0)
        if code:
            return code, card, 0
        self._card = card
        code, protocol = self._made(self._api.SCardReconnect, card, SHARED, T0_OR_T1, UNPOWER_CARD)
        return code, card, protocol

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
            virtual = self._name.startswith("Virtual PCD")
            size = 65536 if virtual else max_apdu_data_size(self._api.SCARD_CTL_CODE, self._control)
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
        if self._made(self._left, self._handle()):
            raise self._lose(CardRemovedError(reader=self._name))
        self._reconnect(UNPOWER_CARD)

    def _left(self, card: int) -> bool:
        """Whether the card has been taken out since: what lies there now is not this one.

        pcscd lets a handle power whatever lies there. If that is the next card, before pcscd
        has noticed it, that card is powered twice: the second time under its own reader's
        hands. Source: [PCSC src/eventhandler.c], [obs vpcd bed].
        """
        return self._api.SCardStatus(card)[0] & 0xFFFFFFFF == codes.REMOVED_CARD

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
                disposition = UNPOWER_CARD
                with contextlib.suppress(Exception):
                    disposition = LEAVE_CARD if self._left(card) else UNPOWER_CARD
                with contextlib.suppress(Exception):
                    self._api.SCardDisconnect(card, disposition)
            with contextlib.suppress(Exception):
                self._api.SCardReleaseContext(context)

        if self._thread is None:
            release()
        else:
            self._thread.end(release)

    def _failed(self, code: int) -> NoReturn:
        """Raise what a failed call means; after a reset, first make the handle usable again."""
        code &= 0xFFFFFFFF
        if code == codes.PROTO_MISMATCH:
            # A protocol was agreed on, so pcscd has powered the card anew since and told
            # nobody; it may cut that power again. The command did not reach the card.
            self._renew(UNPOWER_CARD)
            raise CardResetError(reader=self._name, pcsc=f"{code:08X}")
        if code == codes.RESET_CARD:
            self._renew(LEAVE_CARD)
        raise self._meaning(code)

    def _renew(self, initialization: int) -> None:
        """Make the handle usable again if that can be done; what was verified is lost."""
        self.resets += 1
        with contextlib.suppress(Exception):
            self._reconnect(initialization)

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


def _deadline(seconds: float | None) -> float:
    return math.inf if seconds is None else time.monotonic() + seconds
