# SPDX-License-Identifier: Apache-2.0
"""Consent: per service and item, for ten years, ended at any time; reminders are due yearly.

The items and the version of the notice stand in the challenge, so the holder signs them.
Source: 公的個人認証法18条3項 [inferred]; the day that starts it is the day it was received.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from jpki.mapping.answers import Outcome
from jpki.mapping.policy import JAPAN
from jpki.mapping.sitting import Here, Result, closed, nobody
from jpki.mapping.store.schema import CONSENT, HANDLE, PSEUDONYM
from jpki.mapping.times import from_micros, instant, micros

YEARS: Final = 10
REMIND: Final = timedelta(days=365)
GIVEN, WITHDRAWN = "given", "withdrawn"


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """One consent as it stands. Times: aware, UTC."""

    purpose: str
    items: tuple[str, ...]
    notice: str
    state: str
    starts_at: datetime
    ends_at: datetime

    def to_object(self) -> dict[str, object]:
        """The consent as JSON."""
        return {
            "purpose": self.purpose, "items": list(self.items), "notice": self.notice,
            "state": self.state, "starts_at": instant(self.starts_at),
            "ends_at": instant(self.ends_at),
        }  # fmt: skip


def detail(items: Iterable[str], notice: str) -> str:
    """What the holder signs: the items and the notice, in the challenge's purpose."""
    return f"items={','.join(sorted(items))}; notice={notice}"


def term(received: datetime) -> tuple[datetime, datetime]:
    """Start and end: ten years from midnight in Japan after the day it was received."""
    day = received.astimezone(JAPAN).date() + timedelta(days=1)
    start = datetime.combine(day, time(), JAPAN)
    try:
        end = start.replace(year=start.year + YEARS)
    except ValueError:  # from a 29 February
        end = start.replace(year=start.year + YEARS, month=3, day=1)
    return start, end - timedelta(seconds=1)


def give(here: Here, items: frozenset[str], notice: str) -> Result:
    """Write down a consent of who presented; it takes the place of one before."""
    if here.found.handle is None:
        return nobody(here.found)
    if (shut := closed(here.found)) is not None:
        return shut
    _end(here.connection, here.found.handle, here.purpose.id, here.now)
    record(here, here.found.handle, items, notice)
    return Result(Outcome.DONE, about=here.found.handle)


def record(here: Here, handle: bytes, items: Iterable[str], notice: str) -> None:
    """The row of one consent."""
    start, end = term(here.now)
    here.connection.execute(
        insert(CONSENT).values(
            id=secrets.token_hex(16), handle=handle, service=here.service,
            purpose=here.purpose.id, items=json.dumps(sorted(items)), notice=notice, state=GIVEN,
            given_at=micros(here.now), starts_at=micros(start), ends_at=micros(end),
            reminded_at=micros(here.now),
        )
    )  # fmt: skip


def withdraw(here: Here) -> Result:
    """End every consent to this purpose; it is effective at once."""
    if here.found.handle is None:
        return nobody(here.found)
    ended = _end(here.connection, here.found.handle, here.purpose.id, here.now)
    if not ended:
        return Result(Outcome.REFUSED, "no_consent", about=here.found.handle)
    return Result(Outcome.DONE, about=here.found.handle)


def consents(connection: Connection, handle: bytes) -> tuple[ConsentRecord, ...]:
    """All consents of a person, oldest first."""
    rows = connection.execute(
        select(CONSENT).where(CONSENT.c.handle == handle).order_by(CONSENT.c.given_at)
    )
    return tuple(
        ConsentRecord(
            row.purpose, tuple(json.loads(row.items)), row.notice, row.state,
            from_micros(row.starts_at), from_micros(row.ends_at),
        )
        for row in rows
    )  # fmt: skip


def due(
    connection: Connection, service: str, now: datetime, limit: int
) -> list[tuple[bytes, bytes]]:
    """Handle and pseudonym of whose yearly reminder is due, at most ``limit``; marks them.

    Nobody who is suppressed. In the caller's transaction.
    """
    rows = connection.execute(
        select(CONSENT.c.handle, PSEUDONYM.c.pseudonym)
        .select_from(
            CONSENT.join(HANDLE, HANDLE.c.handle == CONSENT.c.handle).join(
                PSEUDONYM, PSEUDONYM.c.handle == CONSENT.c.handle
            )
        )
        .where(
            HANDLE.c.suppressed == 0,
            CONSENT.c.service == service,
            CONSENT.c.state == GIVEN,
            CONSENT.c.reminded_at <= micros(now - REMIND),
            CONSENT.c.ends_at > micros(now),
        )
        .order_by(CONSENT.c.reminded_at)
        .limit(limit)
    ).all()
    persons = {bytes(row.handle): bytes(row.pseudonym) for row in rows}
    if persons:
        marked = update(CONSENT).where(CONSENT.c.handle == bindparam("whose"))
        connection.execute(
            marked.values(reminded_at=micros(now)), [{"whose": handle} for handle in persons]
        )
    return list(persons.items())


def _end(connection: Connection, handle: bytes, purpose: str, now: datetime) -> int:
    return connection.execute(
        update(CONSENT)
        .where(CONSENT.c.handle == handle, CONSENT.c.purpose == purpose, CONSENT.c.state == GIVEN)
        .values(state=WITHDRAWN, withdrawn_at=micros(now))
    ).rowcount
