# SPDX-License-Identifier: Apache-2.0
"""The virtual reader's protocol against peers that are late, absent or speak nonsense."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jpki_apdu.errors import (
    CardError,
    CardRemovedError,
    MalformedResponseError,
    NoCardError,
    ReaderUriError,
    TransportError,
    TransportTimeoutError,
)
from jpki_apdu.readers import open_reader
from jpki_apdu.vpcd import VpcdCardSide, VpcdReaderSide
from vpcd_card import ATR, HOST, Card, Serving

# The card's end against a peer that is no vpcd.


@contextmanager
def raw_reader(card: Card) -> Iterator[tuple[socket.socket, Serving]]:
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(5)
        serving = Serving(VpcdCardSide(HOST, listener.getsockname()[1], card))
        peer, _ = listener.accept()
        peer.settimeout(5)
        try:
            with peer:
                yield peer, serving
        finally:
            serving.end()


def test_frames_may_come_in_pieces_and_in_heaps() -> None:
    card = Card()
    with raw_reader(card) as (peer, serving):
        for byte in b"\x00\x01\x01\x00\x01\x04":
            peer.sendall(bytes((byte,)))
            time.sleep(0.005)
        assert peer.recv(100) == len(ATR).to_bytes(2, "big") + ATR
        peer.sendall(b"\x00\x05\x00\xb0\x00\x00\x01" + b"\x00\x04\x00\x84\x00\x00")
        wanted = b"\x00\x07\x00\xb0\x00\x00\x01\x90\x00" + b"\x00\x06\x00\x84\x00\x00\x90\x00"
        got = b""
        while len(got) < len(wanted):
            got += peer.recv(100)
        assert got == wanted
    assert serving.error is None


@pytest.mark.parametrize("payload", [b"\x00\x02\x00\xb0", b"\x00\x03\x00\xb0\x00"])
def test_what_is_too_short_for_a_command_is_answered_wrong_length(payload: bytes) -> None:
    card = Card()
    with raw_reader(card) as (peer, serving):
        peer.sendall(payload)
        assert peer.recv(10) == b"\x00\x02\x67\x00"
    assert card.events == ["off"]
    assert serving.error is None


@pytest.mark.parametrize(
    ("sent", "values"),
    [
        (b"\x00\x00", {"reason": "frame_length", "received": 0}),
        (b"\x00\x01\x03", {"reason": "control"}),
        (b"\x00\x01\x47", {"reason": "control"}),
        (b"\x00", {"reason": "frame_cut_off", "received": 1}),
        (b"\x00\x05\x00\xb0", {"reason": "frame_cut_off", "received": 4}),
    ],
)
def test_nonsense_ends_the_session_with_a_typed_error(
    sent: bytes, values: dict[str, object]
) -> None:
    with raw_reader(Card()) as (peer, serving):
        peer.sendall(sent)
        peer.shutdown(socket.SHUT_WR)
        serving.join()
        assert isinstance(serving.error, MalformedResponseError)
        assert serving.error.values == values


def test_a_reader_that_breaks_the_link() -> None:
    with raw_reader(Card()) as (peer, serving):
        peer.sendall(b"\x00\x01\x04")
        peer.recv(100)
        # An abortive close: the other end gets a reset, not an end of file.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        serving.join()
        assert isinstance(serving.error, TransportError)
        assert serving.error.code == "vpcd_closed"


def test_nobody_listens() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    side = VpcdCardSide(HOST, port, Card(), connect_timeout=0.1)
    with pytest.raises(TransportError) as caught:
        side.serve(threading.Event())
    assert caught.value.code == "vpcd_unreachable"
    assert caught.value.values == {"host": HOST, "port": port}


def test_a_reader_that_starts_later_is_found() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    serving = Serving(VpcdCardSide(HOST, port, Card()))
    time.sleep(0.1)
    with VpcdReaderSide(HOST, port) as reader:
        reader.accept(5)
        assert reader.atr == ATR
        serving.end()


def test_a_stop_ends_the_dialling() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    serving = Serving(VpcdCardSide(HOST, port, Card(), connect_timeout=60))
    serving.end()
    assert serving.error is None


# The reader's end.


@contextmanager
def raw_card(reader: VpcdReaderSide, script: list[bytes]) -> Iterator[None]:
    """A peer that answers each message that is answered with the next of ``script``."""

    def run() -> None:
        with socket.create_connection((HOST, reader.port), timeout=5) as peer:
            for answer in script:
                peer.recv(100)
                peer.sendall(answer)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join(10)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"\x00\x00", MalformedResponseError),
        (b"\x00\x01\x90", MalformedResponseError),
        (b"\x00\x05\x01", MalformedResponseError),
        (b"", CardRemovedError),
    ],
)
def test_a_card_that_does_not_speak_the_protocol(answer: bytes, error: type[CardError]) -> None:
    with VpcdReaderSide(HOST, 0) as reader:
        # Power-on and the question for the ATR are two writes and may be one packet.
        with raw_card(reader, [b"\x00\x02\x3b\x00"]):
            reader.accept(5)
        with pytest.raises(CardRemovedError):
            reader.transmit(bytes(4))
        ends = threading.Thread(target=_answer_once, args=(reader.port, answer))
        ends.start()
        reader.accept(5)
        with pytest.raises(error):
            reader.transmit(bytes(5))
        with pytest.raises(CardRemovedError):
            reader.transmit(bytes(5))
        ends.join(10)


def _answer_once(port: int, answer: bytes) -> None:
    with socket.create_connection((HOST, port), timeout=5) as peer:
        seen = b""
        while len(seen) < 6:
            seen += peer.recv(100)
        peer.sendall(b"\x00\x02\x3b\x00")
        seen = b""
        while len(seen) < 7:
            seen += peer.recv(100)
        peer.sendall(answer)


def test_no_card_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jpki_apdu.vpcd._GRACE", 0.05)
    with VpcdReaderSide(HOST, 0) as reader, pytest.raises(NoCardError):
        reader.accept()


def test_no_card_within_the_wait() -> None:
    with VpcdReaderSide(HOST, 0) as reader, pytest.raises(TransportTimeoutError) as caught:
        reader.accept(0.05)
    assert caught.value.code == "no_card_in_time"


def test_no_card_yet() -> None:
    with VpcdReaderSide(HOST, 0) as reader, pytest.raises(CardRemovedError):
        reader.transmit(bytes(4))


def test_a_port_that_is_taken() -> None:
    with VpcdReaderSide(HOST, 0) as reader, pytest.raises(TransportError) as caught:
        VpcdReaderSide(HOST, reader.port)
    assert caught.value.code == "vpcd_listen"


@pytest.mark.parametrize("host", [HOST, "[::1]"])
def test_open_by_uri(host: str) -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    serving = Serving(VpcdCardSide(host.strip("[]"), port, Card()))
    with open_reader(f"vpcd:{host}:{port}", wait=5) as connection:
        assert connection.transmit(bytes(4)) == (bytes(4), 0x9000)
    serving.end()
    with pytest.raises(TransportTimeoutError):
        open_reader(f"vpcd:{host}:{port}", wait=0.01)


@pytest.mark.parametrize(
    "rest",
    ["", "localhost", "localhost:", ":35963", "h:0", "h:65536", "h:x", "h:-1", "h:１", "[]:1"],
)
def test_addresses_that_cannot_be(rest: str) -> None:
    with pytest.raises(ReaderUriError) as caught:
        open_reader(f"vpcd:{rest}")
    assert caught.value.code == "reader_uri_vpcd"
