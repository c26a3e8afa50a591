# SPDX-License-Identifier: Apache-2.0
"""Serials and places of every entry of a list, in the order that an index needs.

Two ways lead to the same bytes: numpy where it is installed (extra ``fast``), and one that
needs nothing. Both prove that the entries tile their part of the list exactly and check each
of them; where an entry is not of the usual form, ``check_entry`` of the plain reader decides.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from typing import Final, NamedTuple

from jpki.certificate import der
from jpki.validation.crl import check_entry
from jpki.validation.crl_index.layout import OFFSET_OCTETS, WIDTHS

Buffer = bytes | bytearray | memoryview
MAX_OFFSET: Final = 1 << 32
# A date and an extension with a reason, as nearly every entry has them.
UTC_TIME: Final = b"\x17\x0d"
REASON: Final = bytes.fromhex("300c300a0603551d1504030a01")
REASON_CODES: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 9, 10})


class TooWide(Exception):
    """A serial does not fit the width of the keys."""


class Columns(NamedTuple):
    """``rows``: how many. ``keys``: sorted, each ``width`` octets. ``offsets``: of the entries.

    Keys of 4 and 8 octets are integers in the byte order of this machine, those of 20 are
    big-endian. Entries of one serial are in the order of the list.
    """

    width: int
    rows: int
    keys: Buffer
    offsets: Buffer


def collect(data: bytes, start: int, end: int, *, numpy: bool | None = None) -> Columns:
    """Columns of the entries in ``data[start:end]``. ``numpy``: None = where installed.

    Raises DerError for what is not a list of entries, or holds one that cannot be used.
    """
    from jpki.validation.crl_index import plain

    if end > MAX_OFFSET:
        raise der.DerError("too_large", start)
    if sys.byteorder != "little":
        numpy = False
    quick = numpy or (numpy is None and has_numpy())
    for width in WIDTHS:
        try:
            if quick and width <= 8:  # longer ones are no numbers of numpy's
                from jpki.validation.crl_index import fast

                return fast.gather(data, start, end, width)
            return plain.gather(data, start, end, width)
        except TooWide:
            continue
    raise AssertionError("no serial has more than twenty octets")


def has_numpy() -> bool:
    """Whether the extra ``fast`` is there."""
    return importlib.util.find_spec("numpy") is not None


class Careful:
    """Checks entries one by one, where a whole column of them did not pass at once."""

    def __init__(self, data: bytes, end: int, width: int) -> None:
        self._data = data
        self._end = end
        self._width = width
        self._limit = 1 << 8 * width
        self._seen: set[bytes] = set()

    def entry(self, pos: int) -> tuple[int, int]:
        """Serial of the entry at ``pos``, and where it ends. Raises DerError, TooWide."""
        serial, _, stop = check_entry(self._data, pos, self._end, self._seen)
        if serial >= self._limit:
            raise TooWide
        return serial, stop

    def records(self, places: Iterable[int]) -> bytes:
        """Key and place of each entry, big-endian."""
        width = self._width
        return b"".join(
            self.entry(at)[0].to_bytes(width, "big") + at.to_bytes(OFFSET_OCTETS, "big")
            for at in places
        )

    def positions(self, pos: int, until: int) -> list[int]:
        """Where each entry begins that begins before ``until``, checked; and the next."""
        found = []
        while pos < until:
            found.append(pos)
            pos = self.entry(pos)[1]
        return [*found, pos]
