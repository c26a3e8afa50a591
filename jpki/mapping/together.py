# SPDX-License-Identifier: Apache-2.0
"""What the map does for a card, as one step of a caller's own transaction.

A service that keeps rows of its own beside the map writes them with the decision or not at all.
Run a step inside ``Map.change``; its challenge is used up with whatever the caller writes.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from jpki.mapping import consent as consents
from jpki.mapping import deeds
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.card_answer import TapEvidence
from jpki.mapping.card_proof import CardSitting, tap_request
from jpki.mapping.policy import Operation
from jpki.mapping.presentation import Evidence
from jpki.mapping.service import Map
from jpki.mapping.sitting import Asker, Deed, Here, Result

Step = Callable[[Connection], Resolution]


def resolving(
    table: Map, evidence: Evidence | TapEvidence, asker: Asker, *, detail: str = ""
) -> Step:
    """What ``Map.resolve`` or ``Map.tap`` does. ``detail``: what the challenge says beside it."""
    if isinstance(evidence, TapEvidence):
        request = tap_request(table, asker)
        return lambda connection: CardSitting(table.sitting(), connection, asker, request).tap(
            evidence
        )
    return _presenting(table, Operation.RESOLVE, evidence, asker, deeds.resolve, detail)


def consenting(table: Map, evidence: Evidence, asker: Asker) -> Step:
    """Enrol who presented, if need be, and write down their consent, as the purpose wants it.

    One signature does for both: the challenge of an enrolment names the items and the notice.
    """
    found = table.policy.find(asker.service, asker.purpose, Operation.ENROL)[1]
    items, notice = (frozenset[str](), "") if found is None else (found.data_items, found.notice)

    def deed(here: Here) -> Result:
        if here.found.handle is None:
            return deeds.enrol(here)
        given = consents.give(here, items, notice)
        if given.outcome is not Outcome.DONE:
            return given
        return Result(
            Outcome.RESOLVED, pseudonym=here.found.pseudonym, about=here.found.handle,
            true_reason="consent_given",
        )  # fmt: skip

    detail = consents.detail(items, notice)
    return _presenting(table, Operation.ENROL, evidence, asker, deed, detail)


def _presenting(
    table: Map, operation: Operation, evidence: Evidence, asker: Asker, deed: Deed, detail: str
) -> Step:
    presentation = table.verify(evidence)
    request = table.request(operation, asker, presentation=presentation)
    return lambda connection: table.sitting().presented(
        connection, presentation, asker, request, deed, detail
    )
