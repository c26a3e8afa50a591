# SPDX-License-Identifier: Apache-2.0
"""Verdicts of the general profile beside those of ``openssl verify``, on paths made for it.

200 paths; DIFFERENTIAL_PATHS asks for more. What we accept and it refuses is an error; what we
refuse and it accepts has to be explained by a clause.
"""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path

import pytest

from general_cases import GeneralCase, general_case
from general_pki import AT
from jpki.validation.policy import RevocationMode
from jpki.validation.rfc5280 import GeneralOptions, GeneralValidator
from jpki.verdict import Outcome

pytestmark = [pytest.mark.system, pytest.mark.timeout(0)]

PATHS = int(os.environ.get("DIFFERENTIAL_PATHS", "200"))

# What we refuse and it accepts: our reason, and the clause that decides.
REFUSED = {
    "path_key_usage": "[RFC5280 4.2.1.9] keyCertSign without cA",
    "path_authority_extension": "[RFC5280 4.2.1.10], [RFC5280 4.2.1.11] of authorities only",
    "path_constraints_unclear": "[RFC5280 4.2.1.10] a URI without a host under a constraint",
}
OPENSSL_INPUTS = {
    "explicit": "-explicit_policy",
    "no mapping": "-inhibit_map",
    "no any": "-inhibit_any",
}


def ours(case: GeneralCase) -> str | None:
    """None for valid, else the code of the first check that says otherwise."""
    options = GeneralOptions(
        at=AT,
        chain=case.chain,
        revocation=RevocationMode.NONE,
        policies=case.policies,
        explicit_policy="explicit" in case.inputs,
        inhibit_mapping="no mapping" in case.inputs,
        inhibit_any="no any" in case.inputs,
    )
    checks = GeneralValidator([case.root], options).validate(case.leaf).checks
    passed = (Outcome.VALID, Outcome.NOT_RUN)
    return next((check.code for check in checks if check.outcome not in passed), None)


def openssl_accepts(case: GeneralCase, folder: Path) -> bool:
    """Whether ``openssl verify`` does, asked the same."""
    for name, certificates in (
        ("root", [case.root]),
        ("chain", case.chain),
        ("leaf", [case.leaf]),
    ):
        text = "".join(map(ssl.DER_cert_to_PEM_cert, certificates))
        (folder / f"{name}.pem").write_text(text, "ascii")
    command = ["openssl", "verify", "-no-CApath", "-no-CAfile", "-no-CAstore"]
    command += ["-policy_check", "-attime", str(int(AT.timestamp())), "-trusted", "root.pem"]
    if case.chain:
        command += ["-untrusted", "chain.pem"]
    for policy in case.policies or ("anyPolicy",):
        command += ["-policy", policy]
    command += [flag for name, flag in OPENSSL_INPUTS.items() if name in case.inputs]
    done = subprocess.run(
        [*command, "leaf.pem"], cwd=folder, capture_output=True, check=False, timeout=60
    )
    return done.returncode == 0


def test_agreement(tmp_path: Path) -> None:
    accepted: list[GeneralCase] = []
    unexplained: list[tuple[GeneralCase, str]] = []
    valid = 0
    for case in map(general_case, range(PATHS)):
        code, theirs = ours(case), openssl_accepts(case, tmp_path)
        valid += code is None
        if code is None and not theirs:
            accepted.append(case)
        elif code is not None and theirs and code not in REFUSED:
            unexplained.append((case, code))
    assert accepted == []
    assert unexplained == []
    assert PATHS // 5 < valid < PATHS - PATHS // 5  # the cases are of both kinds
