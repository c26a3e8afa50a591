# SPDX-License-Identifier: Apache-2.0
"""Verdicts of the general profile beside those of ``openssl verify``, on paths made for it.

200 paths; DIFFERENTIAL_PATHS asks for more. What we accept and it refuses is an error; what we
refuse and it accepts has to be explained by a clause.
"""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

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
WILDCARDS = (4046, 9030)  # paths of that number have one that stands for an excluded name
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


def explained(case: GeneralCase, code: str) -> bool:
    """Whether a clause says why we refuse what it accepts."""
    return code in REFUSED or (code == "path_name_constraints" and _stands_for_excluded(case))


def _stands_for_excluded(case: GeneralCase) -> bool:
    """Whether a wildcard stands for a name that is excluded ([RFC5280 4.2.1.10], [RFC6125
    6.4.3]): ``*.a.example`` where ``b.a.example`` is. OpenSSL takes it for a label of its own."""
    excluded: set[str] = set()
    wildcards: set[str] = set()
    for der in (*case.chain, case.leaf):
        for extension in x509.load_der_x509_certificate(der).extensions:
            if isinstance(extension.value, x509.NameConstraints):
                trees = extension.value.excluded_subtrees or []
                excluded |= {t.value for t in trees if isinstance(t, x509.DNSName)}
            elif isinstance(extension.value, x509.SubjectAlternativeName):
                wildcards |= set(extension.value.get_values_for_type(x509.DNSName))
    parents = {name.partition(".")[2] for name in excluded}
    return any(name.startswith("*.") and name[2:] in parents for name in wildcards)


def test_agreement(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    accepted: list[GeneralCase] = []
    unexplained: list[tuple[GeneralCase, str]] = []
    valid = 0
    numbers = (*range(PATHS), *(number for number in WILDCARDS if number >= PATHS))
    record_property("cases", len(numbers))
    for case in map(general_case, numbers):
        code, theirs = ours(case), openssl_accepts(case, tmp_path)
        valid += code is None
        if code is None and not theirs:
            accepted.append(case)
        elif code is not None and theirs and not explained(case, code):
            unexplained.append((case, code))
    assert accepted == []
    assert unexplained == []
    assert PATHS // 5 < valid < PATHS - PATHS // 5  # the cases are of both kinds
