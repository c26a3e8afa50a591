# SPDX-License-Identifier: Apache-2.0
"""Our verdicts beside those of ``openssl verify`` and pyhanko-certvalidator.

2,000 cases, 100,000 in ``make assure`` (DIFFERENTIAL_CASES). Where the three disagree, the
table below has to say which clause decides; a row that explains nothing is an error too.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from asn1crypto import x509
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathBuildingError, ValidationError

from differential import AT, Case, Group, case, list_of, pki, root_of
from jpki.certificate import Environment
from jpki.validation import TrustStore, Validator
from jpki.verdict import Check, Outcome

pytestmark = [pytest.mark.system, pytest.mark.timeout(0)]

CASES = int(os.environ.get("DIFFERENTIAL_CASES", "2000"))
CHUNK = 2000

# What we refuse and another accepts: our reason, and the clause that decides.
OF_THE_PROFILE = {
    "weak_algorithm": "施行規則2条: SHA-256; SHA-1 and SHA-512 are not on the list [CA-DER]",
    "weak_key": "施行規則2条: RSA of 2048 bit at least",
    "key_usage": "the profile's key usage, to the bit [AUTH-EE] [SIGN-DUMMY]",
    "policy_missing": "critical certificatePolicies are mandatory [ZKM]",
    "policy_unknown": "unknown policies are refused [ZKM]",
    "policy_not_critical": "critical certificatePolicies are mandatory [ZKM]",
    "crl_signature": "施行規則2条: SHA-256, for lists as well",
    "crl_malformed": "[RFC5280 5.1.2.1] versions, [RFC5280 5.2.3] cRLNumber",
}
REFUSED = {
    "openssl": {
        **OF_THE_PROFILE,
        "certificate_unreadable": "[X690 10.1] shortest lengths",
    },
    "pyhanko": {
        **OF_THE_PROFILE,
        "certificate_unreadable": "[RFC5280 4.2] once each, [RFC5280 4.1.1.2] equal algorithms,"
        " [X690 10.1] shortest lengths",
        "expired": "[RFC5280 4.1.2.5] to the second; its tolerance is one second",
        "not_yet_valid": "[RFC5280 4.1.2.5] to the second; its tolerance is one second",
        "crl_expired": "[RFC5280 5.1.2.5] to the second; its tolerance is one second",
    },
}
# What we accept and another refuses: what is wrong with the case, and the clause.
ACCEPTED = {
    "openssl": {"last second": "[RFC5280 4.1.2.5] both ends are included"},
    "pyhanko": dict[str, str](),
}


def chunks() -> Iterator[list[Case]]:
    for start in range(0, CASES, CHUNK):
        yield [case(number) for number in range(start, min(start + CHUNK, CASES))]


def grouped(cases: Iterable[Case]) -> dict[Group, list[Case]]:
    found: dict[Group, list[Case]] = defaultdict(list)
    for one in cases:
        found[one.group].append(one)
    return found


def ours(cases: Iterable[Case]) -> dict[int, str | None]:
    """By number: None for valid, else the code of the first check that says otherwise."""
    trust = TrustStore(Environment.TEST, pki().trust_anchors())
    said: dict[int, str | None] = {}
    for group, members in grouped(cases).items():
        data = list_of(group)
        validator = Validator(trust, crls=() if data is None else (data,), clock=lambda: AT)
        for member in members:
            verdict = validator.validate(member.der)
            valid = verdict.outcome is Outcome.VALID
            said[member.number] = None if valid else _reason(verdict.checks)
    return said


def _reason(checks: Iterable[Check]) -> str:
    return next(c.code for c in checks if c.outcome in (Outcome.INVALID, Outcome.CANNOT_TELL))


def pem(label: str, data: bytes) -> str:
    """``openssl verify`` reads roots and lists in this form only."""
    lines = base64.encodebytes(data).decode()
    return f"-----BEGIN {label}-----\n{lines}-----END {label}-----\n"


def openssl(cases: Iterable[Case], folder: Path) -> set[int]:
    """The numbers of those that ``openssl verify`` accepts; one run for each group."""
    accepted: set[int] = set()
    for count, (group, members) in enumerate(grouped(cases).items()):
        place = folder / str(count)
        place.mkdir()
        (place / "root").write_text(pem("CERTIFICATE", root_of(group)))
        command = ["openssl", "verify", "-attime", str(int(AT.timestamp())), "-crl_check"]
        command += ["-extended_crl", "-policy_check", "-policy", "anyPolicy"]
        command += ["-CAfile", "root"]
        data = list_of(group)
        if data is not None:
            (place / "list").write_text(pem("X509 CRL", data))
            command += ["-CRLfile", "list"]
        for member in members:
            (place / str(member.number)).write_bytes(member.der)
        names = [str(member.number) for member in members]
        done = subprocess.run(
            [*command, *names], cwd=place, capture_output=True, text=True, check=False
        )
        accepted |= {int(line[:-4]) for line in done.stdout.splitlines() if line.endswith(": OK")}
    return accepted


async def pyhanko(cases: Iterable[Case]) -> set[int]:
    """The numbers of those that pyhanko-certvalidator accepts. A crash accepts nothing."""
    accepted: set[int] = set()
    for group, members in grouped(cases).items():
        data, root = list_of(group), x509.Certificate.load(root_of(group))
        for member in members:
            try:
                context = ValidationContext(
                    trust_roots=[root],
                    crls=[data] if data is not None else [],
                    moment=AT,
                    revocation_mode="require",
                )
                read = x509.Certificate.load(member.der)
                await CertificateValidator(read, validation_context=context).async_validate_path()
            except (ValidationError, PathBuildingError, ValueError, KeyError, TypeError):
                continue
            accepted.add(member.number)
    return accepted


def test_agreement(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("cases", CASES)
    caplog.set_level(logging.CRITICAL)
    unexplained: list[str] = []
    used: set[tuple[str, str]] = set()
    good = 0
    for number, cases in enumerate(chunks()):
        folder = tmp_path / str(number)
        folder.mkdir()
        said = ours(cases)
        good += sum(code is None for code in said.values())
        for name, accepted in (
            ("openssl", openssl(cases, folder)),
            ("pyhanko", asyncio.run(pyhanko(cases))),
        ):
            for one in cases:
                code = said[one.number]
                if (code is None) == (one.number in accepted):
                    continue
                table, what = (ACCEPTED, one.wrong) if code is None else (REFUSED, code)
                if what in table[name]:
                    used.add((name, what))
                else:
                    unexplained.append(
                        f"{name}: case {one.number}: {one.wrong}, {one.group}: {code}"
                    )
    assert unexplained == []
    assert good > CASES // 10
    rows = {(name, what) for t in (REFUSED, ACCEPTED) for name in t for what in t[name]}
    assert rows - used == set()
