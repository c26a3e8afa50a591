# SPDX-License-Identifier: Apache-2.0
"""The ledger: every decision, hash-chained, sealed at its head, signed at checkpoints.

An entry holds no personal data: what it is about is a random ledger id, and whose it is lies
in a table that can be erased. SHA-256 runs over the hash before and every column.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from jpki.mapping.chain import GENESIS, HEAD, Fault, digest_of, ending, walk
from jpki.mapping.checkpoint import Checkpoint
from jpki.mapping.errors import ClockError, LedgerDamagedError
from jpki.mapping.keys import KeyRing
from jpki.mapping.store.prepared import Prepared
from jpki.mapping.store.schema import CHECKPOINT, HASHED, LEDGER, LEDGER_HEAD, LEDGER_PERSON
from jpki.mapping.times import from_micros, micros

EVERY: Final = 10_000  # entries between checkpoints that are made unasked
SKEW: Final = 5_000_000  # µs that clocks of several hosts may differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is written down about one decision. Texts have no control characters.

    ``status``: method and result of the revocation check; ``status_at``: time of the data it
    rests on. ``giver``, ``receiver``, ``obtained``: who gave, to whom, and how. ``document``:
    reference of a staff member's ground.
    """

    operation: str
    service: str
    purpose: str
    outcome: str
    reason: str
    role: str = ""
    actor: str = ""
    policy: str = ""
    article: str = ""
    proof: str = ""
    family: str = ""
    medium: str = ""
    status: str = ""
    status_at: datetime | None = None
    giver: str = ""
    receiver: str = ""
    obtained: str = ""
    document: str = ""


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What verification found. ``checkpoints``: how many signed ones fit the chain."""

    entries: int
    hash: bytes
    checkpoints: int
    fault: Fault | None = None
    last_checkpoint: Checkpoint | None = None

    @property
    def intact(self) -> bool:
        return self.fault is None


# Every parameter has its column's name and a line after it: one set of values fits them all.
_ADD: Final = insert(LEDGER).values({c.name: bindparam(f"{c.name}_") for c in LEDGER.columns})
_ADD_PERSON: Final = insert(LEDGER_PERSON).values(
    handle=bindparam("handle_"), ledger_id=bindparam("ledger_id_")
)
_MOVE_HEAD: Final = (
    update(LEDGER_HEAD)
    .where(LEDGER_HEAD.c.id == 1)
    .values(
        seq=bindparam("seq_"), at=bindparam("at_"), hash=bindparam("hash_"), seal=bindparam("seal_")
    )
)
_HEAD_LOCKED: Final = Prepared(HEAD.with_for_update())
_WRITE: Final = tuple(Prepared(each) for each in (_ADD, _ADD_PERSON, _MOVE_HEAD))
# PostgreSQL takes all three rows in one statement: one way there and back instead of three.
_WRITE_AT_ONCE: Final = (
    Prepared(_MOVE_HEAD.add_cte(_ADD.cte("entry"), _ADD_PERSON.cte("person"))),
)


@dataclass(frozen=True, slots=True)
class _Link:
    """Where the chain stands: the last entry's number, time (µs) and hash."""

    seq: int
    at: int
    hash: bytes


