# SPDX-License-Identifier: Apache-2.0
"""Files of the マイナ免許証 as a row of tag, length, value, without an outer record.

Tags C2 to FF have one byte, also CF, DF, EF and FF, which BER would go on after [HM]. How
the tags 100 to 10D are written is not published. The sizes that are (5845 and 584 bytes)
come out exactly if they have two bytes and lengths above 127 take the 82 form [inferred];
but no card was seen, so both readings are here, and a third answer: kept as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from jpki.card.records import Place
from jpki.errors import CardDataError

_SINGLES = range(0xC2, 0x100)
LONGS = range(0x100, 0x10E)
_RAW_LEAD = LONGS.start >> 8  # 01: first of two bytes
_MORE = 0x1F  # low bits of a first tag byte after which BER goes on
_FILLER = (0x00, 0xFF)


class LongTags(StrEnum):
    """How tags of 100 and above are written: two plain bytes (01 07), BER (DF 82 07), or either."""

    RAW = "raw"
    BER = "ber"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class LicenceField:
    """One tag and its value. ``start``, ``value_start``: bytes from the start of the file."""

    tag: int
    value: bytes = field(repr=False)
    start: int
    value_start: int

    @property
    def name(self) -> str:
        """The tag in hexadecimal, as the specification writes it."""
        return f"{self.tag:X}"


@dataclass(frozen=True, slots=True)
class Tiling:
    """A file cut into fields. ``long_tags``: how, RAW or BER; None: nothing fitted from ``end`` on.

    ``tail``: the bytes that could not be cut up, as they are. ``end``: where the fields end.
    """

    fields: tuple[LicenceField, ...]
    end: int
    long_tags: LongTags | None
    tail: bytes = field(default=b"", repr=False)


def tile(data: bytes, last: int, place: Place, long_tags: LongTags = LongTags.AUTO) -> Tiling:
    """Cut a file into fields, of which ``last`` is the last the specification has.

    With ``AUTO`` whichever reading fits to the end is taken, raw first. If neither does,
    and what stands there looks like neither, the fields before it are returned and the
    rest is the ``tail``. Raises CardDataError ``truncated``, ``duplicate``,
    ``bad_length``, ``filler_only``, each with ``offset``.
    """
    if not data.strip(b"\0") or not data.strip(b"\xff"):
        raise place.error("filler_only" if data else "truncated", 0)
    if long_tags is not LongTags.AUTO:
        return _scan(data, last, place, long_tags)
    found: list[Tiling] = []
    errors: dict[LongTags, CardDataError] = {}
    for form in (LongTags.RAW, LongTags.BER):
        try:
            found.append(_scan(data, last, place, form))
        except CardDataError as exc:
            errors[form] = exc
    if found:
        return next((one for one in found if _in_order(one)), found[0])
    return _with_tail(data, last, place, errors)


def _in_order(tiling: Tiling) -> bool:
    """Known tags only, rising: as the specification lists them."""
    tags = [one.tag for one in tiling.fields]
    return tags == sorted(tags) and all(tag in _SINGLES or tag in LONGS for tag in tags)


def _scan(data: bytes, last: int, place: Place, form: LongTags) -> Tiling:
    fields: list[LicenceField] = []
    seen: set[int] = set()
    at = 0
    while at < len(data) and not _only_filler(data, at):
        before = fields[-1].tag if fields else 0
        tag, behind = _tag(data, at, before, form, last, place)
        if tag in seen:
            raise place.error("duplicate", at)
        one = _field(data, tag, at, behind, place)
        seen.add(tag)
        fields.append(one)
        at = one.value_start + len(one.value)
    if last not in seen:
        raise place.error("truncated", at)
    return Tiling(tuple(fields), at, form)


def _only_filler(data: bytes, at: int) -> bool:
    """Whether nothing but one filler byte follows. ``FF 00`` is a field: tag FF, empty."""
    return data[at] in _FILLER and data.count(data[at], at) == len(data) - at


def _tag(
    data: bytes, at: int, before: int, form: LongTags, last: int, place: Place
) -> tuple[int, int]:
    """The tag at ``at`` and where its length stands."""
    first = data[at]
    if form is LongTags.RAW and first == _RAW_LEAD:
        if at + 1 >= len(data):
            raise place.error("truncated", len(data))
        return first << 8 | data[at + 1], at + 2
    # DF and FF are tags by themselves as long as the row has not come past them.
    alone = first in _SINGLES and last < 0x108 and before < first
    if form is LongTags.BER and first & _MORE == _MORE and not alone:
        return _ber_tag(data, at, place)
    return first, at + 1


def _ber_tag(data: bytes, at: int, place: Place) -> tuple[int, int]:
    """The number in the seven-bit groups after the first byte [X690 8.1.2.4]."""
    number = 0
    for behind in range(at + 1, at + 4):
        if behind >= len(data):
            raise place.error("truncated", len(data))
        number = number << 7 | data[behind] & 0x7F
        if not data[behind] & 0x80:
            return number, behind + 1
    raise place.error("wrong_tag", at)


def _field(data: bytes, tag: int, start: int, at: int, place: Place) -> LicenceField:
    """Length in one byte, or in the forms 81 and 82; 0 is an empty field."""
    if at >= len(data):
        raise place.error("truncated", len(data))
    length, more = data[at], 0
    if length in (0x81, 0x82):
        more = length & 3
        if at + more >= len(data):
            raise place.error("truncated", len(data))
        length = int.from_bytes(data[at + 1 : at + 1 + more], "big")
    elif length > 0x7F:
        raise place.error("bad_length", at)
    begin = at + 1 + more
    if begin + length > len(data):
        raise place.error("truncated", len(data))
    return LicenceField(tag, data[begin : begin + length], start, begin)


def _with_tail(
    data: bytes, last: int, place: Place, errors: dict[LongTags, CardDataError]
) -> Tiling:
    """The one-byte fields, then the tail; or the error of the reading that what follows is of."""
    fields: list[LicenceField] = []
    at = before = 0
    while at < len(data) and data[at] in _SINGLES and data[at] > before and last < 0x108:
        if _only_filler(data, at):
            break
        one = _field(data, data[at], at, at + 1, place)
        fields.append(one)
        at, before = one.value_start + len(one.value), one.tag
    if at >= len(data) or _only_filler(data, at):
        raise place.error("truncated", at)
    if data[at] == _RAW_LEAD and data[at + 1 : at + 2] < bytes((LONGS.stop & 0xFF,)):
        raise errors[LongTags.RAW]
    if data[at] & _MORE == _MORE and _ber_long(data[at + 1 : at + 3]):
        raise errors[LongTags.BER]
    if data[at] in _SINGLES and last < 0x108:
        raise errors[LongTags.RAW]  # out of order, or twice
    return Tiling(tuple(fields), at, None, data[at:])


def _ber_long(rest: bytes) -> bool:
    """Whether these bytes are the number of one of our tags, or the beginning of one."""
    return any(bytes((0x80 | number >> 7, number & 0x7F)).startswith(rest) for number in LONGS)
