# SPDX-License-Identifier: Apache-2.0
"""The columns of a list without numpy: what is done per octet is done by slices of bytes.

Entries of one form are laid under one another, with zeros in front of short serials so that all
are of one size; the n-th octets of all of them are then one slice with a step, which methods of
``bytes`` check at once. Where that fails their lengths are followed one by one.
"""

from __future__ import annotations

import functools
import itertools
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from jpki.certificate import der
from jpki.validation.crl_index.columns import (
    REASON,
    REASON_CODES,
    UTC_TIME,
    Careful,
    Columns,
    TooWide,
)
from jpki.validation.crl_index.layout import OFFSET_OCTETS
from jpki.validation.crl_index.sorting import sorted_records

_LITTLE: Final = sys.byteorder == "little"
_WORDS: Final = "I" if array("I").itemsize == OFFSET_OCTETS else "L"
# How much of a list is looked at together (octets): little enough for the processor's cache.
_CHUNK: Final = 1 << 18
# How much of a list is read entry by entry after one that is not of the usual form (octets).
_STRETCH: Final = 1 << 16
# Octets of an entry beside its serial and reason: two headers of two, and the date.
_REST: Final = 19
_DATE: Final = 15
# What the first octet of a serial says, what the second does, and which pairs of them begin a
# minimal positive INTEGER; 8 marks the rows that are asked about.
_FIRST: Final = bytes([0] + [1] * 0x7F + [2] * 0x80)
_SECOND: Final = bytes([0] * 0x80 + [4] * 0x80)
_MARK: Final = 8
_MINIMAL: Final = bytes([*range(_MARK), _MARK | 1, _MARK | 1 | 4, _MARK | 0 | 4])


class _Form(NamedTuple):
    """Entries that differ in the length of the serial alone.

    ``sizes``: octets of serials, ascending. ``tail``: octets after the date.
    """

    sizes: tuple[int, ...]
    tail: int

    @property
    def row(self) -> int:
        """Octets of the longest entry."""
        return _REST + self.sizes[-1] + self.tail

    def head(self, size: int) -> bytes:
        """How an entry with a serial of that size begins."""
        return bytes([0x30, _REST - 2 + size + self.tail, 0x02, size])

    @classmethod
    def of(cls, entries: Iterable[bytes]) -> _Form | None:
        """The form of entries, told by one of each size; None where they have several."""
        sizes = {entry[3]: len(entry) - _REST - entry[3] for entry in entries if len(entry) > _REST}
        tails = set(sizes.values())
        if tails not in ({0}, {len(REASON) + 1}) or not 0 < min(sizes) <= max(sizes) <= 20:
            return None
        return cls(tuple(sorted(sizes)), tails.pop())


def gather(data: bytes, start: int, end: int, width: int) -> Columns:
    """As ``columns.collect``, for keys of that width. Raises TooWide."""
    return _columns(sorted_records(_records(data, start, end, width), width + OFFSET_OCTETS), width)


def _records(data: bytes, start: int, end: int, width: int) -> Iterator[bytes]:
    """Key and place of each entry, big-endian, in pieces."""
    careful = Careful(data, end, width)
    form: _Form | None = None
    pos = start
    while pos < end:
        stop = min(pos + _CHUNK, end)
        chunk = data[pos:stop]
        spread = form and _spread(chunk, form, last=stop == end)
        if form and spread and _usual(spread[0], form):
            table, used = spread
            places = array(_WORDS, _places(table, form, pos))
            yield _packed(table, form, width, places)
            pos += used
            continue
        rows, used = _walk(chunk, last=stop == end)
        if not used:  # an entry with a long length: some more may follow
            found = careful.positions(pos, min(pos + _STRETCH, end))
            pos = found.pop()
            yield careful.records(found)
            continue
        form = _Form.of(chunk[row[0] : row[0] + size] for size, row in rows.items())
        for size, row in rows.items():
            yield _of_one_size(chunk, row, size, width, pos, careful)
        pos += used


def _spread(chunk: bytes, form: _Form, *, last: bool) -> tuple[bytes, int] | None:
    """The whole entries in the chunk, each as long as the longest, and how much of it they are.

    None where that is not shown. Zeros are put in after whatever looks like the head of a short
    entry. A head holds no zero and cannot begin within another, so no head comes or goes by it;
    and if there are as many as rows of that size, then it was none but the heads of these rows.
    """
    longest, row = form.sizes[-1], form.row
    table = chunk
    heads: dict[int, int] = {}
    for size in form.sizes[:-1]:
        head, before = form.head(size), len(table)
        table = table.replace(head, head + bytes(longest - size))
        heads[size] = (len(table) - before) // (longest - size)
    used = len(table) - len(table) % row
    cut = table[used:]
    if not used or (last and cut):
        return None
    table = table[:used]
    sizes = table[3::row]
    for size, count in heads.items():
        count -= cut.count(form.head(size))
        if sizes.count(size) != count:
            return None
        used -= count * (longest - size)
    return table, used