class Ledger:
    """Writes and checks the ledger of one map, inside the caller's transactions."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._map_id = keys.map_id
        self._environment = keys.environment.value

    def begin(self, connection: Connection, now: datetime) -> None:
        """Write the head of an empty ledger."""
        at = micros(now)
        connection.execute(
            insert(LEDGER_HEAD).values(
                id=1, seq=0, at=at, hash=GENESIS, seal=self._seal(0, at, GENESIS)
            )
        )

    def append(
        self, connection: Connection, entry: Entry, *, now: datetime, handle: bytes | None = None
    ) -> str:
        """Add one entry in the caller's transaction; returns its ledger id.

        ``handle``: whom it is about; None writes a random one, so that the same rows are
        written for everybody. From here to the end of the transaction other writers wait.
        Raises ClockError when ``now`` is before the last entry, LedgerDamagedError.
        """
        return self.append_all(connection, [(entry, handle)], now=now)[0]

    def append_all(
        self,
        connection: Connection,
        entries: Sequence[tuple[Entry, bytes | None]],
        *,
        now: datetime,
    ) -> list[str]:
        """As :meth:`append` for each entry and its handle, in this order."""
        last = self._last(connection)
        time = micros(now)
        if time < last.at - SKEW:
            raise ClockError(behind=(last.at - time) // 1_000_000)
        rows = []
        for entry, handle in entries:
            row, last = _next_row(last, entry, max(time, last.at), handle)
            rows.append(row)
        self._write(connection, rows, self._seal(last.seq, last.at, last.hash))
        for row in rows:
            if row["seq_"] % EVERY == 0:
                self._write_checkpoint(connection, row["seq_"], row["at_"], row["hash_"])
        return [row["ledger_id_"] for row in rows]

    def _last(self, connection: Connection) -> _Link:
        """The end of the chain, locked. Raises LedgerDamagedError."""
        head = _HEAD_LOCKED.run(connection, {}).one_or_none()
        if head is None:
            raise LedgerDamagedError(reason="no_head")
        self._check_seal(head)
        return _Link(int(head.seq), int(head.at), bytes(head.hash))

    def _write(self, connection: Connection, rows: list[dict[str, Any]], seal: bytes) -> None:
        if len(rows) > 1:
            for each in _WRITE[:-1]:
                each.run_all(connection, rows)
            statements = _WRITE[-1:]
        elif connection.dialect.name == "postgresql":
            statements = _WRITE_AT_ONCE
        else:
            statements = _WRITE
        moved = rows[-1] | {"seal_": seal}
        for each in statements:
            done = each.run(connection, moved)
        assert done.rowcount == 1

    def checkpoint(self, connection: Connection, now: datetime) -> Checkpoint:
        """Sign where the chain stands; one is made for each length of the chain, once."""
        (head,) = _HEAD_LOCKED.run(connection, {}).rows
        seq, last = int(head.seq), bytes(head.hash)
        self._check_seal(head)
        found = connection.execute(select(CHECKPOINT).where(CHECKPOINT.c.seq == seq)).one_or_none()
        if found is not None:
            return self._checkpoint(found)
        return self._write_checkpoint(connection, seq, micros(now), last)

    def verify(self, connection: Connection, *, kept: Sequence[Checkpoint] = ()) -> LedgerReport:
        """Compare every column of every entry with what was hashed, in constant memory.

        Finds a change, a deletion, a reordering, an insertion, and a cut of the end: against
        the sealed head, the signed checkpoints inside, and ``kept``, those kept elsewhere.
        Who holds the key file too can rewrite all but the last.
        """
        head = connection.execute(HEAD).one_or_none()
        marks, fault = self._marks(connection, kept)
        if head is None:
            return LedgerReport(0, GENESIS, 0, Fault("no_head", 0))
        end = int(head.seq)
        if fault is None and not hmac.compare_digest(
            bytes(head.seal), self._seal(end, int(head.at), bytes(head.hash))
        ):
            fault = Fault("head_seal", end)
        if fault is not None:
            return LedgerReport(0, GENESIS, 0, fault)
        seq, last, fault = walk(connection, end, marks)
        passed = sum(1 for mark in marks if mark <= seq)
        newest = max((m for m in marks if m <= seq), default=None)
        if fault is None:
            fault = ending(connection, seq, last, end, bytes(head.hash), marks)
        found = None if newest is None else marks[newest]
        return LedgerReport(seq, last, passed, fault, found)

    def _marks(
        self, connection: Connection, kept: Sequence[Checkpoint]
    ) -> tuple[dict[int, Checkpoint], Fault | None]:
        marks: dict[int, Checkpoint] = {}
        public_key = self._keys.public_key()
        rows = connection.execute(select(CHECKPOINT).order_by(CHECKPOINT.c.seq))
        inside = (self._checkpoint(row) for row in rows)
        for mark in (*inside, *kept):
            ours = (mark.map_id, mark.environment) == (self._map_id, self._environment)
            if not ours or not mark.is_signed_by(public_key):
                return marks, Fault("checkpoint_signature", mark.seq)
            other = marks.setdefault(mark.seq, mark)
            if other.hash != mark.hash:
                return marks, Fault("checkpoint_differs", mark.seq)
        return marks, None

    def _write_checkpoint(
        self, connection: Connection, seq: int, at: int, digest: bytes
    ) -> Checkpoint:
        mark = Checkpoint(self._map_id, self._environment, seq, from_micros(at), digest)
        mark = replace(mark, signature=self._keys.sign(mark.signed_text()))
        connection.execute(
            insert(CHECKPOINT).values(seq=seq, at=at, hash=digest, signature=mark.signature)
        )
        return mark

    def _checkpoint(self, row: Any) -> Checkpoint:
        return Checkpoint(
            self._map_id, self._environment, int(row.seq), from_micros(int(row.at)),
            bytes(row.hash), bytes(row.signature),
        )  # fmt: skip

    def _check_seal(self, head: Any) -> None:
        """Raises LedgerDamagedError for a head that these keys did not seal."""
        seal = self._seal(int(head.seq), int(head.at), bytes(head.hash))
        if not hmac.compare_digest(bytes(head.seal), seal):
            raise LedgerDamagedError(reason="head_seal")

    def _seal(self, seq: int, at: int, digest: bytes) -> bytes:
        return self._keys.seal_head(b"%d %d " % (seq, at) + digest)


_HASHED: Final = tuple(f"{name}_" for name in HASHED)
_TEXTS: Final = tuple(n for n in HASHED if n not in ("seq", "ledger_id", "at", "status_at"))
_TEXTS_OF: Final = attrgetter(*_TEXTS)
_STATUS: Final = _TEXTS.index("status") + 1  # status_at stands behind it


def _next_row(
    last: _Link, entry: Entry, at: int, handle: bytes | None
) -> tuple[dict[str, Any], _Link]:
    """The values of the row that follows, with whom it is about, and where the chain stands
    then."""
    seq = last.seq + 1
    values = _columns(entry, seq, secrets.token_hex(16), at)
    digest = digest_of(last.hash, values)
    row = dict(zip(_HASHED, values, strict=True))
    row.update(prev_hash_=last.hash, hash_=digest, handle_=handle or secrets.token_bytes(16))
    return row, _Link(seq, at, digest)


def _columns(entry: Entry, seq: int, ledger_id: str, at: int) -> tuple[object, ...]:
    """The columns of an entry in the order of ``HASHED``. Raises ValueError."""
    texts: tuple[str, ...] = _TEXTS_OF(entry)
    if not "".join(texts).isprintable():
        raise ValueError("a ledger text with control characters")
    status_at = 0 if entry.status_at is None else micros(entry.status_at)
    return (seq, ledger_id, at, *texts[:_STATUS], status_at, *texts[_STATUS:])


def now_utc() -> datetime:
    """The clock of the map: one place, so that tests can set another."""
    return datetime.now(UTC)
