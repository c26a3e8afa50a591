# SPDX-License-Identifier: Apache-2.0
"""The ledger: any change, deletion, reordering, insertion or cut is found, column by column."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text

from jpki.certificate.kinds import Environment
from jpki.mapping import chain
from jpki.mapping import ledger as module
from jpki.mapping.checkpoint import Checkpoint, parse_checkpoint
from jpki.mapping.errors import ClockError, LedgerDamagedError
from jpki.mapping.key_file import KeyFile, new_keys
from jpki.mapping.ledger import Entry, Ledger
from jpki.mapping.store import guards
from jpki.mapping.store.schema import HASHED, LEDGER, LEDGER_HEAD
from jpki.mapping.store.store import Store
from jpki.mapping.times import micros
from map_bench import NOW

KEYS: KeyFile = new_keys(Environment.TEST, ("library",))
ENTRY = Entry(
    operation="resolve", service="library", purpose="lend", outcome="resolved", reason="resolved",
    role="authentication_verifier", actor="terminal-1", policy="p", article="図書館条例6条",
    proof="auth", family="auth", medium="card", status="valid crl_good", status_at=NOW,
    giver="holder", receiver="library", obtained="presentation", document="12",
)  # fmt: skip
COUNT = 7


def add(store: Store, ledger: Ledger, count: int = 1, start: int = 0) -> None:
    def work(connection: Connection) -> None:
        for n in range(start, start + count):
            ledger.append(connection, ENTRY, now=NOW + timedelta(seconds=n))

    store.change(work)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.create(url, {"map": "x"}, first=lambda c: Ledger(KEYS).begin(c, NOW)) as made:
        add(made, Ledger(KEYS), COUNT)
        yield made


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(KEYS)


def unguard(connection: Connection) -> None:
    """What the owner of the database can do."""
    dialect = connection.dialect.name
    for name in ("ledger", "checkpoint"):
        if dialect == "postgresql":
            connection.execute(text(f"DROP TRIGGER {name}_append_only ON {name}"))
            continue
        for verb in ("no_update", "no_delete", "next"):
            connection.execute(text(f"DROP TRIGGER {name}_{verb}"))


def tamper(store: Store, *statements: str, **values: Any) -> None:
    def work(connection: Connection) -> None:
        unguard(connection)
        for statement in statements:
            connection.execute(text(statement), values)

    store.change(work)


def fault(store: Store, ledger: Ledger) -> tuple[str, int] | None:
    with store.reading() as connection:
        found = ledger.verify(connection).fault
    return None if found is None else (found.code, found.seq)


def test_an_untouched_ledger(store: Store, ledger: Ledger) -> None:
    with store.reading() as connection:
        report = ledger.verify(connection)
    assert report.intact
    assert (report.entries, report.checkpoints) == (COUNT, 0)


def test_every_column_is_hashed() -> None:
    """Nothing of an entry, and no column of the table, is left out."""
    assert {f.name for f in fields(Entry)} | {"seq", "ledger_id", "at"} == set(HASHED)
    assert {c.name for c in LEDGER.columns} - set(HASHED) == {"prev_hash", "hash"}


@pytest.mark.parametrize("column", [name for name in HASHED if name != "seq"])
def test_a_changed_column(store: Store, ledger: Ledger, column: str) -> None:
    number = column in ("at", "status_at")
    tamper(
        store, f"UPDATE ledger SET {column} = :value WHERE seq = 4", value=micros(NOW) + 3_000_001
        if number else "other",
    )  # fmt: skip
    assert fault(store, ledger) == ("changed", 4)


@pytest.mark.parametrize("column", ["prev_hash", "hash"])
@pytest.mark.parametrize("seq", [1, 4, COUNT])
def test_a_changed_hash(store: Store, ledger: Ledger, column: str, seq: int) -> None:
    tamper(store, f"UPDATE ledger SET {column} = :value WHERE seq = {seq}", value=bytes(31) + b"x")
    assert fault(store, ledger) == ("changed", seq)


def test_text_moved_from_one_column_to_the_next(store: Store, ledger: Ledger) -> None:
    tamper(store, "UPDATE ledger SET giver = 'hold', receiver = 'erlibrary' WHERE seq = 2")
    assert fault(store, ledger) == ("changed", 2)


def test_the_separator_cannot_be_smuggled(store: Store, ledger: Ledger) -> None:
    """Two columns joined into one give the same text but for the count of separators."""
    tamper(
        store, "UPDATE ledger SET giver = :both, receiver = '' WHERE seq = 2",
        both="holder\x1flibrary",
    )  # fmt: skip
    assert fault(store, ledger) == ("changed", 2)
    with pytest.raises(ValueError, match="control"):
        store.change(
            lambda c: ledger.append(
                c,
                Entry(operation="a\x1fb", service="", purpose="", outcome="", reason=""),
                now=NOW + timedelta(minutes=1),
            )
        )


def test_a_deleted_entry(store: Store, ledger: Ledger) -> None:
    tamper(store, "DELETE FROM ledger WHERE seq = 3")
    assert fault(store, ledger) == ("missing", 3)


def test_deleted_and_renumbered(store: Store, ledger: Ledger) -> None:
    tamper(store, "DELETE FROM ledger WHERE seq = 3", "UPDATE ledger SET seq = 3 WHERE seq = 4")
    assert fault(store, ledger) == ("changed", 3)


def test_two_entries_swapped(store: Store, ledger: Ledger) -> None:
    tamper(
        store,
        "UPDATE ledger SET seq = 99 WHERE seq = 3",
        "UPDATE ledger SET seq = 3 WHERE seq = 4",
        "UPDATE ledger SET seq = 4 WHERE seq = 99",
    )
    assert fault(store, ledger) == ("changed", 3)


def test_the_end_cut_off(store: Store, ledger: Ledger) -> None:
    tamper(store, f"DELETE FROM ledger WHERE seq = {COUNT}")
    assert fault(store, ledger) == ("truncated", COUNT)


def test_the_end_cut_off_and_the_head_set_back(store: Store, ledger: Ledger) -> None:
    """The seal of the head needs a key that is not in the database."""
    tamper(
        store, f"DELETE FROM ledger WHERE seq = {COUNT}",
        "UPDATE ledger_head SET seq = seq - 1, "
        f"hash = (SELECT hash FROM ledger WHERE seq = {COUNT - 1})",
    )  # fmt: skip
    assert fault(store, ledger) == ("head_seal", COUNT - 1)
    with pytest.raises(LedgerDamagedError):
        add(store, ledger)


def test_an_old_copy_put_back_is_found_by_a_checkpoint_kept_elsewhere(
    store: Store, ledger: Ledger
) -> None:
    with store.reading() as connection:
        old = connection.execute(select(LEDGER_HEAD)).one()._asdict()
    add(store, ledger, 2, start=COUNT)
    kept = parse_checkpoint(
        json.dumps(store.change(lambda c: ledger.checkpoint(c, NOW)).to_object()).encode()
    )
    tamper(
        store, f"DELETE FROM ledger WHERE seq > {COUNT}", "DELETE FROM checkpoint",
        "DELETE FROM ledger_head",
    )  # fmt: skip
    store.change(lambda c: c.execute(insert(LEDGER_HEAD).values(**old)))
    assert fault(store, ledger) is None
    with store.reading() as connection:
        found = ledger.verify(connection, kept=[kept]).fault
    assert found is not None
    assert (found.code, found.seq) == ("truncated", COUNT + 2)


def test_an_entry_added_by_somebody_else(store: Store, ledger: Ledger) -> None:
    tamper(
        store,
        f"INSERT INTO ledger SELECT {COUNT + 1}, 'other', at, operation, service, purpose, role, "
        "actor, policy, outcome, reason, article, proof, family, medium, status, status_at, "
        f"giver, receiver, obtained, document, prev_hash, hash FROM ledger WHERE seq = {COUNT}",
    )
    assert fault(store, ledger) == ("inserted", COUNT + 1)


@pytest.mark.parametrize("table", guards.GUARDED)
@pytest.mark.parametrize(
    "statement", ["UPDATE {t} SET at = 0", "DELETE FROM {t}", "DELETE FROM {t} WHERE seq > 1"]
)
def test_the_database_refuses_update_and_delete(
    store: Store, ledger: Ledger, table: str, statement: str
) -> None:
    store.change(lambda c: ledger.checkpoint(c, NOW))
    with pytest.raises(LedgerDamagedError) as caught:
        store.change(lambda c: c.execute(text(statement.format(t=table))))
    assert caught.value.values["reason"] == "refused"
    assert fault(store, ledger) is None


def test_the_database_refuses_truncate_and_replace(store: Store, ledger: Ledger) -> None:
    statement = (
        "TRUNCATE ledger"
        if store.engine.dialect.name == "postgresql"
        else "INSERT OR REPLACE INTO ledger SELECT * FROM ledger WHERE seq = 3"
    )
    with pytest.raises(LedgerDamagedError):
        store.change(lambda c: c.execute(text(statement)))
    assert fault(store, ledger) is None


def test_checkpoints(store: Store, ledger: Ledger) -> None:
    first = store.change(lambda c: ledger.checkpoint(c, NOW))
    assert store.change(lambda c: ledger.checkpoint(c, NOW + timedelta(hours=1))) == first
    assert first.is_signed_by(KEYS.public_key())
    assert not first.is_signed_by(new_keys(Environment.TEST, ()).public_key())
    add(store, ledger, 2, start=COUNT)
    with store.reading() as connection:
        report = ledger.verify(connection)
    assert (report.checkpoints, report.last_checkpoint) == (1, first)


def test_a_forged_checkpoint(store: Store, ledger: Ledger) -> None:
    store.change(lambda c: ledger.checkpoint(c, NOW))
    tamper(store, "UPDATE checkpoint SET hash = :value", value=bytes(32))
    assert fault(store, ledger) == ("checkpoint_signature", COUNT)


def test_a_checkpoint_of_another_map(store: Store, ledger: Ledger) -> None:
    kept = store.change(lambda c: ledger.checkpoint(c, NOW))
    other = {**kept.to_object(), "map": "00" * 16}
    with store.reading() as connection:
        found = ledger.verify(connection, kept=[parse_checkpoint(json.dumps(other).encode())])
    assert found.fault is not None
    assert found.fault.code == "checkpoint_signature"


def test_checkpoints_are_made_unasked(
    store: Store, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVERY", 5)
    add(store, ledger, 10, start=COUNT)
    with store.reading() as connection:
        assert ledger.verify(connection).checkpoints == 2


def test_pages(store: Store, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 2, COUNT - 1, COUNT, COUNT + 1):
        monkeypatch.setattr(chain, "_PAGE", size)
        assert fault(store, ledger) is None


def test_the_clock(store: Store, ledger: Ledger) -> None:
    last = NOW + timedelta(seconds=COUNT - 1)
    with pytest.raises(ClockError):
        store.change(lambda c: ledger.append(c, ENTRY, now=last - timedelta(seconds=6)))
    # Hosts differ a little: then the time of the last entry stands.
    store.change(lambda c: ledger.append(c, ENTRY, now=last - timedelta(seconds=4)))
    assert fault(store, ledger) is None


def test_garbage_checkpoints(tmp_path: Path) -> None:
    good = Checkpoint("ab", "test", 1, NOW, bytes(32), b"s")
    data = json.dumps(good.to_object()).encode()
    assert parse_checkpoint(data) == good
    for cut in range(len(data)):
        with pytest.raises(LedgerDamagedError):
            parse_checkpoint(data[:cut])
