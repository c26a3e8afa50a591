# SPDX-License-Identifier: Apache-2.0
"""Ways to a card that the contract suite is run on; each opens its card again and again."""

from __future__ import annotations

import abc
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from jpki.card import Card
from jpki.emulator import VirtualConnection, load_card
from jpki.open import open_connection
from jpki_apdu.connection import CardConnection
from jpki_apdu.errors import TransportError
from jpki_apdu.tracing import Recorder
from jpki_apdu.vpcd import VpcdCardSide, VpcdReaderSide

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
MADE_BY = "fixtures/transcripts/generate.py"
ID_DIGITS = 16


class Pin(bytes):
    """A PIN that pytest does not show when an assertion about it fails."""

    def __repr__(self) -> str:
        return "<PIN>"


AUTH_PIN = Pin(b"1234")


class OtherCardError(Exception):
    """The card in the reader is not the one that was named."""


class Bench(abc.ABC):
    """One card for one test. ``auth_pin``: the right one, None if it is not known."""

    auth_pin: Pin | None = AUTH_PIN

    @contextmanager
    def open(self) -> Iterator[CardConnection]:
        """The card, freshly powered; closed at the end of the block."""
        with self._connect() as connection:
            yield connection

    @abc.abstractmethod
    def _connect(self) -> CardConnection: ...

    def close(self) -> None:  # noqa: B027, only recordings have something to say
        """At the end of the test. Raises if the test did not do what it should have."""


class ProcessBench(Bench):
    """An emulated card in this process."""

    def __init__(self) -> None:
        self.card = load_card("hanako", at=AT)

    def _connect(self) -> CardConnection:
        return VirtualConnection(self.card)


class RecordingBench(ProcessBench):
    """The same, and what is said goes to ``FOLDER/TEST-N.replay``."""

    def __init__(self, folder: Path, test: str) -> None:
        super().__init__()
        self._names = _numbered(folder, test)
        self._recorders: list[Recorder] = []

    def _connect(self) -> CardConnection:
        headers = {"card": self.card.name, "made-by": MADE_BY}
        recorder = Recorder(next(self._names), replayable=True, headers=headers, overwrite=True)
        self._recorders.append(recorder)
        return recorder.wrap(super()._connect())

    def close(self) -> None:
        for recorder in self._recorders:
            recorder.close()
            assert recorder.failed is None


class ReplayBench(Bench):
    """What a recording answers; at the end it must be used up."""

    def __init__(self, folder: Path, test: str) -> None:
        self._names = _numbered(folder, test)
        self._opened: list[CardConnection] = []

    def _connect(self) -> CardConnection:
        self._opened.append(open_connection(f"replay:{next(self._names)}"))
        return self._opened[-1]

    def close(self) -> None:
        for connection in self._opened:
            connection.finish()
        assert not next(self._names).exists()


class VpcdBench(Bench):
    """An emulated card that dials our own end of the virtual reader's protocol."""

    def __init__(self) -> None:
        self.card = load_card("hanako", at=AT)

    @contextmanager
    def open(self) -> Iterator[CardConnection]:
        with VpcdReaderSide("127.0.0.1", 0, timeout=10) as reader:
            side = VpcdCardSide("127.0.0.1", reader.port, self.card)
            thread = threading.Thread(target=self._serve, args=(side,))
            thread.start()
            try:
                reader.accept(5)
                yield reader
            finally:
                side.close()
                thread.join(5)
                assert not thread.is_alive()

    @staticmethod
    def _serve(side: VpcdCardSide) -> None:
        with suppress(TransportError):  # the reader hung up in the middle of a message
            side.serve(threading.Event())

    def _connect(self) -> CardConnection:
        raise AssertionError("open is overridden")


class ReaderBench(Bench):
    """A card in a PC/SC reader, real or behind pcscd's virtual one. Its identity comes first."""

    def __init__(self, reader: str, card_id: str, auth_pin: Pin | None) -> None:
        self._uri = f"pcsc:{reader}"
        self.auth_pin = auth_pin
        wanted = card_id.strip().lower()
        if len(wanted) < ID_DIGITS:
            raise OtherCardError(f"--card has at least {ID_DIGITS} digits")
        with self.open() as connection:
            found = identity(connection)
        if not found.startswith(wanted):
            raise OtherCardError("the card in the reader is not the one named by --card")

    def _connect(self) -> CardConnection:
        return open_connection(self._uri)


def identity(connection: CardConnection) -> str:
    """SHA-256 of the authentication certificate, as ``jpki cert show auth`` reveals it."""
    return hashlib.sha256(Card(connection).jpki.certificate("auth")).hexdigest()


def _numbered(folder: Path, test: str) -> Iterator[Path]:
    number = 0
    while True:
        number += 1
        yield folder / f"{test}-{number}.replay"
