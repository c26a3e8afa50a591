# SPDX-License-Identifier: Apache-2.0
"""Records, signatures, challenges, data objects; 61xx, 6Cxx and nonsense."""

from __future__ import annotations

import logging

import pytest

from file_card import (
    AID,
    GUARDED_FID,
    KEY_FID,
    OTHER_AID,
    PIN_FID,
    Answers,
    FileCard,
    card,
    pattern,
)
from jpki_apdu.channel import Channel
from jpki_apdu.command import CommandApdu
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import (
    MalformedResponseError,
    SecurityStatusError,
    StatusWordError,
)
from jpki_apdu.status import StatusWord

SELECT = "00a4040c08" + AID.hex()
SELECT_OTHER = "00a4040c08" + OTHER_AID.hex()


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