def _usual(table: bytes, form: _Form) -> bool:
    """Whether all rows are entries of that form, and usable. False = look closer."""
    row, longest = form.row, form.sizes[-1]
    count = len(table) // row
    sizes = table[3::row]
    date = 4 + longest
    after = date + _DATE
    fixed = {0: 0x30, 2: 0x02, date: UTC_TIME[0], date + 1: UTC_TIME[1], after - 1: 0x5A}
    if form.tail:
        fixed |= {after + i: octet for i, octet in enumerate(REASON)}
        if not REASON_CODES.issuperset(table[row - 1 :: row]):
            return False
    if any(table[i::row].count(octet) != count for i, octet in fixed.items()):
        return False
    if not all(table[i::row].isdigit() for i in range(date + 2, after - 1)):
        return False
    lengths = sizes.translate(_adding(_REST - 2 + form.tail))
    if sizes.translate(None, bytes(form.sizes)) or table[1::row] != lengths:
        return False
    return all(_minimal(table, form, size, sizes) for size in form.sizes)


def _minimal(table: bytes, form: _Form, size: int, sizes: bytes) -> bool:
    """Whether the serials of that size are minimal, positive INTEGERs."""
    first = 4 + form.sizes[-1] - size
    marked = bytes(size) + bytes([_MARK]) + bytes(0xFF - size)
    # Each of them has bits of its own, so that all rows are put together in one sum.
    told = (
        table[first :: form.row].translate(_FIRST),
        table[first + 1 :: form.row].translate(_SECOND),
        sizes.translate(marked),
    )
    rows = sum(int.from_bytes(octets, "big") for octets in told).to_bytes(len(sizes), "big")
    return not rows.translate(None, _MINIMAL)


def _places(table: bytes, form: _Form, pos: int) -> Iterable[int]:
    """Where each entry begins, the first one at ``pos``."""
    row = form.row
    if len(form.sizes) == 1:
        return range(pos, pos + len(table), row)
    lengths = table[1 : len(table) - row : row].translate(_adding(2))
    return itertools.accumulate(lengths, initial=pos)


@functools.cache
def _adding(more: int) -> bytes:
    """The table that increases octets, for ``bytes.translate``."""
    return bytes((i + more) & 0xFF for i in range(0x100))


def _packed(table: bytes, form: _Form, width: int, places: array[int]) -> bytes:
    """The records of all rows. Raises TooWide."""
    row, longest = form.row, form.sizes[-1]
    count = len(places)
    # The octet in front of a serial with its highest bit set; more does not fit.
    for i in range(longest - width):
        if table[4 + i :: row].count(0) != count:
            raise TooWide
    if _LITTLE:
        places.byteswap()
    offsets = places.tobytes()
    size = width + OFFSET_OCTETS
    records = bytearray(count * size)
    for i in range(1, min(longest, width) + 1):
        records[width - i :: size] = table[4 + longest - i :: row]
    for i in range(OFFSET_OCTETS):
        records[width + i :: size] = offsets[i::OFFSET_OCTETS]
    return bytes(records)


def _walk(chunk: bytes, *, last: bool) -> tuple[dict[int, list[int]], int]:
    """Places of the entries that are whole in the chunk, by their size; and where they end.

    Only lengths are followed here; a long one ends the walk. ``last``: nothing follows.
    """
    rows: list[list[int]] = [[] for _ in range(0x80)]
    add = [row.append for row in rows]
    at = length = 0
    try:
        while True:
            length = chunk[at + 1]
            add[length](at)
            at += length + 2
    except IndexError:  # the end of the chunk, or a long length
        if at > len(chunk):
            at = rows[length].pop()
    if last and at != len(chunk) and chunk[at + 1 : at + 2] <= b"\x7f":
        raise der.DerError("truncated", at)
    return {length + 2: places for length, places in enumerate(rows) if places}, at


def _of_one_size(
    chunk: bytes, row: Sequence[int], size: int, width: int, base: int, careful: Careful
) -> bytes:
    """The records of entries of one size, which begin in the chunk where ``row`` says."""
    table = b"".join([chunk[at : at + size] for at in row])
    places = array(_WORDS, map(base.__add__, row))
    form = _Form.of([table[:size]])
    if form is None or not _usual(table, form):
        return careful.records(places)
    return _packed(table, form, width, places)


def _columns(records: bytearray, width: int) -> Columns:
    """Keys and places, out of sorted records."""
    size = width + OFFSET_OCTETS
    count = len(records) // size
    keys, offsets = bytearray(count * width), bytearray(count * OFFSET_OCTETS)
    for i in range(width):
        keys[width - 1 - i if width < 20 and _LITTLE else i :: width] = records[i::size]
    for i in range(OFFSET_OCTETS):
        place = OFFSET_OCTETS - 1 - i if _LITTLE else i
        offsets[place::OFFSET_OCTETS] = records[width + i :: size]
    return Columns(width, count, keys, offsets)
