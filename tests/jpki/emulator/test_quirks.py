# SPDX-License-Identifier: Apache-2.0
"""Every switch of the quirks table does what it says, and only that."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from jpki.emulator import Quirks
from virtual_terminal import MakeCard, Terminal


def _with(make: MakeCard, line: str) -> Terminal:
    return make("hanako", {"quirks": line})


@pytest.mark.parametrize("word", ["63C0", "6984"])
def test_blocked_query(make: MakeCard, word: str) -> None:
    card = _with(make, f'blocked_query = "{word}"')
    card.open("text", "0012")
    assert card.sw("00200080") == word


@pytest.mark.parametrize("word", ["6984", "6983", "63C0"])
def test_blocked_verify(make: MakeCard, word: str) -> None:
    card = _with(make, f'blocked_verify = "{word}"')
    card.open("text", "0012")
    assert card.verify("1234") == word


@pytest.mark.parametrize(("value", "word"), [("63Cx", "63C3"), ("9000", "9000")])
def test_verified_query(make: MakeCard, value: str, word: str) -> None:
    card = _with(make, f'verified_query = "{value}"')
    card.open("jpki", "0018")
    assert card.sw("00200080") == "63C3"
    card.verify("1234")
    assert card.sw("00200080") == word


@pytest.mark.parametrize(("value", "word"), [("true", "6986"), ("false", "9000")])
def test_reset_clears_status(make: MakeCard, value: str, word: str) -> None:
    card = _with(make, f"reset_clears_status = {value}")
    card.open("jpki", "0018", "1234")
    card.card.reset()
    assert card.sw("802A0097010100") == word


@pytest.mark.parametrize(("value", "word"), [("true", "6982"), ("false", "9000")])
def test_reselect_clears_status(make: MakeCard, value: str, word: str) -> None:
    card = _with(make, f"reselect_clears_status = {value}")
    card.open("jpki", "0018", "1234")
    card.application("jpki")
    assert card.sw("802A0097010100") == word


def test_without_short_identifiers(make: MakeCard) -> None:
    card = _with(make, "sfi = false")
    card.open("jpki", "0018", "1234")
    for apdu in ("00B08A0000", "00200098", "0020009804 31323334", "802A0097010100"):
        assert card.sw(apdu) == "6A86"
    card.file("0017")
    assert card.sw("802A0080010100") == "9000"
    card.application("common")
    assert card.sw("00B2010C00") == "6A86"
    card.file("0001")
    assert card.sw("00B2010400") == "9000"
    assert card.sw("0088009910" + "00" * 16 + "00") == "6A86"


def test_without_extended_length(make: MakeCard) -> None:
    card = _with(make, "extended_length = false")
    card.application("jpki")
    card.file("000A")
    assert card.sw("00B00000000100") == "6700"
    assert card.sw("00B0000000") == "9000"


def test_first_command_after_power(make: MakeCard) -> None:
    card = _with(make, "first_apdu_6f00 = true")
    assert [card.application("jpki"), card.application("jpki")] == ["6F00", "9000"]
    card.card.reset()
    assert card.application("jpki") == "9000"
    card.card.power_off()
    assert [card.sw("00A40000"), card.application("jpki")] == ["6F00", "9000"]


@pytest.mark.parametrize("word", ["9000", "6282"])
def test_end_of_file(make: MakeCard, word: str) -> None:
    card = _with(make, f'end_of_file = "{word}"')
    card.application("jpki")
    card.file("0008")
    assert card.send("00B0000003") == (bytes.fromhex("8F8F00"), "9000")
    assert card.send("00B0000100") == (bytes.fromhex("8F00"), word)


@pytest.mark.parametrize("word", ["6B00", "6282", "9000"])
def test_offset_past_end(make: MakeCard, word: str) -> None:
    card = _with(make, f'offset_past_end = "{word}"')
    card.application("jpki")
    card.file("0008")
    assert card.send("00B0000301") == (b"", word)


def test_nonminimal_lengths(make: MakeCard) -> None:
    """FF40 82 009F is what a vector in [MY] shows; offsets count the longer header."""
    card = _with(make, "nonminimal_lengths = true")
    card.open("text", "0011", "1234")
    info = card.read("0005")
    assert info[:5] == bytes.fromhex("FF4082009F")
    assert len(info) == 256
    record = card.read("0002")
    assert record[:5] == bytes.fromhex("FF2082") + (len(record) - 5).to_bytes(2, "big")
    offsets = [int.from_bytes(record[8 + i : 10 + i], "big") for i in range(0, 8, 2)]
    tags = [record[offset : offset + 2].hex() for offset in offsets]
    assert tags == ["df22", "df23", "df24", "df25"]


@pytest.mark.parametrize(("form", "tag"), [("raw", "0107"), ("ber", "DF8207")])
def test_tags_of_three_figures(make: MakeCard, form: str, tag: str) -> None:
    card = make("driver", {"quirks": f'licence_tags = "{form}"'})
    card.open("licence", "0006", "1234")
    photo = bytes.fromhex(tag + "8200C0") + bytes.fromhex("0000000C6A502020")
    assert photo in card.read("001B")


@pytest.mark.parametrize(("way", "closed"), [("open", False), ("asterisks", True)])
def test_licence_without_pin(make: MakeCard, way: str, closed: bool) -> None:
    unset = {"pins": 'unset = ["licence"]', "quirks": f'licence_unset = "{way}"'}
    card = make("driver", unset)
    card.application("licence")
    assert card.read("001A") == bytes.fromhex("C10100")
    assert card.sw("00B09B0001") == ("6982" if closed else "9000")
    assert card.sw("00200086042A2A2A2A") == ("9000" if closed else "6984")
    assert card.sw("00B09B0001") == "9000"


def test_older_card_without_lower_certificate(make: MakeCard) -> None:
    assert _with(make, "mf_intermediate = false").sw("00CA7F21000000") == "6A88"


def test_max_reply(make: MakeCard) -> None:
    card = _with(make, "max_reply = 100")
    card.open("jpki", "0018", "1234")
    data, sw = card.send("00B08A0000")
    assert (len(data), sw) == (100, "9000")
    data, sw = card.send("802A0097010100")
    assert (len(data), sw) == (100, "619C")
    more, sw = card.send("00C0000064")
    assert (len(more), sw) == (100, "6138")
    last, sw = card.send("00C0000038")
    assert (len(data + more + last), sw) == (256, "9000")
    assert card.sw("00C0000000") == "6985"
    whole = _with(make, "max_reply = 0")
    whole.open("jpki", "0018", "1234")
    assert whole.send("802A0097010100")[0] == data + more + last


def test_another_command_drops_what_was_kept_back(make: MakeCard) -> None:
    card = _with(make, "max_reply = 100")
    card.open("jpki", "0018", "1234")
    assert card.sw("802A0097010100") == "619C"
    card.sw("0084000001")
    assert card.sw("00C0000000") == "6985"


def test_every_switch_is_tested_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [f.name for f in dataclasses.fields(Quirks) if f"{f.name} = " not in source] == []
