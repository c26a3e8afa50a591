# SPDX-License-Identifier: Apache-2.0
"""The columns of a list with numpy, and many look-ups at once. The only file that knows it.

Every place that looks like an entry is found at once; if each begins where the one before
ends, they are the entries. If not (an entry of another form, or octets inside a serial that
look like one), the lengths are followed one by one instead.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

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

_CHUNK: Final = 1 << 20
_DIGITS: Final = np.uint64(0x3030303030303030)
_HIGH_NIBBLES: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_SIX: Final = np.uint64(0x0606060606060606)
# The eight octets that a date begins with: two fixed ones, six digits; and those it ends with.
_FIRST_DIGITS: Final = np.uint64(0xFFFFFFFFFFFF0000)
_LAST_DIGITS: Final = np.uint64(0x00FFFFFFFFFFFFFF)
_REASON_8: Final = np.frombuffer(REASON[:8], "<u8")[0]
_REASON_5: Final = np.frombuffer(REASON[5:], "<u8")[0]
_KNOWN_REASON: Final = np.isin(np.arange(256), list(REASON_CODES))


def gather(data: bytes, start: int, end: int, width: int) -> Columns:
    """As ``columns.collect``, for keys of that width. Raises TooWide."""
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
    if width == 4:
        return _pairs(keys)
    return _columns(width, keys, places)


def _pairs(keys: list[NDArray[Any]]) -> Columns:
    pairs = np.concatenate(keys) if keys else np.empty(0, np.uint64)
    keys.clear()
    pairs.sort()
    halves = pairs.view("<u4")
    return Columns(4, len(pairs), halves[1::2].tobytes(), halves[::2].tobytes())


def _columns(width: int, keys: list[NDArray[Any]], places: list[NDArray[np.uint32]]) -> Columns:
    rows, offsets = np.concatenate(keys), np.concatenate(places)
    order = np.argsort(offsets, kind="stable")
    if width == 8:
        order = order[np.argsort(rows[order], kind="stable")]
    else:
        digits = rows.view(">u4").reshape(-1, 5)
        for column in range(4, -1, -1):
            order = order[np.argsort(digits[order, column].astype(np.uint32), kind="stable")]
    return Columns(width, len(order), rows[order].tobytes(), offsets[order].tobytes())


def _chunk(
    data: bytes, pos: int, end: int, width: int, careful: Careful
) -> tuple[Places, NDArray[Any], int]:
    """Places of entries that begin at ``pos`` and after, their keys, and where to go on."""
    stop = min(pos + _CHUNK, end)
    # Eight octets more than are looked at, so that every load below is inside.
    window = np.frombuffer(data[pos:stop] + bytes(8), np.uint8)
    size = stop - pos
    at = _tiling(window, size, last=stop == end)
    if at is None or not len(at):
        found = careful.positions(pos, min(pos + _CHUNK // 8, end))
        after = found.pop()
        serials = [careful.entry(place)[0] for place in found]
        return np.array(found, np.int64), _encoded(serials, width), after
    sizes = window[at + 3].astype(np.int64)
    ends = at + 2 + window[at + 1]
    usual = _usual(window, at, sizes, ends)
    rows = _keys(window, at, sizes, width, usual)
    for i in np.flatnonzero(~usual):
        serial = careful.entry(pos + int(at[i]))[0]
        rows[i] = _encoded([serial], width)[0]
    return at + pos, rows, pos + int(ends[-1])


def _tiling(window: NDArray[np.uint8], size: int, *, last: bool) -> Places | None:
    """Where the entries are, each beginning where the one before ends; None = follow lengths."""
    body = window[:size]
    at = np.flatnonzero((body[: max(size - 3, 0)] == 0x30) & (body[2 : max(size - 1, 2)] == 0x02))
    date = at + 4 + window[at + 3]
    likely = (window[at + 1] < 0x80) & (date < size)
    likely &= window[np.where(likely, date, 0)] == UTC_TIME[0]
    at = at[likely]
    ends = at + 2 + window[at + 1]
    if not last:
        at = at[: int(np.searchsorted(ends, size, side="right"))]
        ends = ends[: len(at)]
    if not len(at) or at[0] or not np.array_equal(at[1:], ends[:-1]):
        return None
    return None if last and ends[-1] != size else at


def _usual(window: NDArray[np.uint8], at: Places, sizes: Places, ends: Places) -> NDArray[np.bool_]:
    """Which entries are of the ordinary form; the others are looked at one by one."""
    date = at + 4 + sizes
    after = date + 15
    rest = ends - after
    good = (sizes > 0) & (sizes <= 20) & ((rest == 0) | (rest == len(REASON) + 1))
    if not good.all():  # loads at places that lie outside would fail
        date, after = np.where(good, date, 0), np.where(good, after, 15)
    first, second = _load(window, date), _load(window, date + 7)
    good &= (first & np.uint64(0xFFFF)) == np.uint64(0x0D17)
    good &= (second >> np.uint64(56)) == np.uint64(0x5A)
    good &= _digits(first, _FIRST_DIGITS) & _digits(second, _LAST_DIGITS)
    lead, following = window[at + 4], window[at + 5]
    good &= (lead < 0x80) & ((lead != 0) | ((sizes > 1) & (following >= 0x80)))
    given = rest == len(REASON) + 1
    tail = after if given.all() else np.where(given & good, after, 0)
    named = (_load(window, tail) == _REASON_8) & (_load(window, tail + 5) == _REASON_5)
    named &= _KNOWN_REASON[window[tail + len(REASON)]]
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
    window: NDArray[np.uint8], at: Places, sizes: Places, width: int, usual: NDArray[np.bool_]
) -> NDArray[Any]:
    """The key of each entry; of unusual ones anything."""
    if width == 20:
        rows = np.zeros((len(at), 20), np.uint8)
        for size in np.unique(sizes[usual]):
            some = np.flatnonzero(usual & (sizes == size))
            places = at[some, None] + 4 + np.arange(size)
            rows[some[:, None], np.arange(20 - size, 20)] = window[places]
        return rows.view("V20").ravel()
    lead = (sizes == width + 1) & (window[at + 4] == 0)
    if (usual & (sizes > width) & ~lead).any():
        raise TooWide
    begin = at + 4 + lead
    octets = np.clip(sizes - lead, 1, 8).astype(np.uint64)
    loaded = _load(window, begin).byteswap()
    numbers: NDArray[Any] = loaded >> (np.uint64(64) - np.uint64(8) * octets)
    return numbers


def _encoded(serials: list[int], width: int) -> NDArray[Any]:
    if width == 20:
        return np.frombuffer(b"".join(serial.to_bytes(20, "big") for serial in serials), "V20")
    return np.array(serials, np.uint64)


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
