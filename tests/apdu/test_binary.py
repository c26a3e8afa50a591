# SPDX-License-Identifier: Apache-2.0
"""Reading files: how many commands, and that no byte is lost whatever reader and card do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_card import AID, GUARDED_FID, KEY_FID, OTHER_AID, FileCard, card, pattern
from jpki_apdu.channel import Channel, SizeOf
from jpki_apdu.command import CommandApdu
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import (
    CardRemovedError,
    FileNotFoundOnCardError,
    MalformedResponseError,
    SecurityStatusError,
    StatusWordError,
    TlvError,
)
from jpki_apdu.status import StatusWord

SHORT = ReplyLimits(256, 0)
EXTENDED = ReplyLimits(256, 65536)
SELECT = "00a4040c08" + AID.hex()
SELECT_0A = "00a4020c02000a"


def header_says(size: int) -> SizeOf:
    return lambda head: size if len(head) >= 4 else None


# Counts: a certificate of 1,586 bytes in an application that is not selected.


def test_short_by_short_identifier() -> None:
    fake = card()
    channel = Channel(fake, limits=SHORT)
    assert channel.read_file(AID, 0x0A, header_says(1586)) == pattern(1586)
    assert fake.sent == [
        SELECT, "00b08a0000", "00b0010000", "00b0020000", "00b0030000", "00b0040000",
        "00b0050000", "00b0060032",
    ]  # fmt: skip
    assert channel.apdus == 8


def test_extended() -> None:
    fake = card()
    assert Channel(fake, limits=EXTENDED).read_file(AID, 0x0A, header_says(1586)) == pattern(1586)
    assert fake.sent == [SELECT, "00b08a0000", "00b00100000532"]


@pytest.mark.parametrize(("size", "more"), [(1322, []), (1400, []), (1500, ["00b0057864"])])
def test_one_command_for_a_length_known_about(size: int, more: list[str]) -> None:
    fake = card(size)
    channel = Channel(fake, limits=EXTENDED)
    assert channel.read_file(AID, 0x0A, header_says(size), about=1400) == pattern(size)
    assert fake.sent == [SELECT, "00b08a00000578", *more]


def test_an_extended_length_that_is_refused_is_tried_once() -> None:
    fake = card(extended=0x6700)
    channel = Channel(fake, limits=EXTENDED)
    for _ in range(2):
        assert channel.read_file(AID, 0x0A, header_says(1586), about=1600) == pattern(1586)
    assert fake.sent[:4] == [SELECT, "00b08a00000640", "00b08a0000", "00b0010000"]
    assert len(fake.sent) == 1 + 1 + 7 + 7


def test_several_extended_reads_if_one_does_not_carry_it() -> None:
    fake = card()
    limits = ReplyLimits(256, 600)
    assert Channel(fake, limits=limits).read_file(AID, 0x0A, header_says(1586)) == pattern(1586)
    assert fake.sent[2:] == ["00b00100000258", "00b00358000258", "00b005b082"]


@pytest.mark.parametrize(
    "word", [0x6A86, 0x6A81, 0x6A82, 0x6B00, 0x6985, 0x6986, 0x6981, 0x6700, 0x6D00]
)
def test_refused_short_identifiers_cost_one_command_for_each_application(word: int) -> None:
    fake = card(sfi=word)
    channel = Channel(fake, limits=SHORT)
    assert channel.read_file(AID, 0x0A, header_says(1586)) == pattern(1586)
    assert fake.sent[:4] == [SELECT, "00b08a0000", SELECT_0A, "00b0000000"]
    assert len(fake.sent) == 9 + 1
    assert channel.read_file(AID, 0x01, 40) == pattern(40)
    assert fake.sent[10:] == ["00a4020c020001", "00b0000028"]
    channel.read_file(OTHER_AID, 0x0A, 50)
    assert len(fake.sent) == 12 + 4


def test_never_by_short_identifier() -> None:
    fake = card()
    channel = Channel(fake, limits=SHORT, sfi=False)
    assert channel.read_file(AID, 0x0A, header_says(1586)) == pattern(1586)
    assert len(fake.sent) == 9


def test_always_by_short_identifier() -> None:
    fake = card(sfi=0x6A86)
    channel = Channel(fake, limits=SHORT, sfi=True)
    for _ in range(2):
        with pytest.raises(StatusWordError):
            channel.read_file(AID, 0x0A)
    assert fake.sent == [SELECT, "00b08a0000", "00b08a0000"]


def test_a_file_that_is_current_is_read_as_it_is() -> None:
    fake = card()
    channel = Channel(fake, limits=SHORT)
    channel.select(AID)
    channel.select_file(0x0A)
    channel.read_file(AID, 0x0A, 4)
    assert fake.sent[-1] == "00b0000004"


def test_a_file_without_a_known_short_identifier_is_selected() -> None:
    fake = card()
    assert Channel(fake).read_file(AID, 0x2F01, 20) == pattern(20)
    assert fake.sent[1:] == ["00a4020c022f01", "00b0000014"]


# Refusals that are answers.


def test_not_allowed_is_an_answer() -> None:
    fake = card()
    channel = Channel(fake)
    with pytest.raises(SecurityStatusError):
        channel.read_file(AID, GUARDED_FID)
    assert fake.sent == [SELECT, "00b0850000"]
    with pytest.raises(SecurityStatusError):
        Channel(card(), sfi=False).read_file(AID, GUARDED_FID)


def test_an_absent_file_says_nothing_about_short_identifiers() -> None:
    fake = card()
    channel = Channel(fake)
    with pytest.raises(FileNotFoundOnCardError):
        channel.read_file(AID, 0x0C)
    channel.read_file(AID, 0x01, 40)
    assert fake.sent == [SELECT, "00b08c0000", "00a4020c02000c", "00b0810028"]
    with pytest.raises(FileNotFoundOnCardError):
        channel.read_file(AID, 0x0C)
    assert fake.sent[4:] == ["00b08c0000"]  # settled: taken for what it is


def test_a_file_that_cannot_be_read_says_nothing_about_short_identifiers() -> None:
    fake = card()
    channel = Channel(fake)
    with pytest.raises(StatusWordError) as caught:
        channel.read_file(AID, KEY_FID)
    assert caught.value.sw == 0x6981
    channel.read_file(AID, 0x01, 40)
    assert fake.sent[-1] == "00b0810028"


def test_an_absent_application() -> None:
    with pytest.raises(FileNotFoundOnCardError):
        Channel(card()).read_file(b"\xa0\0\0\0\0\x09", 0x0A)


@pytest.mark.parametrize("sfi", [None, False, True])
def test_an_empty_file_is_empty(sfi: bool | None) -> None:
    channel = Channel(card(), sfi=sfi)
    channel.read_file(OTHER_AID, 0x0A, 50)
    assert channel.read_file(OTHER_AID, 0x03) == b""


@pytest.mark.parametrize("size", [0, -1])
def test_sizes_that_make_no_sense(size: int) -> None:
    with pytest.raises(ValueError, match="size"):
        Channel(card()).read_file(AID, 0x0A, size)


def test_what_the_size_function_raises_comes_through() -> None:
    def broken(head: bytes) -> int | None:
        raise TlvError(offset=0, reason="tag")

    with pytest.raises(TlvError):
        Channel(card()).read_file(AID, 0x0A, broken)


@pytest.mark.parametrize("answer", [0, 4, 255, 256])
def test_a_size_within_the_first_reply_costs_no_further_command(answer: int) -> None:
    fake = card()
    assert Channel(fake).read_file(AID, 0x0A, lambda head: answer) == pattern(answer)
    assert len(fake.sent) == 2


# Where a file ends.


@pytest.mark.parametrize("past_end", [0x6B00, 0x9000, 0x6282])
@pytest.mark.parametrize("over_end", [0x9000, 0x6282, 0x6C00])
@pytest.mark.parametrize("limits", [SHORT, EXTENDED])
@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 1586])
def test_to_the_end(size: int, limits: ReplyLimits, over_end: int, past_end: int) -> None:
    wrong = over_end == 0x6C00 and limits is EXTENDED  # 6Cxx cannot say more than 256
    fake = card(size, over_end=over_end if not wrong else 0x9000, past_end=past_end)
    assert Channel(fake, limits=limits).read_file(AID, 0x0A) == pattern(size)


@pytest.mark.parametrize("limits", [SHORT, EXTENDED])
@pytest.mark.parametrize("over_end", [0x9000, 0x6282])
def test_a_file_shorter_than_its_header_says_is_returned_as_it_is(
    limits: ReplyLimits, over_end: int
) -> None:
    fake = card(700, over_end=over_end)
    assert Channel(fake, limits=limits).read_file(AID, 0x0A, header_says(1586)) == pattern(700)


@pytest.mark.parametrize("cap", [1, 100, 255])
def test_a_short_reply_is_not_the_end(cap: int) -> None:
    fake = card(600, cap=cap)
    assert Channel(fake, limits=EXTENDED).read_file(AID, 0x0A, header_says(600)) == pattern(600)


def test_the_size_function_is_asked_again_while_it_cannot_tell() -> None:
    fake = card(600, cap=1)
    asked: list[int] = []

    def size(head: bytes) -> int | None:
        asked.append(len(head))
        return 10 if len(head) >= 4 else None

    assert Channel(fake, limits=SHORT).read_file(AID, 0x0A, size) == pattern(10)
    assert asked == [1, 2, 3, 4]


def test_offsets_have_15_bits() -> None:
    fake = card(40000)
    with pytest.raises(MalformedResponseError) as caught:
        Channel(fake, limits=SHORT).read_file(AID, 0x0A)
    assert caught.value.code == "file_too_long"
    assert max(int(apdu[4:8], 16) for apdu in fake.sent[2:]) == 0x7F00
    assert Channel(card(32768), limits=SHORT).read_file(AID, 0x0A, 32768) == pattern(32768)
    # An extended reply may begin below the limit and end above it.
    assert Channel(card(40000), limits=EXTENDED).read_file(AID, 0x0A, 40000) == pattern(40000)


# Readers that carry less than they say.


@pytest.mark.parametrize("too_long", [0x6700, None])
@pytest.mark.parametrize(("short", "step"), [(255, 255), (254, 250), (230, 224), (128, 128)])
def test_smaller_replies_are_found_and_kept(too_long: int | None, short: int, step: int) -> None:
    fake = card(short=short, too_long=too_long)
    channel = Channel(fake, limits=SHORT)
    assert channel.read_file(AID, 0x0A, header_says(1586)) == pattern(1586)
    del fake.sent[:]
    assert channel.read_file(OTHER_AID, 0x0A) == pattern(50)
    assert fake.sent[1] == f"00b08a00{step:02x}"


def test_a_size_that_was_refused_does_not_count_against_short_identifiers() -> None:
    fake = card(short=250)
    channel = Channel(fake, limits=SHORT)
    channel.read_file(AID, 0x0A, header_says(1586))
    channel.read_file(AID, 0x01)
    assert fake.sent[1:5] == ["00b08a0000", SELECT_0A, "00b0000000", "00b00000ff"]
    assert "00b08100fa" in fake.sent


def test_a_settled_short_identifier_steps_down_too() -> None:
    fake = card()
    channel = Channel(fake, limits=SHORT)
    channel.read_file(AID, 0x01, 40)
    fake.habits.short = 224
    del fake.sent[:]
    assert channel.read_file(AID, 0x0A, header_says(500)) == pattern(500)
    assert fake.sent[:4] == ["00b08a0000", "00b08a00ff", "00b08a00fa", "00b08a00e0"]


@pytest.mark.parametrize("too_long", [0x6700, None])
def test_a_reader_that_carries_nothing_is_given_up(too_long: int | None) -> None:
    fake = card(short=10, too_long=too_long)
    channel = Channel(fake, limits=SHORT)
    expected = StatusWordError if too_long else MalformedResponseError
    with pytest.raises(expected):
        channel.read_file(AID, 0x0A)
    assert len(fake.sent) == 8
    channel.select(OTHER_AID)
    with pytest.raises(expected):
        channel.read_file(OTHER_AID, 0x0A, 11)


def test_a_settled_short_identifier_gives_up_too() -> None:
    fake = card()
    channel = Channel(fake)
    channel.read_file(AID, 0x01, 40)
    fake.habits.short, fake.habits.too_long = 10, None
    with pytest.raises(MalformedResponseError):
        channel.read_file(AID, 0x0A)


@pytest.mark.parametrize("word", [0x6700, 0x6D00, 0x6E00, 0x6985, 0x6F00, None])
def test_refused_extended_reads_fall_back_once(word: int | None) -> None:
    fake = card(extended=word)
    channel = Channel(fake, limits=EXTENDED)
    assert channel.read_file(AID, 0x0A, header_says(1586)) == pattern(1586)
    assert [apdu for apdu in fake.sent[1:] if len(apdu) > 10] == ["00b00100000532"]
    channel.read_file(AID, 0x0A, header_says(1586))
    assert sum(len(apdu) == 14 for apdu in fake.sent) == 1


def test_an_empty_extended_reply_is_not_believed() -> None:
    class Liar(FileCard):
        def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
            reply, sw = super().transmit(apdu)
            return (b"", sw) if len(apdu) == 7 else (reply, sw)

    source = card()
    channel = Channel(Liar(source.files, source.habits), limits=EXTENDED)
    assert channel.read_file(AID, 0x0A, header_says(1586)) == pattern(1586)


def test_everything_at_once_loses_nothing() -> None:
    fake = card(sfi=0x6A86, short=224, too_long=None, extended=0x6E00, cap=200, over_end=0x6282)
    assert Channel(fake, limits=EXTENDED).read_file(AID, 0x0A) == pattern(1586)


@pytest.mark.parametrize("limits", [SHORT, EXTENDED])
def test_replies_by_61xx(limits: ReplyLimits) -> None:
    fake = card(chained=100)
    channel = Channel(fake, limits=limits)
    assert channel.read_file(AID, 0x0A, header_says(1586)) == pattern(1586)


@pytest.mark.parametrize("limits", [SHORT, EXTENDED])
def test_a_reply_longer_than_asked_for_is_refused(limits: ReplyLimits) -> None:
    class Generous(FileCard):
        def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
            reply, sw = super().transmit(apdu)
            long = apdu[1] == 0xB0 and apdu[2] == 1
            return (reply + bytes(2000) if long else reply), sw

    source = card()
    fake = Generous(source.files, source.habits)
    with pytest.raises(MalformedResponseError) as caught:
        Channel(fake, limits=limits).read_file(AID, 0x0A, header_says(1586))
    assert caught.value.values["reason"] == "reply_too_long"
    assert len(fake.sent) == 3


def test_an_error_in_the_middle_is_raised() -> None:
    class Failing(FileCard):
        def _read(self, command: CommandApdu) -> tuple[bytes, int]:
            return (b"", 0x6581) if command.p1 == 2 else super()._read(command)

    source = card()
    with pytest.raises(StatusWordError) as caught:
        Channel(Failing(source.files, source.habits), limits=SHORT).read_file(AID, 0x0A)
    assert caught.value.sw == 0x6581


@pytest.mark.parametrize("at", range(1, 12))
def test_a_card_that_leaves_at_any_command_gives_no_half_file(at: int) -> None:
    fake = card(sfi=0x6A86, extended=0x6700)
    fake.faults[at] = CardRemovedError()
    with pytest.raises(CardRemovedError):
        Channel(fake, limits=EXTENDED).read_file(AID, 0x0A, header_says(1586))


@pytest.mark.parametrize("at", range(2, 4))
def test_a_mangled_reply_at_any_read_is_asked_for_again(at: int) -> None:
    fake = card()
    fake.faults[at] = MalformedResponseError(reason="status_word")
    channel = Channel(fake, limits=EXTENDED)
    assert channel.read_file(AID, 0x0A, header_says(1586)) == pattern(1586)


@given(
    size=st.integers(0, 3000),
    short=st.sampled_from((256, 255, 240, 128)),
    too_long=st.sampled_from((0x6700, None)),
    extended=st.sampled_from((0x9000, 0x6700, None)),
    limit=st.sampled_from((0, 300, 65536)),
    cap=st.sampled_from((65536, 256, 97)),
    over_end=st.sampled_from((0x9000, 0x6282)),
    past_end=st.sampled_from((0x6B00, 0x9000)),
    chained=st.sampled_from((0, 100)),
    sfi=st.sampled_from((0x9000, 0x6A86, 0x6B00)),
    wanted=st.one_of(st.none(), st.integers(1, 3500)),
)
def test_any_reader_with_any_card_gives_the_file(
    size: int, short: int, too_long: int | None, extended: int | None, limit: int, cap: int,
    over_end: int, past_end: int, chained: int, sfi: int, wanted: int | None,
) -> None:  # fmt: skip
    fake = card(
        size, short=short, too_long=too_long, extended=extended, cap=cap, over_end=over_end,
        past_end=past_end, chained=chained, sfi=sfi,
    )  # fmt: skip
    channel = Channel(fake, limits=ReplyLimits(256, limit))
    assert channel.read_file(AID, 0x0A, wanted) == pattern(size)[:wanted]
    assert channel.read_file(AID, 0x0A, lambda head: wanted) == pattern(size)[:wanted]
