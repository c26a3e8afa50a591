# SPDX-License-Identifier: Apache-2.0
"""Forms of PINs, and the keys made from printed facts. Examples: [MC] unless noted."""

from __future__ import annotations

from datetime import date

import pytest

from card_files import NUMBER
from jpki.card.my_number import MyNumber, check_digit
from jpki.card.pin_format import (
    birth_key,
    check_format,
    reference_number_a,
    reference_number_b,
    wipe,
)
from jpki.card_map import PinKind
from jpki.dates import PartialDate, era_year, parse_date
from jpki.errors import PinFormatError


@pytest.mark.parametrize(
    ("kind", "value", "rule"),
    [
        (PinKind.AUTH, "", "empty"),
        (PinKind.AUTH, "123", "length"),
        (PinKind.AUTH, "12345", "length"),
        (PinKind.AUTH, "12a4", "digits"),
        (PinKind.AUTH, "12 4", "digits"),
        (PinKind.AUTH, "１２３４", "full_width"),
        (PinKind.AUTH, "12٣4", "full_width"),
        (PinKind.TEXT, "-123", "digits"),
        (PinKind.SIGN, "", "empty"),
        (PinKind.SIGN, "ABC12", "length"),
        (PinKind.SIGN, "A1" * 8 + "B", "length"),
        (PinKind.SIGN, "ABC-12", "letters_digits"),
        (PinKind.SIGN, "ＡＢＣ１２３", "full_width"),
        (PinKind.NUMBER_A, "53768667718", "length"),
        (PinKind.NUMBER_A, "537686677189", "check_digit"),
        (PinKind.NUMBER_B, "5502172035228", "length"),
        (PinKind.BIRTH, "19800217", "length"),
        (PinKind.LICENCE, "123", "length"),
    ],
)
def test_wrong_forms_are_refused_without_showing_them(kind: PinKind, value: str, rule: str) -> None:
    with pytest.raises(PinFormatError) as caught:
        check_format(kind, bytearray(value.encode()))
    assert (caught.value.values["kind"], caught.value.values["rule"]) == (kind.value, rule)
    assert not value or value not in f"{caught.value!s}{caught.value!r}"


@pytest.mark.parametrize(
    ("kind", "value", "sent"),
    [
        (PinKind.AUTH, "0123", b"0123"),
        (PinKind.SIGN, "abc123", b"ABC123"),
        (PinKind.SIGN, "aZ09zA" + "0" * 10, b"AZ09ZA" + b"0" * 10),
        (PinKind.SIGN, "ABCDEF", b"ABCDEF"),  # presented, not set: a card may hold it
        (PinKind.SIGN, "123456", b"123456"),
        (PinKind.NUMBER_A, NUMBER, NUMBER.encode()),
        (PinKind.NUMBER_B, "55021720352285", b"55021720352285"),
        (PinKind.BIRTH, "550217", b"550217"),
    ],
)
def test_right_forms_pass_and_passwords_are_folded(kind: PinKind, value: str, sent: bytes) -> None:
    buffer = bytearray(value.encode())
    check_format(kind, buffer)
    assert buffer == sent


@pytest.mark.parametrize("value", ["ABCDEF", "123456"])
def test_a_new_sign_password_needs_letter_and_digit(value: str) -> None:
    with pytest.raises(PinFormatError) as caught:
        check_format(PinKind.SIGN, bytearray(value.encode()), setting=True)
    assert caught.value.values["rule"] == "letter_and_digit"


def test_wipe_keeps_the_length() -> None:
    buffer = bytearray(b"1234")
    wipe(buffer)
    assert buffer == bytes(4)


def test_reference_numbers() -> None:
    assert reference_number_a(NUMBER) == NUMBER.encode()
    assert reference_number_a(MyNumber(NUMBER)) == NUMBER.encode()
    assert reference_number_b(date(1980, 2, 17), 2035, "2285") == b"55021720352285"
    assert birth_key(date(1980, 2, 17)) == b"550217"


