# SPDX-License-Identifier: Apache-2.0
"""Card files as BER-TLV, with errors that say which file broke and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from jpki.dates import PartialDate, parse_date
from jpki.errors import CardDataError
from jpki_apdu.errors import TlvError
from jpki_apdu.tlv import Tlv, parse_all, parse_one, total_length

_FILLER = frozenset((0x00, 0xFF))
_HEAD = 4  # bytes that are enough to tell a record from filler
_MAX_RECORD = 0x8000  # bytes that READ BINARY can address


@dataclass(frozen=True, slots=True)
class Place:
    """Which file is being read, for errors: application name and file id."""

    application: str
    fid: int

    def error(self, reason: str, offset: int | None = None) -> CardDataError:
        """A CardDataError for this file. No content in it."""
        values: dict[str, object] = {"application": self.application, "file": f"{self.fid:04X}"}
        if offset is not None:
            values["offset"] = offset
        return CardDataError(None, reason=reason, **values)


@dataclass(frozen=True, slots=True)
class RsaNumbers:
    """An RSA public key: modulus and exponent."""

    n: int = field(repr=False)
    e: int


def is_filler(data: bytes) -> bool:
    """Whether ``data`` is nothing but FF or 00, or empty."""
    return _FILLER.issuperset(data)


def record_size(head: bytes) -> int | None:
    """Bytes of the record that begins with ``head``; all of ``head`` if it is no record.

    For ``Channel.read_file``: it never fails, so that the parser can say what is wrong.
    """
    if len(head) < _HEAD:
        return None
    if is_filler(head[:_HEAD]):
        return len(head)
    try:
        total = total_length(head)
    except TlvError:
        return len(head)
    return len(head) if total is not None and total > _MAX_RECORD else total


def open_record(data: bytes, tag: int, place: Place) -> Tlv:
    """The outer TLV of a file: ``tag``, complete, with nothing but filler after it."""
    if is_filler(data):
        raise place.error("filler_only" if data else "truncated", 0)
    # The tag first: what stands here may be no TLV at all.
    head = tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    if not data.startswith(head[: len(data)]):
        raise place.error("wrong_tag", 0)
    try:
        outer = parse_one(data)
    except TlvError as exc:
        reason = "over_long" if _declares_too_much(data) else "truncated"
        raise place.error(reason, _offset(exc)) from exc
    if not is_filler(data[outer.end :]):
        raise place.error("over_long", outer.end)
    return outer


def _declares_too_much(data: bytes) -> bool:
    try:
        return (total_length(data) or 0) > _MAX_RECORD
    except TlvError:
        return False


def fields(
    data: bytes, outer: Tlv, tags: Sequence[int], place: Place, *, more: bool = False
) -> list[Tlv]:
    """The TLVs inside ``outer``: exactly ``tags`` in this order; ``more`` allows others after."""
    try:
        found = parse_all(data, outer.value_start, outer.end)
    except TlvError as exc:
        raise place.error("truncated", _offset(exc)) from exc
    for index, tag in enumerate(tags):
        if index >= len(found):
            raise place.error("truncated", outer.end)
        if found[index].tag != tag:
            raise place.error("wrong_tag", found[index].start)
    if len(found) > len(tags) and not more:
        raise place.error("over_long", found[len(tags)].start)
    return found


def sized(tlv: Tlv, length: int, place: Place) -> bytes:
    """The value of ``tlv``, which has exactly ``length`` bytes."""
    if len(tlv.value) != length:
        reason = "truncated" if len(tlv.value) < length else "over_long"
        raise place.error(reason, tlv.start)
    return tlv.value


def public_key(data: bytes, start: int, end: int, place: Place) -> RsaNumbers:
    """An RSA key as cards write it: ``90`` exponent, ``91`` modulus, in ``data[start:end]``.

    Source: [MC] [PM]. Only what RSA allows passes: odd modulus of 2048 to 4096 bits, odd
    exponent of at least 3.
    """
    try:
        found = parse_all(data, start, end)
    except TlvError as exc:
        raise place.error("truncated", _offset(exc)) from exc
    if [tlv.tag for tlv in found] != [0x90, 0x91]:
        raise place.error("wrong_tag", start)
    e, n = (int.from_bytes(tlv.value, "big") for tlv in found)
    if not (n % 2 and 2048 <= n.bit_length() <= 4096 and e % 2 and 3 <= e < 2**32):
        raise place.error("bad_key", start)
    return RsaNumbers(n, e)


def text(tlv: Tlv, place: Place) -> str:
    """UTF-8 text, strictly; refuses what could disturb a terminal (controls, bidi overrides)."""
    try:
        value = tlv.value.decode("utf-8")
    except UnicodeDecodeError as exc:
        # The decoder's error holds the bytes: it must not travel along as a cause.
        offset = tlv.value_start + exc.start
        raise place.error("bad_text", offset) from None
    for char in value:
        if ord(char) < 0x20 or 0x7F <= ord(char) <= 0x9F or char in _DISTURBING:
            raise place.error("bad_text", tlv.value_start)
    return value


_DISTURBING = frozenset(
    chr(code)
    for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029, 0x200E, 0x200F)
)


def digits(value: bytes, length: int, offset: int, place: Place) -> str:
    """``length`` ASCII digits."""
    if len(value) != length:
        raise place.error("truncated" if len(value) < length else "over_long", offset)
    if not value.isdigit():
        raise place.error("bad_digits", offset)
    return value.decode("ascii")


def day(tlv: Tlv, place: Place) -> date | PartialDate:
    """A date of eight digits; parts of zeros are unknown."""
    value = digits(tlv.value, 8, tlv.value_start, place)
    try:
        return parse_date(value)
    except ValueError:
        raise place.error("bad_date", tlv.value_start) from None


def code(tlv: Tlv, place: Place) -> str:
    """One printable ASCII character."""
    value = sized(tlv, 1, place)
    if not 0x21 <= value[0] <= 0x7E:
        raise place.error("bad_text", tlv.value_start)
    return value.decode("ascii")


def _offset(exc: TlvError) -> int | None:
    offset = exc.values.get("offset")
    return offset if isinstance(offset, int) else None
