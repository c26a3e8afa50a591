# SPDX-License-Identifier: Apache-2.0
"""The person's own view: who looked, when, for what, on which article.

Roles, not operators' names, unless the purpose says so. What a suppression left behind is not
shown: whoever holds the card may not be the person it protects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.consent import ConsentRecord, consents
from jpki.mapping.policy import Operation, Policy
from jpki.mapping.sitting import Here, Result, nobody
from jpki.mapping.store.schema import LEDGER, LEDGER_PERSON, LINK
from jpki.mapping.times import from_micros, instant

SCHEMA: Final = "jpki.map.disclosure/1"
MAX_ENTRIES: Final = 10_000
_PUBLIC: Final = {"suppressed": "unregistered", "lifted": "done"}


@dataclass(frozen=True, slots=True)
class Access:
    """One line of the view. ``who``: the role, or the actor where the purpose names them."""

    at: datetime
    operation: str
    purpose: str
    article: str
    outcome: str
    reason: str
    who: str
    giver: str
    receiver: str
    obtained: str


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """How a second certificate came to this entry."""

    at: datetime
    kind: str
    evidence: str
    article: str


@dataclass(frozen=True, slots=True)
class View:
    """What is held about the person in one service."""

    accesses: tuple[Access, ...] = ()
    consents: tuple[ConsentRecord, ...] = ()
    links: tuple[LinkRecord, ...] = ()


@dataclass(slots=True)
class Viewer:
    """A deed that looks up the view of who presented; read ``view`` afterwards."""

    policy: Policy
    view: View = field(default_factory=View)

    def __call__(self, here: Here) -> Result:
        handle = here.found.handle
        if handle is None:
            return nobody(here.found)
        self.view = View(
            accesses=_accesses(here.connection, handle, self.policy),
            consents=consents(here.connection, handle),
            links=_links(here.connection, handle),
        )
        return Result(Outcome.DONE, about=handle)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The answer, and the view when it was given."""

    resolution: Resolution
    view: View

    def to_object(self) -> dict[str, object]:
        """The JSON object, ``jpki.map.disclosure/1``."""
        return {
            "schema": SCHEMA,
            "outcome": self.resolution.outcome.value,
            "resolution": self.resolution.to_object(),
            "accesses": [
                {
                    "at": instant(a.at), "operation": a.operation, "purpose": a.purpose,
                    "article": a.article, "outcome": a.outcome, "reason": a.reason, "who": a.who,
                    "giver": a.giver, "receiver": a.receiver, "obtained": a.obtained,
                }
                for a in self.view.accesses
            ],
            "consents": [
                one.to_object() for one in self.view.consents
            ],
            "links": [
                {"at": instant(link.at), "kind": link.kind, "evidence": link.evidence,
                 "article": link.article}
                for link in self.view.links
            ],
        }  # fmt: skip


def _accesses(connection: Connection, handle: bytes, policy: Policy) -> tuple[Access, ...]:
    rows = connection.execute(
        select(LEDGER)
        .select_from(LEDGER_PERSON.join(LEDGER, LEDGER.c.ledger_id == LEDGER_PERSON.c.ledger_id))
        .where(LEDGER_PERSON.c.handle == handle)
        .order_by(LEDGER.c.seq.desc())
        .limit(MAX_ENTRIES)
    )
    return tuple(
        Access(
            from_micros(row.at), row.operation, row.purpose, row.article, row.outcome,
            _PUBLIC.get(row.reason, row.reason), _who(policy, row), row.giver, row.receiver,
            row.obtained,
        )
        for row in rows
        if row.operation != Operation.SUPPRESS.value
    )  # fmt: skip


def _who(policy: Policy, row: object) -> str:
    service = policy.service(getattr(row, "service", ""))
    purpose = None if service is None else service.purpose(getattr(row, "purpose", ""))
    named = purpose is not None and purpose.operator_names
    return str(getattr(row, "actor" if named else "role", ""))


def _links(connection: Connection, handle: bytes) -> tuple[LinkRecord, ...]:
    rows = connection.execute(select(LINK).where(LINK.c.handle == handle).order_by(LINK.c.at))
    return tuple(LinkRecord(from_micros(r.at), r.kind, r.evidence, r.article) for r in rows)
