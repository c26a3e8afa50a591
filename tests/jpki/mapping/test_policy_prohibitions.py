# SPDX-License-Identifier: Apache-2.0
"""Prohibitions: each is hit, is told by its article, and no policy at all switches it off."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpki.certificate.kinds import Environment, Family, Medium
from jpki.mapping.decision import decide
from jpki.mapping.policy import (
    ActorKind,
    Category,
    CertificateRule,
    Evidence,
    Field,
    LegalBasis,
    Operation,
    OrdinanceScope,
    Organisation,
    Policy,
    Proof,
    Purpose,
    Role,
    Service,
    Switches,
)
from jpki.mapping.prohibitions import BY_NUMBER, PROHIBITIONS, SERIAL_LIKE
from jpki.mapping.request import Deed, Request, StepOutcome
from policies import ask, policy

TEST, PRODUCTION = Environment.TEST, Environment.PRODUCTION


def does(*deeds: Deed, **facts: Any) -> Request:
    operation = facts.pop("operation", Operation.RESOLVE)
    return ask(operation, deeds=frozenset(deeds), **facts)


# Requests that run into each prohibition, whatever policy they meet.
HITS: Mapping[str, list[Request]] = {
    "P1": [
        does(Deed.SERIAL_AS_USER_ID),
        does(Deed.SERIAL_GIVEN),
        *(ask(items=frozenset({item})) for item in sorted(SERIAL_LIKE)),
    ],
    "P2": [does(Deed.LOOKUP_BY_SERIAL)],
    "P3": [does(Deed.SERVICES_JOINED)],
    "P4": [does(Deed.DERIVED_CODE_GIVEN)],
    "P5": [
        does(Deed.NUMBER_IN_MAP),
        ask(items=frozenset({"number"})),
        ask(Operation.DISCLOSE, items=frozenset({"number"})),
    ],
    "P5a": [does(Deed.NUMBER_DERIVED)],
    "P5b": [does(Deed.NUMBER_JOINS), does(Deed.NUMBER_JOINS, operation=Operation.HAND_NUMBER)],
    "P6": [ask(Operation.EXPORT), does(Deed.BULK_EXPORT), does(Deed.REVOCATION_COPIED)],
    "P7": [does(Deed.KEY_OTHER_USE)],
    "P8": [does(Deed.CERTIFICATE_KEPT)],
    "P9": [
        does(Deed.DIRECT_TO_JLIS),
        does(Deed.DIRECT_TO_JLIS, role=Role.SERVICE_PROVIDER),
    ],
    "P10": [does(Deed.REVOCATION_UNDONE)],
    "P11": [
        does(Deed.ENVIRONMENTS_MIXED),
        ask(environment=TEST, map_environment=PRODUCTION),
        ask(environment=PRODUCTION, map_environment=TEST),
    ],
    "P12": [does(Deed.PROFILE_UNKNOWN)],
    "P13": [
        does(Deed.PIN_LEFT_OUT),
        does(Deed.PIN_LEFT_OUT, role=Role.SPECIAL_VERIFIER),
        ask(proof=Proof.FACE),
        ask(proof=Proof.FACE, role=Role.AUTHENTICATION_VERIFIER),
    ],
    "P14": [
        ask(operation, proof=proof)
        for operation in (Operation.LINK, Operation.DISCLOSE, Operation.ERASE, Operation.CONSENT)
        for proof in (Proof.NONE, Proof.TAP, Proof.RECHECK)
    ],
    "P16": [does(Deed.BODY_AS_KEY)],
    "P17": [does(Deed.WEARABLE), does(Deed.SECOND_CARD), does(Deed.CARD_CHANGED)],
    "P18": [does(Deed.FACE_MATCHED, operation=Operation.READ_ITEMS)],
    "P19": [does(Deed.PHOTO_REGISTER)],
    "P20": [
        does(Deed.LICENCE_BEYOND),
        ask(Operation.READ_ITEMS, items=frozenset({"licence", "address"})),
    ],
    "P21": [ask(minor=True, guardian=True, proof=Proof.SIGN)],
    "P22": [does(Deed.OTHER_CREDENTIAL)],
}
# P15 rests on the article of the purpose; it has a test of its own below.
OWN_TEST = {"P15"}
CASES = [
    pytest.param(number, request, id=f"{number}-{n}")
    for number, requests in HITS.items()
    for n, request in enumerate(requests)
]


def test_every_prohibition_has_requests_that_run_into_it() -> None:
    assert set(HITS) | OWN_TEST == set(BY_NUMBER)
    assert len(BY_NUMBER) == len(PROHIBITIONS)


def test_every_deed_is_forbidden_or_weighed() -> None:
    """No deed passes unseen."""
    hit = {deed for requests in HITS.values() for request in requests for deed in request.deeds}
    assert set(Deed) - hit == {Deed.HOLD_LIFTED}  # a condition with a switch: R12


@pytest.mark.parametrize(("number", "request_"), CASES)
def test_it_is_hit_and_refuses(number: str, request_: Request) -> None:
    decision = decide(policy(), request_)
    [step] = [step for step in decision.steps if step.prohibition == number]
    assert step.outcome is StepOutcome.FAILED
    assert step.article
    assert not decision.allowed
    assert decision.decisive.prohibition


@pytest.mark.parametrize("number", sorted(BY_NUMBER))
def test_the_plain_request_runs_into_none(number: str) -> None:
    """A prohibition that hits everything would prove nothing."""
    [step] = [s for s in decide(policy(), ask()).steps if s.prohibition == number]
    assert step.outcome is StepOutcome.PASSED


def test_it_outranks_every_permission() -> None:
    """Prohibitions are weighed first, and decide where a condition fails, too."""
    decision = decide(policy(), does(Deed.SERIAL_GIVEN, actor="stranger"))
    assert (decision.decisive.prohibition, decision.article) == ("P1", "技術的基準31条3項")


@pytest.mark.parametrize(
    "request_",
    [
        does(Deed.CERTIFICATE_KEPT, operation=Operation.KEEP_EVIDENCE, proof=Proof.SIGN),
        does(Deed.DIRECT_TO_JLIS, role=Role.AUTHENTICATION_VERIFIER),
    ],
)
def test_what_the_prohibitions_leave_open(request_: Request) -> None:
    assert decide(policy(), request_).allowed


# 個人番号 typed where none may stand: invented, with a good check digit.
NUMBER = "537686677188"


@pytest.mark.parametrize("place", ["actor", "document", "receiver"])
@pytest.mark.parametrize(
    ("text", "hit"),
    [
        (NUMBER, True),
        (f"staff-{NUMBER}", True),
        ("5376 8667 7188", True),
        ("5376-8667-7188", True),
        ("５３７６８６６７７１８８", True),
        (f"文書 {NUMBER} 号", True),
        ("537686677189", False),  # wrong check digit
        (f"{NUMBER}0", False),  # thirteen digits: another kind of reference
        ("2026-1234", False),
    ],
)
def test_a_number_in_a_free_field_is_refused(place: str, text: str, hit: bool) -> None:
    facts = {"actor": "staff-1", "document": "A 1", "proof": None, place: text}
    decision = decide(policy(), ask(Operation.SUSPEND, **facts))
    assert ("P5" in {s.prohibition for s in decision.steps if s.outcome is StepOutcome.FAILED}) is (
        hit
    )


def test_a_number_typed_as_an_item_is_not_repeated() -> None:
    decision = decide(policy(), ask(items=frozenset({NUMBER, "address"})))
    assert decision.decisive.prohibition == "P5"
    assert NUMBER not in repr(decision)


# no policy ---------------------------------------------------------------------------------

ARTICLES = st.sampled_from(
    [
        LegalBasis("番号法", "9条1項", date(2026, 6, 14), "別表"),
        LegalBasis("番号法", "19条11号", date(2026, 6, 14)),
        LegalBasis("公的個人認証法", "36条", date(2026, 6, 14)),
        LegalBasis("住民基本台帳法", "12条", date(2026, 6, 14)),
    ]
)
PROOFS = st.dictionaries(st.sampled_from(list(Operation)), st.sampled_from(list(Proof)))


@st.composite
def purposes(draw: st.DrawFn, /, **fixed: Any) -> Purpose:
    """Purposes as lax as the types allow, past the reader that would refuse many of them."""
    basis = draw(ARTICLES)
    values: dict[str, Any] = {
        "id": "lend",
        "category": draw(st.sampled_from(list(Category))),
        "operations": draw(st.sampled_from([frozenset(Operation)]) | st.frozensets(
            st.sampled_from(list(Operation)))),
        "valid_from": date(2000, 1, 1),
        "legal_basis": basis,
        "certificate": CertificateRule(frozenset(Family), frozenset(Medium)),
        "consent": draw(st.booleans()),
        "actors": ("*",),
        "staff": draw(st.sampled_from([(), ("*",)])),
        "assurance": draw(PROOFS),
        "accept": draw(st.frozensets(st.sampled_from(list(Proof)))),
        "data_items": frozenset({"number", "licence", "address", "photo", *SERIAL_LIKE}),
        "receivers": frozenset({"*"}),
        "ordinance_scope": OrdinanceScope(
            draw(st.sampled_from(list(Field))), "条例", basis, draw(st.booleans())
        ),
        "evidence": Evidence(7, basis),
        "children": draw(st.booleans()),
        "stores_serial": draw(st.booleans()),
    }  # fmt: skip
    return Purpose(**{**values, **fixed})


@st.composite
def lax_policies(draw: st.DrawFn, /, **fixed: Any) -> Policy:
    """Any policy: every role, every switch, whatever purposes."""
    switches = {name: draw(st.booleans()) for name in Switches.__dataclass_fields__}
    return Policy(
        Organisation("x", draw(st.just(frozenset(Role)) | st.frozensets(
            st.sampled_from(list(Role)))), "PIA", "届出", draw(st.booleans())),
        (Service("library", {}, (draw(purposes(**fixed)),)),),
        Switches(**switches),
        "1",
    )  # fmt: skip


FORBIDDEN = st.sampled_from([request for requests in HITS.values() for request in requests])


@given(lax_policies(), FORBIDDEN, st.booleans())
@settings(max_examples=600, deadline=None)
def test_no_policy_allows_a_prohibited_request(
    generated: Policy, request: Request, consent: bool
) -> None:
    request = dataclasses.replace(
        request, consent=consent, guardian=True, confirmed_before=True, document="A 1"
    )
    assert not decide(generated, request).allowed


@given(
    lax_policies(legal_basis=LegalBasis("住民基本台帳法", "12条", date(2026, 6, 14))),
    st.sampled_from([Operation.ENROL, Operation.RESOLVE]),
    st.sampled_from([proof for proof in Proof if proof is not Proof.SIGN]),
)
@settings(max_examples=200, deadline=None)
def test_no_policy_gives_a_residence_record_online_without_a_signature(
    generated: Policy, operation: Operation, proof: Proof
) -> None:
    request = ask(operation, proof=proof, consent=True, confirmed_before=True,
                  channel=ActorKind.ONLINE)  # fmt: skip
    decision = decide(generated, request)
    assert not decision.allowed
    [step] = [s for s in decision.steps if s.prohibition == "P15"]
    assert step.outcome is StepOutcome.FAILED


@given(lax_policies(children=True, category=Category.STATUTORY))
@settings(max_examples=200, deadline=None)
def test_lax_policies_do_allow_things(generated: Policy) -> None:
    """The generator is lax indeed: what is not forbidden gets through if it is listed."""
    request = ask(consent=True, purpose="lend", proof=Proof.SIGN)
    if Operation.RESOLVE in generated.services[0].purposes[0].operations and (
        Role.SIGNATURE_VERIFIER in generated.organisation.roles
    ):
        assert decide(generated, request).allowed


def test_a_face_is_for_the_licensed_alone() -> None:
    """The role that the request names must be held, too."""
    licensed = policy("organisation.roles", ["authentication_verifier", "special_verifier"])
    request = ask(proof=Proof.FACE, role=Role.SPECIAL_VERIFIER)
    assert decide(licensed, request).allowed
    assert decide(policy(), request).code == "role_not_held"
    assert not decide(licensed, does(Deed.PIN_LEFT_OUT, role=Role.SPECIAL_VERIFIER)).allowed
