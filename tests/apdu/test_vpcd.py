# SPDX-License-Identifier: Apache-2.0
"""Both ends of the virtual reader's wire protocol, over a real loopback connection."""

from __future__ import annotations

import threading
import time

import pytest

from jpki_apdu.channel import Channel
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import (
    CardRemovedError,
    CardUnresponsiveError,
    MalformedResponseError,
    TransportTimeoutError,
)
from jpki_apdu.vpcd import VpcdCardSide, VpcdReaderSide
from vpcd_card import ATR, HOST, Card, Serving, plugged


def test_a_card_is_powered_and_talked_to() -> None:
    card = Card()
    with plugged(card) as (reader, serving):
        assert reader.atr == ATR
        assert reader.name == f"vpcd {HOST}:{reader.port}"
        assert reader.limits == ReplyLimits(256, 65536)
        with reader.exclusive():
            assert reader.transmit(b"\x00\xb0\x00\x00\x04") == (b"\x00\xb0\x00\x00\x04", 0x9000)
        reader.power_off()
        assert reader.transmit(bytearray(4)) == (bytes(4), 0x9000)
        assert serving.side.connected
    assert card.events == ["on", "00b00000", "off", "on", "00000000", "off"]
    assert serving.error is None
    assert not serving.side.connected


@pytest.mark.parametrize("size", [4, 5, 255, 256, 1400, 65533])
def test_frames_of_every_size_arrive_whole(size: int) -> None:
    command = bytes(n % 251 for n in range(size))
    with plugged(Card()) as (reader, _):
        assert reader.transmit(command) == (command, 0x9000)


def test_an_answer_takes_no_40_ms() -> None:
    """Nagle on one end and delayed acknowledgement on the other would."""
    with plugged(Card()) as (reader, _):
        started = time.perf_counter()
        for _ in range(100):
            reader.transmit(bytes(5))
        assert time.perf_counter() - started < 2.0


@pytest.mark.parametrize("size", [0, 1, 3, 65536])
def test_what_is_no_command_is_not_sent(size: int) -> None:
    """One byte would be a control code."""
    with plugged(Card()) as (reader, serving):
        with pytest.raises(ValueError, match="4 to 65535"):
            reader.transmit(bytes(size))
        assert serving.error is None


def test_a_card_that_is_pulled_out_and_put_in_again() -> None:
    card = Card()
    with plugged(card) as (reader, serving):
        serving.side.eject()
        serving.join()
        with pytest.raises(CardRemovedError):
            reader.transmit(bytes(4))
        with pytest.raises(CardRemovedError):
            reader.power_off()
        again = Serving(serving.side)
        reader.accept(5)
        assert reader.transmit(bytes(4)) == (bytes(4), 0x9000)
        again.end()
        assert again.error is None


def test_a_card_that_is_pulled_out_during_a_command() -> None:
    card = Card()
    card.gate.clear()
    with plugged(card) as (reader, serving):

        def pull_out() -> None:
            card.asked.wait(5)
            serving.side.eject()
            card.gate.set()

        threading.Thread(target=pull_out).start()
        channel = Channel(reader)
        with pytest.raises(CardRemovedError):
            channel.get_challenge(8)
        serving.join()
        assert serving.error is None


def test_a_card_that_does_not_answer_in_time_is_given_up() -> None:
    """A late answer must not be taken for that of the next command."""
    card = Card()
    with plugged(card, timeout=0.2) as (reader, _):
        card.gate.clear()
        with pytest.raises(TransportTimeoutError):
            reader.transmit(bytes(4))
        card.gate.set()
        with pytest.raises(CardRemovedError):
            reader.transmit(bytes(4))


def test_closing_is_harmless_and_ends_the_card() -> None:
    card = Card()
    with plugged(card) as (reader, serving):
        reader.close()
        reader.close()
        serving.join()
        assert serving.error is None
        with pytest.raises(CardRemovedError):
            reader.transmit(bytes(4))
    serving.side.close()
    serving.side.close()
    assert card.events[0] == "on"
    assert set(card.events[1:]) == {"off"}


def test_reset_is_passed_on() -> None:
    card = Card()
    with plugged(card) as (reader, _):
        reader._tell(0x02)
        reader.transmit(bytes(4))
    assert card.events[:2] == ["on", "reset"]


@pytest.mark.parametrize("answer", [b"", b"\x90"])
def test_an_answer_without_a_status_word_is_not_sent(answer: bytes) -> None:
    card = Card()
    card.answer = answer
    with plugged(card) as (reader, serving):
        with pytest.raises(CardRemovedError):
            reader.transmit(bytes(4))
        serving.join()
        assert isinstance(serving.error, MalformedResponseError)


def test_an_answer_that_fits_no_frame_is_not_sent() -> None:
    card = Card()
    card.answer = bytes(65536)
    with plugged(card) as (reader, serving):
        with pytest.raises(CardRemovedError):
            reader.transmit(bytes(4))
        serving.join()
        assert isinstance(serving.error, MalformedResponseError)
        assert serving.error.values == {"reason": "frame_length", "received": 65536}


@pytest.mark.parametrize("atr", [b"\x3b", bytes(34)])
def test_an_atr_of_impossible_length(atr: bytes) -> None:
    card = Card()
    card.atr = atr
    with VpcdReaderSide(HOST, 0) as reader:
        serving = Serving(VpcdCardSide(HOST, reader.port, card))
        with pytest.raises(CardUnresponsiveError):
            reader.accept(5)
        serving.join()
