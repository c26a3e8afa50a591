# SPDX-License-Identifier: Apache-2.0
"""Selection, reading and data objects: every status word as it was measured. Source: [MC]."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jpki.emulator import ApduTrace
from virtual_terminal import AIDS, Terminal


def test_fresh_card_has_nothing_selected(terminal: Terminal) -> None:
    assert terminal.sw("00B0000010") == "6986"
    assert terminal.sw("00200080") == "6986"
    assert terminal.sw("802A0080010100") == "6986"
    assert terminal.sw("802A0000010100") == "6A88"
    assert terminal.sw("00B2010400") == "6986"
    assert terminal.sw("00B08A0000") == "6986"
    assert terminal.sw("00A4020C02000A") == "6A82"


@pytest.mark.parametrize("name", AIDS)
def test_every_application_is_there(load: Callable[[str], Terminal], name: str) -> None:
    assert load("driver").application(name) == "9000"


@pytest.mark.parametrize(
    ("apdu", "word"),
    [
        ("00A4040C0AD392F0002601000000FF", "6A82"),  # unknown AID
        ("00A4040C10A0000002310600000000000000000000 00", "6A82"),  # no licence on this card
        ("00A4040C05D392F00026", "9000"),  # a prefix of the AID
        ("00A40400", "9000"),  # no name: the default DF
        ("00A4040000", "9000"),
        ("00A4090C04D392000A", "6A86"),  # by path [OS PR 801]
        ("00A4000C023F00", "6A82"),
        ("00A4020C022F10", "6A82"),  # JICSAP files that this card has not
        ("00A4020C022F11", "6A82"),
        ("00A4020C02001E", "9000"),  # card level: selectable …
        ("00A4040511A000000000000000000000000000000000", "6A86"),
        ("00A4040C11A000000000000000000000000000000000", "6700"),
        ("00A4020C01AA", "6700"),
        ("00A4020300", "6A86"),
    ],
)
def test_select(terminal: Terminal, apdu: str, word: str) -> None:
    assert terminal.sw(apdu) == word


def test_card_level_file_cannot_be_read(terminal: Terminal) -> None:
    terminal.file("001E")
    assert terminal.sw("00B0000010") == "6981"


def test_next_occurrence(terminal: Terminal) -> None:
    """P2=02 goes on to the next AID with the same beginning, and says when there is none."""
    seen = [terminal.sw("00A4040C05D392100031")]
    while terminal.sw("00A4040E05D392100031") == "9000":
        seen.append("next")
    assert seen == ["9000", "next", "next", "next"]


def test_control_information_only_when_asked(terminal: Terminal) -> None:
    aid = AIDS["jpki"]
    assert terminal.send(f"00A4040C0A{aid}00") == (b"", "9000")
    data, sw = terminal.send(f"00A404000A{aid}00")
    assert (data.hex().upper(), sw) == (f"6F0C840A{aid}", "9000")
    assert terminal.send(f"00A404000A{aid}05") == (b"", "6C0E")


def test_master_file_does_nothing(terminal: Terminal) -> None:
    """6A86 after power-up; inside an application 9000, and the application stays."""
    assert terminal.sw("00A40000") == "6A86"
    terminal.application("jpki")
    assert terminal.sw("00A40000") == "9000"
    assert terminal.file("000A") == "9000"


def test_failed_select_changes_nothing(terminal: Terminal) -> None:
    terminal.open("jpki", "0018", "1234")
    assert terminal.sw("00A4040C05D392F00027") == "6A82"
    assert terminal.file("0099") == "6A82"
    assert terminal.sw("802A0097010100") == "9000"


def test_status_survives_the_same_application_and_no_other(terminal: Terminal) -> None:
    sign = "802A0097010100"
    terminal.open("jpki", "0018", "1234")
    terminal.application("jpki")
    assert terminal.sw(sign) == "9000"
    terminal.application("text")
    terminal.application("jpki")
    assert terminal.sw(sign) == "6982"
    terminal.open("jpki", "0018", "1234")
    assert terminal.sw("00A4040C07A0000001510000") == "9000"
    terminal.application("jpki")
    assert terminal.sw(sign) == "6982"


def test_power(terminal: Terminal) -> None:
    """A reset keeps what was verified, power-off forgets it; counters outlive both."""
    terminal.open("jpki", "0018", "9999")
    terminal.open("jpki", "001B", "ABC123")
    terminal.card.reset()
    assert terminal.sw("802A009A010100") == "9000"
    terminal.card.power_off()
    terminal.card.power_on()
    assert terminal.sw("00B0000001") == "6986"
    assert terminal.open("jpki", "0018") == "9000"
    assert terminal.sw("00200080") == "63C2"
    assert terminal.sw("802A009A010100") == "6982"


READS = [
    ("00B0000000", 256, "9000"),
    ("00B000000001F4", 500, "9000"),
    ("00B00000000000", 2048, "9000"),
    ("00B007F000", 16, "9000"),  # over the end: what is there
    ("00B0080000", 0, "6B00"),
    ("00B07FFF01", 0, "6B00"),
    ("00B08A0000", 256, "9000"),  # by short identifier
    ("00B08A1010", 16, "9000"),
    ("00B09F0000", 0, "6A86"),
    ("00B0800000", 0, "6A86"),
    ("00B0CA0000", 0, "6A86"),  # bits 6 and 7 are not for use
    ("00B0830000", 0, "6A82"),
    ("00B00000", 0, "6700"),
    ("00B0000001AA", 0, "6700"),
    ("00B0000001AA01", 0, "6700"),
]


@pytest.mark.parametrize(("apdu", "size", "word"), READS)
def test_read_binary(terminal: Terminal, apdu: str, size: int, word: str) -> None:
    terminal.application("jpki")
    terminal.file("000A")
    data, sw = terminal.send(apdu)
    assert (len(data), sw) == (size, word)


def test_short_identifier_makes_the_file_current(terminal: Terminal) -> None:
    terminal.application("jpki")
    first, _ = terminal.send("00B08A0010")
    assert terminal.send("00B0000010") == (first, "9000")


@pytest.mark.parametrize(
    ("application", "fid", "word"),
    [
        ("jpki", "0001", "6982"), ("jpki", "0009", "6982"), ("jpki", "0005", "6982"),
        ("jpki", "0017", "6981"), ("jpki", "0018", "6981"), ("jpki", "0016", "6981"),
        ("jpki", "001C", "6981"), ("jpki", "0008", "9000"), ("jpki", "0002", "9000"),
        ("text", "0001", "6982"), ("text", "0002", "6982"), ("text", "0003", "6982"),
        ("text", "0004", "9000"), ("text", "0005", "9000"), ("text", "0006", "6982"),
        ("text", "0007", "6982"), ("text", "0008", "6982"), ("text", "0013", "6981"),
        ("surface", "0001", "6982"), ("surface", "0002", "6982"), ("surface", "0003", "9000"),
        ("surface", "0004", "9000"), ("surface", "0005", "6982"), ("surface", "001A", "6981"),
        ("common", "0002", "9000"), ("common", "0001", "6981"), ("common", "0019", "6981"),
        ("juki", "0002", "9000"), ("juki", "001C", "6981"),
    ],
)  # fmt: skip
def test_what_is_free(terminal: Terminal, application: str, fid: str, word: str) -> None:
    terminal.application(application)
    assert terminal.file(fid) == "9000"
    assert terminal.sw("00B0000001") == word


OPENED = {
    ("text", "0011", "1234"): {"0001", "0002", "0003", "0006", "0007", "0008"},
    ("text", "0014", "537686677188"): {"0001", "0003", "0006", "0007", "0008"},
    ("text", "0015", "55021720352285"): {"0002", "0003", "0006", "0007", "0008"},
    ("surface", "0011", "550217"): {"0001"},
    ("surface", "0012", "55021720352285"): {"0002", "0006"},
    ("surface", "0013", "537686677188"): {"0002", "0005", "0006"},
}


@pytest.mark.parametrize("pin", OPENED)
def test_what_a_pin_opens(terminal: Terminal, pin: tuple[str, str, str]) -> None:
    """Per PIN, exactly the files that [MC] lists, and no other."""
    assert terminal.open(*pin) == "9000"
    guarded = [f"{number:04X}" for number in range(1, 9)]
    free = {"text": {"0004", "0005"}, "surface": {"0003", "0004"}}[pin[0]]
    opened = {
        fid
        for fid in guarded
        if terminal.file(fid) == "9000" and terminal.sw("00B0000001") == "9000"
    }
    assert opened == OPENED[pin] | free


@pytest.mark.parametrize(
    ("apdu", "word"),
    [
        ("00B2010400", "9000"), ("00B2010C00", "9000"), ("00B2020400", "6A83"),
        ("00B2000400", "6A83"), ("00B2010500", "6A81"), ("00B2010000", "6A86"),
        ("00B2011C00", "6A82"), ("00B2011400", "6981"), ("00B20104", "6700"),
    ],
)  # fmt: skip
def test_read_record(terminal: Terminal, apdu: str, word: str) -> None:
    terminal.application("common")
    terminal.file("0001")
    assert terminal.sw(apdu) == word


def test_record_shorter_than_it_is(terminal: Terminal) -> None:
    terminal.application("common")
    data, sw = terminal.send("00B2010C02")
    assert (data, sw) == (b"\x01\x1c", "9000")


@pytest.mark.parametrize(
    ("apdu", "size", "word"),
    [
        ("0084000001", 1, "9000"), ("0084000000", 256, "9000"), ("00840000000010", 0, "6985"),
        ("0084010010", 0, "6A86"), ("0084000110", 0, "6A86"), ("00840000", 0, "6700"),
    ],
)  # fmt: skip
def test_get_challenge(terminal: Terminal, apdu: str, size: int, word: str) -> None:
    data, sw = terminal.send(apdu)
    assert (len(data), sw) == (size, word)


def test_challenges_differ(terminal: Terminal) -> None:
    assert terminal.send("0084000010") != terminal.send("0084000010")


OBJECTS = [("0042", 16), ("0045", 16), ("00F0", 5), ("00F2", 8), ("00F7", 16), ("5F51", 18)]


@pytest.mark.parametrize(("tag", "size"), OBJECTS)
def test_get_data(terminal: Terminal, tag: str, size: int) -> None:
    data, sw = terminal.send(f"00CA{tag}00")
    assert (len(data), sw) == (size, "9000")


@pytest.mark.parametrize("tag", ["00F8", "7F21"])
def test_large_object_wants_extended_length(terminal: Terminal, tag: str) -> None:
    assert terminal.send(f"00CA{tag}00") == (b"", "6700")
    data, sw = terminal.send(f"00CA{tag}000000")
    assert (len(data), sw) == (563, "9000")
    assert data[:5] == bytes.fromhex("5F4E820129")


def test_get_data_only_at_card_level(terminal: Terminal) -> None:
    assert terminal.sw("00CA009F00") == "6A88"
    assert terminal.sw("00CA00F002") == "6C05"
    assert terminal.sw("00CA00F0") == "6700"
    terminal.application("jpki")
    assert terminal.sw("00CA00F000") == "6A88"
    assert terminal.sw("00CA5F5100") == "9000"
    terminal.sw("00A4040C07A0000001510000")
    assert terminal.sw("00CA00F000") == "9000"


def test_contact_atr_is_whole(terminal: Terminal) -> None:
    data, _ = terminal.send("00CA5F5100")
    check = 0
    for byte in data:
        check ^= byte
    assert check == 0  # TCK included


@pytest.mark.parametrize(
    ("apdu", "word"),
    [
        ("80FC0000", "6700"), ("80A20000", "6A86"), ("80A206C1 000133" + "00" * 307, "6A86"),
        ("01A4040000", "6881"), ("03B0000000", "6881"), ("40B0000000", "6881"),
        ("802A", "6700"), ("81CA000000", "6881"), ("08A4040000", "6882"), ("0CA4040000", "6882"),
        ("08B0000000", "69FC"), ("0C200080", "69FC"), ("0CB0000000", "69FC"), ("0C840000", "69FC"),
        ("00FF0000", "6D00"), ("80FF0000", "6D00"), ("10B0000000", "6E00"), ("FFCA000000", "6E00"),
        ("A0A4000000", "6E00"), ("808A2200", "6982"), ("808A0000", "6A86"), ("80540000", "6982"),
        ("002C0080", "6982"), ("80AE0000", "6D00"), ("00C0000000", "6985"), ("00C0010000", "6A86"),
        ("", "6700"), ("00", "6700"), ("00A404", "6700"), ("00A4040C05D392", "6700"),
        ("00A4040C02D392F0002601", "6700"), ("00B00000 00", "6986"), ("00B00000 0000", "6700"),
        ("00B00000 000000", "6986"), ("00B00000 00000000", "6700"), ("00B0000000000500", "6700"),
    ],
)  # fmt: skip
def test_outside_the_known_commands(terminal: Terminal, apdu: str, word: str) -> None:
    assert terminal.sw(apdu) == word


def test_availability_and_filler(terminal: Terminal) -> None:
    terminal.application("jpki")
    assert terminal.read("0008") == bytes.fromhex("8F8F00")
    terminal.open("text", "0011", "1234")
    assert terminal.read("0008") == b"\xff" * 16


def test_trace_holds_no_data(terminal: Terminal) -> None:
    seen: list[ApduTrace] = []
    terminal.card.log = seen.append
    terminal.open("jpki", "0018", "1234")
    terminal.sw("00B08A0000")
    assert [tuple(entry) for entry in seen] == [
        (bytes.fromhex("00A4040C"), 10, None, 0, 0x9000),
        (bytes.fromhex("00A4020C"), 2, None, 0, 0x9000),
        (bytes.fromhex("00200080"), 4, None, 0, 0x9000),
        (bytes.fromhex("00B08A00"), 0, 256, 256, 0x9000),
    ]
    assert terminal.card.apdus == 4
