# SPDX-License-Identifier: Apache-2.0
"""Reads a policy (TOML) into a :class:`Policy`, strictly. Every fault names its place.

The published form is ``jpki/schemas/policy-1.json``; this reader also refuses what
contradicts itself. Presets are package data: ``presets/NAME.toml``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

from jpki.certificate.kinds import Family, Medium
from jpki.errors import ConfigurationError
from jpki.mapping.policy import (
    FLOORS,
    HOLDER_OPERATIONS,
    SCHEMA,
    STAFF_OPERATIONS,
    Category,
    CertificateRule,
    Contractor,
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
from jpki.mapping.policy_table import PolicyTable
from jpki.mapping.prohibitions import SERIAL_LIKE
from jpki.toml_text import read_toml

MAX_SIZE = 262144  # bytes; a preset has about 3000
PRESETS = (
    "konbini", "library", "vital", "shelter", "watch", "points", "eligibility", "city-id",
    "phone", "school", "age", "kyc", "entry", "staff", "counter", "refusals",
)  # fmt: skip
KINDS: Mapping[str, Family] = {"signature": Family.SIGN, "authentication": Family.AUTH}
RETENTION = re.compile(r"none|until-revoked|until-withdrawn|[1-9][0-9]? years?")
MAX_YEARS = 30
_LEVELS = frozenset({Proof.TAP, Proof.AUTH, Proof.SIGN})


def load_policy(name_or_path: str) -> Policy:
    """A preset by its short name, or a policy file. Raises ConfigurationError."""
    if name_or_path in PRESETS:
        source = resources.files("jpki.mapping") / "presets" / f"{name_or_path}.toml"
        return parse_policy(source.read_bytes(), name_or_path)
    path = Path(name_or_path)
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as exc:
        reason = "not_readable" if path.suffix or "/" in name_or_path else "no_such_preset"
        raise ConfigurationError(
            "policy_file", path=name_or_path, place="file", reason=reason
        ) from exc
    return parse_policy(raw, name_or_path)


def parse_policy(raw: bytes, path: str = "policy") -> Policy:
    """The bytes of a policy file. ``path`` only names it in errors."""
    if len(raw) > MAX_SIZE:
        raise ConfigurationError("policy_file", path=path, place="file", reason="too_large")
    try:
        document = read_toml(raw)
    except ValueError as exc:
        raise ConfigurationError("policy_file", path=path, place="file", reason="not_toml") from exc
    return policy_of(document, path)


def policy_of(document: Mapping[str, Any], path: str = "policy") -> Policy:
    """The content of a policy file, already parsed as TOML."""
    top = PolicyTable(document, path)
    if top.text("schema") != SCHEMA:
        top.fail("schema", "bad_value")
    digest = digest_of(document)
    policy = Policy(
        organisation=_organisation(top.table("organisation")),
        services=tuple(_service(table) for table in top.tables("service")),
        switches=_switches(top.table("switches")),
        version=top.text("version", f"sha256:{digest[:16]}"),
        digest=digest,
        name=top.text("name", Path(path).stem or "policy"),
    )
    if not policy.services:
        top.fail("service", "missing")
    _unique(top, "service", [service.id for service in policy.services])
    top.done()
    return policy


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the content, whatever its layout, order of keys and comments."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _unique(table: PolicyTable, key: str, names: list[str]) -> None:
    if len(set(names)) != len(names):
        table.fail(key, "twice")


def _organisation(table: PolicyTable) -> Organisation:
    found = Organisation(
        name=table.text("name"),
        roles=table.choices("roles", Role),
        pia=table.text("pia", ""),
        registration=table.text("registration", ""),
        municipality=table.flag("municipality"),
    )
    if Role.SERVICE_PROVIDER in found.roles and len(found.roles) > 1:
        table.fail("roles", "provider_with_other_role")
    table.done()
    return found


def _switches(table: PolicyTable) -> Switches:
    found = Switches(**{name: table.flag(name) for name in Switches.__dataclass_fields__})
    table.done()
    return found


def _service(table: PolicyTable) -> Service:
    found = Service(
        id=table.identifier("id"),
        title=table.words("title"),
        purposes=tuple(_purpose(one) for one in table.tables("purpose")),
    )
    if not found.purposes:
        table.fail("purpose", "missing")
    _unique(table, "purpose", [purpose.id for purpose in found.purposes])
    table.done()
    return found


def _purpose(table: PolicyTable) -> Purpose:
    found = Purpose(
        id=table.identifier("id"),
        title=table.words("title"),
        legal_basis=_optional_basis(table, "legal_basis"),
        category=table.choice("category", Category),
        operations=table.choices("operations", Operation),
        valid_from=table.day("valid_from"),
        valid_until=table.day("valid_until") if table.has("valid_until") else None,
        certificate=_certificate(table.table("certificate")),
        consent=table.flag("consent"),
        notice=table.text("notice", ""),
        actors=table.texts("actors"),
        staff=table.texts("staff"),
        online=table.texts("online"),
        contractor=_contractor(table),
        retention=_retention(table),
        evidence=_evidence(table),
        assurance=_assurance(table.table("assurance")),
        accept=table.choices("accept", Proof),
        data_items=frozenset(table.texts("data_items")),
        receivers=frozenset(table.texts("receivers")),
        alternative_path=table.words("alternative_path"),
        ordinance_scope=_ordinance(table),
        children=table.flag("children"),
        stores_serial=table.flag("stores_serial"),
        operator_names=table.flag("operator_names"),
    )
    _contradictions(table, found)
    table.done()
    return found


def _contradictions(table: PolicyTable, purpose: Purpose) -> None:
    """What cannot be meant. Each is refused at once, not at the first decision."""
    if not purpose.operations:
        table.fail("operations", "missing")
    if Operation.EXPORT in purpose.operations:
        table.fail("operations", "export_never")
    if purpose.valid_until is not None and purpose.valid_until < purpose.valid_from:
        table.fail("valid_until", "ends_before_begin")
    if purpose.data_items & SERIAL_LIKE:
        table.fail("data_items", "serial_never")
    if purpose.accept - {Proof.TAP, Proof.RECHECK}:
        table.fail("accept", "bad_value")
    if purpose.operations & STAFF_OPERATIONS and not purpose.staff:
        table.fail("staff", "staff_missing")
    rechecks = Proof.RECHECK in purpose.accept or purpose.stores_serial
    if Operation.RECHECK in purpose.operations and not rechecks:
        table.fail("accept", "recheck_not_accepted")
    if Operation.KEEP_EVIDENCE in purpose.operations and purpose.evidence is None:
        table.fail("evidence", "missing")
    if purpose.consent and not purpose.notice:
        table.fail("notice", "consent_without_notice")
    for operation, level in purpose.assurance.items():
        if operation not in purpose.operations:
            table.fail("assurance", "operation_not_listed")
        if level.family is not None and level.family not in purpose.certificate.kinds:
            table.fail("assurance", "kind_not_taken")


def _basis(table: PolicyTable) -> LegalBasis:
    found = LegalBasis(
        act=table.text("act"),
        article=table.text("article"),
        item=table.text("item", ""),
        as_of=table.day("as_of"),
        matter=table.text("matter", ""),
        text=table.text("text", ""),
    )
    table.done()
    return found


def _optional_basis(table: PolicyTable, key: str) -> LegalBasis | None:
    return _basis(table.table(key)) if table.has(key) else None


def _certificate(table: PolicyTable) -> CertificateRule:
    kinds = table.texts("kind")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        table.fail("kind", "bad_value" if unknown else "")
    found = CertificateRule(
        kinds=frozenset(KINDS[kind] for kind in kinds), media=table.choices("medium", Medium)
    )
    if bool(found.kinds) != bool(found.media):
        table.fail("medium" if found.kinds else "kind", "missing")
    table.done()
    return found


def _contractor(table: PolicyTable) -> Contractor | None:
    if not table.has("contractor"):
        return None
    inner = table.table("contractor")
    found = Contractor(
        name=inner.text("name"),
        permitted_by=inner.text("permitted_by", ""),
        actors=inner.texts("actors"),
        sub_contracting=inner.flag("sub_contracting"),
        sub_permitted_by=inner.text("sub_permitted_by", ""),
    )
    inner.done()
    return found


def _retention(table: PolicyTable) -> str:
    value = table.text("retention", "until-withdrawn")
    if not RETENTION.fullmatch(value):
        table.fail("retention", "bad_value")
    return value


def _evidence(table: PolicyTable) -> Evidence | None:
    if not table.has("evidence"):
        return None
    inner = table.table("evidence")
    years = inner.number("years", 1, MAX_YEARS)
    basis = _optional_basis(inner, "legal_basis")
    if basis is None:
        inner.fail("legal_basis", "missing")
    inner.done()
    return Evidence(years, basis)


def _assurance(table: PolicyTable) -> dict[Operation, Proof]:
    """``{ resolve = "tap" }``: a level for each holder operation that differs from auth."""
    names = {operation.value: operation for operation in HOLDER_OPERATIONS}
    found = {}
    for name in list(table.rest()):
        if name not in names:
            table.fail(name, "unknown_key")
        level = table.choice(name, Proof)
        if level not in _LEVELS:
            table.fail(name, "bad_value")
        if level.order < FLOORS[names[name]].order:
            table.fail(name, "below_floor")
        found[names[name]] = level
    return found


def _ordinance(table: PolicyTable) -> OrdinanceScope | None:
    if not table.has("ordinance_scope"):
        return None
    inner = table.table("ordinance_scope")
    found = OrdinanceScope(
        field=inner.choice("field", Field),
        ordinance=inner.text("ordinance"),
        passing=_optional_basis(inner, "passing"),
        like_annex=inner.flag("like_annex"),
    )
    inner.done()
    return found
