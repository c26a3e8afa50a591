# SPDX-License-Identifier: Apache-2.0
"""Files of the text application: the documented examples, and what must not be read."""

from __future__ import annotations

from datetime import date

import pytest

from card_files import (
    CA_ID,
    NUMBER,
    attributes_file,
    number_file,
    tlv,
)
from jpki.card.sex import Sex
from jpki.card.text_records import (
    parse_attributes,
    parse_basic_info,
    parse_number,
)
from jpki.dates import PartialDate
from jpki.errors import CardDataError

BASIC_INFO = tlv(
    0xFF40,
    tlv(0xDF41, bytes.fromhex("01030E01"))
    + tlv(0xDF42, CA_ID)
    + tlv(0xDF43, bytes(32) + b"\xff" * 96, b"\x82\x00\x80"),
    b"\x82\x00\x9f",
)


def test_number_example() -> None:
    # Byte for byte the documented file: FF10 0C, digits, two bytes of filler.
    data = bytes.fromhex("FF100C353337363836363737313838FFFF")
    assert number_file() == data
    record = parse_number(data)
    assert record.number.reveal() == NUMBER
    assert record.number.check_digit_ok
    assert record.physical == data


def test_the_number_file_has_seventeen_bytes() -> None:
    for extra in (b"\xff", b"\x00", b"\xff" * 100):
        with pytest.raises(CardDataError) as caught:
            parse_number(number_file() + extra)
        assert caught.value.values["reason"] == "over_long"


def test_a_wrong_check_digit_is_told_and_not_shown() -> None:
    record = parse_number(number_file("537686677180"))
    assert not record.number.check_digit_ok
    assert "5376" not in f"{record!r}{record.number!r}{record.number}{record.number:>20}"


@pytest.mark.parametrize("digits", ["53768667718x", "５３７６", "-53768667718", "5376 8667718"])
def test_number_that_is_no_number(digits: str) -> None:
    with pytest.raises(CardDataError) as caught:
        parse_number(number_file(digits))
    assert caught.value.values["reason"] == "bad_digits"


def test_number_with_other_lengths() -> None:
    for digits in ("53768667718", NUMBER + "0"):
        with pytest.raises(CardDataError):
            parse_number(number_file(digits))


def test_attributes_example() -> None:
    # The documented head: FF20 65, DF21 with offsets 000E 0020 0059 0064.
    data = attributes_file(name="番号　花子", address="あ" * 18)
    assert data[:14].hex() == "ff2065df2108000e002000590064"
    assert len(data) == 104
    record = parse_attributes(data)
    assert record.name == "番号\u3000花子"
    assert record.address == "あ" * 18
    assert record.birth == date(1980, 2, 17)
    assert (record.sex_code, record.sex) == ("2", Sex.FEMALE)
    assert record.signed == data[14:]


def test_long_records_are_whole() -> None:
    # 164 bytes: where a parser that takes the length byte as it stands finds nothing.
    address = "東京都" + "長" * 34
    data = attributes_file(name="番号\u3000花子", address=address)
    assert data[2] == 0x81
    record = parse_attributes(data)
    assert (record.name, record.address) == ("番号\u3000花子", address)
    assert record.signed == data[data.index(b"\xdf\x22") :]


@pytest.mark.parametrize("chars", range(20, 100, 7))
def test_every_form_of_length(chars: int) -> None:
    for long in (False, True):
        record = parse_attributes(attributes_file(address="町" * chars, long=long))
        assert record.address == "町" * chars
        assert record.signed.startswith(b"\xdf\x22")


def test_filler_is_not_signed() -> None:
    data = attributes_file()
    assert parse_attributes(data + b"\xff" * 20).signed == data[14:]


def test_fields_to_come_are_tolerated_and_signed() -> None:
    more = tlv(0xDF26, "バンゴウ".encode())
    record = parse_attributes(attributes_file(more=more))
    assert record.signed.endswith(more)


def test_a_name_without_wide_space() -> None:
    assert parse_attributes(attributes_file(name="番号花子")).name == "番号花子"


@pytest.mark.parametrize(
    ("code", "sex"),
    [("1", Sex.MALE), ("2", Sex.FEMALE), ("3", Sex.OTHER), ("9", Sex.NOT_APPLICABLE), ("7", None)],
)
def test_sex_codes_are_kept(code: str, sex: Sex | None) -> None:
    record = parse_attributes(attributes_file(sex=code))
    assert (record.sex_code, record.sex) == (code, sex)


def test_partial_birth_date() -> None:
    record = parse_attributes(attributes_file(birth="19800000"))
    assert record.birth == PartialDate(1980, None, None)


@pytest.mark.parametrize("birth", ["19800230", "19801301"])
def test_impossible_birth_date(birth: str) -> None:
    with pytest.raises(CardDataError) as caught:
        parse_attributes(attributes_file(birth=birth))
    assert caught.value.values["reason"] == "bad_date"
    assert birth not in repr(caught.value)


@pytest.mark.parametrize(
    "name", ["番号\x1b[2J", "番号\n", "a\x7f", "a\x85", "\u202e花子", "\u2066花子", "a\u2028b"]
)
def test_text_that_could_disturb_a_terminal(name: str) -> None:
    for data in (attributes_file(name=name), attributes_file(address=name)):
        with pytest.raises(CardDataError) as caught:
            parse_attributes(data)
        assert caught.value.values["reason"] == "bad_text"


@pytest.mark.parametrize(
    "raw", [b"\xff", b"\xe3\x81", b"\xc0\xaf", b"\xed\xa0\x80", "花".encode("cp932")]
)
def test_text_that_is_not_utf8(raw: bytes) -> None:
    good = attributes_file(name="x" * len(raw))
    with pytest.raises(CardDataError) as caught:
        parse_attributes(good.replace(b"x" * len(raw), raw))
    assert caught.value.values["reason"] == "bad_text"
    # A UnicodeDecodeError as cause would carry the bytes into a traceback.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("entry", range(4))
def test_offset_table_that_does_not_fit(entry: int) -> None:
    data = bytearray(attributes_file())
    data[6 + 2 * entry + 1] ^= 1
    with pytest.raises(CardDataError) as caught:
        parse_attributes(bytes(data))
    assert caught.value.values["reason"] == "offset_table"


@pytest.mark.parametrize("tag", [0xDF21, 0xDF22, 0xDF23, 0xDF24, 0xDF25])
def test_inner_tags_are_in_order(tag: int) -> None:
    raw = tag.to_bytes(2, "big")
    with pytest.raises(CardDataError) as caught:
        parse_attributes(attributes_file().replace(raw, b"\xdf\x55", 1))
    assert caught.value.values["reason"] == "wrong_tag"


def test_basic_info_tolerates_the_open_length() -> None:
    for length in (b"\x80", b"\x81\x80", b"\x82\x00\x80"):
        inside = BASIC_INFO[5:31] + b"\xdf\x43" + length + bytes(128)
        record = parse_basic_info(tlv(0xFF40, inside) + b"\xff" * 90)
        assert (record.version.hex(), record.key_id) == ("01030e01", CA_ID)
