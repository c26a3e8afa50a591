# SPDX-License-Identifier: Apache-2.0
"""The columns of a list with numpy, and many look-ups at once. The only file that knows it.

Every place that looks like an entry is found at once; if each begins where the one before
ends, they are the entries. If not (an entry of another form, or octets inside a serial that
look like one), the lengths are followed one by one instead.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jpki.certificate import der
from jpki.validation.crl_index.columns import (
    REASON,
    REASON_CODES,
    UTC_TIME,
    Buffer,
    Careful,
    Columns,
    TooWide,
)

Numbers = NDArray[np.uint64]
Places = NDArray[np.int64]
Part = tuple[NDArray[Any], NDArray[np.uint32]]

_CHUNK: Final = 1 << 20
# Where the middle of a list is looked for (octets); an entry has some forty.
_AROUND: Final = 1 << 10
_DIGITS: Final = np.uint64(0x3030303030303030)
_HIGH_NIBBLES: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_SIX: Final = np.uint64(0x0606060606060606)
# The eight octets that a date begins with: two fixed ones, six digits; and those it ends with.
_FIRST_DIGITS: Final = np.uint64(0xFFFFFFFFFFFF0000)
_LAST_DIGITS: Final = np.uint64(0x00FFFFFFFFFFFFFF)
_REASON_8: Final = np.frombuffer(REASON[:8], "<u8")[0]
_REASON_7: Final = np.frombuffer(REASON[6:] + b"\0", "<u8")[0]
_SEVEN: Final = np.uint64((1 << 56) - 1)
_KNOWN_REASON: Final = np.isin(np.arange(256), list(REASON_CODES))


class _Tiles(NamedTuple):
    """Entries in a window: where each begins and ends, the octets of its serial, its head."""

    at: Places
    ends: Places
    sizes: Places
    heads: Numbers

    @classmethod
    def of(cls, window: NDArray[np.uint8], at: Places) -> _Tiles:
        """What begins at these places."""
        heads = _load(window, at)
        octets = heads.view(np.uint8).reshape(-1, 8)
        return cls(at, at + octets[:, 1] + 2, octets[:, 3].astype(np.int64), heads)

    def some(self, wanted: NDArray[np.bool_]) -> _Tiles:
        """Those that are marked."""
        return _Tiles(self.at[wanted], self.ends[wanted], self.sizes[wanted], self.heads[wanted])

    def octets(self, number: int) -> NDArray[np.uint8]:
        """One octet of each head, counted from the beginning of the entry."""
        return self.heads.view(np.uint8).reshape(-1, 8)[:, number]


def gather(data: bytes, start: int, end: int, width: int) -> Columns:
    """As ``columns.collect``, for keys of four or eight octets. Raises TooWide."""
    parts = _halves(data, start, end, width) or [_part(data, start, end, width)]
    if width == 4:
        pairs = [rows for rows, _ in parts]
        del parts  # a third of the memory
        return _merged(pairs)
    keys, places = zip(*parts, strict=True)
    return _columns(np.concatenate(keys), np.concatenate(places))


def _halves(data: bytes, start: int, end: int, width: int) -> list[Part] | None:
    """Both halves of a long list at once, where the middle of it can be told; else None.

    Each half has to tile its own part exactly, so a middle that is none cannot pass for one.
    """
    middle = _beginning(data, (start + end) // 2, end) if end - start > 2 * _CHUNK else None
    if middle is None:
        return None
    with ThreadPoolExecutor(2) as pool:  # numpy leaves the interpreter to the other half
        first = pool.submit(_part, data, start, middle, width)
        second = pool.submit(_part, data, middle, end, width)
    try:
        return [first.result(), second.result()]
    except (der.DerError, TooWide):
        return None


def _beginning(data: bytes, near: int, end: int) -> int | None:
    """A place at or after ``near`` from which entries seem to follow one another."""
    for place in range(near, min(near + _AROUND, end)):
        at = place
        for _ in range(8):
            if data[at : at + 3 : 2] != b"\x30\x02" or data[at + 1] >= 0x80:
                break
            at += 2 + data[at + 1]
        else:
            return place
    return None


def _part(data: bytes, start: int, end: int, width: int) -> Part:
    """Keys and places of the entries from ``start`` to ``end``, in the order of the list; of
    keys of four octets the sorted pairs of both, and nothing."""
    careful = Careful(data, end, width)
    keys: list[NDArray[Any]] = []
    places: list[NDArray[np.uint32]] = []
    pos = start
    while pos < end:
        found, rows, pos = _chunk(data, pos, end, width, careful)
        if width == 4:  # serial and place in one number
            keys.append(rows << np.uint64(32) | found.astype(np.uint64))
        else:
            keys.append(rows)
            places.append(found.astype("<u4"))
    joined = np.concatenate(keys) if keys else np.empty(0, np.uint64)
    if width == 4:
        keys.clear()
        joined.sort()
    return joined, np.concatenate(places) if places else np.empty(0, np.uint32)


def _merged(parts: list[NDArray[Any]]) -> Columns:
    pairs = np.concatenate(parts)
    if len(parts) > 1:
        parts.clear()
        pairs.sort(kind="stable")  # which only merges what is sorted in parts
    halves = pairs.view("<u4")
    return Columns(4, len(pairs), halves[1::2].tobytes(), halves[::2].tobytes())


def _columns(rows: NDArray[Any], places: NDArray[np.uint32]) -> Columns:
    order = np.argsort(rows, kind="stable")
    return Columns(8, len(order), rows[order].tobytes(), places[order].tobytes())


def _chunk(
    data: bytes, pos: int, end: int, width: int, careful: Careful
) -> tuple[Places, NDArray[Any], int]:
    """Places of entries that begin at ``pos`` and after, their keys, and where to go on."""
    stop = min(pos + _CHUNK, end)
    size = stop - pos
    # Eight octets more than are looked at, so that every load below is inside.
    window = np.frombuffer(data[pos : stop + 8].ljust(size + 8, b"\0"), np.uint8)
    tiles = _tiling(window, size, last=stop == end)
    if tiles is None:
        found = careful.positions(pos, min(pos + _CHUNK // 8, end))
        after = found.pop()
        serials = [careful.entry(place)[0] for place in found]
        return np.array(found, np.int64), np.array(serials, np.uint64), after
    usual = _usual(window, tiles)
    rows = _keys(window, tiles, width, usual)
    for i in np.flatnonzero(~usual):
        rows[i] = careful.entry(pos + int(tiles.at[i]))[0]
    return tiles.at + pos, rows, pos + int(tiles.ends[-1])


def _tiling(window: NDArray[np.uint8], size: int, *, last: bool) -> _Tiles | None:
    """The entries, each beginning where the one before ends; None = follow the lengths."""
    body = window[:size]
    at = np.flatnonzero((body[: max(size - 3, 0)] == 0x30) & (body[2 : max(size - 1, 2)] == 0x02))
    tiles = _Tiles.of(window, at)
    date = at + 4 + tiles.sizes
    likely = (tiles.ends - at < 0x82) & (date < size)
    likely &= window[np.where(likely, date, 0)] == UTC_TIME[0]
    if not last:
        likely &= tiles.ends <= size
    if not likely.all():
        tiles = tiles.some(likely)
    inside = np.flatnonzero(tiles.at[1:] < tiles.ends[:-1])
    if len(inside):  # octets of an entry look like one; what follows them seems to be inside too
        tiles = tiles.some(~np.isin(np.arange(len(tiles.at)), _firsts(inside) + 1))
    if not len(tiles.at) or tiles.at[0] or not np.array_equal(tiles.at[1:], tiles.ends[:-1]):
        return None
    return None if last and tiles.ends[-1] != size else tiles


def _firsts(numbers: Places) -> Places:
    """The first of each run of numbers that follow one another."""
    return numbers[np.diff(numbers, prepend=-2) > 1]


def _usual(window: NDArray[np.uint8], tiles: _Tiles) -> NDArray[np.bool_]:
    """Which entries are of the ordinary form; the others are looked at one by one."""
    sizes = tiles.sizes
    date = tiles.at + 4 + sizes
    after = date + 15
    rest = tiles.ends - after
    given = rest == len(REASON) + 1
    good = (sizes > 0) & (sizes <= 20) & ((rest == 0) | given)
    if not good.all():  # loads at places that lie outside would fail
        date, after = np.where(good, date, 0), np.where(good, after, 15)
    first, second = _load(window, date), _load(window, date + 7)
    good &= (first & np.uint64(0xFFFF)) == np.uint64(0x0D17)
    good &= (second >> np.uint64(56)) == np.uint64(0x5A)
    good &= _digits(first, _FIRST_DIGITS) & _digits(second, _LAST_DIGITS)
    lead, following = tiles.octets(4), tiles.octets(5)
    good &= (lead < 0x80) & ((lead != 0) | ((sizes > 1) & (following >= 0x80)))
    tail = after if given.all() else np.where(given & good, after, 0)
    ending = _load(window, tail + 6)
    named = (_load(window, tail) == _REASON_8) & ((ending & _SEVEN) == _REASON_7)
    named &= _KNOWN_REASON[(ending >> np.uint64(56)).astype(np.intp)]
    usual: NDArray[np.bool_] = good & (named | ~given)
    return usual


def _load(window: NDArray[np.uint8], places: Places) -> Numbers:
    """Eight octets at each place, the first one lowest."""
    words: NDArray[Any] = np.ndarray((len(window) - 7,), "<u8", window, strides=(1,))
    return words[places]


def _digits(octets: Numbers, mask: np.uint64) -> NDArray[np.bool_]:
    """Whether all octets under ``mask`` are decimal digits."""
    held = (octets & mask) | (_DIGITS & ~mask)
    digits: NDArray[np.bool_] = (held & _HIGH_NIBBLES) == _DIGITS
    digits &= ((held + _SIX) & _HIGH_NIBBLES) == _DIGITS
    return digits


def _keys(
    window: NDArray[np.uint8], tiles: _Tiles, width: int, usual: NDArray[np.bool_]
) -> NDArray[Any]:
    """The key of each entry; of unusual ones anything."""
    at, sizes = tiles.at, tiles.sizes
    lead = (sizes == width + 1) & (tiles.octets(4) == 0)
    if (usual & (sizes > width) & ~lead).any():
        raise TooWide
    begin = at + 4 + lead
    octets = np.clip(sizes - lead, 1, 8).astype(np.uint64)
    loaded = _load(window, begin).byteswap()
    numbers: NDArray[Any] = loaded >> (np.uint64(64) - np.uint64(8) * octets)
    return numbers


def listed(keys: Buffer, width: int, serials: Any) -> bytes:
    """One octet a serial: 1 where it is among the sorted ``keys``. Raises OverflowError."""
    wanted = np.asarray(serials, dtype=np.uint64)
    held = np.frombuffer(keys, "<u4" if width == 4 else "<u8")
    found = np.zeros(len(wanted), np.uint8)
    if not len(held) or not len(wanted):
        return found.tobytes()
    inside = wanted <= np.uint64(held[-1])
    sought = np.where(inside, wanted, np.uint64(0)).astype(held.dtype)
    # Neighbours in the index are asked for one after the other: the processor's cache helps.
    order = _order(sought) if width == 4 else np.argsort(sought)
    sought = sought[order]
    at = np.searchsorted(held, sought)
    found[order] = held[at] == sought
    return (found & inside).tobytes()


def _order(sought: NDArray[Any]) -> NDArray[Any]:
    """``argsort`` of 32-bit numbers, several times as fast."""
    pairs = sought.astype(np.uint64) << np.uint64(32) | np.arange(len(sought), dtype=np.uint64)
    pairs.sort()
    return (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
