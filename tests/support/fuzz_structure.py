# SPDX-License-Identifier: Apache-2.0
"""Mutations that keep the form of an input: what is altered is one element, key, line or frame.

A flipped byte mostly breaks a length and is refused at the door. Here the lengths around an altered
element are made anew, a document stays JSON, a line stays a line: what lies behind is met as well.
Each function alters once and returns None for what has not that form.
"""

from __future__ import annotations

import copy
import json
import math
import random
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, Final

Mutation = Callable[[bytes, Sequence[bytes], random.Random], bytes | None]

_MOST_ELEMENTS = 4000
TAGS: Final = (
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x0C, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1E, 0x30, 0x31,
    0x80, 0x81, 0x82, 0xA0, 0xA1, 0xA2, 0xA3,
)  # fmt: skip
VALUES: Final = (
    b"", b"\0", b"\x01", b"\xff", b"\0\0", b"\0\x01", b"\0\x80", b"\xff\xff", b"\x80\0",
    b"\x07\x80", b"\x08\0", b"\x03\xff", b"\x7f" * 9, b"\x55\x04\x03", b"\x80\x01",
    b"\x81", b"\xc3\x28", b" ",
    b"260101000000Z", b"20260101000000Z", b"20510101000000Z", b"491231235959Z", b"501301000000Z",
    b"20260229", b"19800217", b"00000000", b"1980021a", b"\xe2\x80\xae", b"1", b"31415926",
    b"\x7f" * 300,
)  # fmt: skip
"""Contents that some rule is about: numbers, bits, times, dates, text."""


@dataclass
class _Element:
    """One TLV: ``head`` are the bytes of its tag. Either a value, or elements inside."""

    head: bytes
    value: bytes
    inside: list[_Element] | None = field(default=None)
    prefix: bytes = b""  # before the elements inside: the unused bits of a BIT STRING

    def written(self, dice: random.Random | None = None) -> bytes:
        value = self.value
        if self.inside is not None:
            value = self.prefix + b"".join(one.written() for one in self.inside)
        return self.head + _length(len(value), dice) + value


def _length(size: int, dice: random.Random | None) -> bytes:
    """The shortest form; with ``dice``, one of those that DER has not."""
    count = (size.bit_length() + 7) // 8
    if dice is not None:
        wide = dice.choice((1, 2, 3, 4))
        return bytes((0x80 | wide,)) + (size % (1 << 8 * wide)).to_bytes(wide, "big")
    return bytes((size,)) if size < 0x80 else bytes((0x80 | count,)) + size.to_bytes(count, "big")


def _elements(data: bytes, budget: list[int], depth: int = 0) -> list[_Element] | None:
    """The elements that ``data`` is; None if it is none."""
    found, at = [], 0
    while at < len(data):
        budget[0] -= 1
        start = at
        at += 1
        if data[start] & 0x1F == 0x1F:
            while at < len(data) and data[at] & 0x80:
                at += 1
            at += 1
        if budget[0] < 0 or at >= len(data) or data[start] == 0:
            return None
        head, size = data[start:at], data[at]
        at += 1
        if size >= 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + size > len(data):
            return None
        value = data[at : at + size]
        at += size
        found.append(_opened(_Element(head, value), budget, depth))
    return found


def _opened(one: _Element, budget: list[int], depth: int) -> _Element:
    """With what is inside, where that is elements: also in OCTET STRING and BIT STRING."""
    tag = one.head[0]
    prefix = one.value[:1] if tag == 0x03 else b""
    if depth < 20 and (tag & 0x20 or tag in (0x03, 0x04)) and len(one.value) > len(prefix) + 1:
        one.inside = _elements(one.value[len(prefix) :], budget, depth + 1)
        one.prefix = prefix
    return one


def _lists(elements: list[_Element]) -> list[list[_Element]]:
    """Every list of elements in the tree that has any."""
    return [elements, *(one for e in elements if e.inside for one in _lists(e.inside))]


