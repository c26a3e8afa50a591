# SPDX-License-Identifier: Apache-2.0
"""Uses of the 個人番号 itself: what 番号法9条 and 19条 ask for. The map never holds the number."""

from __future__ import annotations

from jpki.mapping.permissions import Case, failed, needed, passed
from jpki.mapping.policy import (
    NUMBER_OPERATIONS,
    Category,
    Field,
    LegalBasis,
    Operation,
    Policy,
    Purpose,
)
from jpki.mapping.request import Request, Step

NUMBER_ACTS = frozenset({"番号法", "マイナンバー法"})
_LISTED = ("9条1項", "9条3項", "9条4項", "9条5項", "別表")
_IN_FIELD = frozenset({Field.WELFARE, Field.LOCAL_TAX, Field.DISASTER, Field.SIMILAR})


def uses_number(request: Request) -> bool:
    """Whether the number itself comes into it."""
    return request.operation in NUMBER_OPERATIONS or "number" in request.items


def ground_for_number(case: Case) -> Step | None:
    """The listed task of 9条1項, or an ordinance under 9条2項 in its fields."""
    if not uses_number(case.request):
        return None
    basis, scope = case.purpose.legal_basis, case.purpose.ordinance_scope
    if basis is not None and _listed(basis):
        return passed("R5", str(basis), "number_task_listed")
    if scope is not None and scope.ordinance.strip():
        if scope.field in _IN_FIELD or case.policy.switches.ordinance_beyond_fields:
            return passed("R5", "番号法9条2項", "ordinance_in_scope", field=scope.field.value)
        return failed("R5", "番号法9条2項", "ordinance_beyond_fields", field=scope.field.value)
    return without_ground(case.policy, case.purpose)


def without_ground(policy: Policy, purpose: Purpose | None) -> Step:
    """No ground yet: a municipality may make an ordinance; nobody else can."""
    if policy.organisation.municipality and (
        purpose is None or purpose.category in (Category.ORDINANCE, Category.STATUTORY)
    ):
        return needed("R5", "番号法9条2項", "ordinance_needed")
    return failed("R8", "番号法19条", "number_outside_19")


def _listed(basis: LegalBasis) -> bool:
    return basis.act in NUMBER_ACTS and f"{basis.article}{basis.item}".startswith(_LISTED)


def passing_number(case: Case) -> Step | None:
    """Giving it on needs one of the items of 19条; consent is none of them."""
    if case.request.operation is not Operation.HAND_NUMBER:
        return None
    scope, basis = case.purpose.ordinance_scope, case.purpose.legal_basis
    if basis is not None and basis.act in NUMBER_ACTS and basis.article.startswith("19条"):
        return passed("R5", str(basis), "passing_listed")
    if scope is not None and scope.passing is not None:
        if scope.passing.matter == "committee_rule" and not scope.like_annex:
            return failed("R5", str(scope.passing), "task_not_like_annex")
        return passed("R5", str(scope.passing), "passing_listed")
    return failed("R8", "番号法19条", "number_outside_19")


def assessment(case: Case) -> Step | None:
    """A 特定個人情報保護評価 before a file with the number is held."""
    if case.request.operation not in NUMBER_OPERATIONS:
        return None
    good = bool(case.policy.organisation.pia.strip())
    return (passed if good else needed)("R7", "番号法28条", "pia")


NUMBER_CONDITIONS = (ground_for_number, passing_number, assessment)
