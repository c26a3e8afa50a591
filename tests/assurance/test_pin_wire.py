# SPDX-License-Identifier: Apache-2.0
"""PIN safety on the wire: the virtual reader's link is cut after every single byte, both ways."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from jpki.card import Card
from jpki.card_map import PinKind
from jpki.emulator import EmulatedCard, load_card
from jpki.errors import JpkiError, PinOutcomeUnknownError
from jpki_apdu.errors import CardError
from jpki_apdu.vpcd import VpcdCardSide, VpcdReaderSide
from virtual_terminal import AT
from vpcd_card import HOST, Serving

NEVER = 1 << 30
TO_CARD, TO_READER = 0, 1


class Wire:
    """Carries bytes between reader and card until ``most`` went one way; then it is cut."""

    def __init__(self, reader_port: int, way: int, most: int) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.carried = [0, 0]
        self._most = [NEVER, NEVER]
        self._most[way] = most
        self._reader_port = reader_port
        self.thread = threading.Thread(target=self._carry)
        self.thread.start()

    def _carry(self) -> None:
        with (
            self._listener,
            self._listener.accept()[0] as card,
            socket.create_connection((HOST, self._reader_port)) as reader,
        ):
            for end in (reader, card):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._pass_on(reader, card):
                pass

    def _pass_on(self, reader: socket.socket, card: socket.socket) -> bool:
        """One piece either way; whether the wire still holds."""
        for source in select.select([reader, card], [], [])[0]:
            way, target = (TO_CARD, card) if source is reader else (TO_READER, reader)
            try:
                data = source.recv(65536)[: self._most[way] - self.carried[way]]
                target.sendall(data)
            except OSError:
                return False
            self.carried[way] += len(data)
            if not data or self.carried[way] >= self._most[way]:
                return False
        return True


@dataclass
class Cut:
    """What came of a job on a cut wire. ``presented``: VERIFY and CHANGE with data (count)."""

    card: EmulatedCard
    presented: int
    error: BaseException | None
    carried: list[int]


def cut(job: Callable[[Card], object], way: int, most: int) -> Cut:
    """The job on a fresh card behind a wire that is cut after ``most`` bytes."""
    emulated = load_card("hanako", at=AT)
    presented: list[bytes] = []
    emulated.log = lambda seen: (
        presented.append(seen.header) if seen.header[1] in (0x20, 0x24) and seen.lc else None
    )
    reader, error = VpcdReaderSide(HOST, 0, timeout=5), None
    wire = Wire(reader.port, way, most)
    serving = Serving(VpcdCardSide(HOST, wire.port, emulated))
    try:
        reader.accept(5)
        with Card(reader) as card:
            job(card)
    except Exception as exc:
        error = exc
    finally:
        reader.close()
        wire.thread.join(10)
        serving.end()
    return Cut(emulated, len(presented), error, wire.carried)


def wrong(card: Card) -> None:
    card.pins.verify(PinKind.AUTH, bytearray(b"9999"))


def right(card: Card) -> None:
    card.pins.verify(PinKind.AUTH, bytearray(b"1234"))


def change(card: Card) -> None:
    card.pins.change(PinKind.AUTH, bytearray(b"1234"), bytearray(b"8765"))


JOBS = {"wrong": wrong, "right": right, "change": change}


@pytest.mark.parametrize("way", [TO_CARD, TO_READER], ids=["to card", "to reader"])
@pytest.mark.parametrize("name", JOBS)
def test_cut_after_every_byte(name: str, way: int) -> None:
    whole = cut(JOBS[name], way, NEVER)
    spent_whole = 1 if name == "wrong" else 0
    assert whole.card.tries()["jpki/0018"] == 3 - spent_whole
    length = whole.carried[way]
    assert length > 40
    for most in range(1, length):
        _holds(cut(JOBS[name], way, most), name, most)


def _holds(done: Cut, name: str, most: int) -> None:
    spent = 3 - done.card.tries()["jpki/0018"]
    assert isinstance(done.error, CardError | JpkiError | None), (most, repr(done.error))
    assert done.presented <= (2 if name == "change" else 1), most
    assert 0 <= spent <= (1 if name == "wrong" else 0), most
    if spent:  # a try that was spent is never passed over in silence
        told = getattr(done.error, "attempts_left", 3)
        assert isinstance(done.error, PinOutcomeUnknownError) or told == 2, most
    others = {k: v for k, v in done.card.tries().items() if k != "jpki/0018"}
    assert others == {k: v for k, v in load_card("hanako", at=AT).tries().items() if k in others}
