# SPDX-License-Identifier: Apache-2.0
"""Japanese text as licence records write it: JIS X 0208 in two 7-bit bytes, and JIS X 0201.

A character that the set lacks (外字) is a reference into pictures stored beside the text:
it stays a typed placeholder, because any letter put in its place would be a guess.
Sources: layout [HM] [NPA v010]; rows and cells [JISX0208].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from jpki.card.records import Place

GAIJI = range(1, 8)  # FFF1 to FFF7
_FIRST_GAIJI = 0xFFF0
_MISSING = 0xFFFA
_CELLS = range(0x21, 0x7F)  # both bytes of a row/cell pair
_EUC = 0x80  # added to each byte, a pair becomes EUC-JP

GETA = "\N{GETA MARK}"
"""What printers put where a letter is lacking; for display only."""


@dataclass(frozen=True, slots=True)
class Gaiji:
    """A reference to a picture. ``number`` 1 to 7; None: the letter is missing altogether (FFFA).

    ``image``: the picture as stored, if the record has one; its coding is not published.
    """

    number: int | None
    image: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Unassigned:
    """A row and cell in which JIS X 0208 has no letter (both 1 to 94)."""

    row: int
    cell: int


Part: TypeAlias = "str | Gaiji | Unassigned"


@dataclass(frozen=True, slots=True)
class JisText:
    """Text with the placeholders it holds, in order; padding is not part of it."""

    parts: tuple[Part, ...] = field(repr=False)

    def __str__(self) -> str:
        """For display: a geta mark for what is no letter. No control characters can be in it."""
        return "".join(part if isinstance(part, str) else GETA for part in self.parts)

    def __bool__(self) -> bool:
        return bool(self.parts)

    @property
    def complete(self) -> bool:
        """Whether every character is a letter."""
        return all(isinstance(part, str) for part in self.parts)


def jis_text(
    data: bytes,
    offset: int,
    place: Place,
    images: Mapping[int, bytes] = MappingProxyType({}),
) -> JisText:
    """JIS X 0208 text. ``images``: 外字 pictures by number; ``offset``: for errors.

    Raises CardDataError ``bad_length`` (half a character), ``bad_text`` (no row and cell).
    """
    if len(data) % 2:
        raise place.error("bad_length", offset + len(data))
    parts: list[Part] = []
    for at in range(0, len(data), 2):
        part = _part(data[at : at + 2], offset + at, place, images)
        if isinstance(part, str) and parts and isinstance(last := parts[-1], str):
            parts[-1] = last + part
        else:
            parts.append(part)
    if parts and isinstance(last := parts[-1], str):
        parts[-1:] = [kept] if (kept := last.rstrip("\u3000")) else []
    return JisText(tuple(parts))


def _part(pair: bytes, offset: int, place: Place, images: Mapping[int, bytes]) -> Part:
    code = int.from_bytes(pair, "big")
    if code == _MISSING:
        return Gaiji(None)
    number = code - _FIRST_GAIJI
    if number in GAIJI:
        return Gaiji(number, images.get(number))
    row, cell = pair
    if row not in _CELLS or cell not in _CELLS:
        raise place.error("bad_text", offset)
    try:
        return bytes((row + _EUC, cell + _EUC)).decode("euc_jp")
    except UnicodeDecodeError:
        return Unassigned(row - 0x20, cell - 0x20)


_ROMAN = {0x5C: "\N{YEN SIGN}", 0x7E: "\N{OVERLINE}"}  # where JIS X 0201 is not ASCII
_KANA = range(0xA1, 0xE0)
_FIRST_KANA = 0xFF61  # HALFWIDTH IDEOGRAPHIC FULL STOP


def jis_x0201(data: bytes, offset: int, place: Place) -> str:
    """JIS X 0201 text without trailing spaces and NULs. Raises CardDataError ``bad_text``."""
    letters = []
    for at, byte in enumerate(data.rstrip(b"\0")):
        if byte in _KANA:
            letters.append(chr(_FIRST_KANA + byte - _KANA.start))
        elif 0x20 <= byte < 0x7F:
            letters.append(_ROMAN.get(byte) or chr(byte))
        else:
            raise place.error("bad_text", offset + at)
    return "".join(letters).rstrip(" ")
