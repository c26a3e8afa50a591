# SPDX-License-Identifier: Apache-2.0
"""Evidence that a named law wants kept (犯収法施行規則19条: seven years), apart from all else.

It is encrypted with a key of its own, knows no handle and no pseudonym, and is found by the
organisation's own reference only. Erasing a person does not touch it; its end does.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from jpki.mapping.answers import Outcome
from jpki.mapping.keys import KeyRing
from jpki.mapping.policy import JAPAN
from jpki.mapping.presentation import Evidence
from jpki.mapping.sitting import Here, Result
from jpki.mapping.store.schema import EVIDENCE
from jpki.mapping.times import micros


def keep(here: Here, evidence: Evidence, reference: str, ends: datetime) -> Result:
    """Keep what was presented, and what was found, for the years of the purpose after ``ends``.

    Refused ``evidence_other`` where the purpose keeps none, or it is of another presentation.
    ``ends``: when the contract ended or will at the latest (aware). A later call for the same
    reference moves nothing: each presentation is kept by itself.
    """
    rule = here.purpose.evidence
    if rule is None or evidence.response.challenge.id != here.presentation.challenge.id:
        return Result(Outcome.REFUSED, "evidence_other", about=here.found.about)
    identifier = secrets.token_hex(16)
    verdict = here.presentation.verdict
    body = {
        "presentation": json.loads(evidence.to_bytes()),
        "verdict": {
            "outcome": verdict.outcome.value,
            "checks": [[c.name, c.outcome.value, c.code] for c in verdict.checks],
            "at": here.now.isoformat(),
        },
    }
    here.connection.execute(
        insert(EVIDENCE).values(
            id=identifier, service=here.service, reference=reference,
            law=str(rule.legal_basis), stored_at=micros(here.now),
            keep_until=micros(_after(ends, rule.years)),
            sealed=here.keys.seal_evidence(
                json.dumps(body).encode("utf-8"), identifier.encode("ascii")
            ),
        )
    )  # fmt: skip
    return Result(Outcome.DONE, about=here.found.about)


def read(connection: Connection, keys: KeyRing, service: str, reference: str) -> list[bytes]:
    """What is kept under a reference, as JSON, oldest first. Raises KeyFileError."""
    rows = connection.execute(
        select(EVIDENCE.c.id, EVIDENCE.c.sealed)
        .where(EVIDENCE.c.service == service, EVIDENCE.c.reference == reference)
        .order_by(EVIDENCE.c.stored_at)
    ).all()
    return [keys.open_evidence(bytes(row.sealed), row.id.encode("ascii")) for row in rows]


def purge(connection: Connection, now: datetime) -> int:
    """Delete what no law keeps any longer; returns how many (count)."""
    return connection.execute(delete(EVIDENCE).where(EVIDENCE.c.keep_until < micros(now))).rowcount


def _after(ends: datetime, years: int) -> datetime:
    day = ends.astimezone(JAPAN)
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, month=3, day=1)
