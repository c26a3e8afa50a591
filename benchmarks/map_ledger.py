# SPDX-License-Identifier: Apache-2.0
"""Verification of the ledger, beside reading the same rows and doing nothing with them."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

from sqlalchemy import Connection

import _bench
import map_crowd
from jpki.mapping.keys import open_keys
from jpki.mapping.ledger import Entry, Ledger
from jpki.mapping.store.schema import HASHED
from map_bench import NOW, Bench

ENTRY = Entry(
    operation="resolve", service="library", purpose="library-use", outcome="resolved",
    reason="resolved", role="authentication_verifier,signature_verifier", actor="terminal-17",
    policy="0" * 64, article="Act of the library 6条", proof="auth", family="auth",
    medium="card", status="valid good", status_at=NOW, giver="holder", receiver="library",
    obtained="presentation",
)  # fmt: skip
_PAGE = 500
_AT_ONCE = 1_000  # entries in a transaction


def _fill(bench: Bench, entries: int) -> None:
    ledger = Ledger(open_keys(bench.key_file))

    def work(connection: Connection) -> None:
        for _ in range(_AT_ONCE):
            ledger.append(connection, ENTRY, now=NOW)

    for _ in range(entries // _AT_ONCE):
        bench.map.store.change(work)


def _read(bench: Bench, entries: int) -> None:
    names = ", ".join((*HASHED, "prev_hash", "hash"))
    with bench.map.store.reading() as connection:
        cursor: Any = connection.connection.cursor()
        for after in range(0, entries, _PAGE):
            cursor.execute(
                f"SELECT {names} FROM ledger WHERE seq > {after} AND seq <= {after + _PAGE} "
                "ORDER BY seq"
            )
            cursor.fetchall()


def measure(report: _bench.Report, quick: bool) -> None:
    """The quickest of five, and what memory a verification takes at its peak."""
    entries = 50_000 if quick else 1_000_000
    with map_crowd.databases("sqlite", "postgresql") as urls:
        for kind, (url, folder) in urls.items():
            bench = map_crowd.crowded(url, folder, 0)
            _fill(bench, entries)
            rival, own = [], []
            for _ in range(5):
                begin = time.perf_counter()
                _read(bench, entries)
                rival.append(time.perf_counter() - begin)
                begin = time.perf_counter()
                found = bench.map.verify_ledger()
                own.append(time.perf_counter() - begin)
                assert found.intact
                assert found.entries == entries
            report.add(f"{kind}: reading alone", min(rival) / entries * 1e6, "us", rival=True)
            report.add(f"{kind}: verifying", min(own) / entries * 1e6, "us", limit=1e6 / 150_000)
            report.add(f"{kind}: entries verified a second", entries / min(own), "")
            tracemalloc.start()
            bench.map.verify_ledger()
            report.add(f"{kind}: memory at its peak", tracemalloc.get_traced_memory()[1] / 1e6,
                       "MB", limit=5)  # fmt: skip
            tracemalloc.stop()
            bench.close()


if __name__ == "__main__":
    _bench.main("150,000 entries of the ledger are verified a second, in constant memory", measure)
