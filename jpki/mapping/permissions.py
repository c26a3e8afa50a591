# SPDX-License-Identifier: Apache-2.0
"""What must be there for a request to be allowed: one function for each condition.

Each returns its step, or None where the condition does not come into it. Something that is
merely not known yet is ``needed``; both ``needed`` and ``failed`` refuse.
"""

from __future__ import annotations

from dataclasses import dataclass

from jpki.certificate.kinds import Family, Medium
from jpki.mapping.policy import (
    HOLDER_OPERATIONS,
    NUMBER_OPERATIONS,
    STAFF_OPERATIONS,
    ActorKind,
    LinkKind,
    Operation,
    Policy,
    Proof,
    Purpose,
    Role,
    Service,
    matches,
)
from jpki.mapping.request import Deed, Request, Step, StepOutcome

_JPKI = "公的個人認証法"
SIGN_ROLES = frozenset({Role.SIGNATURE_VERIFIER, Role.PLATFORM_OPERATOR, Role.SERVICE_PROVIDER})
AUTH_ROLES = frozenset(
    {Role.AUTHENTICATION_VERIFIER, Role.SPECIAL_VERIFIER, Role.PLATFORM_OPERATOR,
     Role.SERVICE_PROVIDER}
)  # fmt: skip
WEAK = (Proof.TAP, Proof.RECHECK)
# Operations in which no certificate is used.
WITHOUT_CERTIFICATE = STAFF_OPERATIONS | NUMBER_OPERATIONS | {
    Operation.READ_ITEMS, Operation.CHECK_AGE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A request with the service and purpose it names, found in the policy."""

    policy: Policy
    service: Service
    purpose: Purpose
    request: Request

    @property
    def ground(self) -> str:
        """The article the purpose stands on."""
        return str(self.purpose.legal_basis or "")

    @property
    def roles(self) -> frozenset[Role]:
        """The role the request names, if the organisation holds it; else all it holds."""
        held = self.policy.organisation.roles
        return held if self.request.role is None else held & {self.request.role}


def passed(rule: str, article: str, code: str, **values: object) -> Step:
    return Step(rule, article, StepOutcome.PASSED, code, values=values)


def failed(rule: str, article: str, code: str, **values: object) -> Step:
    return Step(rule, article, StepOutcome.FAILED, code, values=values)


def needed(rule: str, article: str, code: str, **values: object) -> Step:
    return Step(rule, article, StepOutcome.NEEDED, code, values=values)


def in_force(case: Case) -> Step:
    """The purpose is in force on the day of the request."""
    good = case.purpose.in_force(case.request.at)
    return (passed if good else failed)("R5", case.ground, "purpose_in_force")


def legal_basis(case: Case) -> Step:
    """The purpose stands on an article."""
    if case.purpose.legal_basis is None:
        return failed("R5", "番号法18条", "no_legal_basis")
    return passed(
        "R5", case.ground, "legal_basis", as_of=case.purpose.legal_basis.as_of.isoformat()
    )


def operation(case: Case) -> Step:
    """The white list names the operation for this purpose."""
    wanted = case.request.operation
    good = wanted in case.purpose.operations
    return (passed if good else failed)(
        "R5", case.ground, "operation_listed", operation=wanted.value
    )


def actor(case: Case) -> Step:
    """The actor is one of the purpose's; staff operations take staff, with a document."""
    kind = case.purpose.kind_of(case.request.actor)
    if kind is None:
        return failed("R9", f"{_JPKI}50条", "actor_unknown")
    if case.request.operation in STAFF_OPERATIONS and kind is not ActorKind.STAFF:
        return failed("R9", f"{_JPKI}50条", "actor_not_staff")
    return passed("R9", f"{_JPKI}50条", "actor_listed", actor_kind=kind.value)


def document(case: Case) -> Step | None:
    """A staff operation rests on a document."""
    if case.request.operation not in STAFF_OPERATIONS:
        return None
    good = bool(case.request.document.strip())
    return (passed if good else needed)("R9", f"{_JPKI}50条", "document_reference")


def contractor(case: Case) -> Step | None:
    """Contractors act only with permission, sub-contractors only with a second one."""
    hired = case.purpose.contractor
    if hired is None or not matches(case.request.actor, hired.actors):
        return None
    article = "番号法10条" if case.request.operation in NUMBER_OPERATIONS else f"{_JPKI}50条"
    if not hired.permitted_by:
        return failed("R9", article, "contractor_not_permitted")
    if hired.sub_contracting and not hired.sub_permitted_by:
        return failed("R9", article, "sub_contractor_not_permitted")
    return passed("R9", article, "contractor_permitted")


def role(case: Case) -> Step | None:
    """Who verifies for others has notified under 17 or 36条, or stands behind one who has."""
    request = case.request
    if request.operation in WITHOUT_CERTIFICATE or request.proof is Proof.TAP:
        return None
    if request.role is not None and request.role not in case.policy.organisation.roles:
        return failed("R2", _role_article(request.role), "role_not_held", role=request.role.value)
    if request.proof is Proof.FACE:
        good = Role.SPECIAL_VERIFIER in case.roles
        return (passed if good else failed)("R10", f"{_JPKI}38条の2", "role_special")
    families = _families(case)
    for family in sorted(families):
        article = f"{_JPKI}17条" if family is Family.SIGN else f"{_JPKI}36条"
        fit = case.roles & (SIGN_ROLES if family is Family.SIGN else AUTH_ROLES)
        if not fit:
            return failed("R2", article, "role_missing", family=family.value)
    article = f"{_JPKI}17条" if families == {Family.SIGN} else f"{_JPKI}36条"
    return passed("R2", article, "role_held")


def _families(case: Case) -> frozenset[Family]:
    """What must be verified: the proof's family; before it is known, the purpose's lowest."""
    family = case.request.family or case.purpose.lowest(case.request.operation).family
    return frozenset({family or Family.AUTH})


def _role_article(held: Role) -> str:
    return {
        Role.SIGNATURE_VERIFIER: f"{_JPKI}17条",
        Role.PLATFORM_OPERATOR: f"{_JPKI}17条1項6号",
        Role.AUTHENTICATION_VERIFIER: f"{_JPKI}36条",
        Role.SPECIAL_VERIFIER: f"{_JPKI}38条の2",
        Role.SERVICE_PROVIDER: f"{_JPKI}施行規則29条1項",
    }[held]


def certificate(case: Case) -> Step | None:
    """Kind and medium are among those the purpose takes."""
    request, rule = case.request, case.purpose.certificate
    if request.operation in WITHOUT_CERTIFICATE or request.proof in (Proof.TAP, Proof.NONE):
        return None
    if request.family is not None and request.family not in rule.kinds:
        return failed("R15", case.ground, "certificate_kind", family=request.family.value)
    if request.medium is not None and request.medium not in rule.media:
        return failed("R12", case.ground, "certificate_medium", medium=request.medium.value)
    return passed("R15", case.ground, "certificate_taken")


def assurance(case: Case) -> Step | None:
    """The proof is at least the lowest that the policy takes for the operation."""
    request, purpose = case.request, case.purpose
    if request.operation not in HOLDER_OPERATIONS:
        return None
    lowest = purpose.lowest(request.operation)
    article = f"{_JPKI}38条2項"
    if request.operation in (Operation.READ_ITEMS, Operation.CHECK_AGE) and lowest is Proof.NONE:
        return None
    if request.proof is None:
        return needed("R10", article, "proof_needed", proof=lowest.value)
    if request.proof in WEAK:
        return _weak(case, request.proof)
    if request.operation is Operation.RECHECK and request.proof is Proof.NONE:
        # 現況確認: of what was stored for it, without an act of the holder.
        stored = purpose.stores_serial
        return (passed if stored else failed)("R3", f"{_JPKI}18条", "recheck_of_stored")
    good = request.proof.order >= lowest.order
    return (passed if good else failed)("R10", article, "assurance", proof=lowest.value)


def _weak(case: Case, proof: Proof) -> Step:
    """A tap or a recheck: only where the policy says so, never below the operation's floor."""
    article = f"{_JPKI}38条の4"
    good = proof in case.purpose.accept and case.request.operation in (
        Operation.ENROL, Operation.RESOLVE, Operation.RECHECK,
    )  # fmt: skip
    if not good:
        return failed("R10", article, "weak_proof_not_accepted", proof=proof.value)
    if case.request.operation is Operation.ENROL:
        # A card is bound in a sitting with the auth certificate: 製造番号 alone names nobody.
        return failed("R10", article, f"{proof.value}_enrols_nobody")
    if proof is Proof.TAP:
        good = case.request.operation is not Operation.RECHECK
        return (passed if good else failed)("R10", article, "tap_accepted")
    if case.request.confirmed_before is None:
        return needed("R10", article, "confirmed_before")
    return (passed if case.request.confirmed_before else failed)("R10", article, "confirmed_before")


def consent(case: Case) -> Step | None:
    """The holder's consent, where the purpose wants it: a further condition, never a ground."""
    request = case.request
    asks = case.purpose.consent or request.operation is Operation.LATEST_INFO
    freely = (Operation.CONSENT, Operation.WITHDRAW, Operation.DISCLOSE, Operation.ERASE)
    if not asks or request.operation in (*freely, *STAFF_OPERATIONS):
        return None
    article = case.ground
    if request.operation is Operation.LATEST_INFO:
        article = f"{_JPKI}18条3項"
    if request.consent is None:
        return needed("R8", article, "consent_needed")
    return (passed if request.consent else failed)("R8", article, "consent")


def items(case: Case) -> Step | None:
    """Only items the purpose names, and only to receivers it names."""
    request = case.request
    if beyond := request.items - case.purpose.data_items:
        # Only names of items are repeated: what else stands there may be somebody's number.
        named = tuple(sorted(item for item in beyond if item.isidentifier())) or ("–",)
        return failed("R5", case.ground, "items_beyond", items=named)
    if request.receiver and not matches(request.receiver, tuple(case.purpose.receivers)):
        return failed("R5", case.ground, "receiver_not_listed")
    return passed("R5", case.ground, "items_listed") if request.items else None


def child(case: Case) -> Step | None:
    """A child's card is used with the guardian's consent, where the purpose is for children."""
    if not case.request.minor or case.request.operation not in HOLDER_OPERATIONS:
        return None
    if not case.purpose.children:
        return failed("R14", case.ground, "not_for_children")
    if case.request.guardian is None:
        return needed("R14", case.ground, "guardian_consent")
    return (passed if case.request.guardian else failed)("R14", case.ground, "guardian_consent")


def link(case: Case) -> Step | None:
    """A link of two certificates: who may ask for it, and what it rests on.

    A refresh that puts a certificate to an entry is one, too.
    """
    request = case.request
    refreshes = request.operation is Operation.REFRESH and request.link is not None
    if request.operation is not Operation.LINK and not refreshes:
        return None
    if request.link is None:
        return needed("R3", f"{_JPKI}18条", "link_kind")
    allowed, article = _may_link(case, request.link)
    if not allowed:
        return failed("R3", article, "link_role", link=request.link.value)
    if request.link_evidence is None:
        return needed("R3", article, "link_evidence", link=request.link.value)
    return passed("R3", article, "link_evidence", link=request.link.value)


def _may_link(case: Case, kind: LinkKind) -> tuple[bool, str]:
    """Roles × links; what the law's text, as far as read, leaves open are switches."""
    roles, switches = case.roles, case.policy.switches
    behind = bool(roles & {Role.PLATFORM_OPERATOR, Role.SERVICE_PROVIDER})
    signs = bool(roles & {Role.SIGNATURE_VERIFIER}) or behind
    auths = Role.AUTHENTICATION_VERIFIER in roles
    special = Role.SPECIAL_VERIFIER in roles
    if kind is LinkKind.SIGN_AUTH:
        both = signs and (auths or special or behind)
        return both, f"{_JPKI}18条5項"
    if kind is LinkKind.CARD_PHONE:
        by_auth = auths and switches.card_phone_by_authentication_verifier
        by_special = special and switches.card_phone_by_special_verifier
        return signs or by_auth or by_special, f"{_JPKI}18条4項"
    by_special = special and switches.old_new_by_special_verifier
    return signs or auths or by_special, f"{_JPKI}37条"


def hold(case: Case) -> Step | None:
    """A held phone: refused while held; lifted only by a new good proof and the switch."""
    request = case.request
    if Deed.HOLD_LIFTED not in request.deeds:
        return None
    may = case.policy.switches.lift_phone_hold and request.medium is Medium.PHONE
    good = may and request.proof is not None and request.proof.order >= Proof.AUTH.order
    return (passed if good else failed)("R12", f"{_JPKI}38条", "phone_hold")


CONDITIONS = (
    in_force, legal_basis, operation, actor, document, contractor, role, certificate, assurance,
    consent, items, child, link, hold,
)  # fmt: skip
