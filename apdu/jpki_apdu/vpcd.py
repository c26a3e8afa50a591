# SPDX-License-Identifier: Apache-2.0
"""The wire protocol of the virtual smart card reader (vpcd), both ends.

A frame (``vpcd_frames``) of one byte is a control: 00 power off, 01 power on, 02 reset,
04 ask for the ATR; only the last is answered. Anything longer is a command or its response,
so neither may have one byte.
Source: [vsmartcard virtualsmartcard/src/vpcd], [obs vpcd 3.3].
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Protocol

from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.errors import (
    CardRemovedError,
    CardUnresponsiveError,
    MalformedResponseError,
    NoCardError,
    ReaderUriError,
    TransportError,
    TransportTimeoutError,
)
from jpki_apdu.mishap import Mishap
from jpki_apdu.status import StatusWord
from jpki_apdu.vpcd_frames import MAX_FRAME, Frames, PeerClosedError

log = logging.getLogger(__name__)

POWER_OFF, POWER_ON, RESET, GET_ATR = 0x00, 0x01, 0x02, 0x04

_RETRY = 0.02
_SLICE = 0.2
# A listening reader has to give a card that is already dialling the chance to be heard.
_GRACE = 2.0


class VpcdCard(Protocol):
    """What the card's end serves."""

    @property
    def atr(self) -> bytes: ...
    def power_on(self) -> None: ...
    def power_off(self) -> None: ...
    def reset(self) -> None: ...
    def transmit(self, apdu: bytes, /) -> bytes:
        """The answer. May raise Mishap, which is then carried out on the link."""
        ...


class VpcdCardSide:
    """A card that dials a virtual reader: pcscd's, or VpcdReaderSide.

    ``connect_timeout``: seconds to keep dialling; pcscd opens its port a moment after it
    starts.
    """

    def __init__(
        self, host: str, port: int, card: VpcdCard, *, connect_timeout: float = 5.0
    ) -> None:
        self._address = (host, port)
        self._card = card
        self._connect_timeout = connect_timeout
        self._frames: Frames | None = None
        self._closed = False

    @property
    def connected(self) -> bool:
        """Whether the card is in the reader, as far as this end knows."""
        return self._frames is not None

    def connect(self, stop: threading.Event | None = None) -> None:
        """Put the card in. Raises TransportError ``vpcd_unreachable`` (host, port)."""
        until = time.monotonic() + self._connect_timeout
        while self._frames is None and not self._closed:
            try:
                sock = socket.create_connection(self._address, timeout=self._connect_timeout)
            except OSError as exc:
                if time.monotonic() >= until:
                    host, port = self._address
                    raise TransportError("vpcd_unreachable", host=host, port=port) from exc
                if (stop or threading.Event()).wait(_RETRY):
                    return
            else:
                self._frames = Frames(sock)

    def serve(self, stop: threading.Event) -> None:
        """Answer the reader until ``stop`` is set, the reader hangs up, or ``eject``.

        Connects if that has not been done; called again, it puts the card in again.
        Raises TransportError, MalformedResponseError (a peer that does not speak vpcd).
        """
        self.connect(stop)
        frames = self._frames
        try:
            while frames is not None and frames is self._frames and not stop.is_set():
                try:
                    with contextlib.suppress(TimeoutError):
                        self._answer(frames, frames.receive(_SLICE))
                except Mishap as mishap:
                    self._suffer(frames, mishap, stop)
                    frames = self._frames
        except PeerClosedError:
            log.debug("the reader hung up")
        except OSError as exc:
            if frames is self._frames:
                host, port = self._address
                raise TransportError("vpcd_closed", host=host, port=port) from exc
        finally:
            if frames is self._frames:
                self.eject()

    def eject(self) -> None:
        """Take the card out: power and link are gone, ``serve`` returns."""
        frames, self._frames = self._frames, None
        if frames is not None:
            frames.close()
            self._card.power_off()

    def close(self) -> None:
        """Eject for good. Harmless when repeated."""
        self._closed = True
        self.eject()

    def _suffer(self, frames: Frames, mishap: Mishap, stop: threading.Event) -> None:
        """What a reader sees of it: a late, cut or missing answer, or a card that is gone."""
        stop.wait(mishap.seconds)
        if mishap.reply and frames is self._frames:
            frames.send(mishap.reply)
        if mishap.leaves and frames is self._frames:
            self.eject()
            if mishap.returns:
                self.connect(stop)

    def _answer(self, frames: Frames, payload: bytes) -> None:
        if len(payload) == 1:
            self._control(frames, payload[0])
            return
        # Too short for a command; a card says «wrong length» and so does this end.
        reply = self._card.transmit(payload) if len(payload) >= 4 else b"\x67\x00"
        if len(reply) < 2:
            raise MalformedResponseError(reason="status_word")
        frames.send(reply)

    def _control(self, frames: Frames, control: int) -> None:
        if control == GET_ATR:
            frames.send(self._card.atr)
        elif control == POWER_ON:
            self._card.power_on()
        elif control == POWER_OFF:
            self._card.power_off()
        elif control == RESET:
            self._card.reset()
        else:
            raise MalformedResponseError(reason="control")


