# SPDX-License-Identifier: Apache-2.0
"""Uses of the 個人番号: each ground alone, in policies made in code, past the strict reader."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from jpki.mapping.number_use import (
    NUMBER_ACTS,
    assessment,
    ground_for_number,
    passing_number,
    without_ground,
)
from jpki.mapping.permissions import Case
from jpki.mapping.policy import (
    Category,
    Field,
    LegalBasis,
    Operation,
    OrdinanceScope,
    Policy,
    Switches,
)
from jpki.mapping.request import Step
from policies import ask, policy

NUMBER_ACT = sorted(NUMBER_ACTS)[0]
BEYOND = Switches(ordinance_beyond_fields=True)


def basis(act: str, article: str, **more: str) -> LegalBasis:
    return LegalBasis(act, article, date(2026, 6, 14), **more)


def town(**facts: Any) -> Policy:
    """A municipality with an assessment, or with other facts."""
    good = policy()
    return replace(good, organisation=replace(good.organisation, **facts))


def case(
    operation: Operation = Operation.USE_NUMBER,
    items: frozenset[str] = frozenset(),
    *,
    of: Policy | None = None,
    **purpose: Any,
) -> Case:
    """A request whose purpose has these facts; without any, no ground for the number."""
    found = of or town(municipality=False)
    [service] = found.services
    bare: dict[str, Any] = {"legal_basis": None, "category": Category.CONTRACT, **purpose}
    return Case(found, service, replace(service.purposes[0], **bare), ask(operation, items=items))


def said(step: Step | None) -> tuple[str, str] | None:
    return None if step is None else (step.outcome.value, step.code)


def scope(field: Field = Field.WELFARE, ordinance: str = "条例 1", **more: Any) -> OrdinanceScope:
    return OrdinanceScope(field, ordinance, **more)


LISTED = ("passed", "number_task_listed")
IN_SCOPE = ("passed", "ordinance_in_scope")
OUTSIDE = ("failed", "number_outside_19")
ORDINANCE_NEEDED = ("needed", "ordinance_needed")


@pytest.mark.parametrize(
    ("asked", "step"),
    [
        (case(), OUTSIDE),
        (case(Operation.HAND_NUMBER), OUTSIDE),
        (case(Operation.READ_ITEMS, frozenset({"number"})), OUTSIDE),
        (case(Operation.READ_ITEMS, frozenset({"name"})), None),
        # a listed task, of the act itself
        (case(legal_basis=basis(NUMBER_ACT, "9条1項")), LISTED),
        (case(legal_basis=basis(NUMBER_ACT, "9条", item="1項")), LISTED),
        (case(legal_basis=basis(NUMBER_ACT, "9条2項")), OUTSIDE),
        (case(legal_basis=basis("住基法", "9条1項")), OUTSIDE),
        # an ordinance in its fields
        (case(ordinance_scope=scope()), IN_SCOPE),
        (case(ordinance_scope=scope(ordinance=" ")), OUTSIDE),
        (case(ordinance_scope=scope(Field.OTHER)), ("failed", "ordinance_beyond_fields")),
        (case(ordinance_scope=scope(Field.OTHER), of=replace(town(), switches=BEYOND)), IN_SCOPE),
        # what a municipality may still make an ordinance for
        (case(of=town(), category=Category.ORDINANCE), ORDINANCE_NEEDED),
        (case(of=town(), category=Category.STATUTORY), ORDINANCE_NEEDED),
        (case(of=town()), OUTSIDE),
        (case(category=Category.ORDINANCE), OUTSIDE),
    ],
)  # fmt: skip
def test_ground(asked: Case, step: tuple[str, str] | None) -> None:
    assert said(ground_for_number(asked)) == step


@pytest.mark.parametrize(("municipality", "step"), [(True, ORDINANCE_NEEDED), (False, OUTSIDE)])
def test_where_no_purpose_is_known(municipality: bool, step: tuple[str, str]) -> None:
    assert said(without_ground(town(municipality=municipality), None)) == step


PASSING = ("passed", "passing_listed")
BY_RULE = basis(NUMBER_ACT, "19条9号", matter="committee_rule")
OTHERWISE = basis(NUMBER_ACT, "19条11号")


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        ({}, OUTSIDE),
        ({"legal_basis": basis(NUMBER_ACT, "19条8号")}, PASSING),
        ({"legal_basis": basis(NUMBER_ACT, "9条1項")}, OUTSIDE),
        ({"legal_basis": basis("住基法", "19条8号")}, OUTSIDE),
        ({"ordinance_scope": scope()}, OUTSIDE),
        ({"ordinance_scope": scope(passing=OTHERWISE)}, PASSING),
        ({"ordinance_scope": scope(passing=BY_RULE)}, ("failed", "task_not_like_annex")),
        ({"ordinance_scope": scope(passing=BY_RULE, like_annex=True)}, PASSING),
    ],
)
def test_passing_it_on(facts: dict[str, Any], step: tuple[str, str]) -> None:
    assert said(passing_number(case(Operation.HAND_NUMBER, **facts))) == step
    assert passing_number(case(Operation.USE_NUMBER, **facts)) is None


@pytest.mark.parametrize("operation", [Operation.USE_NUMBER, Operation.HAND_NUMBER])
def test_assessment(operation: Operation) -> None:
    assert said(assessment(case(operation))) == ("passed", "pia")
    assert said(assessment(case(operation, of=town(pia=" ")))) == ("needed", "pia")
    assert assessment(case(Operation.RESOLVE, of=town(pia=""))) is None