def elements(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes | None:
    """One element of BER or DER altered, moved, doubled, dropped or put in; what follows stays."""
    filler = data[len(data.rstrip(b"\xff\0")) :]
    tree = _elements(data, [_MOST_ELEMENTS])
    if not tree and filler:
        tree = _elements(data[: -len(filler)], [_MOST_ELEMENTS])
    else:
        filler = b""
    if not tree:
        return None
    row = dice.choice(_lists(tree))
    place = dice.randrange(len(row))
    _alter(row, place, others, dice)
    strange = dice.randrange(24) == 0 and row
    if strange:
        place = min(place, len(row) - 1)
        row[place] = _Raw(row[place].written(dice))
    return b"".join(one.written() for one in tree) + filler


class _Raw(_Element):
    """Bytes as they are."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(b"", raw)

    def written(self, dice: random.Random | None = None) -> bytes:
        return self.value


def _alter(row: list[_Element], place: int, others: Sequence[bytes], dice: random.Random) -> None:
    one = row[place]
    how = dice.randrange(11)
    if how == 0:
        del row[place]
    elif how == 1:
        row.insert(dice.randrange(len(row) + 1), one)
    elif how == 2:
        other = dice.randrange(len(row))
        row[place], row[other] = row[other], row[place]
    elif how == 3:
        row[place] = _Element(bytes((dice.choice(TAGS),)), one.value, one.inside, one.prefix)
    elif how == 4:
        row[place] = _Element(one.head, dice.choice(VALUES))
    elif how == 5:
        row.insert(place, _Element(bytes((dice.choice(TAGS),)), dice.choice(VALUES)))
    elif how == 6:
        row[place] = _Element(one.head, _bytes_altered(one.written()[2:], dice))
    elif how == 7:
        row[place] = _Element(one.head, _bytes_altered(one.value, dice))
    elif how == 8:
        row[place] = _Element(bytes((dice.choice(TAGS),)), b"", [one])
    elif how == 9:
        if tree := _elements(dice.choice(others), [_MOST_ELEMENTS]):
            row[place] = dice.choice(dice.choice(_lists(tree)))
    elif len(row) > 1:
        del row[place:]


def _bytes_altered(value: bytes, dice: random.Random) -> bytes:
    data = bytearray(value)
    place = dice.randrange(len(data) + 1)
    how = dice.randrange(5)
    if how == 0 and place < len(data):
        data[place] ^= 1 << dice.randrange(8)
    elif how == 1 and place < len(data):
        data[place] = dice.choice((0, 1, 0x1F, 0x20, 0x30, 0x39, 0x41, 0x7F, 0x80, 0xFF))
    elif how == 2:
        del data[place:]
    elif how == 3:
        data += dice.choice(VALUES)
    else:
        del data[place : place + 1]
    return bytes(data)


# -- documents: JSON and TOML ----------------------------------------------------------------------

TEXTS: Final = (
    "", " ", "x", "x" * 600, "a" * 22, "a\nb", "AAAA", "AA", "A" * 43 + "=", "\u202e", "é", "0000",
    "ABC123", "12", "537686677188", "2026-11-21T09:00:00Z", "2026-13-21T09:00:00Z",
    "2026-11-25T09:00:00Z", "https://a.example", "02-29", "99-99", "3B00", "zz", "auth", "sign",
    "tap", "recheck", "text", "phone", "card", "resolve", "export", "serial",
)  # fmt: skip
COMMON: Final[tuple[Any, ...]] = (
    True, False, 0, 1, -1, 3, 10**19, 1.5, [], {}, [[]], [{}], {"x": 1}, ["x", "x"], ["x"] * 201,
    *TEXTS,
)  # fmt: skip
JSON_VALUES: Final = (
    *COMMON, None, "\ud800", "\0", math.inf, math.nan, "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
)  # fmt: skip
TOML_VALUES: Final = (
    *COMMON, date(1980, 2, 17), date(1800, 1, 1), date(2040, 2, 29), datetime(2026, 4, 1, 9, 0),
)  # fmt: skip


def _document(
    read: Callable[[bytes], Any], write: Callable[[Any], str], values: Sequence[Any]
) -> Mutation:
    """One member or item altered, renamed, doubled, dropped, or taken from another document."""

    def mutation(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes | None:
        whole = read(data)
        if whole is None:
            return None
        slots = list(_slots(whole))
        if slots:
            _alter_slot(*dice.choice(slots), lambda: read(dice.choice(others)), values, dice)
        elif isinstance(whole, dict):
            whole["x"] = dice.choice(values)
        return write(whole).encode("utf-8", "surrogatepass")

    return mutation


def _alter_slot(
    holder: Any, key: Any, another: Callable[[], Any], values: Sequence[Any], dice: random.Random
) -> None:
    how = dice.randrange(8)
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(holder, dict):
        holder[dice.choice(("x", "schema", str(key) + "s"))] = holder.pop(key)
    elif how == 2 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif how == 3 and (found := list(_slots(another()))):
        other, place = dice.choice(found)
        named = isinstance(holder, dict) and isinstance(place, str) and dice.randrange(2)
        holder[place if named else key] = copy.deepcopy(other[place])
    elif how == 4 and isinstance(holder[key], str):
        holder[key] = _bytes_altered(holder[key].encode("utf-8", "replace"), dice).decode("latin-1")
    elif how == 5 and type(holder[key]) is int:
        holder[key] += dice.choice((-1, 1, 1000))
    else:
        holder[key] = copy.deepcopy(dice.choice(values))


def _slots(value: Any) -> list[tuple[Any, Any]]:
    """Every place of a document that holds a value: its holder and key."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [slot for key in keys for slot in ((value, key), *_slots(value[key]))]


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _toml(data: bytes) -> Any:
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return None


def toml_of(whole: dict[str, Any]) -> str:
    """The document with every table in one line: one form of many, and as good as any."""
    return "".join(f"{_toml_text(key)} = {_inline(value)}\n" for key, value in whole.items())


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _toml_text(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, dict):
        rows = (f"{_toml_text(key)} = {_inline(one)}" for key, one in value.items())
        return f"{{{', '.join(rows)}}}"
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _toml_text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


json_text = _document(_json, json.dumps, JSON_VALUES)
toml_text = _document(_toml, toml_of, TOML_VALUES)


# -- lines: transcripts, headers of HTTP -----------------------------------------------------------

_WORDS = re.compile(rb"(\s+|[=\[\]{},.:/?&\"])")


def lines(tokens: Sequence[bytes]) -> Mutation:
    """One line altered, moved, doubled, dropped, taken from another; ``tokens`` fit as words."""

    def mutation(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes | None:
        rows = data.split(b"\n")
        place = dice.randrange(len(rows))
        how = dice.randrange(7)
        if how == 0:
            del rows[place]
        elif how == 1:
            rows.insert(dice.randrange(len(rows) + 1), rows[place])
        elif how == 2:
            other = dice.randrange(len(rows))
            rows[place], rows[other] = rows[other], rows[place]
        elif how == 3:
            rows.insert(place, dice.choice(dice.choice(others).split(b"\n")))
        elif how == 4:
            rows[place] = _value_altered(rows[place], tokens, dice)
        else:
            rows[place] = _word_altered(rows[place], tokens, dice)
        return b"\n".join(rows)

    return mutation


def _value_altered(row: bytes, tokens: Sequence[bytes], dice: random.Random) -> bytes:
    """What stands after ``=`` or ``:`` replaced; a table's header kept."""
    for sign in (b"=", b":"):
        name, found, _ = row.partition(sign)
        if found:
            return name + sign + b" " + dice.choice(tokens or VALUES)
    return _word_altered(row, tokens, dice)


def _word_altered(row: bytes, tokens: Sequence[bytes], dice: random.Random) -> bytes:
    words = _WORDS.split(row)
    place = dice.randrange(len(words))
    how = dice.randrange(4)
    if how == 0:
        del words[place]
    elif how == 1 and tokens:
        words[place] = dice.choice(tokens)
    elif how == 2:
        words.insert(place, dice.choice(words))
    else:
        words[place] = _bytes_altered(words[place], dice)
    return b"".join(words)


transcript_lines = lines(
    (b"=", b">", b"<", b"!", b"lc=5", b"lc=*", b"le=-", b"le=256", b"ext", b"select=jpki", b"len=3",
     b"sw=9000", b"sw=6104", b"bytes=3", b"00B00003", b"00C00000", b"end", b"timeout",
     b"# jpki-trace/1", b"# jpki-replay/2", b"9000", b"00", b"1")
)  # fmt: skip


def http(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes | None:
    """The body as JSON, or a line of the head."""
    head, gap, body = data.partition(b"\r\n\r\n")
    if body and dice.randrange(3):
        bodies = [other.partition(b"\r\n\r\n")[2] for other in others]
        made = json_text(body, bodies, dice)
        return None if made is None else head + gap + made
    made = lines(())(head, others, dice)
    return None if made is None else made + gap + body


def frames(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes | None:
    """Frames of the virtual reader's wire: each a length of two bytes, then as many. The first byte
    of the input tells the size of the pieces in which they come."""
    found, rest = [], data[1:]
    while len(rest) >= 2:
        size = int.from_bytes(rest[:2], "big")
        found.append(rest[2 : 2 + size])
        rest = rest[2 + size :]
    if not found:
        return None
    place = dice.randrange(len(found))
    how = dice.randrange(5)
    if how == 0:
        del found[place]
    elif how == 1:
        found.insert(dice.randrange(len(found) + 1), found[place])
    elif how == 2:
        found.insert(place, bytes((dice.choice((0, 1, 2, 3, 4, 5, 0xFF)),)))
    else:
        found[place] = _bytes_altered(found[place], dice)
    sized = (len(one).to_bytes(2, "big") + one for one in found)
    return data[:1] + b"".join(sized) + (rest if dice.randrange(8) == 0 else b"")
