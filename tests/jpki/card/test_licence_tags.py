# SPDX-License-Identifier: Apache-2.0
"""Cutting licence files into fields, with long tags in every reading."""

from __future__ import annotations

import pytest

from jpki.card.licence_tags import LongTags, tile
from jpki.card.records import Place
from jpki.errors import CardDataError
from licence_files import LICENCE, SIGNED, licence, row, signature

PLACE = Place("licence", 0x001B)
FORMS = ["raw", "ber"]
ENDS = {0x107: licence, 0x10D: signature}


def error(data: bytes, last: int, form: LongTags = LongTags.AUTO) -> CardDataError:
    with pytest.raises(CardDataError) as caught:
        tile(data, last, PLACE, form)
    return caught.value


@pytest.mark.parametrize("last", ENDS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("asked", [None, LongTags.AUTO])
def test_both_readings(form: str, last: int, asked: LongTags | None) -> None:
    data = ENDS[last](form)
    found = tile(data, last, PLACE, asked or LongTags(form))
    assert found.long_tags == form
    assert (found.end, found.tail) == (len(data), b"")
    expected = SIGNED if last == 0x10D else LICENCE
    assert {one.tag: one.value for one in found.fields if one.value} == expected
    assert all(data[one.value_start :].startswith(one.value) for one in found.fields)
    assert found.fields[0].start == 0


@pytest.mark.parametrize("last", ENDS)
@pytest.mark.parametrize(("form", "other"), [("raw", "ber"), ("ber", "raw")])
def test_the_wrong_reading_does_not_fit(form: str, other: str, last: int) -> None:
    error(ENDS[last](form), last, LongTags(other))


def test_size_of_the_signature_file() -> None:
    # 584 bytes is what is published; it comes out with two-byte tags only.
    assert (len(signature("raw")), len(signature("ber"))) == (584, 590)


@pytest.mark.parametrize("last", ENDS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("asked", [None, LongTags.AUTO])
def test_truncated_at_every_length(form: str, last: int, asked: LongTags | None) -> None:
    data = ENDS[last](form)
    for size in range(len(data)):
        values = error(data[:size], last, asked or LongTags(form)).values
        assert values["reason"] in ("truncated", "filler_only"), size
        assert 0 <= int(str(values["offset"])) <= size


@pytest.mark.parametrize("filler", [b"\xff", b"\xff" * 100, b"\0" * 7])
@pytest.mark.parametrize("form", FORMS)
def test_filler_behind(form: str, filler: bytes) -> None:
    found = tile(licence(form) + filler, 0x107, PLACE)
    assert (found.end, found.long_tags) == (len(licence(form)), form)


@pytest.mark.parametrize("filler", [b"", b"\0" * 20, b"\xff" * 20])
def test_nothing_but_filler(filler: bytes) -> None:
    assert error(filler, 0x107).values["reason"] == ("filler_only" if filler else "truncated")


def test_tags_that_ber_would_go_on_after_have_one_byte() -> None:
    found = tile(licence(changes={0xCF: b"!!", 0xDF: b"!!", 0xEF: b"\1", 0xFF: b"1234567"}),
                 0x107, PLACE)  # fmt: skip
    by_tag = {one.tag: one for one in found.fields}
    assert [by_tag[tag].value for tag in (0xCF, 0xDF, 0xEF, 0xFF)] == [
        b"!!",
        b"!!",
        b"\1",
        b"1234567",
    ]
    assert by_tag[0xDF].name == "DF"


@pytest.mark.parametrize("lengths", ["81", "82"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_length(form: str, lengths: str) -> None:
    values = {tag: LICENCE.get(tag, b"") for tag in range(0xC2, 0x108)}
    found = tile(row(values, form, lengths), 0x107, PLACE)
    assert {one.tag: one.value for one in found.fields} == values


def test_a_spare_field_of_long_form_is_no_ber_tag() -> None:
    """DF 82 00 02: the field DF with two bytes, where the row has not come past it."""
    values = {tag: LICENCE.get(tag, b"") for tag in range(0xC2, 0x108)}
    values[0xDF] = b"\x30\x21"
    data = row(values, "ber", "82")
    assert bytes.fromhex("DF8200023021") in data
    found = tile(data, 0x107, PLACE)
    assert found.long_tags == "ber"
    assert {one.tag: one.value for one in found.fields} == values


def test_unknown_tags_are_kept_and_named() -> None:
    data = b"\x5a\x03abc" + licence() + b"\x01\x0f\x01x"
    found = tile(data, 0x107, PLACE)
    odd = [one for one in found.fields if one.tag in (0x5A, 0x10F)]
    assert [(one.name, one.value) for one in odd] == [("5A", b"abc"), ("10F", b"x")]


@pytest.mark.parametrize("last", ENDS)
def test_a_third_way_of_writing_is_kept_raw(last: int) -> None:
    data = ENDS[last]("other")
    found = tile(data, last, PLACE)
    assert found.long_tags is None
    assert found.tail == data[found.end :]
    assert found.tail.startswith(b"\x3e")
    assert [one.tag for one in found.fields] == (list(range(0xC2, 0x100)) if last == 0x107 else [])


@pytest.mark.parametrize("form", FORMS)
def test_a_field_twice(form: str) -> None:
    data = licence(form)
    assert error(b"\xc2\x00" + data, 0x107).values["reason"] == "duplicate"


@pytest.mark.parametrize("length", [0x80, 0x83, 0x84, 0xFF])
def test_lengths_that_do_not_exist(length: int) -> None:
    data = b"\xc2" + bytes((length,)) + licence()[2:]
    values = error(data, 0x107).values
    assert (values["reason"], values["offset"]) == ("bad_length", 1)


def test_a_length_beyond_the_end() -> None:
    assert error(b"\xc2\x82\xff\xff" + licence(), 0x107).values["reason"] == "truncated"


def test_a_ber_tag_without_end() -> None:
    data = licence("raw")[:-10] + b"\xdf\xff\xff\xff\xff"
    error(data, 0x107, LongTags.BER)
