# SPDX-License-Identifier: Apache-2.0
"""Every code these packages can say has words in both languages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import jpki
from jpki import messages
from jpki.certificate.certificate import _FIELDS
from jpki.validation.crl import NOT_GIVEN, REASONS
from jpki.validation.ocsp import _STATUSES

HOME = Path(jpki.__file__).parent
FILES = sorted([*(HOME / "certificate").glob("*.py"), *(HOME / "validation").glob("*.py")])
# Functions whose text argument is a code, and the family of keys it belongs to.
CALLS = {"DerError": "value.reason", "_cannot": "reason", "_miss": "reason"}
ERRORS = ("CertificateError", "RevocationDataError", "TrustRootError")
# Functions that return a code, and of which family.
RETURNS = {
    "_path_fault": "reason",
    "_fault": "reason",
    "_policy_fault": "reason",
    "_usage_fault": "reason",
    "_answer_fault": "reason",
    "_refusal": "value.reason",
    "_scope_fault": "value.reason",
}


def text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def said(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in RETURNS:
            for part in ast.walk(node):
                if isinstance(part, ast.Return):
                    for leaf in ast.walk(part):
                        code = text(leaf) if isinstance(leaf, ast.expr) else None
                        if code is not None:
                            yield f"{RETURNS[node.name]}.{code}"
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        if name in CALLS and node.args and (code := text(node.args[0])):
            yield f"{CALLS[name]}.{code}"
        if name in ("Check", "Finding"):
            place = 2 if name == "Check" else 1
            if len(node.args) > place and (code := text(node.args[place])):
                yield f"reason.{code}"
            if name == "Check" and (label := text(node.args[0])):
                yield f"check.{label}"
        if name in ERRORS:
            for keyword in node.keywords:
                if keyword.arg in ("reason", "field") and (code := text(keyword.value)):
                    yield f"value.{keyword.arg}.{code}"
        if name == "_read" and node.args and (code := text(node.args[0])):
            yield f"value.field.{code}"


def keys() -> list[str]:
    found = {key for file in FILES for key in said(ast.parse(file.read_text("utf-8")))}
    from jpki.validation import crl_findings, ocsp_store

    found |= {f"reason.{code}" for code in (*crl_findings._RANKS, *ocsp_store._RANKS)}
    found |= {f"value.reason.{reason}" for reason in (*REASONS.values(), NOT_GIVEN)}
    found |= {f"value.reason.{reason}" for reason in ("only_ca", "relative_name", "unreadable")}
    found |= {f"value.status.{status}" for status in _STATUSES.values()}
    found |= {f"value.field.{field}" for field in _FIELDS.values()}
    found |= {f"reason.{source}_{code}" for source in ("crl", "ocsp") for code in ("good",)}
    found |= {f"reason.{source}_after_expiry" for source in ("crl", "ocsp")}
    found |= {"error.certificate", "error.revocation_data", "error.trust_root"}
    found |= {"value.point.all", "value.point.unnamed", "value.source.crl", "value.source.ocsp"}
    return sorted(found)


def general_keys() -> list[str]:
    """Those of the general profile: literals of the codes, and the faults of a form."""
    files = sorted((HOME / "validation" / "rfc5280").glob("*.py"))
    trees = [ast.parse(file.read_text("utf-8")) for file in files]
    literals = {
        text(node) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.expr)
    }
    codes = {c for c in literals if c and re.fullmatch(r"(path|crl)_[a-z_]+", c)}
    forms = {
        text(node.value)
        for tree in trees
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and function.name in ("profile_fault", "extension_fault", "policies_fault")
        for node in ast.walk(function)
        if isinstance(node, ast.Return)
    }
    codes |= {f"path_{form}" for form in forms if form}
    found = {f"reason.{code}" for code in codes}
    return sorted(found | {key for tree in trees for key in said(tree)})


def client_keys() -> list[str]:
    tree = ast.parse((HOME / "validation" / "ocsp_client.py").read_text("utf-8"))
    reasons = {
        text(keyword.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "OcspUnavailableError"
        for keyword in node.keywords
    }
    return sorted(f"value.reason.{reason}" for reason in reasons if reason)


def test_the_search_finds_something() -> None:
    assert {"reason.test_root", "value.reason.not_minimal", "check.path"} <= set(keys())
    assert len(keys()) > 120
    assert {"reason.path_weak", "reason.path_serial", "reason.crl_signer"} <= set(general_keys())
    assert "value.reason.redirect" in client_keys()


@pytest.mark.parametrize("lang", messages.LANGUAGES)
@pytest.mark.parametrize("key", sorted({*keys(), *general_keys(), *client_keys()}))
def test_words(key: str, lang: str) -> None:
    assert messages.has(key, lang)
