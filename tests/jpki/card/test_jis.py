# SPDX-License-Identifier: Apache-2.0
"""JIS X 0208 and 0201: letters by their published rows and cells, and placeholders."""

from __future__ import annotations

import pytest

from jpki.card.jis import Gaiji, JisText, Unassigned, jis_text, jis_x0201
from jpki.card.records import Place
from jpki.errors import CardDataError

PLACE = Place("licence", 0x001B)


def decoded(hexadecimal: str) -> JisText:
    return jis_text(bytes.fromhex(hexadecimal), 100, PLACE, {1: b"picture"})


@pytest.mark.parametrize(
    ("hexadecimal", "text"),
    [
        ("", ""),
        ("2121", ""),  # only padding
        ("3021", "亜"),  # 16-01, the first of level 1
        ("5021", "弌"),  # 48-01, the first of level 2
        ("7426", "熙"),  # 84-06, the last of all
        ("2422", "あ"),
        ("2335", "５"),
        ("2522", "ア"),
        ("34632121364045792121", "眼\u3000鏡等"),  # blanks inside stay, behind go
    ],
)
def test_letters(hexadecimal: str, text: str) -> None:
    found = decoded(hexadecimal)
    assert str(found) == text
    assert found.complete
    assert bool(found) is bool(text)


def test_every_assigned_cell_is_one_harmless_character() -> None:
    assigned = 0
    for row in range(0x21, 0x7F):
        for cell in range(0x21, 0x7F):
            (*parts,) = jis_text(bytes((row, cell, 0x30, 0x21)), 0, PLACE).parts
            if isinstance(parts[0], Unassigned):
                assert parts[0] == Unassigned(row - 32, cell - 32)
            else:
                assigned += 1
                assert str(parts[0])[:-1].isprintable() or (row, cell) == (0x21, 0x21)
    assert assigned == 6879  # letters of JIS X 0208:1997


def test_gaiji_are_placeholders_with_their_pictures() -> None:
    found = decoded("3021FFF1FFF7FFFA3021")
    assert found.parts == ("亜", Gaiji(1, b"picture"), Gaiji(7), Gaiji(None), "亜")
    assert str(found) == "亜〓〓〓亜"
    assert not found.complete
    assert "picture" not in repr(found.parts[1])


def test_unassigned_cell_is_kept_as_such() -> None:
    found = decoded("2D21")  # row 13, where some vendors have a figure in a circle
    assert found.parts == (Unassigned(13, 1),)
    assert str(found) == "〓"


@pytest.mark.parametrize(
    ("hexadecimal", "reason", "offset"),
    [
        ("30213", "bad_length", 103),
        ("2021", "bad_text", 100),
        ("30210A0A", "bad_text", 102),
        ("B0A1", "bad_text", 100),
        ("307F", "bad_text", 100),
        ("FFF0", "bad_text", 100),
        ("FFF8", "bad_text", 100),
        ("FFFF", "bad_text", 100),
    ],
)
def test_what_is_no_letter(hexadecimal: str, reason: str, offset: int) -> None:
    data = bytes.fromhex(hexadecimal + "0" * (len(hexadecimal) % 2))
    data = data[: len(hexadecimal) // 2 + len(hexadecimal) % 2]
    with pytest.raises(CardDataError) as caught:
        jis_text(data, 100, PLACE)
    assert (caught.value.values["reason"], caught.value.values["offset"]) == (reason, offset)
    assert caught.value.__cause__ is None


def test_text_is_not_in_a_repr() -> None:
    assert "亜" not in repr(decoded("3021"))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"991204567893", "991204567893"),
        (b"TEST   ", "TEST"),
        (b"TEST\0\0", "TEST"),
        (b"\\ ~", "¥ ‾"),
        (b"\xb1\xb2\xdf", "ｱｲﾟ"),
        (b"\xa1", "｡"),
    ],
)
def test_one_byte_text(data: bytes, text: str) -> None:
    assert jis_x0201(data, 0, PLACE) == text


@pytest.mark.parametrize("byte", [0x00, 0x0A, 0x1B, 0x7F, 0x80, 0xA0, 0xE0, 0xFF])
def test_one_byte_text_that_is_none(byte: int) -> None:
    with pytest.raises(CardDataError) as caught:
        jis_x0201(b"AB" + bytes((byte,)) + b"C", 10, PLACE)
    assert (caught.value.values["reason"], caught.value.values["offset"]) == ("bad_text", 12)
