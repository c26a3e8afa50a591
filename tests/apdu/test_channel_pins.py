# SPDX-License-Identifier: Apache-2.0
"""PINs: queried, presented exactly once, changed only where they were verified."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from file_card import (
    AID,
    OTHER_AID,
    PIN_FID,
    Answers,
    card,
)
from jpki_apdu.channel import Channel
from jpki_apdu.command import CommandApdu
from jpki_apdu.errors import (
    CardError,
    CardRemovedError,
    FileNotFoundOnCardError,
    MalformedResponseError,
    StaleSessionError,
)

SELECT = "00a4040c08" + AID.hex()
SELECT_OTHER = "00a4040c08" + OTHER_AID.hex()


# Reference data.


@pytest.mark.parametrize(
    ("sfi", "sent"),
    [
        (None, [SELECT, "00200098"]),
        (True, [SELECT, "00200098"]),
        (False, [SELECT, "00a4020c020018", "00200080"]),
    ],
)
def test_the_query_costs_no_try(sfi: bool | None, sent: list[str]) -> None:
    fake = card()
    assert Channel(fake, sfi=sfi).query_reference(AID, PIN_FID) == 0x63C3
    assert fake.sent == sent


@pytest.mark.parametrize("word", [0x6A86, 0x6A88, 0x6A82, 0x6B00, 0x6985, 0x6D00, 0x6700])
def test_a_refused_short_identifier_is_asked_by_name_and_remembered(word: int) -> None:
    fake = card(sfi=word)
    channel = Channel(fake)
    assert channel.query_reference(AID, PIN_FID) == 0x63C3
    channel.select_file(0x0A)
    assert channel.query_reference(AID, PIN_FID) == 0x63C3
    by_name = ["00a4020c020018", "00200080"]
    assert fake.sent == [SELECT, "00200098", *by_name, "00a4020c02000a", *by_name]


@pytest.mark.parametrize("word", ["6300", "63c0", "63cf", "6983", "6984", "9000"])
def test_an_answer_by_short_identifier_is_the_answer(word: str) -> None:
    fake = Answers("9000", word)
    assert Channel(fake).query_reference(AID, PIN_FID) == int(word, 16)
    assert len(fake.sent) == 2


def test_the_query_raises_for_nothing_but_the_link() -> None:
    fake = card()
    channel = Channel(fake)
    assert channel.query_reference(b"\xa0\0\0\0\0\x09", PIN_FID) == 0x6A82
    assert channel.query_reference(AID, 0x1B) == 0x6A82
    assert Channel(card(sfi=0x6A86), sfi=True).query_reference(AID, PIN_FID) == 0x6A86
    fake.faults[len(fake.sent) + 1] = CardRemovedError()
    with pytest.raises(CardRemovedError):
        channel.query_reference(AID, PIN_FID)


def test_verify_without_a_query_selects_the_file_first() -> None:
    fake = card()
    assert Channel(fake).verify(AID, PIN_FID, bytearray(b"4711")) == 0x9000
    assert fake.sent == [SELECT, "00a4020c020018", "002000800434373131"]


def test_verify_after_a_query_by_short_identifier() -> None:
    fake = card()
    channel = Channel(fake)
    channel.query_reference(AID, PIN_FID)
    assert channel.verify(AID, PIN_FID, bytearray(b"0000")) == 0x63C2
    assert fake.sent == [SELECT, "00200098", "002000980430303030"]
    channel.select(OTHER_AID)
    channel.verify(AID, PIN_FID, bytearray(b"4711"))
    assert fake.sent[3:] == [SELECT_OTHER, SELECT, "00a4020c020018", "002000800434373131"]


def test_verify_does_not_reach_a_file_that_is_not_there() -> None:
    fake = card()
    with pytest.raises(FileNotFoundOnCardError):
        Channel(fake).verify(AID, 0x1B, bytearray(b"4711"))
    assert all(not apdu.startswith("0020") for apdu in fake.sent)


@pytest.mark.parametrize("value", [b"", bytes(256)])
def test_reference_data_of_impossible_length_is_not_sent(value: bytes) -> None:
    """An empty VERIFY would be a query."""
    fake = card()
    channel = Channel(fake)
    with pytest.raises(ValueError, match="1 to 255"):
        channel.verify(AID, PIN_FID, bytearray(value))
    with pytest.raises(ValueError, match="1 to 255"):
        channel.change_reference(AID, PIN_FID, bytearray(value))
    assert fake.sent == []


def test_the_buffer_with_reference_data_is_wiped() -> None:
    fake = card()
    channel = Channel(fake)
    value = bytearray(b"4711")
    channel.verify(AID, PIN_FID, value)
    channel.change_reference(AID, PIN_FID, bytearray(b"4712"))
    channel.transmit(CommandApdu(0, 0x20, 0, 0x80, b"4712"))
    assert [apdu for apdu in fake.sent if apdu[2:4] in ("20", "24")] == [
        "002000800434373131",
        "002401800434373132",
        "002000800434373132",
    ]
    wiped = [buffer for buffer in fake.buffers if isinstance(buffer, bytearray)]
    assert [bytes(buffer) for buffer in wiped] == [bytes(9)] * 3
    assert value == b"4711"  # the caller's, and the caller's to wipe


@pytest.mark.parametrize("error", [CardRemovedError(), MalformedResponseError()])
def test_verify_with_no_answer_propagates_and_is_wiped(error: CardError) -> None:
    fake = card()
    fake.faults[3] = error
    with pytest.raises(type(error)):
        Channel(fake).verify(AID, PIN_FID, bytearray(b"4711"))
    assert len(fake.sent) == 3
    assert fake.buffers[-1] == bytes(9)


@pytest.mark.parametrize("word", ["6110", "6c05", "6700", "6f00", "6982"])
@pytest.mark.parametrize(
    "command",
    [
        CommandApdu(0x00, 0x20, 0, 0x80, b"1234"),
        CommandApdu(0x00, 0x21, 0, 0x80, b"1234"),
        CommandApdu(0x00, 0x24, 1, 0x80, b"1234"),
        CommandApdu(0x00, 0x2C, 1, 0x80, b"1234"),
        CommandApdu(0x00, 0x82, 0, 0x80, b"12345678"),
        CommandApdu(0x80, 0x32, 0, 0x80, b"1234"),
    ],
)
def test_what_can_cost_a_try_is_sent_exactly_once(command: CommandApdu, word: str) -> None:
    fake = Answers(word)
    assert Channel(fake).transmit(command) == (b"", int(word, 16))
    assert fake.sent == [command.to_bytes().hex()]


@pytest.mark.parametrize("word", ["6110", "6c05"])
def test_verify_and_change_are_sent_exactly_once(word: str) -> None:
    fake = Answers("9000", "9000", word)
    assert Channel(fake).verify(AID, PIN_FID, bytearray(b"1")) == int(word, 16)
    fake = Answers("9000", "9000", "9000", word)
    channel = Channel(fake)
    channel.verify(AID, PIN_FID, bytearray(b"1"))
    assert channel.change_reference(AID, PIN_FID, bytearray(b"2")) == int(word, 16)
    assert fake.replies == []


def test_change_goes_to_the_file_that_was_verified() -> None:
    fake = card()
    channel = Channel(fake)
    channel.query_reference(AID, PIN_FID)
    channel.verify(AID, PIN_FID, bytearray(b"4711"))
    assert channel.change_reference(AID, PIN_FID, bytearray(b"0815")) == 0x9000
    assert fake.pin == b"0815"
    assert fake.sent[-2:] == ["00a4020c020018", "002401800430383135"]


def test_change_key_of_jicsap() -> None:
    fake = Answers("9000", "9000", "9000", "9000")
    channel = Channel(fake)
    channel.verify(AID, 0x1C, bytearray(b"1111"))
    channel.change_reference(AID, 0x1C, bytearray(b"2222"), cla=0x80, ins=0x32, p1=0)
    assert fake.sent[-1] == "803200800432323232"


def _nothing(channel: Channel) -> None:
    pass


def _wrong_pin(channel: Channel) -> None:
    channel.verify(AID, PIN_FID, bytearray(b"0000"))


def _elsewhere(channel: Channel) -> None:
    channel.verify(AID, PIN_FID, bytearray(b"4711"))
    channel.select(OTHER_AID)
    channel.select(AID)


def _other_application(channel: Channel) -> None:
    channel.verify(AID, PIN_FID, bytearray(b"4711"))
    channel.read_file(OTHER_AID, 0x0A, 50)


@pytest.mark.parametrize("before", [_nothing, _wrong_pin, _elsewhere, _other_application])
def test_change_of_what_was_not_just_verified_is_not_sent(
    before: Callable[[Channel], None],
) -> None:
    fake = card()
    channel = Channel(fake)
    before(channel)
    sent = len(fake.sent)
    with pytest.raises(StaleSessionError) as caught:
        channel.change_reference(AID, PIN_FID, bytearray(b"0815"))
    assert caught.value.values == {"reason": "not_verified"}
    assert len(fake.sent) == sent
