# SPDX-License-Identifier: Apache-2.0
"""Each condition of a permission by itself, where others would refuse as well or another article
is cited; in policies made in code, past the strict reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jpki.certificate.kinds import Medium
from jpki.mapping import permissions
from jpki.mapping.permissions import Case
from jpki.mapping.policy import (
    Contractor,
    LinkEvidence,
    LinkKind,
    Operation,
    Proof,
    Role,
    Switches,
)
from jpki.mapping.request import Deed, Request, Step
from policies import ask, policy

GROUND = "○○市立図書館条例6条"
JPKI = "公的個人認証法"
SIGN, AUTH, SPECIAL = (
    Role.SIGNATURE_VERIFIER,
    Role.AUTHENTICATION_VERIFIER,
    Role.SPECIAL_VERIFIER,
)


def case(
    request: Request,
    *,
    roles: set[Role] | None = None,
    switches: tuple[str, ...] = (),
    **purpose: Any,
) -> Case:
    """The good policy with these roles, switches and facts of its one purpose."""
    good = policy()
    [service] = good.services
    held = good.organisation.roles if roles is None else frozenset(roles)
    found = replace(
        good,
        organisation=replace(good.organisation, roles=held),
        switches=Switches(**dict.fromkeys(switches, True)),
    )
    return Case(found, service, replace(service.purposes[0], **purpose), request)


def said(step: Step | None) -> tuple[str, str, str] | None:
    return None if step is None else (step.outcome.value, step.code, step.article)


NUMBER, RESOLVE = ask(Operation.USE_NUMBER), ask()
HIRED: dict[str, Any] = {"contractor": Contractor("x", "y", ("kiosk-*",))}
RECHECK: dict[str, Any] = {"proof": Proof.NONE}
MINOR: dict[str, Any] = {"minor": True}
LINKED: dict[str, Any] = {"link_evidence": LinkEvidence.SAME_SITTING}
HELD: dict[str, Any] = {"deeds": frozenset({Deed.HOLD_LIFTED}), "medium": Medium.PHONE}


def link(kind: LinkKind, operation: Operation = Operation.LINK) -> Request:
    return ask(operation, link=kind, **LINKED)


@pytest.mark.parametrize(
    ("condition", "asked", "step"),
    [
        ("contractor", case(NUMBER, **HIRED), ("passed", "contractor_permitted", "番号法10条")),
        ("contractor", case(RESOLVE, **HIRED), ("passed", "contractor_permitted", f"{JPKI}50条")),
        # who verifies a face, and who verifies which certificate
        ("role", case(ask(proof=Proof.FACE), roles={SPECIAL}),
         ("passed", "role_special", f"{JPKI}38条の2")),
        ("role", case(ask(proof=Proof.FACE), roles={SIGN, AUTH}),
         ("failed", "role_special", f"{JPKI}38条の2")),
        ("role", case(ask(proof=Proof.SIGN), roles={SIGN}),
         ("passed", "role_held", f"{JPKI}17条")),
        ("role", case(ask(proof=Proof.SIGN), roles={AUTH}),
         ("failed", "role_missing", f"{JPKI}17条")),
        ("role", case(ask(), roles={AUTH}), ("passed", "role_held", f"{JPKI}36条")),
        ("role", case(ask(), roles={SIGN}), ("failed", "role_missing", f"{JPKI}36条")),
        ("certificate", case(ask(Operation.SUSPEND)), None),
        ("certificate", case(ask(medium=None)), ("passed", "certificate_taken", GROUND)),
        ("certificate", case(ask(proof=Proof.NONE, medium=Medium.PHONE)), None),
        ("certificate", case(ask(proof=Proof.TAP, medium=Medium.PHONE)), None),
        # a reading that wants no proof, and one of which the policy wants it
        ("assurance", case(ask(Operation.READ_ITEMS, proof=None)), None),
        ("assurance", case(ask(Operation.READ_ITEMS, proof=None),
                           assurance={Operation.READ_ITEMS: Proof.AUTH}),
         ("needed", "proof_needed", f"{JPKI}38条2項")),
        ("assurance", case(ask(Operation.RECHECK, **RECHECK), stores_serial=True),
         ("passed", "recheck_of_stored", f"{JPKI}18条")),
        ("assurance", case(ask(Operation.RECHECK, **RECHECK)),
         ("failed", "recheck_of_stored", f"{JPKI}18条")),
        ("assurance", case(ask(Operation.RECHECK)), ("passed", "assurance", f"{JPKI}38条2項")),
        ("consent", case(ask(Operation.LATEST_INFO)),
         ("needed", "consent_needed", f"{JPKI}18条3項")),
        ("consent", case(RESOLVE, consent=True), ("needed", "consent_needed", GROUND)),
        ("items", case(RESOLVE), None),
        ("items", case(ask(items=frozenset({"name"}))), ("passed", "items_listed", GROUND)),
        ("child", case(ask(Operation.SUSPEND, **MINOR)), None),
        ("child", case(ask(**MINOR)), ("failed", "not_for_children", GROUND)),
        # a link that a refresh makes is one, too; a kind that is named without one is none
        ("link", case(link(LinkKind.CARD_PHONE, Operation.RESOLVE)), None),
        ("link", case(ask(Operation.REFRESH)), None),
        ("link", case(link(LinkKind.CARD_PHONE, Operation.REFRESH), roles={AUTH}),
         ("failed", "link_role", f"{JPKI}18条4項")),
        # a switch opens nothing to who has no role
        ("link", case(link(LinkKind.CARD_PHONE), roles=set(),
                      switches=("card_phone_by_authentication_verifier",)),
         ("failed", "link_role", f"{JPKI}18条4項")),
        ("link", case(link(LinkKind.CARD_PHONE), roles=set(),
                      switches=("card_phone_by_special_verifier",)),
         ("failed", "link_role", f"{JPKI}18条4項")),
        ("link", case(link(LinkKind.OLD_NEW), roles=set(),
                      switches=("old_new_by_special_verifier",)),
         ("failed", "link_role", f"{JPKI}37条")),
        ("hold", case(ask(**HELD), switches=("lift_phone_hold",)),
         ("passed", "phone_hold", f"{JPKI}38条")),
        ("hold", case(ask(**HELD, proof=None), switches=("lift_phone_hold",)),
         ("failed", "phone_hold", f"{JPKI}38条")),
        ("hold", case(ask(**HELD, proof=Proof.TAP), switches=("lift_phone_hold",)),
         ("failed", "phone_hold", f"{JPKI}38条")),
    ],
)  # fmt: skip
def test_condition(condition: str, asked: Case, step: tuple[str, str, str] | None) -> None:
    weighed: Callable[[Case], Step | None] = getattr(permissions, condition)
    assert said(weighed(asked)) == step


@pytest.mark.parametrize(
    ("items", "named"),
    [({"address"}, ("address",)), ({"12 34", "address"}, ("address",)), ({"12 34"}, ("–",))],
)
def test_items_beyond_are_named_only_where_they_are_names(
    items: set[str], named: tuple[str, ...]
) -> None:
    step = permissions.items(case(ask(items=frozenset(items))))
    assert step is not None
    assert (step.code, step.values["items"]) == ("items_beyond", named)


def test_what_stands_on_nothing_has_no_ground() -> None:
    assert case(RESOLVE).ground == GROUND
    assert case(RESOLVE, legal_basis=None).ground == ""
