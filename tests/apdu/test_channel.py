# SPDX-License-Identifier: Apache-2.0
"""What is selected, and every command but the long reads (``test_binary.py``)."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from file_card import AID, GUARDED_FID, KEY_FID, OTHER_AID, PIN_FID, FileCard, card, pattern
from jpki_apdu.channel import Channel, Selection
from jpki_apdu.command import CommandApdu
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import (
    CardError,
    CardRemovedError,
    CardResetError,
    CardUnresponsiveError,
    FileNotFoundOnCardError,
    MalformedResponseError,
    NoServiceError,
    ReaderBusyError,
    SecurityStatusError,
    StaleSessionError,
    StatusWordError,
    TransportError,
    TransportTimeoutError,
)
from jpki_apdu.status import StatusWord

SELECT = "00a4040c08" + AID.hex()
SELECT_OTHER = "00a4040c08" + OTHER_AID.hex()


class Answers(FileCard):
    """Answers every command with the next of ``replies``, whatever it is."""

    def __init__(self, *replies: str) -> None:
        super().__init__({})
        self.replies = [bytes.fromhex(reply) for reply in replies]

    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        self.sent.append(apdu.hex())
        self.buffers.append(apdu)
        reply = self.replies.pop(0)
        return reply[:-2], StatusWord.from_bytes(reply[-2:])


# Selection.


def test_select_is_sent_once_and_only_when_needed() -> None:
    fake = card()
    channel = Channel(fake)
    assert channel.selection == Selection()
    channel.select(AID)
    channel.select(AID)
    assert fake.sent == [SELECT]
    assert channel.selection == Selection(AID)
    channel.select_file(0x0A)
    channel.select_file(0x0A)
    assert fake.sent == [SELECT, "00a4020c02000a"]
    assert channel.selection == Selection(AID, 0x0A)
    channel.select(OTHER_AID)
    assert channel.selection == Selection(OTHER_AID)
    assert channel.apdus == len(fake.sent) == 3
    assert channel.connection is fake


def test_a_refused_application_leaves_the_current_one() -> None:
    fake = card()
    channel = Channel(fake)
    channel.select(AID)
    with pytest.raises(FileNotFoundOnCardError) as caught:
        channel.select(b"\xa0\0\0\0\0\x09")
    assert caught.value.values == {"sw": "6A82", "ins": "A4"}
    assert channel.selection == Selection(AID)
    channel.select(AID)
    assert len(fake.sent) == 2


def test_a_refused_file_is_not_current() -> None:
    channel = Channel(card())
    channel.select(AID)
    channel.select_file(0x0A)
    with pytest.raises(FileNotFoundOnCardError):
        channel.select_file(0x0099)
    assert channel.selection == Selection(AID)


def test_an_unintelligible_select_leaves_the_selection_unknown() -> None:
    fake = card()
    channel = Channel(fake)
    channel.select(AID)
    fake.faults[2] = MalformedResponseError()
    with pytest.raises(MalformedResponseError):
        channel.select(OTHER_AID)
    assert channel.selection == Selection()
    channel.read_file(AID, 0x01, 40)
    assert fake.sent[2] == SELECT


@pytest.mark.parametrize("aid", [b"", bytes(17)])
def test_an_aid_has_1_to_16_bytes(aid: bytes) -> None:
    with pytest.raises(ValueError, match="AID"):
        Channel(card()).select(aid)


SELECTING: list[tuple[CommandApdu, Selection]] = [
    (CommandApdu(0, 0xA4, 4, 0x0C, OTHER_AID), Selection(OTHER_AID)),
    (CommandApdu(0, 0xA4, 4, 0x0C, bytes(5)), Selection(AID)),
    (CommandApdu(0, 0xA4, 4, 0x0E, AID), Selection()),  # «next occurrence»: who knows which
    (CommandApdu(0, 0xA4, 2, 0x0C, b"\0\x01"), Selection(AID, 0x01)),
    (CommandApdu(0, 0xA4, 2, 0x0C, b"\0\x99"), Selection(AID)),
    (CommandApdu(0, 0xA4, 0, 0), Selection()),
    (CommandApdu(0, 0xB0, 0, 0, le=4), Selection(AID, 0x0A)),
    (CommandApdu(0, 0xB0, 0x81, 0, le=4), Selection(AID)),
    (CommandApdu(0, 0x84, 0, 0, le=4), Selection(AID, 0x0A)),
    (CommandApdu(0, 0xCA, 0, 0x42, le=256), Selection(AID, 0x0A)),
    (CommandApdu(0, 0x20, 0, 0x98), Selection(AID)),
]


@pytest.mark.parametrize(("command", "after"), SELECTING)
def test_a_raw_command_does_not_mislead_the_channel(command: CommandApdu, after: Selection) -> None:
    channel = Channel(card())
    channel.select(AID)
    channel.select_file(0x0A)
    channel.transmit(command)
    assert channel.selection == after


def test_exchange_gives_data_or_the_typed_error() -> None:
    channel = Channel(card())
    channel.select(AID)
    assert channel.exchange(CommandApdu(0, 0xB0, 0x8A, 0, le=4)) == pattern(4)
    with pytest.raises(SecurityStatusError):
        channel.exchange(CommandApdu(0, 0xB0, 0x80 | GUARDED_FID, 0, le=4))


def test_power_off_forgets_but_is_no_loss() -> None:
    fake = card()
    channel = Channel(fake)
    channel.read_file(AID, 0x01, 40)
    channel.power_off()
    assert channel.selection == Selection()
    assert fake.aid is None
    assert channel.read_file(AID, 0x01, 40) == pattern(40)


# A card that was reset, or left.

EVERYTHING: dict[str, Callable[[Channel], object]] = {
    "transmit": lambda c: c.transmit(CommandApdu(0, 0xB0, 0, 0, le=1)),
    "exchange": lambda c: c.exchange(CommandApdu(0, 0x84, 0, 0, le=8)),
    "select_file": lambda c: c.select_file(0x0A),
    "read_file": lambda c: c.read_file(AID, 0x0A),
    "read_record": lambda c: c.read_record(AID, 0x01, 1),
    "query_reference": lambda c: c.query_reference(AID, PIN_FID),
    "verify": lambda c: c.verify(AID, PIN_FID, bytearray(b"4711")),
    "change_reference": lambda c: c.change_reference(AID, PIN_FID, bytearray(b"4712")),
    "compute_signature": lambda c: c.compute_signature(AID, KEY_FID, b"x"),
    "default_key": lambda c: c.compute_signature(AID, None, b"x"),
    "get_challenge": lambda c: c.get_challenge(8),
    "get_data": lambda c: c.get_data(0x42),
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_after_a_reset_nothing_is_sent_until_an_application_is_selected(name: str) -> None:
    fake = card()
    channel = Channel(fake)
    channel.verify(AID, PIN_FID, bytearray(b"4711"))
    fake.faults[len(fake.sent) + 1] = CardResetError()
    with pytest.raises(CardResetError):
        channel.get_challenge(8)
    sent = len(fake.sent)
    assert channel.selection == Selection()
    with pytest.raises(StaleSessionError) as caught:
        EVERYTHING[name](channel)
    assert caught.value.values == {"reason": "card_reset"}
    assert len(fake.sent) == sent

    with pytest.raises(FileNotFoundOnCardError):
        channel.select(b"\xa0\0\0\0\0\x09")
    with pytest.raises(StaleSessionError):
        channel.read_file(AID, 0x01, 40)
    channel.select(AID)
    assert channel.read_file(AID, 0x01, 40) == pattern(40)
    with pytest.raises(StaleSessionError):
        channel.change_reference(AID, PIN_FID, bytearray(b"4712"))


def test_a_raw_select_by_name_also_ends_a_reset() -> None:
    fake = card()
    channel = Channel(fake)
    fake.faults[1] = CardResetError()
    with pytest.raises(CardResetError):
        channel.select(AID)
    channel.exchange(CommandApdu(0, 0xA4, 4, 0x0C, AID))
    assert channel.read_file(AID, 0x01, 40) == pattern(40)


@pytest.mark.parametrize(
    "gone",
    [
        CardRemovedError,
        CardUnresponsiveError,
        NoServiceError,
        TransportTimeoutError,
        TransportError,
    ],
)
@pytest.mark.parametrize("name", [*EVERYTHING, "select"])
def test_a_card_that_left_is_gone_for_good(name: str, gone: type[TransportError]) -> None:
    """What comes next in the reader may be another person's card."""
    fake = card()
    channel = Channel(fake)
    fake.faults[1] = gone()
    with pytest.raises(gone):
        channel.select(AID)
    with pytest.raises(StaleSessionError) as caught:
        (EVERYTHING | {"select": lambda c: c.select(AID)})[name](channel)
    assert caught.value.values == {"reason": gone.default_code}
    assert len(fake.sent) == 1


