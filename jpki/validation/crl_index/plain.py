# SPDX-License-Identifier: Apache-2.0
"""The columns of a list without numpy: what is done per octet is done by slices of bytes.

Entries of one size are laid under one another; the n-th octets of all of them are then one
slice with a step, which methods of ``bytes`` check at once. Keys are sorted as floats, whose
order is that of their bits: no other sort of Python's is as fast.
"""

from __future__ import annotations

import itertools
import math
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from jpki.certificate import der
from jpki.validation.crl_index.columns import (
    REASON,
    REASON_CODES,
    UTC_TIME,
    Careful,
    Columns,
    TooWide,
)

_LITTLE: Final = sys.byteorder == "little"
_WORDS: Final = "I" if array("I").itemsize == 4 else "L"
# How much of a list is looked at together (octets): little enough for the processor's cache.
_CHUNK: Final = 1 << 18
# How many pairs are sorted at once: what bounds the memory.
_RUN: Final = 1 << 18
# How much of a list is read entry by entry after one that is not of the usual form (octets).
_STRETCH: Final = 1 << 16
# A float with this bit and any below it set is positive and an ordinary number.
_NORMAL: Final = 61


def gather(data: bytes, start: int, end: int, width: int) -> Columns:
    """As ``columns.collect``, for keys of that width. Raises TooWide."""
    keys, offsets = bytearray(), array(_WORDS)
    careful = Careful(data, end, width)
    pos = start
    while pos < end:
        stop = min(pos + _CHUNK, end)
        chunk = data[pos:stop]
        rows, used = _walk(chunk, last=stop == end)
        if not used:  # an entry with a long length: some more may follow
            places = careful.positions(pos, min(pos + _STRETCH, end))
            pos = places.pop()
            keys += _encoded([careful.entry(place)[0] for place in places], width)
            offsets.extend(places)
            continue
        for size, row in rows.items():
            keys += _keys(chunk, row, size, width, pos, careful)
            offsets.extend(map(pos.__add__, row))
        pos += used
    if width == 4:
        numbers = array(_WORDS)
        numbers.frombytes(keys)
        del keys
        pair = sort_pairs(numbers, offsets)
        return Columns(width, len(offsets), *map(_octets, pair))
    return _by_digits(keys, width, offsets)


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


def _keys(
    chunk: bytes, places: Sequence[int], size: int, width: int, base: int, careful: Careful
) -> bytes | bytearray:
    """The keys of entries of one size, in the order of ``places``."""
    table = b"".join([chunk[at : at + size] for at in places])
    count = len(places)
    octets = table[3] if size > 3 else 0
    if not _usual(table, size, octets, count):
        serials = [careful.entry(base + at)[0] for at in places]
        return _encoded(serials, width)
    columns = [table[4 + i :: size] for i in range(octets)]
    if octets > width:
        # The octet in front of a serial with its highest bit set; more does not fit.
        if any(column.count(0) != count for column in columns[: octets - width]):
            raise TooWide
        del columns[: octets - width]
    keys = bytearray(count * width)
    for i, column in enumerate(reversed(columns)):
        keys[i if width < 20 and _LITTLE else width - 1 - i :: width] = column
    return keys


def _usual(table: bytes, size: int, octets: int, count: int) -> bool:
    """Whether all entries, each ``size`` octets, are of the ordinary form. False = look closer."""
    date = 4 + octets
    after = date + 15
    if not 0 < octets <= 20 or after > size:
        return False
    fixed = {0: 0x30, 2: 0x02, 3: octets, date: UTC_TIME[0], date + 1: UTC_TIME[1], after - 1: 0x5A}
    if size == after + len(REASON) + 1:
        fixed |= {after + i: octet for i, octet in enumerate(REASON)}
        if not REASON_CODES.issuperset(table[size - 1 :: size]):
            return False
    elif size != after:
        return False
    if any(table[i::size].count(octet) != count for i, octet in fixed.items()):
        return False
    if not all(table[i::size].isdigit() for i in range(date + 2, after - 1)):
        return False
    return _positive(table[4::size], table[5::size] if octets > 1 else b"", count)


