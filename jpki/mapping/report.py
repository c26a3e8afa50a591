# SPDX-License-Identifier: Apache-2.0
"""The auditor's report: who looked, when, how often, for what, on which article. No person.

It counts entries of the ledger; whether the ledger is whole is for its verification to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from jpki.mapping.store.schema import LEDGER
from jpki.mapping.times import from_micros, micros

SCHEMA = "jpki.map.report/1"


@dataclass(frozen=True, slots=True)
class ReportRow:
    """Entries that are alike. ``entries``: count; ``first``, ``last``: aware, UTC.

    ``outcome`` is what was answered: a suppressed person's look-ups stand with those of nobody.
    """

    service: str
    purpose: str
    operation: str
    article: str
    role: str
    actor: str
    outcome: str
    entries: int
    first: datetime
    last: datetime


_ALIKE = tuple(LEDGER.c[name] for name in ReportRow.__slots__[:7])


def report(
    connection: Connection,
    *,
    service: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> tuple[ReportRow, ...]:
    """Counts of the ledger by service, purpose, operation, article, role, actor and outcome.

    ``since`` (inclusive), ``until`` (exclusive): aware. Reads the whole ledger once.
    """
    query = select(*_ALIKE, func.count(), func.min(LEDGER.c.at), func.max(LEDGER.c.at)).group_by(
        *_ALIKE
    )
    if service is not None:
        query = query.where(LEDGER.c.service == service)
    if since is not None:
        query = query.where(LEDGER.c.at >= micros(since))
    if until is not None:
        query = query.where(LEDGER.c.at < micros(until))
    rows = connection.execute(query.order_by(*_ALIKE)).all()
    return tuple(
        ReportRow(*row[:7], int(row[7]), from_micros(int(row[8])), from_micros(int(row[9])))
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One entry as an auditor sees it: no person in it. ``at``: aware, UTC."""

    number: int
    at: datetime
    service: str
    purpose: str
    operation: str
    article: str
    role: str
    actor: str
    outcome: str
    reason: str


_LINE = tuple(LEDGER.c[name] for name in LedgerLine.__slots__[2:])


def latest(connection: Connection, count: int) -> tuple[LedgerLine, ...]:
    """The last entries (``count`` at most), the newest first; by number, so nothing is scanned."""
    query = select(LEDGER.c.seq, LEDGER.c.at, *_LINE).order_by(LEDGER.c.seq.desc()).limit(count)
    return tuple(
        LedgerLine(int(row[0]), from_micros(int(row[1])), *row[2:])
        for row in connection.execute(query).all()
    )
