# SPDX-License-Identifier: Apache-2.0
"""Evidence that a named law wants kept (犯収法施行規則19条: seven years), apart from all else.

It lies in a database of its own, encrypted with a key of its own; it knows no handle and no
pseudonym, and is found by the organisation's own reference only. Erasing a person does not
touch it; its end does.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from jpki.mapping.answers import Outcome
from jpki.mapping.errors import KeyFileError, StoreDownError, StoreStateError, StoreUrlError
from jpki.mapping.keys import KeyRing
from jpki.mapping.policy import JAPAN
from jpki.mapping.presentation import Evidence
from jpki.mapping.sitting import Here, Result
from jpki.mapping.store.engine import parse_url
from jpki.mapping.store.evidence_schema import EVIDENCE
from jpki.mapping.store.store import EVIDENCE_LAYOUT, Store
from jpki.mapping.times import micros


@dataclass(frozen=True, slots=True)
class EvidenceStore:
    """The database of the evidence, with the keys that open it."""

    store: Store
    keys: KeyRing

    @classmethod
    def create(cls, url: str, keys: KeyRing, *, beside: str, now: datetime) -> EvidenceStore:
        """Make the tables. ``beside``: the map's database, which must be another.

        Raises StoreUrlError (``same``), StoreStateError (``exists``).
        """
        if parse_url(url) == parse_url(beside):
            raise StoreUrlError(reason="same")
        facts = {
            "map": keys.map_id,
            "environment": keys.environment.value,
            "created": now.isoformat(timespec="seconds"),
        }
        return cls(Store.create(url, facts, layout=EVIDENCE_LAYOUT), keys)

    @classmethod
    def open(cls, url: str, keys: KeyRing) -> EvidenceStore:
        """Open it. Raises KeyFileError (``other_map``), StoreStateError."""
        store = Store.open(url, layout=EVIDENCE_LAYOUT)
        if store.facts().get("map") != keys.map_id:
            store.close()
            raise KeyFileError(reason="other_map", path=keys.location)
        return cls(store, keys)

    def read(self, service: str, reference: str) -> list[bytes]:
        """What is kept under a reference, as JSON, oldest first. Raises KeyFileError."""
        with self.store.reading() as connection:
            rows = connection.execute(
                select(EVIDENCE.c.id, EVIDENCE.c.sealed)
                .where(EVIDENCE.c.service == service, EVIDENCE.c.reference == reference)
                .order_by(EVIDENCE.c.stored_at)
            ).all()
        return [self.keys.open_evidence(bytes(row.sealed), row.id.encode("ascii")) for row in rows]

    def purge(self, now: datetime) -> int:
        """Delete what no law keeps any longer; returns how many (count)."""
        ended = delete(EVIDENCE).where(EVIDENCE.c.keep_until < micros(now))
        return self.store.change(lambda connection: connection.execute(ended).rowcount)

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> EvidenceStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Keeping:
    """A deed that keeps one presentation: stored before the ledger says so, never after.

    Two databases do not end one transaction together: what a dead process leaves between them
    is evidence that the ledger does not know. A fault that is seen inside the block removes it.
    """

    def __init__(
        self, store: EvidenceStore | None, evidence: Evidence, reference: str, ends: datetime
    ) -> None:
        if store is None:
            raise StoreStateError(reason="no_evidence_store")
        self._store = store
        self._evidence = evidence
        self._reference = reference
        self._ends = ends
        self._id = secrets.token_hex(16)

    def __call__(self, here: Here) -> Result:
        """Keep what was presented, and what was found, for the years of the purpose.

        Refused ``evidence_other`` where the purpose keeps none, or it is of another
        presentation. Each presentation is kept by itself.
        """
        rule, presented = here.purpose.evidence, self._evidence.response.challenge
        if rule is None or presented.id != here.presentation.challenge.id:
            return Result(Outcome.REFUSED, "evidence_other", about=here.found.about)
        row = {
            "id": self._id,
            "service": here.service,
            "reference": self._reference,
            "law": str(rule.legal_basis),
            "stored_at": micros(here.now),
            "keep_until": micros(_after(self._ends, rule.years)),
            "sealed": self._store.keys.seal_evidence(self._body(here), self._id.encode("ascii")),
        }

        def work(connection: Connection) -> None:
            self._remove(connection)  # of an attempt that another writer cut short
            connection.execute(insert(EVIDENCE), row)

        self._store.store.change(work)
        return Result(Outcome.DONE, about=here.found.about)

    def __enter__(self) -> Keeping:
        return self

    def __exit__(self, _: object, fault: BaseException | None, *__: object) -> None:
        # With the map's database gone it is not known whether the ledger has it: then it stays.
        if fault is not None and not isinstance(fault, StoreDownError):
            self._store.store.change(self._remove)

    def _remove(self, connection: Connection) -> None:
        connection.execute(delete(EVIDENCE).where(EVIDENCE.c.id == self._id))

    def _body(self, here: Here) -> bytes:
        verdict = here.presentation.verdict
        body = {
            "presentation": json.loads(self._evidence.to_bytes()),
            "verdict": {
                "outcome": verdict.outcome.value,
                "checks": [[c.name, c.outcome.value, c.code] for c in verdict.checks],
                "at": here.now.isoformat(),
            },
        }
        return json.dumps(body).encode("utf-8")


def _after(ends: datetime, years: int) -> datetime:
    day = ends.astimezone(JAPAN)
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, month=3, day=1)
