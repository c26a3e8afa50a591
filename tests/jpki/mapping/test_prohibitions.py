# SPDX-License-Identifier: Apache-2.0
"""Where a prohibition begins and where it ends: each by itself, with every fact it looks at."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from jpki.certificate.kinds import Environment
from jpki.mapping.policy import ActorKind, LegalBasis, Operation, Proof, Purpose
from jpki.mapping.prohibitions import BY_NUMBER
from jpki.mapping.request import Request, StepOutcome
from policies import ask, policy

ONLINE: dict[str, Any] = {"actor": "web-1"}
NUMBER = frozenset({"number"})
CHILD: dict[str, Any] = {"minor": True, "proof": Proof.SIGN}


def hits(number: str, request: Request, purpose: Purpose | None) -> bool:
    return BY_NUMBER[number].weigh(request, purpose).outcome is StepOutcome.FAILED


def purpose_on(act: str | None, article: str = "12条") -> Purpose:
    """The purpose of the good policy, on that article."""
    basis = None if act is None else LegalBasis(act, article, date(2026, 6, 14))
    return replace(policy().services[0].purposes[0], legal_basis=basis)


COPY = purpose_on("住民基本台帳法")  # 住民票の写し


@pytest.mark.parametrize(
    ("request_", "purpose", "hit"),
    [
        (ask(**ONLINE), COPY, True),
        (ask(**ONLINE, proof=None), COPY, True),
        (ask(**ONLINE, proof=Proof.SIGN), COPY, False),
        (ask(Operation.ENROL, **ONLINE), COPY, True),
        (ask(Operation.DISCLOSE, **ONLINE), COPY, False),
        # who asks, by name and by what is said of the channel
        (ask(actor="stranger"), COPY, True),
        (ask(actor="kiosk-1"), COPY, False),
        (ask(actor="staff-1"), COPY, False),
        (ask(actor="kiosk-1", channel=ActorKind.ONLINE), COPY, True),
        (ask(**ONLINE, channel=ActorKind.TERMINAL), COPY, False),
        # the article
        (ask(**ONLINE), purpose_on("住基法", "12条1項"), True),
        (ask(**ONLINE), purpose_on("住基法", "12条の2"), False),
        (ask(**ONLINE), purpose_on("住基法", "20条"), False),
        (ask(**ONLINE), purpose_on("戸籍法"), False),
        (ask(**ONLINE), purpose_on(None), False),
        (ask(**ONLINE), None, False),
    ],
)
def test_a_copy_of_the_register_is_asked_for_at_hand_or_signed(
    request_: Request, purpose: Purpose | None, hit: bool
) -> None:
    assert hits("P15", request_, purpose) is hit


@pytest.mark.parametrize(
    ("number", "request_", "hit"),
    [
        # the number as an item: only where it is used itself, or read for that
        ("P5", ask(items=NUMBER), True),
        ("P5", ask(Operation.READ_ITEMS, items=NUMBER), False),
        ("P5", ask(Operation.USE_NUMBER, items=NUMBER), False),
        ("P5", ask(items=frozenset({"name"})), False),
        # environments: two that are known and differ
        ("P11", ask(environment=Environment.TEST), False),
        ("P11", ask(map_environment=Environment.TEST), False),
        ("P11", ask(environment=Environment.TEST, map_environment=Environment.CUSTOM), True),
        # a child's signature
        ("P21", ask(**CHILD), True),
        ("P21", ask(Operation.SUSPEND, **CHILD), False),
        ("P21", ask(minor=True), False),
        ("P21", ask(proof=Proof.SIGN), False),
    ],
)
def test_where_it_ends(number: str, request_: Request, hit: bool) -> None:
    assert hits(number, request_, None) is hit
