# SPDX-License-Identifier: Apache-2.0
"""Holder attributes: keyed by OID, tolerant where sources disagree. Source: [SIGN-DUMMY], [MC]."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from jpki.certificate import Era, HolderAttributes, PartialDate, Sex, parse_certificate
from jpki.errors import CertificateError

Make = Callable[..., bytes]
ARC = bytes.fromhex("2a83088c9b5508050500")[:-1]


def holder(data: bytes) -> HolderAttributes:
    found = parse_certificate(data).holder
    assert found is not None
    return found


def other_name(number: int, value: bytes) -> bytes:
    inner = b"\xa0" + bytes([len(value)]) + value
    body = b"\x06\x0a" + ARC + bytes([number]) + inner
    return b"\xa0" + bytes([len(body)]) + body


def alt_name(*names: bytes) -> bytes:
    body = b"".join(names)
    return b"\x30" + bytes([len(body)]) + body


def utf8(text: str) -> bytes:
    octets = text.encode()
    return b"\x0c" + bytes([len(octets)]) + octets


def test_all_six(make: Make) -> None:
    found = holder(make())
    assert found.name == "番号　花子"
    assert found.address == "東京都清瀬市中里五丁目842番地"
    assert found.sex is Sex.FEMALE
    assert found.birth is not None
    assert found.birth.raw == "319800217"
    assert found.birth.era is Era.SHOWA
    assert found.birth.date is not None
    assert found.birth.date.exact == date(1980, 2, 17)
    assert found.name_substituted == "00000"
    assert found.address_substituted == "0" * len(found.address)
    assert found.warnings == ()


def test_order_does_not_matter(make: Make) -> None:
    assert holder(make(san_order=(6, 5, 4, 3, 2, 1))) == holder(make())


@pytest.mark.parametrize(
    ("raw", "sex"),
    [("1", Sex.MALE), ("2", Sex.FEMALE), ("3", Sex.OTHER), ("9", Sex.OTHER)],
)
def test_sex(make: Make, raw: str, sex: Sex) -> None:
    found = holder(make(san_texts={3: raw}))
    assert (found.sex, found.sex_raw, found.warnings) == (sex, raw, ())


@pytest.mark.parametrize(
    ("number", "text", "warning"),
    [
        (3, "7", "sex_unknown"),
        (2, "0000", "name_flags"),
        (2, "0000x", "name_flags"),
        (6, "0", "address_flags"),
        (4, "31980021", "birth_unreadable"),
        (4, "319800230", "birth_unreadable"),
        (4, "719800217", "birth_unreadable"),
    ],
)
def test_oddities_are_warned_of(make: Make, number: int, text: str, warning: str) -> None:
    assert holder(make(san_texts={number: text})).warnings == (warning,)


def test_unknown_and_missing_ones(make: Make) -> None:
    value = alt_name(
        other_name(1, utf8("番号")), other_name(7, utf8("バンゴウ")), other_name(8, b"\x04\x01\x00")
    )
    found = holder(make(values={"subjectAltName": value}))
    assert (found.name, found.address, found.birth, found.sex) == ("番号", None, None, None)
    assert list(found.other.values()) == ["バンゴウ", None]


def test_surrogate_plane_kanji_count_as_one(make: Make) -> None:
    found = holder(make(san_texts={1: "𠮷田　花子", 2: "10000"}))
    assert found.name == "𠮷田　花子"
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (alt_name(other_name(1, b"\x13\x01A")), "bad_text"),
        (alt_name(other_name(1, utf8("a")), other_name(1, utf8("b"))), "duplicate"),
        (alt_name(other_name(1, utf8("a") + utf8("b"))), "trailing_bytes"),
    ],
)
def test_refused(make: Make, value: bytes, reason: str) -> None:
    with pytest.raises(CertificateError) as caught:
        parse_certificate(make(values={"subjectAltName": value}))
    assert caught.value.values == {"reason": reason, "field": "subject_alt_name"}


@pytest.mark.parametrize(
    ("digits", "iso", "exact"),
    [
        ("19800217", "1980-02-17", date(1980, 2, 17)),
        ("19800200", "1980-02-??", None),
        ("19800000", "1980-??-??", None),
        ("00000000", "????-??-??", None),
        ("00000229", "????-02-29", None),
    ],
)
def test_partial_dates(digits: str, iso: str, exact: date | None) -> None:
    found = PartialDate.from_digits(digits)
    assert (found.iso(), found.exact) == (iso, exact)
    assert "1980" not in repr(found)


@pytest.mark.parametrize(
    "digits", ["1980021", "198002177", "19801317", "19810229", "１９８００２１７"]
)
def test_impossible_dates(digits: str) -> None:
    with pytest.raises(ValueError):
        PartialDate.from_digits(digits)
