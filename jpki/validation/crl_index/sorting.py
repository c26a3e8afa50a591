# SPDX-License-Identifier: Apache-2.0
"""Sorts records of octets without numpy, in their order as big-endian numbers.

On Linux the C library does it, several times as fast as Python would and beside what Python is
doing meanwhile: ``qsort_r`` with ``memcmp``. It hands its last argument on as the third of the
comparison, which for ``memcmp`` is how many octets are compared.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

# How much is sorted at once, while more is being read (octets).
_RUN: Final = 1 << 23


def sorted_records(pieces: Iterable[bytes], size: int) -> bytearray:
    """All records, ``size`` octets each, of pieces that hold whole ones."""
    runs: list[Future[bytearray]] = []
    with ThreadPoolExecutor(1) as pool:
        run = bytearray()
        for piece in pieces:
            run += piece
            if len(run) >= _RUN:
                runs.append(pool.submit(_sorted, run, size))
                run = bytearray()
    if not runs:
        return _sorted(run, size)
    records = bytearray().join([*(future.result() for future in runs), run])
    del runs, run
    return _sorted(records, size)


def _sorted(records: bytearray, size: int) -> bytearray:
    """The records, sorted in place where the system can."""
    sort = _sorter()
    if sort is not None:
        sort(records, size)
        return records
    rows = sorted(records[at : at + size] for at in range(0, len(records), size))
    return bytearray().join(rows)


@functools.cache
def _sorter() -> Callable[[bytearray, int], None] | None:
    """The sort of the C library; None where there is none of that kind."""
    if not sys.platform.startswith("linux"):  # elsewhere its arguments stand in another order
        return None
    import ctypes

    library = ctypes.CDLL(None)
    try:
        sort, compare = library.qsort_r, library.memcmp
    except AttributeError:
        return None
    sort.restype = None

    def in_place(records: bytearray, size: int) -> None:
        if records:
            octets = (ctypes.c_char * len(records)).from_buffer(records)
            width = ctypes.c_size_t(size)
            sort(octets, ctypes.c_size_t(len(records) // size), width, compare, width)

    return in_place