def test_a_busy_reader_is_worth_another_try() -> None:
    fake = card()
    channel = Channel(fake)
    fake.faults[1] = ReaderBusyError()
    with pytest.raises(ReaderBusyError):
        channel.select(AID)
    channel.select(AID)
    assert channel.read_file(AID, 0x01, 40) == pattern(40)


@pytest.mark.parametrize("at", range(1, 9))
def test_a_fault_at_every_command_of_a_long_read(at: int) -> None:
    fake = card()
    fake.faults[at] = CardResetError()
    channel = Channel(fake)
    with pytest.raises(CardResetError):
        channel.read_file(AID, 0x0A, 1586)
    assert len(fake.sent) == at
    channel.select(AID)
    assert channel.read_file(AID, 0x0A, 1586) == pattern(1586)


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


# Records, signatures, challenges, data objects.


@pytest.mark.parametrize(
    ("sfi", "habits", "sent"),
    [
        (None, {}, [SELECT, "00b2010c00"]),
        (False, {}, [SELECT, "00a4020c020001", "00b2010400"]),
        (None, {"sfi": 0x6A81}, [SELECT, "00b2010c00", "00a4020c020001", "00b2010400"]),
    ],
)
def test_read_record(sfi: bool | None, habits: dict[str, int], sent: list[str]) -> None:
    fake = card(**habits)
    channel = Channel(fake, sfi=sfi)
    assert channel.read_record(AID, 0x01, 1) == b"\x01\x02hi"
    assert fake.sent == sent