def _positive(first: bytes, second: bytes, count: int) -> bool:
    """Whether serials that begin so are minimal, positive INTEGERs."""
    zeros = first.count(0)
    if not first.isascii() or (zeros and not second):
        return False
    if zeros == count:
        return not second.translate(None, bytes(range(0x80, 0x100)))
    return not zeros or all(b > 0x7F for a, b in zip(first, second, strict=True) if not a)


def _encoded(serials: Sequence[int], width: int) -> bytes:
    order = "big" if width == 20 else sys.byteorder
    return b"".join([serial.to_bytes(width, order) for serial in serials])


def _octets(words: array[int]) -> memoryview:
    return memoryview(words).cast("B")


def sort_pairs(high: array[int], low: array[int]) -> tuple[array[int], array[int]]:
    """Pairs of 32-bit numbers, sorted. Raises DerError when the low ones leave no room.

    A pair is one float: the order of positive floats is that of their bits.
    """
    bits = max(low, default=0).bit_length()
    if bits > _NORMAL - 32:
        raise der.DerError("too_large", 0)
    runs = [_run(high[a : a + _RUN], low[a : a + _RUN], bits) for a in range(0, len(high), _RUN)]
    highs, lows = array(_WORDS), array(_WORDS)
    for piece in runs if len(runs) < 2 else _merged(runs):
        packed, count = int.from_bytes(piece.tobytes(), sys.byteorder), len(piece)
        highs.frombytes(_halves(packed >> bits, count))
        lows.frombytes(_halves(packed & _repeated((1 << bits) - 1, count), count))
    return highs, lows


def _run(high: array[int], low: array[int], bits: int) -> array[float]:
    """The pairs as sorted floats: all are packed at once, as one very long integer."""
    count = len(high)
    packed = _widened(high) << bits | _widened(low) | _repeated(1 << _NORMAL, count)
    floats = array("d", packed.to_bytes(8 * count, sys.byteorder))
    return array("d", sorted(floats))


def _widened(words: array[int]) -> int:
    """An integer of 64-bit rows, each one of the words."""
    rows = bytearray(8 * len(words))
    view = memoryview(rows).cast(_WORDS)
    view[0 if _LITTLE else 1 :: 2] = memoryview(words)
    return int.from_bytes(rows, sys.byteorder)


def _repeated(row: int, count: int) -> int:
    return int.from_bytes(row.to_bytes(8, sys.byteorder) * count, sys.byteorder)


def _halves(rows: int, count: int) -> bytes:
    """The lower 32 bits of each 64-bit row."""
    words = memoryview(rows.to_bytes(8 * count, sys.byteorder)).cast(_WORDS)
    return words[0 if _LITTLE else 1 :: 2].tobytes()


def _merged(runs: Sequence[array[float]]) -> Iterator[array[float]]:
    """Sorted runs as sorted pieces of about their size that follow one another."""
    samples = sorted(itertools.chain.from_iterable(run[::256] for run in runs))
    at = [0] * len(runs)
    for number in range(1, len(runs) + 1):
        pivot = samples[len(samples) * number // len(runs)] if number < len(runs) else math.inf
        ends = [bisect_left(run, pivot) for run in runs]
        pieces = (run[a:b] for run, a, b in zip(runs, at, ends, strict=True))
        yield array("d", sorted(itertools.chain.from_iterable(pieces)))
        at = ends


def _by_digits(keys: bytearray, width: int, offsets: array[int]) -> Columns:
    """Columns of long keys: sorted by place first, then by each 32 bits, the lowest first."""
    count, words = len(offsets), memoryview(keys).cast(_WORDS)
    little = width < 20 and _LITTLE
    step = width // 4
    order = sort_pairs(offsets, array(_WORDS, range(count)))[1]
    for place in range(step):
        digit = array(_WORDS, words[place if little else step - 1 - place :: step].tobytes())
        if width == 20 and _LITTLE:
            digit.byteswap()
        if any(digit):
            high = array(_WORDS, map(digit.__getitem__, order))
            ranks = sort_pairs(high, array(_WORDS, range(count)))[1]
            order = array(_WORDS, map(order.__getitem__, ranks))
    rows = memoryview(keys)
    found = b"".join(rows[i * width : (i + 1) * width] for i in order)
    return Columns(width, count, found, _octets(array(_WORDS, map(offsets.__getitem__, order))))
