# SPDX-License-Identifier: Apache-2.0
"""The tables of a shelter, in the map's database: decision and row are one transaction.

Persons stand here by the shelter's own pseudonym. Whether somebody is suppressed stands in the
map alone; every question is one statement that joins it, and gives as many rows for a suppressed
person as for one who is not there.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
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
    func,
    insert,
    literal,
    select,
    update,
)

from jpki.kiosk.shelter.half import LEAST, Mark, Outcome, Receipt, Relation
from jpki.mapping.lifecycle import State
from jpki.mapping.records import CODE_SIZE
from jpki.mapping.store.schema import HANDLE, PSEUDONYM
from jpki.mapping.times import from_micros, micros

METADATA: Final = MetaData()


def _person(name: str, *, primary_key: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, primary_key=primary_key, nullable=False)


def _text(name: str, *, primary_key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=primary_key, nullable=False)


def _time(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


# What was decided, by the check-in's id: the same answer when it comes again.
ENTRY: Final = Table(
    "shelter_entry", METADATA,
    _text("id", primary_key=True), Column("digest", LargeBinary, nullable=False), _text("desk"),
    _text("outcome"), _text("reason"), _text("rule"), _text("article"), _time("at"),
)  # fmt: skip
# Where a person is; an empty place: they left. ``shared``: relations, each in commas.
PRESENCE: Final = Table(
    "shelter_presence", METADATA,
    _person("person", primary_key=True), _text("place"), _text("shared"), _time("at"),
    Index("shelter_presence_place", "place"),
)  # fmt: skip
# A viewer's marks, and the code that waits to be handed on.
MARK: Final = Table(
    "shelter_mark", METADATA,
    _person("viewer", primary_key=True), _text("mark", primary_key=True),
    Column("code", Text, nullable=True), _time("code_until"),
    Index("shelter_mark_code", "code", unique=True),
)  # fmt: skip
# Whom a person named.
RELATION: Final = Table(
    "shelter_relation", METADATA,
    _person("viewer", primary_key=True), _text("mark", primary_key=True), _person("person"),
    _text("relation"), Index("shelter_relation_person", "person"),
)  # fmt: skip
# Who asked: for the person. Of a mark that nobody answers to, the person is random.
ASKED: Final = Table(
    "shelter_asked", METADATA,
    _text("id", primary_key=True), _person("person"), _text("relation"), _time("at"),
    Index("shelter_asked_person", "person"),
)  # fmt: skip
LISTED: Final = Table(
    "shelter_listed", METADATA,
    _text("id", primary_key=True), _text("place"), Column("sealed", LargeBinary, nullable=False),
    _time("at"),
)  # fmt: skip
COUNT: Final = Table(
    "shelter_count", METADATA,
    _text("place", primary_key=True), Column("shown", Integer, nullable=False),
)  # fmt: skip
NONCE: Final = Table(
    "shelter_nonce", METADATA,
    _text("nonce", primary_key=True), _text("desk"), _time("until"),
)  # fmt: skip
QUEUE: Final = Table(
    "shelter_queue", METADATA,
    _text("queue", primary_key=True), _text("desk"), Column("number", Integer, nullable=False),
    _text("digest"),
)  # fmt: skip


def prepare(connection: Connection) -> None:
    """Make the tables that are not there."""
    METADATA.create_all(connection)


def known(connection: Connection, entry_id: str) -> tuple[bytes, Receipt] | None:
    """Digest and receipt of a check-in that was decided."""
    row = connection.execute(select(ENTRY).where(ENTRY.c.id == entry_id)).one_or_none()
    if row is None:
        return None
    receipt = Receipt(row.id, Outcome(row.outcome), row.reason, row.rule, row.article)
    return bytes(row.digest), receipt


def decided(
    connection: Connection, receipt: Receipt, digest: bytes, desk: str, now: datetime
) -> None:
    """Write down what was decided; a second time is a ConflictError."""
    connection.execute(
        insert(ENTRY).values(
            id=receipt.id, digest=digest, desk=desk, outcome=receipt.outcome.value,
            reason=receipt.reason, rule=receipt.rule, article=receipt.article, at=micros(now),
        )
    )  # fmt: skip


def be_at(
    connection: Connection, person: bytes, place: str, shared: frozenset[Relation], at: datetime
) -> None:
    """Where a person is from ``at`` on, unless something later is known."""
    stamp = micros(at)
    connection.execute(delete(PRESENCE).where(PRESENCE.c.person == person, PRESENCE.c.at <= stamp))
    words = "," + ",".join(sorted(relation.value for relation in shared)) + ","
    fresh = select(
        literal(person, LargeBinary), literal(place), literal(words), literal(stamp, BigInteger)
    ).where(~select(PRESENCE.c.person).where(PRESENCE.c.person == person).exists())
    connection.execute(insert(PRESENCE).from_select(["person", "place", "shared", "at"], fresh))


def give_code(
    connection: Connection, viewer: bytes, mark: Mark, code: str, until: datetime
) -> None:
    """A code of a viewer's mark, in place of the one before."""
    connection.execute(delete(MARK).where(MARK.c.viewer == viewer, MARK.c.mark == mark.value))
    connection.execute(
        insert(MARK).values(viewer=viewer, mark=mark.value, code=code, code_until=micros(until))
    )


