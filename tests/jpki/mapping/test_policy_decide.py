# SPDX-License-Identifier: Apache-2.0
"""Decisions: what is not listed is refused, each condition for itself, every time with reason."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from jpki.certificate.kinds import Environment, Medium
from jpki.mapping.decision import Decision, DecisionOutcome, StepOutcome, decide
from jpki.mapping.policy import (
    STAFF_OPERATIONS,
    LinkEvidence,
    LinkKind,
    Operation,
    Policy,
    Proof,
    Role,
)
from jpki.mapping.policy_file import policy_of
from jpki.mapping.request import Request
from policies import ask, changed, good, policy, purpose

LINK: dict[str, Any] = {"link": LinkKind.SIGN_AUTH, "link_evidence": LinkEvidence.SAME_SITTING}


def test_the_good_request_is_allowed_on_its_ground() -> None:
    decision = decide(policy(), ask())
    assert decision.allowed
    assert (decision.rule, decision.article) == ("R5", "○○市立図書館条例6条")
    assert (decision.service, decision.purpose) == ("library", "lend")
    assert decision.policy_version == policy().version


def test_where_nothing_speaks_for_it_the_answer_is_no() -> None:
    weighed = decide(policy(), ask()).steps
    silent = tuple(step for step in weighed if step.outcome is StepOutcome.NOT_APPLICABLE)
    for steps in ((), silent):
        decision = Decision(steps, "v", "library", "lend")
        assert decision.outcome is DecisionOutcome.REFUSED
        assert not decision.allowed


@pytest.mark.parametrize(
    ("request_", "outcome", "rule", "code"),
    [
        # the white list
        (ask(purpose="other"), "refused", "R5", "purpose_unknown"),
        (ask(service="other"), "refused", "R5", "purpose_unknown"),
        (ask(Operation.READ_ITEMS), "refused", "R5", "operation_listed"),
        (ask(actor="stranger"), "refused", "R9", "actor_unknown"),
        (ask(actor="KIOSK-1"), "refused", "R9", "actor_unknown"),
        (ask(actor=""), "refused", "R9", "actor_unknown"),
        (ask(items=frozenset({"address"})), "refused", "R5", "items_beyond"),
        (ask(items=frozenset({"name"}), receiver="x"), "refused", "R5", "receiver_not_listed"),
        (ask(items=frozenset({"name"}), receiver="guardian"), "allowed", "R5", "legal_basis"),
        # days in Japan: the last day ends at 15:00 UTC
        (ask(at=datetime(2027, 3, 31, 14, 59, tzinfo=UTC)), "allowed", "R5", "legal_basis"),
        (ask(at=datetime(2027, 3, 31, 15, 0, tzinfo=UTC)), "refused", "R5", "purpose_in_force"),
        (ask(at=datetime(2026, 3, 31, 14, 59, tzinfo=UTC)), "refused", "R5", "purpose_in_force"),
        (ask(at=datetime(2026, 3, 31, 15, 0, tzinfo=UTC)), "allowed", "R5", "legal_basis"),
        # proof
        (ask(proof=None), "conditional", "R10", "proof_needed"),
        (ask(proof=Proof.NONE), "refused", "R10", "assurance"),
        (ask(proof=Proof.TAP), "refused", "R10", "weak_proof_not_accepted"),
        (ask(proof=Proof.SIGN), "allowed", "R5", "legal_basis"),
        (ask(proof=Proof.RECHECK), "conditional", "R10", "confirmed_before"),
        (ask(proof=Proof.RECHECK, confirmed_before=True), "allowed", "R5", "legal_basis"),
        (ask(proof=Proof.RECHECK, confirmed_before=False), "refused", "R10", "confirmed_before"),
        (ask(Operation.ENROL, proof=Proof.RECHECK, confirmed_before=True), "refused", "R10",
         "recheck_enrols_nobody"),
        (ask(Operation.CONSENT, proof=Proof.AUTH), "refused", "R10", "assurance"),
        (ask(Operation.CONSENT, proof=Proof.SIGN), "allowed", "R5", "legal_basis"),
        (ask(Operation.KEEP_EVIDENCE, proof=Proof.AUTH), "refused", "R10", "assurance"),
        # staff
        (ask(Operation.SUSPEND, actor="kiosk-1"), "refused", "R9", "actor_not_staff"),
        (ask(Operation.SUSPEND, actor="staff-1"), "conditional", "R9", "document_reference"),
        (ask(Operation.SUPPRESS, actor="staff-1", document=" "), "conditional", "R9",
         "document_reference"),
        (ask(Operation.CLOSE, actor="staff-1", document="A 1", proof=None), "allowed", "R5",
         "legal_basis"),
        # links
        (ask(Operation.LINK), "conditional", "R3", "link_kind"),
        (ask(Operation.LINK, link=LinkKind.OLD_NEW), "conditional", "R3", "link_evidence"),
        (ask(Operation.LINK, **LINK), "allowed", "R3", "link_evidence"),
        # consent to the latest 4情報, whatever the purpose says
        (ask(Operation.LATEST_INFO), "conditional", "R8", "consent_needed"),
        (ask(Operation.LATEST_INFO, consent=False), "refused", "R8", "consent"),
        (ask(Operation.LATEST_INFO, consent=True), "allowed", "R5", "legal_basis"),
        # roles and children
        (ask(role=Role.SPECIAL_VERIFIER), "refused", "R2", "role_not_held"),
        (ask(role=Role.SIGNATURE_VERIFIER), "refused", "R2", "role_missing"),
        (ask(role=Role.AUTHENTICATION_VERIFIER), "allowed", "R5", "legal_basis"),
        (ask(proof=Proof.SIGN, role=Role.AUTHENTICATION_VERIFIER), "refused", "R2",
         "role_missing"),
        (ask(minor=True), "refused", "R14", "not_for_children"),
        (ask(actor="kiosk-99"), "allowed", "R5", "legal_basis"),
        # environments
        (ask(environment=Environment.TEST, map_environment=Environment.TEST), "allowed", "R5",
         "legal_basis"),
        (ask(environment=Environment.TEST, map_environment=Environment.PRODUCTION), "refused",
         "R9", "environments_mixed"),
    ],
)  # fmt: skip
def test_conditions(request_: Request, outcome: str, rule: str, code: str) -> None:
    decision = decide(policy(), request_)
    assert (decision.outcome.value, decision.rule, decision.code) == (outcome, rule, code)
    assert decision.allowed is (outcome == "allowed")
    assert decision.article or code in ("purpose_unknown",)


@pytest.mark.parametrize(
    ("changes", "request_", "outcome", "code"),
    [
        ({"legal_basis": None}, ask(), "refused", "no_legal_basis"),
        ({"certificate": {"kind": ["signature"], "medium": ["card"]}}, ask(), "refused",
         "certificate_kind"),
        ({"certificate": {"kind": ["authentication"], "medium": ["card"]}},
         ask(medium=Medium.PHONE), "refused", "certificate_medium"),
        ({"consent": True, "notice": "1"}, ask(), "conditional", "consent_needed"),
        ({"consent": True, "notice": "1"}, ask(consent=True), "allowed", "legal_basis"),
        ({"consent": True, "notice": "1"}, ask(consent=False), "refused", "consent"),
        ({"consent": True, "notice": "1"}, ask(Operation.DISCLOSE), "allowed", "legal_basis"),
        ({"accept": ["tap", "recheck"]}, ask(proof=Proof.TAP), "allowed", "legal_basis"),
        ({"accept": ["tap", "recheck"]}, ask(Operation.RECHECK, proof=Proof.TAP), "refused",
         "tap_accepted"),
        ({"assurance": {"resolve": "sign"}}, ask(), "refused", "assurance"),
        ({"children": True}, ask(minor=True), "conditional", "guardian_consent"),
        ({"children": True}, ask(minor=True, guardian=True), "allowed", "legal_basis"),
        ({"children": True}, ask(minor=True, guardian=False), "refused", "guardian_consent"),
        ({"contractor": {"name": "x", "actors": ["kiosk-*"]}}, ask(), "refused",
         "contractor_not_permitted"),
        ({"contractor": {"name": "x", "actors": ["kiosk-*"], "permitted_by": "y",
                         "sub_contracting": True}}, ask(), "refused",
         "sub_contractor_not_permitted"),
        ({"contractor": {"name": "x", "actors": ["kiosk-*"], "permitted_by": "y",
                         "sub_contracting": True, "sub_permitted_by": "z"}}, ask(), "allowed",
         "legal_basis"),
        ({"contractor": {"name": "x", "actors": ["kiosk-9*"]}}, ask(), "allowed", "legal_basis"),
    ],
)  # fmt: skip
def test_conditions_of_other_policies(
    changes: dict[str, Any], request_: Request, outcome: str, code: str
) -> None:
    decision = decide(purpose(**changes), request_)
    assert (decision.outcome.value, decision.code) == (outcome, code)


def _roles(*roles: str, **switches: bool) -> Policy:
    document = changed("organisation.roles", list(roles))
    if switches:
        document["switches"] = switches
    return policy_of(document)


SIGN, AUTH, SPECIAL = "signature_verifier", "authentication_verifier", "special_verifier"
PLATFORM, PROVIDER = "platform_operator", "service_provider"


@pytest.mark.parametrize(
    ("roles", "link", "switches", "allowed"),
    [
        # sign and auth: only who is both kinds of verifier (18条5項)
        ((SIGN,), LinkKind.SIGN_AUTH, {}, False),
        ((AUTH,), LinkKind.SIGN_AUTH, {}, False),
        ((SIGN, AUTH), LinkKind.SIGN_AUTH, {}, True),
        ((SIGN, SPECIAL), LinkKind.SIGN_AUTH, {}, True),
        # card and phone: signature verifiers (18条4項); the open cells are switches
        ((SIGN,), LinkKind.CARD_PHONE, {}, True),
        ((AUTH,), LinkKind.CARD_PHONE, {}, False),
        ((AUTH,), LinkKind.CARD_PHONE, {"card_phone_by_authentication_verifier": True}, True),
        ((SPECIAL,), LinkKind.CARD_PHONE, {}, False),
        ((SPECIAL,), LinkKind.CARD_PHONE, {"card_phone_by_special_verifier": True}, True),
        # old and new
        ((SIGN,), LinkKind.OLD_NEW, {}, True),
        ((AUTH,), LinkKind.OLD_NEW, {}, True),
        ((SPECIAL,), LinkKind.OLD_NEW, {}, False),
        ((SPECIAL,), LinkKind.OLD_NEW, {"old_new_by_special_verifier": True}, True),
        # behind a platform operator the answer comes from there
        ((PLATFORM,), LinkKind.SIGN_AUTH, {}, True),
        ((PROVIDER,), LinkKind.CARD_PHONE, {}, True),
        ((), LinkKind.OLD_NEW, {}, False),
    ],
)
def test_links_by_role(
    roles: tuple[str, ...], link: LinkKind, switches: dict[str, bool], allowed: bool
) -> None:
    request = ask(Operation.LINK, link=link, link_evidence=LinkEvidence.PLATFORM)
    steps = decide(_roles(*roles, **switches), request).steps
    [step] = [s for s in steps if s.rule == "R3"]
    assert (step.outcome is StepOutcome.PASSED) is allowed


@pytest.mark.parametrize(
    ("roles", "request_", "code"),
    [
        ((), ask(), "role_missing"),
        ((), ask(Operation.SUSPEND, actor="staff-1", document="A 1"), "legal_basis"),
        ((), ask(proof=Proof.TAP), "legal_basis"),
        ((AUTH,), ask(Operation.CONSENT, proof=None), "role_missing"),
        ((SIGN,), ask(Operation.CONSENT, proof=None), "proof_needed"),
        ((SIGN,), ask(proof=None), "role_missing"),
    ],
)
def test_who_verifies_nothing_needs_no_role(
    roles: tuple[str, ...], request_: Request, code: str
) -> None:
    """And before a proof is there, the lowest that is taken says which role it will need."""
    document = changed("organisation.roles", list(roles))
    document = changed("service.0.purpose.0.accept", ["tap", "recheck"], document)
    assert decide(policy_of(document), request_).code == code


def test_switches_default_to_refusal() -> None:
    switches = policy().switches
    assert not any(getattr(switches, name) for name in switches.__dataclass_fields__)


def test_no_policy_lowers_the_floors() -> None:
    """A policy made in code, past the reader, with everything at a tap."""
    lax = policy()
    [service] = lax.services
    [only] = service.purposes
    low = dataclasses.replace(
        only,
        assurance=dict.fromkeys(Operation, Proof.TAP),
        accept=frozenset({Proof.TAP, Proof.RECHECK}),
    )
    lax = dataclasses.replace(lax, services=(dataclasses.replace(service, purposes=(low,)),))
    for operation in (Operation.LINK, Operation.DISCLOSE, Operation.ERASE, Operation.CONSENT,
                      Operation.WITHDRAW, Operation.REFRESH, Operation.KEEP_EVIDENCE):  # fmt: skip
        for proof in (Proof.NONE, Proof.TAP, Proof.RECHECK):
            request = ask(operation, proof=proof, confirmed_before=True, **LINK)
            assert decide(lax, request).outcome is DecisionOutcome.REFUSED, (operation, proof)


@pytest.mark.parametrize("operation", sorted(STAFF_OPERATIONS))
def test_staff_operations_want_no_card(operation: Operation) -> None:
    request = ask(operation, actor="staff-1", document="A 1", proof=None, medium=None)
    assert decide(policy(), request).allowed


def test_a_purpose_need_not_be_named_where_only_one_is_meant() -> None:
    assert decide(policy(), ask(purpose=None)).purpose == "lend"
    document = good()
    second = {**document["service"][0]["purpose"][0], "id": "read"}
    document["service"][0]["purpose"].append(second)
    decision = decide(policy_of(document), ask(purpose=None))
    assert (decision.purpose, decision.code) == (None, "purpose_unknown")
    assert decide(policy_of(document), ask(purpose="read")).purpose == "read"


def test_a_purpose_of_two_services_is_unclear_until_the_service_is_named() -> None:
    document = good()
    document["service"].append({**document["service"][0], "id": "hall"})
    assert decide(policy_of(document), ask()).code == "purpose_unknown"
    assert decide(policy_of(document), ask(service="hall")).service == "hall"


@pytest.mark.parametrize("operation", list(Operation))
def test_an_empty_world_refuses_everything(operation: Operation) -> None:
    """Default is refusal: nothing listed, nothing known."""
    bare = policy_of(
        {
            "schema": "jpki.policy/1",
            "organisation": {"name": "x"},
            "service": [
                {
                    "id": "s",
                    "purpose": [
                        {
                            "id": "p",
                            "category": "statutory",
                            "operations": ["check_age"],
                            "valid_from": good()["service"][0]["purpose"][0]["valid_from"],
                        }
                    ],
                }
            ],
        }
    )
    for proof in Proof:
        assert not decide(bare, ask(operation, proof=proof, consent=True)).allowed
        assert not decide(bare, ask(operation, proof=proof, purpose="p", consent=True)).allowed
