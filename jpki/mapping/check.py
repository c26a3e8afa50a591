# SPDX-License-Identifier: Apache-2.0
"""What an auditor would say about a policy that can be read: errors, warnings, notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from jpki.certificate.kinds import Family
from jpki.mapping.articles import MATTERS, Fit, article_findings, citations
from jpki.mapping.number_use import NUMBER_ACTS
from jpki.mapping.permissions import AUTH_ROLES, SIGN_ROLES, WITHOUT_CERTIFICATE
from jpki.mapping.policy import (
    NUMBER_OPERATIONS,
    Category,
    Field,
    Operation,
    Policy,
    Proof,
    Purpose,
    Role,
    Service,
)
from jpki.messages import LANGUAGES


class Level(StrEnum):
    """``error``: ``policy check`` fails, and no map is made with it."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark. ``place``: ``service/purpose`` or ``organisation``."""

    level: Level
    code: str
    place: str
    rule: str
    article: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


def check(policy: Policy) -> tuple[Finding, ...]:
    """Every finding, in the order of the file."""
    found = list(_organisation(policy))
    for service in policy.services:
        found.extend(_rights(service))
        for purpose in service.purposes:
            place = f"{service.id}/{purpose.id}"
            for examine in (_ground, _articles, _roles, _number, _people, _contractor, _weak):
                found.extend(examine(policy, purpose, place))
    return tuple(found)


def acceptable(policy: Policy) -> bool:
    """Whether a map may be made with it: no error."""
    return all(finding.level is not Level.ERROR for finding in check(policy))


def _error(code: str, place: str, rule: str, article: str, **values: object) -> Finding:
    return Finding(Level.ERROR, code, place, rule, article, values)


def _warning(code: str, place: str, rule: str, article: str, **values: object) -> Finding:
    return Finding(Level.WARNING, code, place, rule, article, values)


def _organisation(policy: Policy) -> Iterator[Finding]:
    switches = policy.switches
    for name in switches.__dataclass_fields__:
        if getattr(switches, name):
            values = {"switch": name}
            yield Finding(Level.NOTE, "switch_on", "organisation", "R5", "", values)
    if policy.organisation.roles and not policy.organisation.registration:
        yield _warning("registration_missing", "organisation", "R2", "公的個人認証法17条, 36条")


def _ground(policy: Policy, purpose: Purpose, place: str) -> Iterator[Finding]:
    if purpose.legal_basis is None:
        yield _error("no_legal_basis", place, "R5", "番号法18条")
    if purpose.category is Category.ORDINANCE and not _names_ordinance(purpose):
        yield _warning("ordinance_not_named", place, "R5", str(purpose.legal_basis or ""))
    if purpose.category is Category.CONTRACT and not purpose.consent:
        yield _error("contract_without_consent", place, "R8", str(purpose.legal_basis or ""))
    # A withdrawal ends the consents of the purpose it is asked for.
    if purpose.consent and Operation.WITHDRAW not in purpose.operations:
        article = "公的個人認証法18条3項"
        yield _warning("consent_without_withdrawal", place, "R8", article)


def _rights(service: Service) -> Iterator[Finding]:
    """Who is enrolled can see the own record and have it erased."""
    offered = frozenset[Operation]().union(*(one.operations for one in service.purposes))
    for wanted in (Operation.DISCLOSE, Operation.ERASE):
        if Operation.ENROL in offered and wanted not in offered:
            article = "個人情報保護法33条, 76条"
            yield _warning("right_missing", service.id, "R6", article, operation=wanted.value)


def _names_ordinance(purpose: Purpose) -> bool:
    basis = purpose.legal_basis
    return purpose.ordinance_scope is not None or bool(
        basis and (basis.text or "条例" in basis.act)
    )