def name(
    connection: Connection, person: bytes, code: str, relation: Relation, now: datetime
) -> bool:
    """Name who has ``code``; it is used up. False: nobody has it, or it is the person's own."""
    row = connection.execute(
        update(MARK)
        .where(MARK.c.code == code, MARK.c.code_until > micros(now), MARK.c.viewer != person)
        .values(code=None)
        .returning(MARK.c.viewer, MARK.c.mark)
    ).one_or_none()
    if row is None:
        return False
    at_mark = (RELATION.c.viewer == row.viewer, RELATION.c.mark == row.mark)
    connection.execute(delete(RELATION).where(*at_mark))
    connection.execute(
        insert(RELATION).values(
            viewer=row.viewer, mark=row.mark, person=person, relation=relation.value
        )
    )
    return True


def forget(connection: Connection, person: bytes) -> None:
    """Take back everybody whom a person named."""
    connection.execute(delete(RELATION).where(RELATION.c.person == person))


def seen() -> Any:
    """Who is there and may be told of: known to the map, active, not suppressed."""
    return (
        select(PSEUDONYM.c.pseudonym.label("person"))
        .select_from(PSEUDONYM.join(HANDLE, HANDLE.c.handle == PSEUDONYM.c.handle))
        .where(HANDLE.c.suppressed == 0, HANDLE.c.state == State.ACTIVE.value)
        .subquery()
    )


def ask(connection: Connection, viewer: bytes, now: datetime) -> dict[Mark, str]:
    """Places by mark, of those who named the viewer and share with this relation.

    One row for each of the viewer's marks and one note for each, whoever answers to it.
    """
    there = seen()
    shares = PRESENCE.c.shared.contains("," + RELATION.c.relation + ",")
    rows = connection.execute(
        select(MARK.c.mark, RELATION.c.person, RELATION.c.relation, PRESENCE.c.place)
        .select_from(
            MARK.outerjoin(
                RELATION,
                and_(RELATION.c.viewer == MARK.c.viewer, RELATION.c.mark == MARK.c.mark),
            )
            .outerjoin(there, there.c.person == RELATION.c.person)
            .outerjoin(PRESENCE, and_(PRESENCE.c.person == there.c.person, shares))
        )
        .where(MARK.c.viewer == viewer)
        .order_by(MARK.c.mark)
    ).all()
    notes = [
        {
            "id": secrets.token_hex(16), "person": row.person or secrets.token_bytes(CODE_SIZE),
            "relation": row.relation or Relation.FAMILY.value, "at": micros(now),
        }
        for row in rows
    ]  # fmt: skip
    if notes:
        connection.execute(insert(ASKED), notes)
    return {Mark(row.mark): row.place or "" for row in rows}


