# SPDX-License-Identifier: Apache-2.0
"""The ``[licence]`` table of a card file: what an invented マイナ免許証 says.

Every key is optional::

    [licence]
    number = "990123456789"             # begins with 99, which no real one does
    history_number = "990000000001"     # likewise
    colour = "優良"                      # at most 3 letters
    category = 1                        # the driver's category, a code
    recorded = 2025-11-01               # else the day of issue of the card
    expires = 2030-03-17                # else a month after the 5th birthday to come
    conditions = ["眼鏡等"]               # at most 12, of 40 letters each
    remarks = []                        # at most 7; the last one always says TEST CARD
    small = 1999-05-06                  # 二・小・原: on which day they were obtained
    others = 1998-04-01                 # 他
    second = 2010-10-10                 # 二種
    held = ["ordinary", "moped"]        # kinds of vehicle
    photo = true

Letters are those of JIS X 0208, so all are full-width. U+E001 to U+E007 stand for 外字 1 to 7
(1 to 5 have a picture on the card), U+E00A for a missing letter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from jpki.emulator.toml_table import Table

HELD = (
    "large", "ordinary", "large_special", "large_motorcycle", "ordinary_motorcycle",
    "small_special", "moped", "towing", "large_2", "ordinary_2", "large_special_2", "towing_2",
    "medium", "medium_2", "semi_medium",
)  # fmt: skip
"""Kinds of vehicle in the order of their tags, from EC on."""

_MOST_LETTERS, _COLOUR_LETTERS = 40, 3
_GAIJI = {chr(0xE000 + n): bytes((0xFF, 0xF0 + n)) for n in (*range(1, 8), 0xA)}


@dataclass(frozen=True, slots=True)
class LicenceProfile:
    """A licence as the card file has it; None: worked out from the card's dates, or empty."""

    number: str = field(repr=False)
    history_number: str = field(repr=False)
    colour: str
    category: int
    recorded: date | None
    expires: date | None
    conditions: tuple[str, ...]
    remarks: tuple[str, ...]
    small: date | None
    others: date | None
    second: date | None
    held: tuple[str, ...]
    photo: bool


def x0208(text: str) -> bytes:
    """Row and cell of every letter, seven bits each. Raises ValueError for any other letter."""
    made = b""
    for letter in text:
        pair = _GAIJI.get(letter) or letter.encode("euc_jp")
        if len(pair) != 2 or pair[0] < 0xA1:
            raise ValueError("not in JIS X 0208")
        made += pair if letter in _GAIJI else bytes(byte & 0x7F for byte in pair)
    return made


def licence_profile(table: Table) -> LicenceProfile:
    """Read the table. Raises CardFileError."""
    colour = table.text("colour", "優良")
    _check_text(table, "colour", colour, _COLOUR_LETTERS)
    made = LicenceProfile(
        number=_number(table, "number", "990123456789"),
        history_number=_number(table, "history_number", "990000000001"),
        colour=colour,
        category=table.number("category", 0, 255, 1),
        recorded=table.optional_day("recorded"),
        expires=table.optional_day("expires"),
        conditions=_lines(table, "conditions", 12),
        remarks=_lines(table, "remarks", 7),
        small=table.optional_day("small"),
        others=table.optional_day("others"),
        second=table.optional_day("second"),
        held=table.texts("held", HELD, ("ordinary",)),
        photo=table.flag("photo", True),
    )
    table.done()
    return made


def _number(table: Table, key: str, default: str) -> str:
    """Twelve digits that are nobody's: no public safety commission has the code 99."""
    value = table.text(key, default)
    if len(value) != 12 or not (value.isascii() and value.isdigit()):
        table.fail(key, "bad_digits")
    if not value.startswith("99"):
        table.fail(key, "bad_value")
    return value


def _lines(table: Table, key: str, most: int) -> tuple[str, ...]:
    lines = table.strings(key)
    if len(lines) > most:
        table.fail(key, "bad_value")
    for line in lines:
        _check_text(table, key, line, _MOST_LETTERS)
    return lines


def _check_text(table: Table, key: str, text: str, most: int) -> None:
    try:
        size = len(x0208(text)) // 2
    except ValueError:
        table.fail(key, "bad_text")
    if size > most:
        table.fail(key, "bad_text")