def test_a_record_that_is_not_there_is_an_answer() -> None:
    fake = card()
    with pytest.raises(StatusWordError) as caught:
        Channel(fake).read_record(AID, 0x01, 2)
    assert caught.value.sw == 0x6A83
    assert len(fake.sent) == 2


@pytest.mark.parametrize("record", [0, 255, -1])
def test_record_numbers(record: int) -> None:
    with pytest.raises(ValueError, match="record"):
        Channel(card()).read_record(AID, 0x01, record)


@pytest.mark.parametrize(
    ("habits", "sent"),
    [
        ({}, ["802a009702686900"]),
        ({"chained": 256}, ["802a009702686900", "00c0000000"]),
        ({"sfi": 0x6A86}, ["802a009702686900", "00a4020c020017", "802a008002686900"]),
        ({"sfi": 0x6985}, ["802a009702686900", "00a4020c020017", "802a008002686900"]),
    ],
)
def test_signature(habits: dict[str, int], sent: list[str]) -> None:
    fake = card(**habits)
    channel = Channel(fake)
    channel.verify(AID, PIN_FID, bytearray(b"4711"))
    del fake.sent[:]
    signature = channel.compute_signature(AID, KEY_FID, b"hi")
    assert (len(signature), signature[:3]) == (256, b"\0hi")
    assert fake.sent == sent


def test_a_refusal_is_remembered_for_signing_too() -> None:
    fake = card(sfi=0x6A86)
    channel = Channel(fake)
    channel.verify(AID, PIN_FID, bytearray(b"4711"))
    channel.compute_signature(AID, KEY_FID, b"hi")
    channel.select_file(PIN_FID)
    del fake.sent[:]
    channel.compute_signature(AID, KEY_FID, b"hi", p1=3)
    channel.compute_signature(AID, KEY_FID, b"hi", p1=3)
    assert fake.sent == ["00a4020c020017", "802a038002686900", "802a038002686900"]


def test_the_default_key_of_an_application() -> None:
    fake = card()
    assert len(Channel(fake).compute_signature(AID, None, b"hi")) == 256
    assert fake.sent == [SELECT, "802a000002686900"]


def test_signature_without_pin_is_refused_at_once() -> None:
    fake = card()
    with pytest.raises(SecurityStatusError):
        Channel(fake).compute_signature(AID, KEY_FID, b"hi")
    assert fake.sent == [SELECT, "802a009702686900"]
    with pytest.raises(StatusWordError) as caught:
        Channel(Answers("9000", "6985")).compute_signature(AID, None, b"hi")
    assert caught.value.ins == 0x2A


def test_a_signature_of_nothing_is_none() -> None:
    with pytest.raises(MalformedResponseError):
        Channel(Answers("9000", "9000")).compute_signature(AID, KEY_FID, b"hi")


