# SPDX-License-Identifier: Apache-2.0
"""The ledger: every decision, hash-chained, sealed at its head, signed at checkpoints.

An entry holds no personal data: what it is about is a random ledger id, and whose it is lies
in a table that can be erased. SHA-256 runs over the hash before and every column.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, bindparam, insert, select, update

from jpki.mapping.errors import ClockError, LedgerDamagedError
from jpki.mapping.keys import KeyFile
from jpki.mapping.store.schema import CHECKPOINT, HASHED, LEDGER, LEDGER_HEAD, LEDGER_PERSON
from jpki.mapping.times import from_micros, micros

CHECKPOINT_SCHEMA: Final = "jpki.map.checkpoint/1"
GENESIS: Final = bytes(32)
EVERY: Final = 10_000  # entries between checkpoints that are made unasked
SKEW: Final = 5_000_000  # µs that clocks of several hosts may differ
_MARK: Final = "\x1f"
_LINE: Final = _MARK.join(["%s"] * len(HASHED))
_MARKS: Final = len(HASHED) - 1
_PAGE: Final = 500


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
class Checkpoint:
    """The chain up to ``seq`` (count), signed. Kept elsewhere it proves what stood then."""

    map_id: str
    environment: str
    seq: int
    at: datetime
    hash: bytes
    signature: bytes = field(default=b"", repr=False)

    def signed_text(self) -> bytes:
        """What is signed."""
        lines = (
            CHECKPOINT_SCHEMA, self.map_id, self.environment,
            str(self.seq), str(micros(self.at)), self.hash.hex(),
        )  # fmt: skip
        return "\n".join(lines).encode("utf-8")

    def is_signed_by(self, public_key: bytes) -> bool:
        """Whether the ledger key (32 bytes, public) made the signature."""
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(
                self.signature, self.signed_text()
            )
        except (InvalidSignature, ValueError):
            return False
        return True

    def to_object(self) -> dict[str, object]:
        """The JSON object, ``jpki.map.checkpoint/1``."""
        return {
            "schema": CHECKPOINT_SCHEMA,
            "map": self.map_id,
            "environment": self.environment,
            "entries": self.seq,
            "at_us": micros(self.at),
            "hash": self.hash.hex(),
            "signature": self.signature.hex(),
        }


def parse_checkpoint(data: bytes) -> Checkpoint:
    """Read a checkpoint that was kept elsewhere. Raises LedgerDamagedError (``checkpoint``)."""
    try:
        raw = json.loads(data.decode("utf-8"))
        if not isinstance(raw, dict) or raw["schema"] != CHECKPOINT_SCHEMA:
            raise ValueError
        return Checkpoint(
            map_id=str(raw["map"]),
            environment=str(raw["environment"]),
            seq=int(raw["entries"]),
            at=from_micros(int(raw["at_us"])),
            hash=bytes.fromhex(raw["hash"]),
            signature=bytes.fromhex(raw["signature"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise LedgerDamagedError(reason="checkpoint") from None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and at which entry (count from 1; 0 = the ledger as a whole)."""

    code: str
    seq: int


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


_HEAD = select(LEDGER_HEAD.c.seq, LEDGER_HEAD.c.at, LEDGER_HEAD.c.hash, LEDGER_HEAD.c.seal).where(
    LEDGER_HEAD.c.id == 1
)
_HEAD_LOCKED = _HEAD.with_for_update()
_MOVE_HEAD = (
    update(LEDGER_HEAD)
    .where(LEDGER_HEAD.c.id == 1)
    .values(
        seq=bindparam("seq_"), at=bindparam("at_"), hash=bindparam("hash_"), seal=bindparam("seal_")
    )
)
_ADD = insert(LEDGER)
_ADD_PERSON = insert(LEDGER_PERSON)


