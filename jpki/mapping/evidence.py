# SPDX-License-Identifier: Apache-2.0
"""Evidence that a named law wants kept (犯収法施行規則19条: seven years), apart from all else.

It is encrypted with a key of its own, knows no handle and no pseudonym, and is found by the
organisation's own reference only. Erasing a person does not touch it; its end does.
"""

from __future__ import annotations

import json
import os
import secrets
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, delete, insert, select

from jpki.mapping.answers import Outcome
from jpki.mapping.errors import KeyFileError
from jpki.mapping.keys import KeyFile
from jpki.mapping.policy import JAPAN
from jpki.mapping.policy import Evidence as Rule
from jpki.mapping.presentation import Evidence
from jpki.mapping.sitting import Here, Result
from jpki.mapping.store.schema import EVIDENCE
from jpki.mapping.times import micros

_NONCE = 12


def keep(here: Here, rule: Rule, evidence: Evidence, reference: str, ends: datetime) -> Result:
    """Keep what was presented, and what was found, until ``rule.years`` after ``ends``.

    ``ends``: when the contract ended or will at the latest (aware). A later call for the same
    reference moves nothing: each presentation is kept by itself.
    """
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
            sealed=_seal(here.keys, identifier, json.dumps(body).encode("utf-8")),
        )
    )  # fmt: skip
    return Result(Outcome.DONE, about=here.found.about)


def read(connection: Connection, keys: KeyFile, service: str, reference: str) -> list[bytes]:
    """What is kept under a reference, as JSON, oldest first. Raises KeyFileError."""
    rows = connection.execute(
        select(EVIDENCE.c.id, EVIDENCE.c.sealed)
        .where(EVIDENCE.c.service == service, EVIDENCE.c.reference == reference)
        .order_by(EVIDENCE.c.stored_at)
    ).all()
    return [_open(keys, row.id, bytes(row.sealed)) for row in rows]


def purge(connection: Connection, now: datetime) -> int:
    """Delete what no law keeps any longer; returns how many (count)."""
    return connection.execute(delete(EVIDENCE).where(EVIDENCE.c.keep_until < micros(now))).rowcount


def _after(ends: datetime, years: int) -> datetime:
    day = ends.astimezone(JAPAN)
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, month=3, day=1)


def _seal(keys: KeyFile, identifier: str, body: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(keys.vault_key).encrypt(nonce, body, identifier.encode("ascii"))


def _open(keys: KeyFile, identifier: str, sealed: bytes) -> bytes:
    try:
        return AESGCM(keys.vault_key).decrypt(
            sealed[:_NONCE], sealed[_NONCE:], identifier.encode("ascii")
        )
    except (InvalidTag, ValueError):
        raise KeyFileError(reason="other_key") from None
