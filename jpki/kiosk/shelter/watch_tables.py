# SPDX-License-Identifier: Apache-2.0
"""The tables of 見守り, in the map's database. A place goes after 24 hours, told or not."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)

from jpki.kiosk.shelter.tables import seen
from jpki.kiosk.shelter.watch_half import KEPT, Channel
from jpki.mapping.consent import GIVEN
from jpki.mapping.store.schema import CONSENT, PSEUDONYM
from jpki.mapping.times import from_micros, micros

METADATA: Final = MetaData()
GUARDIAN_PURPOSE: Final = "guardian-consent"

# A guardian who consented and waits for the child's card.
CODE: Final = Table(
    "watch_code", METADATA,
    Column("guardian", LargeBinary, primary_key=True),
    Column("channel", Text, nullable=False), Column("code", Text, nullable=True),
    Column("until", BigInteger, nullable=False), Index("watch_code_code", "code", unique=True),
)  # fmt: skip
CHILD: Final = Table(
    "watch_child", METADATA,
    Column("child", LargeBinary, primary_key=True),
    Column("guardian", LargeBinary, nullable=False), Index("watch_child_guardian", "guardian"),
)  # fmt: skip
PLACE: Final = Table(
    "watch_place", METADATA,
    Column("id", Text, primary_key=True), Column("child", LargeBinary, nullable=False),
    Column("place", Text, nullable=False), Column("at", BigInteger, nullable=False),
    Column("told", Integer, nullable=False), Index("watch_place_at", "at"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Due:
    """A notice that is to be given."""

    id: str
    guardian: bytes = field(repr=False)
    channel: Channel
    place: str = field(repr=False)
    at: datetime


def prepare(connection: Connection) -> None:
    """Make the tables that are not there."""
    METADATA.create_all(connection)


def give_code(
    connection: Connection, guardian: bytes, channel: Channel, code: str, until: datetime
) -> None:
    """A code for the child's registration, and where the guardian wants to hear of arrivals."""
    connection.execute(delete(CODE).where(CODE.c.guardian == guardian))
    connection.execute(
        insert(CODE).values(
            guardian=guardian, channel=channel.value, code=code, until=micros(until)
        )
    )


def guardian_of_code(connection: Connection, code: str, now: datetime) -> bytes | None:
    """The guardian whose code that is, as long as the consent stands."""
    consented = _consented(now)
    row = connection.execute(
        select(CODE.c.guardian)
        .select_from(CODE.join(consented, consented.c.guardian == CODE.c.guardian))
        .where(CODE.c.code == code, CODE.c.until > micros(now))
    ).one_or_none()
    return None if row is None else bytes(row.guardian)


def add_child(connection: Connection, child: bytes, guardian: bytes) -> bool:
    """Put a child to a guardian, whose code is used up. False: it was used meanwhile."""
    used = connection.execute(
        update(CODE).where(CODE.c.guardian == guardian, CODE.c.code.is_not(None)).values(code=None)
    )
    if used.rowcount != 1:
        return False
    connection.execute(delete(CHILD).where(CHILD.c.child == child))
    connection.execute(insert(CHILD).values(child=child, guardian=guardian))
    return True


def arrived(connection: Connection, child: bytes, place: str, now: datetime) -> bool:
    """Write an arrival down, if a guardian's consent stands."""
    consented = _consented(now)
    row = connection.execute(
        select(CHILD.c.guardian)
        .select_from(CHILD.join(consented, consented.c.guardian == CHILD.c.guardian))
        .where(CHILD.c.child == child)
    ).one_or_none()
    if row is None:
        return False
    connection.execute(
        insert(PLACE).values(
            id=secrets.token_hex(16), child=child, place=place, at=micros(now), told=0
        )
    )
    return True


def arrivals(connection: Connection, guardian: bytes, now: datetime) -> list[tuple[str, datetime]]:
    """Places of a guardian's children in the last 24 hours, newest first."""
    there = seen()
    rows = connection.execute(
        select(PLACE.c.place, PLACE.c.at)
        .select_from(
            PLACE.join(CHILD, CHILD.c.child == PLACE.c.child).join(
                there, there.c.person == PLACE.c.child
            )
        )
        .where(CHILD.c.guardian == guardian, *_young(now))
        .order_by(PLACE.c.at.desc())
    )
    return [(row.place, from_micros(row.at)) for row in rows]


def due(connection: Connection, now: datetime) -> list[Due]:
    """Notices that nobody gave yet, oldest first: of children whom the map still knows."""
    there, consented = seen(), _consented(now)
    rows = connection.execute(
        select(PLACE.c.id, CHILD.c.guardian, CODE.c.channel, PLACE.c.place, PLACE.c.at)
        .select_from(
            PLACE.join(CHILD, CHILD.c.child == PLACE.c.child)
            .join(CODE, CODE.c.guardian == CHILD.c.guardian)
            .join(consented, consented.c.guardian == CHILD.c.guardian)
            .join(there, there.c.person == PLACE.c.child)
        )
        .where(PLACE.c.told == 0, *_young(now))
        .order_by(PLACE.c.at)
    )
    return [
        Due(row.id, bytes(row.guardian), Channel(row.channel), row.place, from_micros(row.at))
        for row in rows
    ]


def told(connection: Connection, notice: str) -> None:
    """A notice was given."""
    connection.execute(update(PLACE).where(PLACE.c.id == notice).values(told=1))


def purge(connection: Connection, now: datetime) -> int:
    """Remove places of more than 24 hours, and of children without consent; how many."""
    consented = _consented(now)
    watched = select(CHILD.c.child).join(consented, consented.c.guardian == CHILD.c.guardian)
    # A time ahead of the clock: the clock was put back, and how old it is cannot be known.
    old = or_(PLACE.c.at <= micros(now - KEPT), PLACE.c.at > micros(now))
    gone = delete(PLACE).where(or_(old, PLACE.c.child.not_in(watched)))
    return connection.execute(gone).rowcount


def _young(now: datetime) -> tuple[Any, ...]:
    return (PLACE.c.at > micros(now - KEPT), PLACE.c.at <= micros(now))


def _consented(now: datetime) -> Any:
    """Guardians whose consent stands, by the map."""
    return (
        select(PSEUDONYM.c.pseudonym.label("guardian"))
        .select_from(
            PSEUDONYM.join(
                CONSENT,
                and_(CONSENT.c.handle == PSEUDONYM.c.handle, CONSENT.c.purpose == GUARDIAN_PURPOSE),
            )
        )
        .where(CONSENT.c.state == GIVEN, CONSENT.c.ends_at > micros(now))
        .distinct()
        .subquery()
    )
