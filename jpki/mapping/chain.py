# SPDX-License-Identifier: Apache-2.0
"""The chain of the ledger: what an entry's hash runs over, and following it to its end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from jpki.mapping.checkpoint import Checkpoint
from jpki.mapping.store.schema import HASHED, LEDGER, LEDGER_HEAD

GENESIS: Final = bytes(32)
_MARK: Final = "\x1f"
_LINE: Final = _MARK.join(["%s"] * len(HASHED))
_MARKS: Final = len(HASHED) - 1
_PAGE: Final = 500

HEAD: Final = select(
    LEDGER_HEAD.c.seq, LEDGER_HEAD.c.at, LEDGER_HEAD.c.hash, LEDGER_HEAD.c.seal
).where(LEDGER_HEAD.c.id == 1)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and at which entry (count from 1; 0 = the ledger as a whole)."""

    code: str
    seq: int


def digest_of(last: bytes, values: tuple[object, ...]) -> bytes:
    """SHA-256 over the hash before and every column, in the order of ``HASHED``."""
    return hashlib.sha256(last + (_LINE % values).encode("utf-8")).digest()


def _rows(connection: Connection, end: int) -> Iterator[Any]:
    """The rows in order, straight from the driver, one page after the other in memory."""
    names = ", ".join((*HASHED, "prev_hash", "hash"))
    cursor: Any = connection.connection.cursor()
    try:
        for after in range(0, end, _PAGE):
            # Only our own integers stand in the text; the drivers differ in their markers. A
            # page is a range of numbers: with LIMIT a planner may sort the rest for each.
            cursor.execute(
                f"SELECT {names} FROM ledger WHERE seq > {after:d} "  # noqa: S608
                f"AND seq <= {min(after + _PAGE, end):d} ORDER BY seq"
            )
            yield from cursor.fetchall()
    finally:
        cursor.close()


def walk(
    connection: Connection, end: int, marks: dict[int, Checkpoint]
) -> tuple[int, bytes, Fault | None]:
    """Follow the chain up to ``end``: the last good entry, its hash, the first fault.

    The hot loop of a verification: what is rare is looked into only when it happens.
    """
    sha256, line, count, mark, wanted = hashlib.sha256, _LINE, len(HASHED), _MARK, _MARKS
    stops = iter(sorted(marks))
    stop = next(stops, 0)
    seq, last, time = 0, GENESIS, 0
    for row in _rows(connection, end):
        text = line % row[:count]
        digest = sha256(last + text.encode("utf-8", "surrogatepass")).digest()
        if row[-1] != digest or row[-2] != last or row[0] != seq + 1 or row[2] < time:
            return seq, last, Fault(_kind(row, seq, last, digest), seq + 1)
        if text.count(mark) != wanted:
            return seq, last, Fault("changed", seq + 1)
        seq, last, time = seq + 1, digest, row[2]
        if seq == stop:
            if marks[seq].hash != digest:
                return seq, last, Fault("checkpoint_differs", seq)
            stop = next(stops, 0)
    return seq, last, None


def _kind(row: Any, seq: int, last: bytes, digest: bytes) -> str:
    """What is wrong with the row that should be entry ``seq + 1``."""
    if row[0] != seq + 1:
        return "missing" if isinstance(row[0], int) and row[0] > seq + 1 else "order"
    return "changed" if row[-1] != digest or row[-2] != last else "time"


def ending(
    connection: Connection,
    seq: int,
    last: bytes,
    end: int,
    head: bytes,
    marks: dict[int, Checkpoint],
) -> Fault | None:
    """Whether the chain ends where its head and every checkpoint say it does."""
    if seq != end:
        return Fault("truncated", seq + 1)
    if last != head:
        return Fault("changed", seq)
    beyond = [mark for mark in marks if mark > end]
    if beyond:
        return Fault("truncated", min(beyond))
    more = connection.execute(select(LEDGER.c.seq).where(LEDGER.c.seq > end).limit(1)).first()
    # Somebody may have written since the head was read: then the head has moved too.
    if more is not None and int(connection.execute(HEAD).one().seq) == end:
        return Fault("inserted", end + 1)
    return None
