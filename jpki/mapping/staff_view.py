# SPDX-License-Identifier: Apache-2.0
"""What staff may look at, on a document: kept evidence, consents, whose reminder is due.

Every look is decided by the policy and stands on the ledger. Suppressed persons are in none of
the answers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from jpki.mapping import consent as consents
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.consent import ConsentRecord
from jpki.mapping.errors import StoreStateError
from jpki.mapping.policy import Operation
from jpki.mapping.records import pseudonym_text
from jpki.mapping.sitting import Asker, Result, StaffHere, nobody, plain

if TYPE_CHECKING:
    from jpki.mapping.service import Map

EVIDENCE_SCHEMA: Final = "jpki.map.evidence/1"
CONSENTS_SCHEMA: Final = "jpki.map.consents/1"


@dataclass(frozen=True, slots=True)
class KeptEvidence:
    """What is kept under one reference: JSON texts, oldest first. Personal data."""

    resolution: Resolution
    kept: tuple[bytes, ...] = field(default=(), repr=False)

    def to_object(self) -> dict[str, object]:
        """The JSON object, ``jpki.map.evidence/1``."""
        return {
            "schema": EVIDENCE_SCHEMA,
            "outcome": self.resolution.outcome.value,
            "resolution": self.resolution.to_object(),
            "evidence": [json.loads(body) for body in self.kept],
        }


@dataclass(frozen=True, slots=True)
class PersonsConsents:
    """The consents of one person of the service, oldest first."""

    pseudonym: bytes = field(repr=False)
    consents: tuple[ConsentRecord, ...]


@dataclass(frozen=True, slots=True)
class ConsentView:
    """Whose consents were asked for."""

    resolution: Resolution
    persons: tuple[PersonsConsents, ...] = ()

    def to_object(self) -> dict[str, object]:
        """The JSON object, ``jpki.map.consents/1``."""
        return {
            "schema": CONSENTS_SCHEMA,
            "outcome": self.resolution.outcome.value,
            "resolution": self.resolution.to_object(),
            "persons": [
                {
                    "pseudonym": pseudonym_text(person.pseudonym),
                    "consents": [one.to_object() for one in person.consents],
                }
                for person in self.persons
            ],
        }


def read_evidence(table: Map, asker: Asker, reference: str) -> KeptEvidence:
    """What is kept under the organisation's own ``reference``; ``unregistered``: nothing.

    Told only when the ledger says so. Raises StoreStateError, KeyFileError.
    """
    store = table.evidence
    if store is None:
        raise StoreStateError(reason="no_evidence_store")
    found: list[bytes] = []
    request = table.request(Operation.READ_EVIDENCE, asker)

    def work(connection: Connection) -> Resolution:
        sitting = table.sitting()
        decision = sitting.decide(request)
        entry = sitting.entry(asker, request, decision, giver="service", obtained="evidence")
        if not decision.allowed:
            return sitting.refused(connection, entry, decision, decision.code)
        found[:] = store.read(decision.service or "", plain(reference))
        outcome = Outcome.DONE if found else Outcome.UNREGISTERED
        return sitting.written(connection, entry, decision, Result(outcome))

    return KeptEvidence(table.change(work), tuple(found))


def consents_of(table: Map, asker: Asker, pseudonym: str) -> ConsentView:
    """The consents of whom a pseudonym of the service names."""
    found: list[PersonsConsents] = []

    def look(here: StaffHere) -> Result:
        found.clear()  # a transaction may be tried again
        handle, code = here.found.handle, here.found.pseudonym
        if handle is None or code is None:
            return nobody(here.found)
        found.append(PersonsConsents(code, consents.consents(here.connection, handle)))
        return Result(Outcome.DONE, about=handle)

    resolution = table.by_staff(Operation.REVIEW_CONSENTS, pseudonym, asker, look)
    return ConsentView(resolution, tuple(found))


def reminders_due(table: Map, asker: Asker, *, limit: int = 1000) -> ConsentView:
    """Whose yearly reminder of a consent is due, at most ``limit`` persons; each is then marked.

    One ledger entry for each of them, in one transaction with the mark.
    """
    found: list[PersonsConsents] = []
    request = table.request(Operation.REVIEW_CONSENTS, asker)

    def work(connection: Connection) -> Resolution:
        found.clear()
        sitting = table.sitting()
        decision = sitting.decide(request)
        entry = sitting.entry(asker, request, decision, giver="staff", obtained="document")
        if not decision.allowed:
            return sitting.refused(connection, entry, decision, decision.code)
        done = Result(Outcome.DONE, true_reason="reminder_due")
        for handle, code in consents.due(connection, decision.service or "", sitting.now, limit):
            found.append(PersonsConsents(code, consents.consents(connection, handle)))
            about = Result(Outcome.DONE, about=handle, true_reason="reminder_due")
            sitting.written(connection, entry, decision, about)
        return (
            Resolution(Outcome.DONE, decision)
            if found
            else sitting.written(connection, entry, decision, done)
        )

    resolution = table.change(work)
    return ConsentView(resolution, tuple(found))
