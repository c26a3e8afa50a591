# SPDX-License-Identifier: Apache-2.0
"""Policies for tests: one with everything in order, and changes to it."""

from __future__ import annotations

import copy
import tomllib
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from jpki.certificate.kinds import Medium
from jpki.mapping.policy import Operation, Policy, Proof
from jpki.mapping.policy_file import policy_of
from jpki.mapping.request import Request

AT = datetime(2026, 6, 14, 3, 0, tzinfo=UTC)

# The policy of the design, with what an auditor wants besides.
GOOD = """
schema = "jpki.policy/1"

[organisation]
name = "○○市"
municipality = true
roles = ["signature_verifier", "authentication_verifier"]
registration = "届出 1"
pia = "評価書番号 12"

[[service]]
id = "library"
title.ja = "図書館"

[[service.purpose]]
id = "lend"
legal_basis = { act = "○○市立図書館条例", article = "6条", as_of = 2026-06-14 }
category = "ordinance"
operations = ["enrol", "resolve", "link", "refresh", "withdraw", "disclose", "erase",
              "suspend", "suppress", "close", "recheck", "consent", "keep_evidence",
              "read_evidence", "review_consents", "latest_info"]
certificate = { kind = ["signature", "authentication"], medium = ["card", "phone"] }
actors = ["kiosk-*"]
staff = ["staff-*"]
online = ["web-*"]
accept = ["recheck"]
data_items = ["name"]
receivers = ["guardian"]
evidence = { years = 7, legal_basis = { act = "犯収法施行規則", article = "19条1項2号", as_of = 2026-06-14 } }
contractor = { name = "△△", permitted_by = "契約 1", actors = ["kiosk-9*"] }
valid_from = 2026-04-01
valid_until = 2027-03-31
alternative_path = { ja = "窓口", en = "counter" }
"""  # noqa: E501


def good() -> dict[str, Any]:
    """The content of that file, fresh."""
    return tomllib.loads(GOOD)


def preset(name: str) -> dict[str, Any]:
    """The content of a preset's file."""
    path = resources.files("jpki.mapping") / "presets" / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def changed(place: str, value: Any, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """The good policy with one value set; None removes it. ``service.0.purpose.0.consent``."""
    found = copy.deepcopy(document) if document is not None else good()
    at: Any = found
    *path, last = place.split(".")
    for step in path:
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
    if value is None:
        at.pop(last)
    else:
        at[last] = value
    return found


def policy(place: str = "", value: Any = None) -> Policy:
    """The good policy, or with one change."""
    return policy_of(changed(place, value) if place else good())


def purpose(**values: Any) -> Policy:
    """The good policy with keys of its one purpose set; None removes one."""
    document = good()
    for key, value in values.items():
        document = changed(f"service.0.purpose.0.{key}", value, document)
    return policy_of(document)


def ask(operation: Operation = Operation.RESOLVE, **values: Any) -> Request:
    """A request that the good policy allows, with some facts changed."""
    facts: dict[str, Any] = {
        "actor": "kiosk-1",
        "at": AT,
        "proof": Proof.AUTH,
        "medium": Medium.CARD,
        "purpose": "lend",
        **values,
    }
    return Request(operation, **facts)