@pytest.mark.parametrize(
    ("number", "rule"),
    [
        ("", "empty"),
        (NUMBER[:11], "length"),
        ("５" * 12, "full_width"),
        ("537686677189", "check_digit"),
    ],
)
def test_reference_number_a_refuses(number: str, rule: str) -> None:
    with pytest.raises(PinFormatError) as caught:
        reference_number_a(number)
    assert (caught.value.values["rule"], caught.value.values["lengths"]) == (rule, "12")


@pytest.mark.parametrize(
    ("year", "code", "rule"),
    [
        (35, "2285", "expiry_year"),
        (20350, "2285", "expiry_year"),
        (2035, "228", "security_code"),
        (2035, "22a5", "security_code"),
        (2035, "２２８５", "security_code"),
        (2035, "", "security_code"),
    ],
)
def test_reference_number_b_refuses(year: int, code: str, rule: str) -> None:
    with pytest.raises(PinFormatError) as caught:
        reference_number_b(date(1980, 2, 17), year, code)
    assert caught.value.values["rule"] == rule


@pytest.mark.parametrize(
    ("day", "year"),
    [
        (date(1868, 1, 1), 1),
        (date(1912, 7, 29), 45),
        (date(1912, 7, 30), 1),
        (date(1926, 12, 24), 15),
        (date(1926, 12, 25), 1),
        (date(1952, 6, 1), 27),
        (date(1989, 1, 7), 64),
        (date(1989, 1, 8), 1),
        (date(2015, 6, 1), 27),
        (date(2019, 4, 30), 31),
        (date(2019, 5, 1), 1),
        (date(2026, 11, 21), 8),
    ],
)
def test_era_years(day: date, year: int) -> None:
    assert era_year(day) == year


def test_no_era_before_1868() -> None:
    with pytest.raises(PinFormatError):
        birth_key(date(1867, 12, 31))


@pytest.mark.parametrize(
    ("digits", "value"),
    [
        ("19800217", date(1980, 2, 17)),
        ("20000229", date(2000, 2, 29)),
        ("19800000", PartialDate(1980, None, None)),
        ("19800200", PartialDate(1980, 2, None)),
        ("00000000", PartialDate(None, None, None)),
        ("00000229", PartialDate(None, 2, 29)),
    ],
)
def test_dates(digits: str, value: date | PartialDate) -> None:
    assert parse_date(digits) == value


@pytest.mark.parametrize(
    "digits",
    ["19800230", "19801301", "19800132", "00000230", "1980021", "198002170", "1980021x", ""],
)
def test_impossible_dates(digits: str) -> None:
    with pytest.raises(ValueError, match=r"day|8 digits"):
        parse_date(digits)


def test_partial_date_says_what_is_unknown() -> None:
    assert str(PartialDate(1980, None, None)) == "1980-??-??"
    assert str(PartialDate(None, 2, 3)) == "????-02-03"


@pytest.mark.parametrize("first", ["5376866771", "５３７６８６６７７１８", ""])
def test_check_digit_wants_eleven_ascii_digits(first: str) -> None:
    with pytest.raises(ValueError, match="11 digits"):
        check_digit(first)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (NUMBER[:11], 8),  # sum 267, rest 3
        ("00000000000", 0),  # rest 0
        ("00000000006", 0),  # 6 * 2 = 12, rest 1
        ("00000000001", 9),  # 1 * 2 = 2
        ("00000100000", 4),  # 1 * 7 = 7: n = 6
        ("00001000000", 9),  # 1 * 2 = 2: n = 7
        ("10000000000", 5),  # 1 * 6 = 6: n = 11
    ],
)
def test_check_digit(first: str, last: int) -> None:
    assert check_digit(first) == last


def test_every_single_wrong_digit_is_noticed() -> None:
    # Weights 2 to 7 are prime to 11, but rests 0 and 1 share the check digit 0.
    noticed = 0
    for place in range(11):
        for digit in "0123456789":
            changed = NUMBER[:place] + digit + NUMBER[place + 1 :]
            noticed += not MyNumber(changed).check_digit_ok
    assert noticed == 11 * 9