@pytest.mark.parametrize("size", [0, 256])
def test_sizes_to_sign(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 255"):
        Channel(card()).compute_signature(AID, KEY_FID, bytes(size))


def test_challenge() -> None:
    fake = Answers("01020304" + "9000", "00" * 256 + "9000")
    channel = Channel(fake)
    assert channel.get_challenge(4) == bytes((1, 2, 3, 4))
    assert len(channel.get_challenge(256)) == 256
    assert fake.sent == ["0084000004", "0084000000"]
    with pytest.raises(MalformedResponseError):
        Channel(Answers("0102" + "9000")).get_challenge(4)
    with pytest.raises(StatusWordError):
        Channel(Answers("6d00")).get_challenge(4)
    for size in (0, 257):
        with pytest.raises(ValueError, match="1 to 256"):
            channel.get_challenge(size)


def test_data_objects_large_and_small() -> None:
    fake = Answers("aabb9000", "6700", "cc9000", "6a88")
    channel = Channel(fake, limits=ReplyLimits(256, 65536))
    assert channel.get_data(0x5F51) == b"\xaa\xbb"
    assert channel.get_data(0x7F21) == b"\xcc"
    assert fake.sent == ["00ca5f5100", "00ca7f2100", "00ca7f21000000"]
    with pytest.raises(StatusWordError) as caught:
        channel.get_data(0x42)
    assert caught.value.sw == 0x6A88
    with pytest.raises(ValueError, match="two bytes"):
        channel.get_data(0x10000)


def test_a_large_data_object_where_extended_is_not_to_be_used() -> None:
    fake = Answers("6700")
    with pytest.raises(StatusWordError):
        Channel(fake).get_data(0x7F21)
    assert len(fake.sent) == 1


# 61xx, 6Cxx, nonsense.


def test_61xx_is_followed_to_the_end() -> None:
    fake = Answers("01026102", "03046101", "059000")
    reply = Channel(fake).transmit(CommandApdu(0x80, 0x2A, 0, 0x80, b"x", 256))
    assert reply == (b"\1\2\3\4\5", 0x9000)
    assert fake.sent[1:] == ["00c0000002", "00c0000001"]


def test_get_response_keeps_to_what_the_reader_carries() -> None:
    fake = Answers("6100", "00" * 200 + "6138", "00" * 56 + "9000")
    channel = Channel(fake, limits=ReplyLimits(200))
    assert len(channel.exchange(CommandApdu(0, 0x84, 0, 0, le=256))) == 256
    assert fake.sent[1:] == ["00c00000c8", "00c0000038"]


def test_a_wrong_le_in_get_response() -> None:
    fake = Answers("6110", "6c02", "01029000")
    assert Channel(fake).exchange(CommandApdu(0, 0x84, 0, 0, le=256)) == b"\1\2"
    assert fake.sent[1:] == ["00c0000010", "00c0000002"]


def test_an_error_in_get_response_is_the_answer() -> None:
    fake = Answers("016110", "6f00")
    assert Channel(fake).transmit(CommandApdu(0, 0x84, 0, 0, le=256)) == (b"\1", 0x6F00)


@pytest.mark.parametrize(("le", "resent"), [("04", "0084000004"), ("00", "0084000000")])
def test_6cxx_is_sent_again_with_that_le_once(le: str, resent: str) -> None:
    fake = Answers("6c" + le, "01029000")
    assert Channel(fake).exchange(CommandApdu(0, 0x84, 0, 0, le=8)) == b"\1\2"
    assert fake.sent == ["0084000008", resent]
    fake = Answers("6c04", "6c04")
    assert Channel(fake).transmit(CommandApdu(0, 0x84, 0, 0, le=8)) == (b"", 0x6C04)


def test_6cxx_keeps_data_and_form_of_the_command() -> None:
    fake = Answers("6c20", "9000")
    Channel(fake).transmit(CommandApdu(0x80, 0x2A, 0, 0x80, b"hi", 65536))
    assert fake.sent == ["802a008000000268690000", "802a008000000268690020"]


def test_a_card_that_always_has_more_is_given_up() -> None:
    class Endless(FileCard):
        more = b""

        def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
            self.sent.append(apdu.hex())
            return self.more, StatusWord(0x61FF)

    fake = Endless({})
    with pytest.raises(MalformedResponseError) as caught:
        Channel(fake).transmit(CommandApdu(0, 0x84, 0, 0, le=8))
    assert caught.value.values == {"reason": "get_response"}
    assert len(fake.sent) == 2
    fake.more = b"x"
    with pytest.raises(MalformedResponseError):
        Channel(fake).transmit(CommandApdu(0, 0x84, 0, 0, le=8))
    assert len(fake.sent) < 2000


@pytest.mark.parametrize("word", ["0000", "6000", "60ff", "7000", "8fff", "a000", "ffff"])
def test_what_cannot_be_a_status_word(word: str) -> None:
    with pytest.raises(MalformedResponseError) as caught:
        Channel(Answers("01" + word)).transmit(CommandApdu(0, 0x84, 0, 0, le=8))
    assert caught.value.values == {"reason": "status_word"}


def test_the_log_has_headers_and_lengths_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fake = card()
    channel = Channel(fake)
    channel.verify(AID, PIN_FID, bytearray(b"4711"))
    channel.read_file(AID, GUARDED_FID, 300)
    assert "00b08500, 5 bytes sent, 256 received, 9000" in caplog.text
    for secret in (b"4711".hex(), "4711", pattern(8).hex(), AID.hex()):
        assert secret not in caplog.text
