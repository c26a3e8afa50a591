# SPDX-License-Identifier: Apache-2.0
"""Each rule R1 to R17 names the test that holds it, and that test exists and runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from jpki.certificate.kinds import Medium
from jpki.mapping.decision import decide
from jpki.mapping.policy import Operation, Proof
from jpki.mapping.policy_file import load_policy
from jpki.mapping.request import Deed
from policies import ask, policy

ROOT = Path(__file__).resolve().parents[3]
RULES = [f"R{n}" for n in range(1, 18)]
ROW = re.compile(r"^\| (R\d+) \| [^|]+ \| ([^|]+) \|$", re.M)

pytestmark = pytest.mark.checkout


def table(lang: str) -> dict[str, list[str]]:
    """Rule to test ids, from the guide."""
    text = (ROOT / "docs" / lang / "policy.md").read_text(encoding="utf-8")
    return {rule: re.findall(r"`([^`]+)`", tests) for rule, tests in ROW.findall(text)}


def test_every_rule_names_a_test_in_both_languages() -> None:
    assert list(table("en")) == RULES
    assert table("en") == table("ja")


@pytest.mark.parametrize("rule", RULES)
def test_the_named_test_exists(rule: str) -> None:
    named = table("en")[rule]
    assert named
    for test_id in named:
        path, _, name = test_id.partition("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        assert name in functions, test_id


def test_every_rule_of_a_step_is_one_of_them() -> None:
    steps = decide(policy(), ask()).steps
    assert {step.rule for step in steps} <= set(RULES)


@pytest.mark.parametrize("medium", [None, *Medium])
@pytest.mark.parametrize("switch", [False, True])
@pytest.mark.parametrize("proof", list(Proof))
def test_a_held_phone_stays_refused(medium: Medium | None, switch: bool, proof: Proof) -> None:
    """R12: left only by a new good proof of the phone, and only if the switch says so."""
    held = ask(Operation.REFRESH, proof=proof, medium=medium,
               deeds=frozenset({Deed.HOLD_LIFTED}))  # fmt: skip
    by_policy = policy("switches", {"lift_phone_hold": switch})
    lifted = switch and medium is Medium.PHONE and proof in (Proof.AUTH, Proof.SIGN)
    assert decide(by_policy, held).allowed is lifted


@pytest.mark.parametrize(
    ("items", "allowed"),
    [({"licence"}, True), ({"licence", "address"}, False), ({"name"}, False)],
)
def test_a_licence_check_reads_the_licence(items: set[str], allowed: bool) -> None:
    """R13: and nothing else of a combined card."""
    facts: dict[str, Any] = {"purpose": "licence-check", "actor": "staff-1", "proof": None}
    request = ask(Operation.READ_ITEMS, items=frozenset(items), **facts)
    assert decide(load_policy("refusals"), request).allowed is allowed
