# SPDX-License-Identifier: Apache-2.0
"""Challenges that this store issued: each for one service, purpose and operation, used once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Integer, bindparam, delete, insert, select, update
from sqlalchemy.sql.expression import Executable

from jpki.mapping.errors import ConflictError
from jpki.mapping.policy import Operation
from jpki.mapping.store.prepared import (
    Prepared,
    PreparedForMany,
    numbered,
    padded,
)
from jpki.mapping.store.schema import CHALLENGE
from jpki.mapping.times import micros
from jpki.verifying.challenge import Challenge, new_challenge

TTL: Final = timedelta(minutes=5)
KEPT: Final = timedelta(days=2)  # so that a replay is called one
PURGED_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Aim:
    """What a challenge is for. ``detail``: items of a consent, kind of a link."""

    service: str
    purpose: str
    operation: Operation
    detail: str = ""

    def text(self) -> str:
        """What the holder sees before the PIN, and signs."""
        text = f"{self.service}/{self.purpose}: {self.operation.value}"
        return f"{text} ({self.detail})" if self.detail else text


_COLUMNS: Final = (
    "id", "digest", "service", "purpose", "operation", "detail", "issued_at", "expires_at",
)  # fmt: skip
_ISSUE: Final = Prepared(insert(CHALLENGE).values({n: bindparam(n) for n in _COLUMNS}))


def issue(
    connection: Connection, aim: Aim, *, origin: str, now: datetime, ttl: timedelta = TTL
) -> Challenge:
    """A fresh challenge, written down. Raises ChallengeError for an origin that cannot be."""
    return issue_many(connection, aim, 1, origin=origin, now=now, ttl=ttl)[0]


def issue_many(
    connection: Connection, aim: Aim, count: int, *, origin: str, now: datetime, ttl: timedelta
) -> list[Challenge]:
    """As :func:`issue`, so many at once."""
    made = [new_challenge(origin, aim.text(), ttl=ttl, now=now) for _ in range(count)]
    rows = (
        (
            challenge.id, _digest(challenge), aim.service, aim.purpose, aim.operation.value,
            aim.detail, micros(challenge.issued_at), micros(challenge.expires_at),
        )
        for challenge in made
    )  # fmt: skip
    _ISSUE.run_all(connection, [dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    return made


_USE: Final = Prepared(
    update(CHALLENGE)
    .where(
        CHALLENGE.c.id == bindparam("id_"),
        CHALLENGE.c.consumed_at.is_(None),
        CHALLENGE.c.digest == bindparam("digest_"),
        CHALLENGE.c.service == bindparam("service_"),
        CHALLENGE.c.purpose == bindparam("purpose_"),
        CHALLENGE.c.operation == bindparam("operation_"),
        CHALLENGE.c.detail == bindparam("detail_"),
        CHALLENGE.c.issued_at <= bindparam("at_"),
        CHALLENGE.c.expires_at > bindparam("at_"),
    )
    .values(consumed_at=bindparam("at_"))
)


def consume(connection: Connection, challenge: Challenge, aim: Aim, now: datetime) -> str | None:
    """Use the challenge up. None: it was ours, for this, in time, unused; else a reason code.

    ``challenge_foreign``, ``challenge_edited``, ``challenge_used``, ``challenge_expired``,
    ``challenge_other_purpose``.
    """
    at = micros(now)
    digest = _digest(challenge)
    used = _USE.run(
        connection,
        {
            "id_": challenge.id, "digest_": digest, "service_": aim.service,
            "purpose_": aim.purpose, "operation_": aim.operation.value, "detail_": aim.detail,
            "at_": at,
        },
    )  # fmt: skip
    if used.rowcount == 1:
        return None
    row = connection.execute(select(CHALLENGE).where(CHALLENGE.c.id == challenge.id)).one_or_none()
    return _fault(row, digest, aim, at) or "challenge_other_purpose"


def _any_of(count: int) -> Any:
    return CHALLENGE.c.id.in_([bindparam(f"id_{n}") for n in range(count)])


def _looked_at(count: int) -> Executable:
    return select(CHALLENGE).where(_any_of(count)).order_by(CHALLENGE.c.id).with_for_update()


def _used_up(count: int) -> Executable:
    unused = CHALLENGE.c.consumed_at.is_(None)
    return update(CHALLENGE).where(_any_of(count), unused).values(consumed_at=bindparam("at_"))


_LOOK: Final = PreparedForMany(_looked_at)
_USE_ALL: Final = PreparedForMany(_used_up)


def consume_all(
    connection: Connection, presented: Sequence[tuple[Challenge, Aim]], now: datetime
) -> list[str]:
    """As :func:`consume` for each, in this order; empty where that says None.

    Raises ConflictError when another writer came in between.
    """
    at = micros(now)
    wanted = padded([challenge.id for challenge, _ in presented])
    found = _LOOK.of_size(len(wanted)).run(connection, numbered("id", wanted))
    rows = {row.id: row for row in found.rows}
    reasons: list[str] = []
    used: dict[str, None] = {}
    for challenge, aim in presented:
        reason = _fault(rows.get(challenge.id), _digest(challenge), aim, at)
        if not reason and challenge.id in used:
            reason = "challenge_used"
        if not reason:
            used[challenge.id] = None
        reasons.append(reason)
    if used:
        ids = padded(list(used))
        done = _USE_ALL.of_size(len(ids)).run(connection, {**numbered("id", ids), "at_": at})
        if done.rowcount != len(used):
            raise ConflictError()
    return reasons


def _fault(row: Any, digest: bytes, aim: Aim, at: int) -> str:
    """Why a challenge cannot be used, or nothing."""
    if row is None:
        return "challenge_foreign"
    if bytes(row.digest) != digest:
        return "challenge_edited"
    if row.consumed_at is not None:
        return "challenge_used"
    if not row.issued_at <= at < row.expires_at:
        return "challenge_expired"
    meant = (aim.service, aim.purpose, aim.operation.value, aim.detail)
    if (row.service, row.purpose, row.operation, row.detail) != meant:
        return "challenge_other_purpose"
    return ""


_OLD: Final = (
    select(CHALLENGE.c.id)
    .where(CHALLENGE.c.expires_at < bindparam("before_"))
    .order_by(CHALLENGE.c.expires_at)
    .limit(bindparam("most_", type_=Integer))
)
_PURGE: Final = Prepared(delete(CHALLENGE).where(CHALLENGE.c.id.in_(_OLD)))


def purge(connection: Connection, now: datetime) -> int:
    """Forget challenges that ended long ago; returns how many (count)."""
    values = {"before_": micros(now - KEPT), "most_": PURGED_AT_ONCE}
    return _PURGE.run(connection, values).rowcount


def _digest(challenge: Challenge) -> bytes:
    """Of all that is signed: id, nonce, origin, purpose, times."""
    return hashlib.sha256(challenge.signed_text()).digest()
