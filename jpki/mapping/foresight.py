# SPDX-License-Identifier: Apache-2.0
"""What can be refused before anybody presents a card: no PIN is spent on it."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from jpki.certificate.kinds import Environment
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.explain import explain
from jpki.mapping.policy import LinkEvidence, LinkKind, Operation, Proof
from jpki.mapping.service import Map
from jpki.mapping.sitting import Asker, Result


def foresee(
    table: Map,
    operation: Operation,
    asker: Asker,
    proof: Proof,
    *,
    link: LinkKind | None = None,
    environment: Environment | None = None,
) -> Resolution | None:
    """The refusal that no presentation could change, put on the ledger; None where there is none.

    ``proof``: what would be shown. ``environment``: of the card in the reader, where that is
    known. Says nothing about the person: nobody is looked up.
    """
    evidence = None if link is None else (link, LinkEvidence.SAME_SITTING)
    plain = table.request(operation, asker, link=evidence)
    # Whether the person was here before, for a recheck, is looked up with the card.
    request = replace(plain, proof=proof, environment=environment, confirmed_before=True)
    decision = explain(table.policy, request).decision
    if decision.allowed:
        return None

    def work(connection: Connection) -> Resolution:
        sitting = table.sitting()
        refused = Result(Outcome.REFUSED, decision.code)
        return sitting.written(
            connection, sitting.entry(asker, request, decision), decision, refused
        )

    return table.change(work)
