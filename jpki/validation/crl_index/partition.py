# SPDX-License-Identifier: Apache-2.0
"""One list, looked up in its index. Nothing is read of a list but what a question needs."""

from __future__ import annotations

import hashlib
import mmap
import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from jpki.errors import RevocationDataError
from jpki.validation.crl_facts import IssuingPoint
from jpki.validation.crl_index import layout
from jpki.validation.crl_index.layout import BLOCK, OFFSET_OCTETS

# What reads lists and sorts them is imported where it is used: most questions are answered
# by the index alone.
if TYPE_CHECKING:
    from jpki.certificate.serial import SerialRef
    from jpki.validation.crl import Revoked

_HASH: Final = 32
_SMALL: Final = 1 << 20
# From how many serials on a question is put to numpy.
_MANY: Final = 64
# Up to how many blocks are proven and searched as one.
_FEW: Final = 8
# Bits for each key of a small list, rounded to a power of two: of the serials that are not
# listed one in eight to sixteen has to be searched for.
_BITS: Final = 16


class Serials(Protocol):
    """Numbers, as a list or an array of numpy's."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[int]: ...


class Entry(NamedTuple):
    """A revoked certificate. ``since``: aware; ``reason``: a word of ``crl.REASONS``."""

    since: datetime
    reason: str


class Partition:
    """The index of one list, read where it lies.

    ``descriptor``: of the open index; it stays the caller's. ``body``: opens the list itself,
    by its SHA-256, for date and reason on a hit. Raises RevocationDataError.
    """

    __slots__ = (
        "_body",
        "_count",
        "_data",
        "_firsts",
        "_key_hashes",
        "_key_octets",
        "_keys",
        "_limit",
        "_place_hashes",
        "_place_octets",
        "_proven",
        "_whole",
        "facts",
        "mapped",
        "next_update",
        "number",
        "small",
        "this_update",
    )

    def __init__(self, descriptor: int, body: Callable[[bytes], int]) -> None:
        size = os.fstat(descriptor).st_size
        if not size:
            raise layout.damaged()
        # A mapped file holds a descriptor, of which a process has about a thousand.
        self._data: bytes | mmap.mmap
        if size <= _SMALL:
            self._data = os.pread(descriptor, size, 0)
        else:
            self._data = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        self.mapped = size > _SMALL
        self._body = body
        view = memoryview(self._data)
        self.facts, at = layout.read_facts(view, size)
        facts = self.facts
        tables = view[at.tables : at.tables + facts.table_size]
        if hashlib.sha256(tables).digest() != facts.tables:
            raise layout.damaged()
        hashes = facts.blocks * facts.width
        self._key_hashes = tables[hashes : hashes + facts.blocks * _HASH]
        self._place_hashes = tables[hashes + facts.blocks * _HASH :]
        self._firsts = list(_numbers(tables[:hashes], facts.width))
        self._key_octets = view[at.keys : at.keys + facts.count * facts.width]
        self._place_octets = view[at.offsets : at.end]
        self._keys = _numbers(self._key_octets, facts.width)
        self._proven = bytearray(facts.blocks)
        self._whole = False
        self._limit = 1 << 8 * facts.width
        self._count = facts.count
        self.small = facts.blocks <= _FEW
        self.number: int = facts.number
        self.this_update: datetime = facts.this_update
        self.next_update: datetime = facts.next_update

    def __len__(self) -> int:
        return self._count

    @property
    def point(self) -> IssuingPoint:
        """As of a list that was read: an index is made of none that has a fault."""
        return IssuingPoint(self.facts.point)

    def position(self, serial: int) -> int:
        """Where among the keys the serial is first; -1 if it is not listed.

        Raises RevocationDataError for a damaged index.
        """
        if not 0 <= serial < self._limit:
            return -1
        begin, end, keys = 0, self._count, self._keys
        if not self._whole:
            block = bisect_right(self._firsts, serial) - 1
            if block < 0:
                return -1
            if self.small:
                self.prove()
            elif not self._proven[block]:
                self._prove(block)
            begin = block * BLOCK
            if begin + BLOCK < end:
                end = begin + BLOCK
        at = bisect_left(keys, serial, begin, end)
        return at if at < end and keys[at] == serial else -1

    def low_bits(self) -> bytes | None:
        """A bit for each number that low bits of a serial can make, set where they are those of
        a key; see ``may_have``. None for a list that is not small, or not yet proven."""
        if not self._whole:
            return None
        octets = bytearray(1 << max(0, (_BITS * self._count).bit_length() - 4))
        for key in self._keys:
            octets[(key >> 3) % len(octets)] |= 1 << (key & 7)
        return bytes(octets)

    def entry(self, serial: int) -> Entry | None:
        """The entry of a serial, or None. Raises RevocationDataError."""
        at = self.position(serial)
        if at < 0:
            return None
        first = at
        while first and first % BLOCK == 0:  # the same serial may end the block before
            self._prove(first // BLOCK - 1)
            first = bisect_left(self._keys, serial, first - BLOCK, first)
            if first % BLOCK:
                break
        last = at
        while last < len(self) and self._keys[last] == serial:
            last += 1
            if last < len(self) and last % BLOCK == 0:
                self._prove(last // BLOCK)
        found = list(self._entries(serial, range(first, last)))
        earliest = min(found, key=lambda entry: entry.since)
        return Entry(earliest.since, earliest.reason)

    def find(self, serial: SerialRef) -> Revoked | None:
        """As ``Crl.find``."""
        from jpki.validation.crl import Revoked

        entry = self.entry(int.from_bytes(serial.reveal(), "big"))
        return None if entry is None else Revoked(entry.since, entry.reason)

    def listed(self, serials: Serials) -> bytes:
        """One octet for each serial: 1 = listed, 0 = not. With numpy, millions a second; an
        array of numpy's is taken as it is. Raises RevocationDataError."""
        from jpki.validation.crl_index.columns import has_numpy

        if len(serials) >= _MANY and self.facts.width < 20 and has_numpy():
            from jpki.validation.crl_index import fast

            self.prove()
            try:
                return fast.listed(self._key_octets, self.facts.width, serials)
            except OverflowError:  # one that no 64-bit number holds
                pass
        position = self.position
        return bytes([position(int(serial)) >= 0 for serial in serials])

    def keys(self) -> Iterator[int]:
        """Every serial listed, in order. Raises RevocationDataError."""
        self.prove()
        return (self._keys[i] for i in range(len(self)))

    def prove(self) -> None:
        """Checks every key against the hashes. Raises RevocationDataError."""
        at = self._proven.find(0)
        while at >= 0:
            self._prove(at)
            at = self._proven.find(0, at)

    def _prove(self, block: int) -> None:
        size = BLOCK * self.facts.width
        octets = self._key_octets[block * size : (block + 1) * size]
        if hashlib.sha256(octets).digest() != self._key_hashes[block * _HASH : (block + 1) * _HASH]:
            raise layout.damaged()
        self._proven[block] = 1
        self._whole = self.small and 0 not in self._proven

    def _entries(self, serial: int, rows: range) -> Iterator[Revoked]:
        from jpki.validation.crl import readable

        try:
            descriptor = self._body(self.facts.crl)
        except FileNotFoundError:
            raise RevocationDataError(reason="list_missing", source="crl") from None
        try:
            for row in rows:
                yield readable(partial(self._read_entry, descriptor, serial, self._place(row)))
        finally:
            os.close(descriptor)

    def _place(self, row: int) -> int:
        """Where in the list the entry of a row begins."""
        block, size = row // BLOCK, BLOCK * OFFSET_OCTETS
        octets = self._place_octets[block * size : (block + 1) * size]
        digest = self._place_hashes[block * _HASH : (block + 1) * _HASH]
        if hashlib.sha256(octets).digest() != digest:
            raise layout.damaged()
        return octets.cast("I")[row % BLOCK]

    def _read_entry(self, descriptor: int, serial: int, place: int) -> Revoked:
        from jpki.certificate import der
        from jpki.validation.crl import MAX_PART, read_entry

        data = os.pread(descriptor, MAX_PART, place)
        tag, start, end = der.header(data, 0, len(data))
        number = der.Reader(data, start, end).next(der.INTEGER)
        if tag != der.SEQUENCE or der.integer(number) != serial:
            raise RevocationDataError(reason="index_damaged", source="crl")
        return read_entry(data, 0)


def may_have(low_bits: bytes, serial: int) -> bool:
    """Whether a list of these low bits may have the serial; surely not if False.

    One place is looked at where a search looks at ten, and of thousands of lists each is a
    wait for the memory. Serials that follow one another differ in their low bits.
    """
    return low_bits[(serial >> 3) % len(low_bits)] >> (serial & 7) & 1 == 1


class _LongNumbers(Sequence[int]):
    """Big-endian numbers of twenty octets."""

    def __init__(self, octets: memoryview, width: int) -> None:
        self._octets = octets
        self._width = width

    def __len__(self) -> int:
        return len(self._octets) // self._width

    def __getitem__(self, index: int) -> int:  # type: ignore[override]
        begin = index * self._width
        if begin >= len(self._octets):
            raise IndexError(index)
        return int.from_bytes(self._octets[begin : begin + self._width], "big")


def _numbers(octets: memoryview, width: int) -> Sequence[int]:
    """The numbers in ``octets``, in place."""
    if width == 4:
        return cast(Sequence[int], octets.cast("I"))
    if width == 8:
        return cast(Sequence[int], octets.cast("Q"))
    return _LongNumbers(octets, width)