class Ledger:
    """Writes and checks the ledger of one map, inside the caller's transactions."""

    def __init__(self, keys: KeyFile) -> None:
        self._map_id = keys.map_id
        self._environment = keys.environment.value
        self._signing_key = keys.signing_key()
        self._public_key = keys.public_key()
        self._head_key = keys.head_key()

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
        head = connection.execute(_HEAD_LOCKED).one_or_none()
        if head is None:
            raise LedgerDamagedError(reason="no_head")
        seq, at, last = int(head.seq), int(head.at), bytes(head.hash)
        if not hmac.compare_digest(bytes(head.seal), self._seal(seq, at, last)):
            raise LedgerDamagedError(reason="head_seal")
        time = micros(now)
        if time < at - SKEW:
            raise ClockError(behind=(at - time) // 1_000_000)
        time, seq = max(time, at), seq + 1
        ledger_id = secrets.token_hex(16)
        row = _row(entry, seq, ledger_id, time)
        digest = _digest(last, tuple(row[name] for name in HASHED))
        connection.execute(_ADD, {**row, "prev_hash": last, "hash": digest})
        connection.execute(
            _ADD_PERSON, {"handle": handle or secrets.token_bytes(16), "ledger_id": ledger_id}
        )
        moved = connection.execute(
            _MOVE_HEAD,
            {"seq_": seq, "at_": time, "hash_": digest, "seal_": self._seal(seq, time, digest)},
        )
        assert moved.rowcount == 1
        if seq % EVERY == 0:
            self._write_checkpoint(connection, seq, time, digest)
        return ledger_id

    def checkpoint(self, connection: Connection, now: datetime) -> Checkpoint:
        """Sign where the chain stands; one is made for each length of the chain, once."""
        head = connection.execute(_HEAD_LOCKED).one()
        seq, last = int(head.seq), bytes(head.hash)
        if not hmac.compare_digest(bytes(head.seal), self._seal(seq, int(head.at), last)):
            raise LedgerDamagedError(reason="head_seal")
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
        head = connection.execute(_HEAD).one_or_none()
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
        seq, last, fault = _walk(connection, end, marks)
        passed = sum(1 for mark in marks if mark <= seq)
        newest = max((m for m in marks if m <= seq), default=None)
        if fault is None:
            fault = _ending(connection, seq, last, end, bytes(head.hash), marks)
        found = None if newest is None else marks[newest]
        return LedgerReport(seq, last, passed, fault, found)

    def _marks(
        self, connection: Connection, kept: Sequence[Checkpoint]
    ) -> tuple[dict[int, Checkpoint], Fault | None]:
        marks: dict[int, Checkpoint] = {}
        rows = connection.execute(select(CHECKPOINT).order_by(CHECKPOINT.c.seq))
        inside = (self._checkpoint(row) for row in rows)
        for mark in (*inside, *kept):
            ours = (mark.map_id, mark.environment) == (self._map_id, self._environment)
            if not ours or not mark.is_signed_by(self._public_key):
                return marks, Fault("checkpoint_signature", mark.seq)
            other = marks.setdefault(mark.seq, mark)
            if other.hash != mark.hash:
                return marks, Fault("checkpoint_differs", mark.seq)
        return marks, None

    def _write_checkpoint(
        self, connection: Connection, seq: int, at: int, digest: bytes
    ) -> Checkpoint:
        mark = Checkpoint(self._map_id, self._environment, seq, from_micros(at), digest)
        mark = replace(mark, signature=self._signing_key.sign(mark.signed_text()))
        connection.execute(
            insert(CHECKPOINT).values(seq=seq, at=at, hash=digest, signature=mark.signature)
        )
        return mark

    def _checkpoint(self, row: Any) -> Checkpoint:
        return Checkpoint(
            self._map_id, self._environment, int(row.seq), from_micros(int(row.at)),
            bytes(row.hash), bytes(row.signature),
        )  # fmt: skip

    def _seal(self, seq: int, at: int, digest: bytes) -> bytes:
        text = b"%d %d " % (seq, at)
        return hmac.digest(self._head_key, text + digest, "sha256")


def _row(entry: Entry, seq: int, ledger_id: str, at: int) -> dict[str, Any]:
    row = {name: getattr(entry, name) for name in _TEXTS}
    for name, value in row.items():
        if not value.isprintable():
            raise ValueError(f"a ledger text with control characters: {name}")
    status_at = 0 if entry.status_at is None else micros(entry.status_at)
    return {**row, "seq": seq, "ledger_id": ledger_id, "at": at, "status_at": status_at}


_TEXTS: Final = tuple(n for n in HASHED if n not in ("seq", "ledger_id", "at", "status_at"))


def _digest(last: bytes, values: tuple[object, ...]) -> bytes:
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


def _walk(
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


def _ending(
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
    if more is not None and int(connection.execute(_HEAD).one().seq) == end:
        return Fault("inserted", end + 1)
    return None


def now_utc() -> datetime:
    """The clock of the map: one place, so that tests can set another."""
    return datetime.now(UTC)