class VpcdReaderSide(CardConnection):
    """A reader for virtual cards that needs no pcscd: listens, takes one card, talks to it.

    ``port`` 0 takes any free one; ``port`` then tells which. ``timeout``: seconds for one
    answer; after that the link is given up, for a late answer would be taken for the next.
    """

    def __init__(self, host: str, port: int, *, timeout: float = 30.0) -> None:
        self._timeout = timeout
        self._host = host
        self._frames: Frames | None = None
        self._atr = b""
        self._lock = threading.RLock()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((host, port))
            self._listener.listen(1)
        except OSError as exc:
            self._listener.close()
            raise TransportError("vpcd_listen", host=host, port=port) from exc
        self.port: int = self._listener.getsockname()[1]

    def accept(self, wait: float | None = None) -> None:
        """Wait for a card to dial in and power it. ``wait``: seconds, ``math.inf`` = for ever.

        None gives a card that is dialling already two seconds. Raises NoCardError,
        TransportTimeoutError if a wait was asked for, CardUnresponsiveError.
        """
        until = time.monotonic() + (_GRACE if wait is None else wait)
        while True:
            left = until - time.monotonic()
            if left <= 0:
                if wait is None:
                    raise NoCardError(reader=self.name)
                raise TransportTimeoutError("no_card_in_time", seconds=wait)
            # In slices, so that Ctrl-C works on every system.
            if select.select([self._listener], [], [], min(left, _SLICE))[0]:
                break
        self._frames = Frames(self._listener.accept()[0])
        self._power_on()

    @property
    def name(self) -> str:
        return f"vpcd {self._host}:{self.port}"

    @property
    def atr(self) -> bytes:
        return self._atr

    @property
    def limits(self) -> ReplyLimits:
        return ReplyLimits(256, 65536)

    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        """Exchange one APDU. Raises TransportError; never raises for a status word."""
        if not 4 <= len(apdu) <= MAX_FRAME:
            raise ValueError("a command has 4 to 65535 bytes")
        with self._lock:
            reply = self._exchange(apdu)
        if len(reply) < 2:
            self._drop()
            raise MalformedResponseError(reason="status_word")
        return reply[:-2], StatusWord.from_bytes(reply[-2:])

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else talks to the card inside this block: other threads wait."""
        with self._lock:
            yield

    def power_off(self) -> None:
        """Cut the card's power: it forgets every verification. The connection stays usable."""
        with self._lock:
            self.resets += 1
            self._tell(POWER_OFF)
            self._power_on()

    def close(self) -> None:
        """Power the card off and let it go. Harmless when repeated; never raises."""
        with contextlib.suppress(OSError, TransportError):
            self._tell(POWER_OFF)
        self._drop()
        with contextlib.suppress(OSError):
            self._listener.close()

    def _power_on(self) -> None:
        self._tell(POWER_ON)
        atr = self._exchange(bytes((GET_ATR,)))
        if not 2 <= len(atr) <= 33:
            self._drop()
            raise CardUnresponsiveError(reader=self.name)
        self._atr = atr

    def _tell(self, control: int) -> None:
        """A control that is not answered."""
        if self._frames is None:
            raise CardRemovedError(reader=self.name)
        try:
            self._frames.send(bytes((control,)))
        except OSError as exc:
            self._drop()
            raise CardRemovedError(reader=self.name) from exc

    def _exchange(self, payload: bytes | bytearray) -> bytes:
        if self._frames is None:
            raise CardRemovedError(reader=self.name)
        try:
            self._frames.send(payload)
            return self._frames.receive(self._timeout)
        except TimeoutError as exc:
            self._drop()
            raise TransportTimeoutError(reader=self.name, seconds=self._timeout) from exc
        except (PeerClosedError, OSError) as exc:
            self._drop()
            raise CardRemovedError(reader=self.name) from exc
        except MalformedResponseError:
            self._drop()
            raise

    def _drop(self) -> None:
        frames, self._frames = self._frames, None
        if frames is not None:
            frames.close()


def open_vpcd(rest: str, wait: float | None = None, timeout: float | None = None) -> VpcdReaderSide:
    """Listen on ``HOST:PORT`` and open the card that dials in. Raises ReaderUriError."""
    host, _, port = rest.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not host or not (port.isascii() and port.isdigit() and 1 <= int(port) <= 0xFFFF):
        raise ReaderUriError("reader_uri_vpcd", uri=f"vpcd:{rest}")
    limit = {} if timeout is None else {"timeout": timeout}
    reader = VpcdReaderSide(host, int(port), **limit)
    try:
        reader.accept(wait)
    except BaseException:
        reader.close()
        raise
    return reader
