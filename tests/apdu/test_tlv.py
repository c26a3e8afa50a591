# SPDX-License-Identifier: Apache-2.0
"""BER-TLV: vectors with their sources, every truncation, and the way there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpki_apdu.errors import TlvError
from jpki_apdu.tlv import MAX_OBJECTS, encode, parse_all, parse_one, total_length

VECTORS: list[tuple[str, str, int, int, int]] = [
    ("empty value [ISO4 6.3]", "5A00", 0x5A, 2, 0),
    ("one-byte length", "3003020105", 0x30, 2, 3),
    ("number [MC]", "FF100C353337363836363737313838", 0xFF10, 3, 12),
    ("attribute [MC]", "DF210441424344", 0xDF21, 3, 4),
    ("certificate holder [MC]", "7F2181020102", 0x7F21, 4, 2),
    ("signature of a CV certificate", "5F3701AA", 0x5F37, 3, 1),
    ("body of a CV certificate", "5F4E01AA", 0x5F4E, 3, 1),
    ("key [MC]", "A1050201000201", 0xA1, 2, 5),
    ("exponent", "9003010001", 0x90, 2, 3),
    ("modulus", "91820002ABCD", 0x91, 4, 2),
    ("length longer than need be [MY]", "FF4082000141", 0xFF40, 5, 1),
    ("length of four bytes", "30840000000141", 0x30, 6, 1),
    ("tag of three bytes", "5F81010141", 0x5F8101, 4, 1),
    ("tag of four bytes", "5F8182030141", 0x5F818203, 5, 1),
    ("not a sign of more", "FE0141", 0xFE, 2, 1),
]


@pytest.mark.parametrize(("raw", "tag", "value_start", "size"), [v[1:] for v in VECTORS])
def test_vectors(raw: str, tag: int, value_start: int, size: int) -> None:
    data = bytes.fromhex(raw)
    item = parse_one(data)
    assert (item.tag, item.start, item.value_start) == (tag, 0, value_start)
    assert item.end == value_start + size == len(data)
    assert item.value == data[value_start:]
    assert total_length(data) == len(data)


@pytest.mark.parametrize(("raw", "value_start"), [(v[1], v[3]) for v in VECTORS])
def test_every_truncation(raw: str, value_start: int) -> None:
    data = bytes.fromhex(raw)
    for cut in range(len(data)):
        with pytest.raises(TlvError) as caught:
            parse_one(data[:cut])
        assert caught.value.values["reason"] == "truncated"
        assert caught.value.values["offset"] == min(cut, value_start)
        expected = None if cut < value_start else len(data)
        assert total_length(data[:cut]) == expected


@pytest.mark.parametrize(
    ("raw", "offset", "reason"),
    [
        ("3080020105" + "0000", 1, "length"),  # indefinite
        ("3085000000000141", 1, "length"),
        ("30FF", 1, "length"),
        ("0000", 0, "tag"),
        ("FFFFFFFFFFFF", 0, "tag"),
        ("5F8182838401", 0, "tag"),
        ("5F800141", 1, "tag"),
        ("1F000141", 1, "tag"),
        ("300441", 2, "truncated"),
        ("3084FFFFFFFF41", 6, "truncated"),
    ],
)
def test_what_cannot_be(raw: str, offset: int, reason: str) -> None:
    data = bytes.fromhex(raw)
    with pytest.raises(TlvError) as caught:
        parse_one(data)
    assert caught.value.values == {"offset": offset, "reason": reason}
    with pytest.raises(TlvError):
        parse_all(data)
    if reason != "truncated":
        with pytest.raises(TlvError):
            total_length(data)


def test_a_row_of_objects_inside_bounds() -> None:
    data = bytes.fromhex("00" + "9003010001" + "910141" + "FF")
    items = parse_all(data, 1, 9)
    assert [(i.tag, i.start, i.end) for i in items] == [(0x90, 1, 6), (0x91, 6, 9)]
    assert parse_all(b"") == []
    with pytest.raises(TlvError) as caught:
        parse_all(data, 1, 8)
    assert caught.value.values["offset"] == 8


@pytest.mark.parametrize("filler", ["", "FF", "FFFF", "FF" * 40, "00", "00" * 7])
def test_filler_is_a_rest_of_nothing_else(filler: str) -> None:
    data = bytes.fromhex("FF100135" + filler)
    assert [item.tag for item in parse_all(data, filler=True)] == [0xFF10]
    if filler:
        with pytest.raises(TlvError):
            parse_all(data)


@pytest.mark.parametrize("rest", ["FF00", "FFFF01", "00FF", "FFFFFE", "0001"])
def test_other_rests_are_no_filler(rest: str) -> None:
    with pytest.raises(TlvError):
        parse_all(bytes.fromhex("FF100135" + rest), filler=True)


def test_a_row_has_no_more_objects_than_a_file_can_hold() -> None:
    assert len(parse_all(b"\x05\x00" * MAX_OBJECTS)) == MAX_OBJECTS
    with pytest.raises(TlvError) as caught:
        parse_all(b"\x05\x00" * (MAX_OBJECTS + 1))
    assert caught.value.values == {"offset": 2 * MAX_OBJECTS, "reason": "too_many"}


def test_a_tag_that_begins_like_filler() -> None:
    data = bytes.fromhex("FF1001FF" + "FF2001FF" + "FFFF")
    assert [item.tag for item in parse_all(data, filler=True)] == [0xFF10, 0xFF20]
    assert parse_all(b"\xff" * 17, filler=True) == []


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2), (0, 5)])
def test_bounds_outside_the_data(start: int, end: int) -> None:
    for parse in (parse_one, parse_all):
        with pytest.raises(ValueError, match="inside"):
            parse(bytes(4), start, end)


@pytest.mark.parametrize("tag", [0, -1, 0x1F, 0x5F, 0x3000, 0x5F80, 0x5F818283, 0x1FFFFFFFFF])
def test_numbers_that_are_no_tags(tag: int) -> None:
    with pytest.raises(TlvError):
        encode(tag, b"")


@pytest.mark.parametrize(
    ("size", "header"), [(0, "3000"), (127, "307F"), (128, "308180"), (256, "30820100")]
)
def test_the_shortest_length_is_written(size: int, header: str) -> None:
    assert encode(0x30, bytes(size)) == bytes.fromhex(header) + bytes(size)


def test_values_are_not_shown() -> None:
    assert "537" not in repr(parse_one(b"\x5a\x03537"))


def _tags() -> st.SearchStrategy[int]:
    first = st.integers(1, 255)
    short = first.filter(lambda byte: byte & 0x1F != 0x1F)
    long = st.builds(
        lambda head, middle, last: int.from_bytes(bytes((head | 0x1F, *middle, last)), "big"),
        st.integers(0, 7).map(lambda n: n << 5),
        st.lists(st.integers(0x81, 0xFF), max_size=2),
        st.integers(1, 0x7F),
    )
    return st.one_of(short, long)


@given(st.lists(st.tuples(_tags(), st.binary(max_size=400)), max_size=6), st.integers(0, 5))
def test_there_and_back(rows: list[tuple[int, bytes]], filler: int) -> None:
    data = b"".join(encode(tag, value) for tag, value in rows)
    assert [(item.tag, item.value) for item in parse_all(data)] == rows
    found = parse_all(data + b"\xff" * filler, filler=True)
    assert [(item.tag, item.value) for item in found] == rows


@given(st.binary(max_size=40))
def test_anything_is_parsed_or_refused(data: bytes) -> None:
    try:
        items = parse_all(data, filler=True)
    except TlvError as error:
        offset = error.values["offset"]
    else:
        offset = 0
        assert all(data[item.value_start : item.end] == item.value for item in items)
    assert isinstance(offset, int)
    assert 0 <= offset <= len(data)