def _articles(policy: Policy, purpose: Purpose, place: str) -> Iterator[Finding]:
    for finding in article_findings(purpose):
        values = {
            "as_of": finding.basis.as_of.isoformat(),
            "matter": finding.matter,
            "expected": finding.expected,
        }
        if finding.fit is Fit.MOVED:
            yield _error("article_moved", place, "R5", str(finding.basis), **values)
        else:
            yield _warning("article_unclear", place, "R5", str(finding.basis), **values)
    for basis, _ in citations(purpose):
        if basis.matter and basis.matter not in MATTERS:
            yield _warning("matter_unknown", place, "R5", str(basis))


def _roles(policy: Policy, purpose: Purpose, place: str) -> Iterator[Finding]:
    roles, kinds = policy.organisation.roles, purpose.certificate.kinds
    if Family.SIGN in kinds and not roles & SIGN_ROLES:
        yield _error("role_missing", place, "R2", "公的個人認証法17条", family="sign")
    if Family.AUTH in kinds and not roles & AUTH_ROLES:
        yield _error("role_missing", place, "R2", "公的個人認証法36条", family="auth")
    opens = purpose.operations - WITHOUT_CERTIFICATE
    if opens and not kinds and not purpose.accept:
        yield _error("no_certificate_kind", place, "R15", str(purpose.legal_basis or ""))
    for operation in sorted(opens):
        family = purpose.lowest(operation).family
        if family is Family.SIGN and family not in kinds:
            yield _warning("never_reached", place, "R15", "", operation=operation.value)


def _number(policy: Policy, purpose: Purpose, place: str) -> Iterator[Finding]:
    if not purpose.operations & NUMBER_OPERATIONS and "number" not in purpose.data_items:
        return
    basis, scope = purpose.legal_basis, purpose.ordinance_scope
    named = basis is not None and basis.act in NUMBER_ACTS
    if not named and scope is None:
        yield _error("number_without_ground", place, "R8", "番号法19条")
    if scope is not None and scope.field is Field.OTHER:
        beyond = policy.switches.ordinance_beyond_fields
        level = Level.WARNING if beyond else Level.ERROR
        yield Finding(level, "ordinance_beyond_fields", place, "R5", "番号法9条2項")
    if not policy.organisation.pia:
        yield _error("pia", place, "R7", "番号法28条")
    handing = Operation.HAND_NUMBER in purpose.operations
    if handing and scope is not None and scope.passing is None:
        yield _error("passing_without_ground", place, "R5", "番号法19条")


def _people(policy: Policy, purpose: Purpose, place: str) -> Iterator[Finding]:
    if not purpose.alternative_path:
        yield _error("no_alternative_path", place, "R16", "番号法17条1項")
    elif not set(LANGUAGES) <= purpose.alternative_path.keys():
        yield Finding(Level.NOTE, "one_language", place, "R16", "番号法17条1項")
    if not (purpose.actors or purpose.staff or purpose.online):
        yield _error("no_actor", place, "R9", "公的個人認証法50条")
    for pattern in (*purpose.actors, *purpose.staff, *purpose.online):
        if not pattern.strip("*?"):
            yield _warning("actor_anyone", place, "R9", "公的個人認証法50条")
    if purpose.children and Family.SIGN in purpose.certificate.kinds:
        yield _warning("child_has_no_sign", place, "R14", "公的個人認証法3条")


def _contractor(policy: Policy, purpose: Purpose, place: str) -> Iterator[Finding]:
    hired = purpose.contractor
    if hired is None:
        return
    if not hired.permitted_by:
        yield _error("contractor_not_permitted", place, "R9", "番号法10条")
    if hired.sub_contracting and not hired.sub_permitted_by:
        yield _error("sub_contractor_not_permitted", place, "R9", "番号法10条")
    if not hired.actors:
        yield Finding(Level.NOTE, "contractor_without_actors", place, "R9", "番号法11条")


def _weak(policy: Policy, purpose: Purpose, place: str) -> Iterator[Finding]:
    if Proof.TAP in purpose.accept:
        yield Finding(Level.NOTE, "tap_accepted", place, "R10", "公的個人認証法38条の4")
    keeps = purpose.stores_serial
    if keeps and not policy.organisation.roles - {Role.SERVICE_PROVIDER}:
        yield _error("provider_keeps_serial", place, "R1", "技術的基準31条3項")
