# SPDX-License-Identifier: Apache-2.0
"""`resolve` with its ledger entry, beside one indexed SELECT plus one INSERT.

Both through the same engine, connections and durability (fsync on), each in a transaction of
its own; the rival writes a row of the ledger's columns into a plain table.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from sqlalchemy import Column, LargeBinary, MetaData, Table, Text, bindparam, insert, select

import _bench
import map_crowd
from jpki.mapping.answers import Outcome
from jpki.mapping.presentation import Presentation
from jpki.mapping.store.schema import CERTIFICATE_INDEX
from map_bench import Bench

PEOPLE = 10_000
_LOG = Table(
    "rival_log",
    MetaData(),
    Column("id", Text, primary_key=True),
    *(Column(name, Text) for name in ("actor", "purpose", "outcome", "article", "policy")),
    Column("hash", LargeBinary),
)
_FIND = select(CERTIFICATE_INDEX.c.handle).where(CERTIFICATE_INDEX.c.index_key == bindparam("key"))
_ADD = insert(_LOG)


def _resolver(bench: Bench, ready: list[Presentation]) -> Callable[[], None]:
    asker, left = bench.asker(), iter(ready)

    def once() -> None:
        assert bench.map.resolve(next(left), asker).outcome is Outcome.RESOLVED

    return once


def _rival(bench: Bench) -> Callable[[], None]:
    engine = bench.map.store.engine
    _LOG.create(engine)

    def once() -> None:
        with engine.begin() as connection:
            connection.execute(_FIND, {"key": secrets.token_bytes(32)}).one_or_none()
            row = {
                "id": secrets.token_hex(16), "actor": "terminal-1", "purpose": "library-use",
                "outcome": "resolved", "article": "Act of the library 6条", "policy": "0" * 64,
                "hash": bytes(32),
            }  # fmt: skip
            connection.execute(_ADD, row)

    return once


def measure(report: _bench.Report, quick: bool) -> None:
    """In turns, after a hundred of each that are not counted."""
    rounds, warm = (300 if quick else 3_000), 100
    with map_crowd.databases("sqlite", "postgresql") as urls:
        for kind, (url, folder) in urls.items():
            bench = map_crowd.crowded(url, folder, PEOPLE)
            ready = map_crowd.presentations(bench, rounds + warm, people=500)
            candidates = [("rival", _rival(bench)), ("resolve", _resolver(bench, ready))]
            _bench.interleaved(candidates, warm)
            times = _bench.interleaved(candidates, rounds)
            rival, own = (_bench.median_us(times[name]) for name, _ in candidates)
            report.add(f"{kind}: SELECT plus INSERT", rival, "us", rival=True)
            report.add(f"{kind}: resolve with its ledger entry", own, "us")
            report.add(f"{kind}: resolve, times the rival", own / rival, "x", limit=1 / 0.4)
            bench.close()


if __name__ == "__main__":
    _bench.main(
        "resolve with its ledger entry reaches 0.4 of the rate of one SELECT plus one INSERT",
        measure,
    )
