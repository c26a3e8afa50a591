# SPDX-License-Identifier: Apache-2.0
"""Challenges that this store issued: each for one service, purpose and operation, used once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Integer, bindparam, delete, insert, select, update

from jpki.mapping.policy import Operation
from jpki.mapping.store.prepared import Prepared
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


_ISSUE: Final = Prepared(
    insert(CHALLENGE).values(
        {
            name: bindparam(name)
            for name in (
                "id", "digest", "service", "purpose", "operation", "detail", "issued_at",
                "expires_at",
            )
        }
    )
)  # fmt: skip


def issue(
    connection: Connection, aim: Aim, *, origin: str, now: datetime, ttl: timedelta = TTL
) -> Challenge:
    """A fresh challenge, written down. Raises ChallengeError for an origin that cannot be."""
    challenge = new_challenge(origin, aim.text(), ttl=ttl, now=now)
    _ISSUE.run(
        connection,
        {
            "id": challenge.id, "digest": _digest(challenge), "service": aim.service,
            "purpose": aim.purpose, "operation": aim.operation.value, "detail": aim.detail,
            "issued_at": micros(challenge.issued_at), "expires_at": micros(challenge.expires_at),
        },
    )  # fmt: skip
    return challenge


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
    if row is None:
        return "challenge_foreign"
    if bytes(row.digest) != digest:
        return "challenge_edited"
    if row.consumed_at is not None:
        return "challenge_used"
    if not row.issued_at <= at < row.expires_at:
        return "challenge_expired"
    return "challenge_other_purpose"


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