def asked(connection: Connection, person: bytes) -> list[tuple[Relation, datetime]]:
    """Who asked after a person, newest first."""
    rows = connection.execute(
        select(ASKED.c.relation, ASKED.c.at)
        .where(ASKED.c.person == person)
        .order_by(ASKED.c.at.desc())
        .limit(20)
    )
    return [(Relation(row.relation), from_micros(row.at)) for row in rows]


def counts(connection: Connection, places: Sequence[str]) -> Mapping[str, int | None]:
    """Persons at each place, as it may be told.

    A number that was shown stands until at least ten came or went: no two answers differ by
    one person. Suppressed persons are not in it. None: fewer than ten.
    """
    there = seen()
    found = connection.execute(
        select(PRESENCE.c.place, func.count().label("persons"))
        .select_from(PRESENCE.join(there, there.c.person == PRESENCE.c.person))
        .where(PRESENCE.c.place.in_(places))
        .group_by(PRESENCE.c.place)
    ).all()
    persons = {row.place: int(row.persons) for row in found}
    shown = {row.place: row.shown for row in connection.execute(select(COUNT))}
    told: dict[str, int | None] = {}
    for place in places:
        count = shown.get(place, 0)
        if abs(persons.get(place, 0) - count) >= LEAST:
            count = persons.get(place, 0)
            connection.execute(delete(COUNT).where(COUNT.c.place == place))
            connection.execute(insert(COUNT).values(place=place, shown=count))
        told[place] = count if count >= LEAST else None
    return told


def take_down(
    connection: Connection, entry_id: str, place: str, sealed: bytes, at: datetime
) -> None:
    """An entry of the city's own list."""
    connection.execute(
        insert(LISTED).values(id=entry_id, place=place, sealed=sealed, at=micros(at))
    )


def listed(connection: Connection, place: str) -> list[tuple[str, bytes]]:
    """Ids and sealed entries of the city's list, for who has the city's key."""
    rows = connection.execute(
        select(LISTED.c.id, LISTED.c.sealed).where(LISTED.c.place == place).order_by(LISTED.c.at)
    )
    return [(row.id, bytes(row.sealed)) for row in rows]


def end_place(connection: Connection, place: str) -> None:
    """The list ends with the shelter: presence, list and count of a place go."""
    for table in (PRESENCE, LISTED, COUNT):
        connection.execute(delete(table).where(table.c.place == place))


def begin_sync(connection: Connection, desk: str, until: datetime, now: datetime) -> str:
    """A nonce for one bundle of a desk."""
    connection.execute(delete(NONCE).where(NONCE.c.until <= micros(now)))
    nonce = secrets.token_urlsafe(24)
    connection.execute(insert(NONCE).values(nonce=nonce, desk=desk, until=micros(until)))
    return nonce


def use_nonce(connection: Connection, nonce: str, desk: str, now: datetime) -> bool:
    """Whether the nonce was this desk's, in time, unused; it is used up."""
    used = connection.execute(
        delete(NONCE).where(
            NONCE.c.nonce == nonce, NONCE.c.desk == desk, NONCE.c.until > micros(now)
        )
    )
    return used.rowcount == 1


def queue_end(connection: Connection, queue: str) -> tuple[str, int, str]:
    """Desk, last record and its digest, as far as a queue is known here."""
    row = connection.execute(select(QUEUE).where(QUEUE.c.queue == queue)).one_or_none()
    return ("", 0, "") if row is None else (row.desk, row.number, row.digest)


def extend_queue(connection: Connection, queue: str, desk: str, number: int, digest: str) -> None:
    """Note how far a queue was decided."""
    connection.execute(delete(QUEUE).where(QUEUE.c.queue == queue))
    connection.execute(insert(QUEUE).values(queue=queue, desk=desk, number=number, digest=digest))
