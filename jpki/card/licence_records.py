# SPDX-License-Identifier: Apache-2.0
"""Files of the マイナ免許証 as typed, immutable records.

The record has no name, address or birth date: those are in other applications. Tags and
lengths [HM] [TB] after [NPA v010], grade B; the meaning of coded bytes is not published
and kept as the code. All parsers raise CardDataError with ``offset``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from jpki.card.jis import JisText, jis_text, jis_x0201
from jpki.card.licence_tags import LicenceField, LongTags, Tiling, tile
from jpki.card.records import Place
from jpki.dates import PartialDate, parse_date

_AP = "licence"
_PIN_SET, _LICENCE, _SIGNATURE = 0x001A, 0x001B, 0x001C  # WEF01, WEF02, WEF03
_LAST_LICENCE, _LAST_SIGNATURE = 0x107, 0x10D

_TEXT, _PICTURE, _PHOTO = 80, 256, 2000  # most bytes of a field
_GAIJI = {0xCA: 1, 0xCB: 2, 0xD4: 3, 0xD5: 4, 0xD6: 5}
_CONDITIONS = (*range(0xC6, 0xCA), *range(0xCC, 0xD4))  # 1 to 12
_REMARKS, _SPARE = range(0xD7, 0xDF), range(0xDF, 0xE7)
_RESERVED = range(0xFB, 0x107)
_KNOWN = range(0xC2, 0x108)

_ERA_BEFORE = {"1": 1867, "2": 1911, "3": 1925, "4": 1988, "5": 2018}  # the year before year 1


class LicenceClass(StrEnum):
    """Kinds of vehicle, by their one-byte tags EC to FA [TB], grade C."""

    LARGE = "large"  # 大型
    ORDINARY = "ordinary"  # 普通
    LARGE_SPECIAL = "large_special"  # 大特
    LARGE_MOTORCYCLE = "large_motorcycle"  # 大自二
    ORDINARY_MOTORCYCLE = "ordinary_motorcycle"  # 普自二
    SMALL_SPECIAL = "small_special"  # 小特
    MOPED = "moped"  # 原付
    TOWING = "towing"  # けん引
    LARGE_2 = "large_2"  # 大二
    ORDINARY_2 = "ordinary_2"  # 普二
    LARGE_SPECIAL_2 = "large_special_2"  # 大特二
    TOWING_2 = "towing_2"  # けん引二
    MEDIUM = "medium"  # 中型
    MEDIUM_2 = "medium_2"  # 中二
    SEMI_MEDIUM = "semi_medium"  # 準中型


CLASS_TAGS = dict(enumerate(LicenceClass, start=0xEC))

_HELD = 0x01  # [inferred] from the PIN flag of the same specification, where 01 is «is so»

LicenceDate = date | PartialDate


@dataclass(frozen=True, slots=True)
class LicenceRecord:
    """WEF02: the licence. None or empty: the field is empty or was not on the card.

    ``recorded``, ``history_number``, ``category``: of the driver's history (tag C2, E8, C3).
    ``small``, ``others``, ``second``: days on which the groups 二・小・原, 他 and 二種 were
    obtained. ``classes``: codes of the kinds of vehicle as stored. ``photo``: JPEG 2000.
    ``reserved``, ``unknown``: fields without a published meaning, as stored. ``tiling``: all
    fields in order, and what could not be cut up. ``physical``: the file as read; a
    signature covers all of it.
    """

    recorded: LicenceDate | None = field(repr=False)
    category: int | None = field(repr=False)
    colour: JisText = field(repr=False)
    expires: LicenceDate | None = field(repr=False)
    conditions: tuple[JisText, ...] = field(repr=False)
    remarks: tuple[JisText, ...] = field(repr=False)
    spare: tuple[JisText, ...] = field(repr=False)
    gaiji: Mapping[int, bytes] = field(repr=False)
    number: str = field(repr=False)
    history_number: str = field(repr=False)
    small: LicenceDate | None = field(repr=False)
    others: LicenceDate | None = field(repr=False)
    second: LicenceDate | None = field(repr=False)
    classes: Mapping[LicenceClass, int] = field(repr=False)
    photo: bytes | None = field(repr=False)
    reserved: tuple[LicenceField, ...] = field(repr=False)
    unknown: tuple[LicenceField, ...]
    tiling: Tiling = field(repr=False)
    physical: bytes = field(repr=False)

    @property
    def held(self) -> tuple[LicenceClass, ...]:
        """Kinds of vehicle whose code is 01; what other codes mean is not known."""
        return tuple(one for one, code in self.classes.items() if code == _HELD)

    @property
    def data(self) -> bytes:
        """The file without filler behind the last field."""
        return self.physical[: self.tiling.end] + self.tiling.tail


@dataclass(frozen=True, slots=True)
class LicenceSignature:
    """WEF03: a signature over WEF02, and who is said to have made it.

    None: not found, because the file's tags are written in a way nobody has published;
    ``tiling.tail`` then holds the bytes. The signer's certificate is not on the card.
    """

    signature: bytes | None = field(repr=False)
    serial: str | None = field(repr=False)
    reserved: bytes | None = field(repr=False)
    issuer: str | None = field(repr=False)
    subject: str | None = field(repr=False)
    key_id: bytes | None = field(repr=False)
    unknown: tuple[LicenceField, ...]
    tiling: Tiling = field(repr=False)


def parse_pin_set(data: bytes) -> bool:
    """WEF01: ``C1 01``, then 01 (a PIN is set) or 00 (none is). Source: [HM], grade A."""
    place = Place(_AP, _PIN_SET)
    if data[:1] not in (b"", b"\xc1"):
        raise place.error("wrong_tag", 0)
    if len(data) < 3:
        raise place.error("truncated", len(data))
    if len(data) > 3 and data[3:].strip(b"\xff") and data[3:].strip(b"\0"):
        raise place.error("over_long", 3)
    if data[1] != 1 or data[2] > 1:
        raise place.error("bad_length" if data[1] != 1 else "bad_code", 1 if data[1] != 1 else 2)
    return data[2] == 1


class _Fields:
    """Values of one tiled file by tag, each decoded with its place in errors."""

    def __init__(self, tiling: Tiling, place: Place) -> None:
        self.by_tag = {one.tag: one for one in tiling.fields}
        self._place = place

    def value(self, tag: int, most: int) -> bytes:
        """At most ``most`` bytes; empty if the field is."""
        one = self.by_tag.get(tag)
        if one is None:
            return b""
        if len(one.value) > most:
            raise self._place.error("over_long", one.start)
        return one.value

    def exactly(self, tag: int, size: int) -> bytes | None:
        """``size`` bytes, or None if the field is empty or not there."""
        value = self.value(tag, size)
        if value and len(value) != size:
            raise self._place.error("bad_length", self.by_tag[tag].start)
        return value or None

    def code(self, tag: int) -> int | None:
        value = self.exactly(tag, 1)
        return value[0] if value else None

    def text(self, tag: int, most: int, images: Mapping[int, bytes]) -> JisText:
        value = self.value(tag, most)
        return jis_text(value, self._begin(tag), self._place, images)

    def roman(self, tag: int, most: int) -> str:
        return jis_x0201(self.value(tag, most), self._begin(tag), self._place)

    def day(self, tag: int) -> LicenceDate | None:
        value = self.exactly(tag, 7)
        return era_day(value, self._begin(tag), self._place) if value else None

    def _begin(self, tag: int) -> int:
        one = self.by_tag.get(tag)
        return one.value_start if one else 0


def era_day(value: bytes, offset: int, place: Place) -> LicenceDate | None:
    """Era digit and YYMMDD. All zeros or blanks: no day. A day or month of zeros is unknown.

    The year may lie beyond the end of its era: licences of 平成30年 expire in 平成35年.
    """
    if not value.strip(b"0") or not value.strip(b" "):
        return None
    if not value.isdigit():
        raise place.error("bad_digits", offset)
    digits = value.decode("ascii")
    before, year = _ERA_BEFORE.get(digits[0]), int(digits[1:3])
    if before is None or not year:
        raise place.error("bad_date", offset)
    try:
        return parse_date(f"{before + year:04}{digits[3:]}")
    except ValueError:
        raise place.error("bad_date", offset) from None


def parse_licence(data: bytes, long_tags: LongTags = LongTags.AUTO) -> LicenceRecord:
    """WEF02, at most 5845 bytes by the specification; a longer one is read all the same."""
    place = Place(_AP, _LICENCE)
    tiling = tile(data, _LAST_LICENCE, place, long_tags)
    found = _Fields(tiling, place)
    gaiji = {n: image for tag, n in _GAIJI.items() if (image := found.value(tag, _PICTURE))}

    def texts(tags: range | tuple[int, ...]) -> tuple[JisText, ...]:
        return tuple(one for tag in tags if (one := found.text(tag, _TEXT, gaiji)))

    codes = {one: found.code(tag) for tag, one in CLASS_TAGS.items()}
    return LicenceRecord(
        recorded=found.day(0xC2),
        category=found.code(0xC3),
        colour=found.text(0xC4, 6, gaiji),
        expires=found.day(0xC5),
        conditions=texts(_CONDITIONS),
        remarks=texts(_REMARKS),
        spare=texts(_SPARE),
        gaiji=MappingProxyType(gaiji),
        number=found.roman(0xE7, 12),
        history_number=found.roman(0xE8, 12),
        small=found.day(0xE9),
        others=found.day(0xEA),
        second=found.day(0xEB),
        classes=MappingProxyType({one: c for one, c in codes.items() if c is not None}),
        photo=found.value(_LAST_LICENCE, _PHOTO) or None,
        reserved=tuple(one for one in tiling.fields if one.tag in _RESERVED and one.value),
        unknown=tuple(one for one in tiling.fields if one.tag not in _KNOWN),
        tiling=tiling,
        physical=data,
    )


def parse_signature(data: bytes, long_tags: LongTags = LongTags.AUTO) -> LicenceSignature:
    """WEF03, 584 bytes: tags 108 to 10D."""
    place = Place(_AP, _SIGNATURE)
    tiling = tile(data, _LAST_SIGNATURE, place, long_tags)
    found = _Fields(tiling, place)
    whole = tiling.long_tags is not None
    return LicenceSignature(
        signature=found.exactly(0x108, 256),
        serial=found.roman(0x109, 16) if whole else None,
        reserved=found.value(0x10A, 48) if whole else None,
        issuer=found.roman(0x10B, 80) if whole else None,
        subject=found.roman(0x10C, 130) if whole else None,
        key_id=found.exactly(0x10D, 32),
        unknown=tuple(one for one in tiling.fields if one.tag not in range(0x108, 0x10E)),
        tiling=tiling,
    )
