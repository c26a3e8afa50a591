# SPDX-License-Identifier: Apache-2.0
"""NIST PKITS 1.0.1, all of it, through the command line.

Certificates and CRLs are those of the package cryptography-vectors; what has to come out is
in ``fixtures/pkits``. Both are in the public domain.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest

from command_line import Cli

DATA = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "fixtures/pkits/cases.json").read_text("utf-8")
)
POLICY = "2.16.840.1.101.3.2.1.48."
SWITCHES = {
    "explicit_policy": "--require-explicit-policy",
    "inhibit_mapping": "--inhibit-policy-mapping",
    "inhibit_any": "--inhibit-any-policy",
}
# A key without parameters, which it takes from its issuer: not done here, and said so.
DSA_INHERITANCE = "4.1.5"


def _name(number: int) -> str:
    return f"{number}-{CASES[number]['number']}"


def _arguments(case: dict[str, Any]) -> list[str]:
    root, *between, last = (str(DATA / "certs" / f"{name}.crt") for name in case["certs"])
    found = ["chain", "check", last, "--profile", "rfc5280", "--revocation", "require"]
    found += ["--trust", root, "--at", "2011-04-15T00:00:00Z", "--json"]
    for path in between:
        found += ["--chain", path]
    for name in case["crls"]:
        found += ["--crl", str(DATA / "crls" / f"{name}.crl")]
    for name in case["policies"]:
        found += ["--policy", POLICY + name.rpartition("-")[2]]
    return found + [option for key, option in SWITCHES.items() if case[key]]


def test_the_table_is_whole() -> None:
    assert len(CASES) == 249
    assert sum(case["valid"] for case in CASES) == 114
    assert len({case["number"] for case in CASES}) == 224


@pytest.mark.parametrize("number", range(len(CASES)), ids=_name)
def test_case(cli: Cli, number: int) -> None:
    case = CASES[number]
    done = cli(*_arguments(case))
    assert done.json["schema"] == "jpki.verdict/1"
    if case["number"] == DSA_INHERITANCE and case["valid"]:
        assert done.code == 5
    elif case["valid"]:
        assert done.code == 0, done.json
    else:
        assert done.code in (1, 5), done.json
