# SPDX-License-Identifier: Apache-2.0
"""Agreement with ``openssl verify`` and ``openssl ocsp`` on what is valid and what is revoked."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from jpki.certificate import Family
from jpki.synth.municipalities import KIYOSE
from jpki.synth.pki import SynthPki
from jpki.validation import Validator
from jpki.verdict import Outcome

Make = Callable[..., bytes]
Build = Callable[..., Validator]
SERIAL = 0x0700ABCD

pytestmark = pytest.mark.system


def openssl(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def put(folder: Path, name: str, kind: str, data: bytes) -> str:
    (folder / f"{name}.der").write_bytes(data)
    code, said = openssl(folder, kind, "-inform", "DER", "-in", f"{name}.der", "-out", name)
    assert code == 0, said
    return name


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("generation", [2, 3])
@pytest.mark.parametrize(
    ("deviation", "listed", "outcome"),
    [
        ({}, False, Outcome.VALID),
        ({}, True, Outcome.INVALID),
        ({"damage_signature": True}, False, Outcome.INVALID),
        ({"signer": "rogue-ca"}, False, Outcome.INVALID),
        ({"extra_critical": True}, False, Outcome.INVALID),
    ],
)
def test_verify(
    validator: Build,
    pki: SynthPki,
    make: Make,
    at: datetime,
    tmp_path: Path,
    family: Family,
    generation: int,
    deviation: dict[str, object],
    listed: bool,
    outcome: Outcome,
) -> None:
    certificate = make(family, generation, serial=SERIAL, **deviation)
    revoked = [(SERIAL, at - timedelta(days=3), 3)] if listed else []
    crl = pki.crl(family, generation, KIYOSE, revoked)
    root = put(tmp_path, "root.pem", "x509", pki.ca_certificate(family, generation))
    ee = put(tmp_path, "ee.pem", "x509", certificate)
    list_file = put(tmp_path, "list.pem", "crl", crl)
    options = ["-attime", str(int(at.timestamp())), "-crl_check", "-extended_crl"]
    code, said = openssl(tmp_path, "verify", "-CAfile", root, "-CRLfile", list_file, *options, ee)
    assert (code == 0) == (outcome is Outcome.VALID), said
    assert validator(crls=[crl]).validate(certificate).outcome is outcome


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("status", ["good", "revoked", "unknown"])
def test_ocsp(
    validator: Build,
    make: Make,
    tmp_path: Path,
    family: Family,
    status: str,
) -> None:
    """``openssl ocsp`` has no time option for answers, so this one test takes place today."""
    from datetime import UTC

    now = datetime.now(UTC)
    pki = SynthPki(now)
    certificate = make(family, of=pki)
    (tmp_path / "answer.der").write_bytes(pki.ocsp_response(certificate, status))
    root = put(tmp_path, "root.pem", "x509", pki.ca_certificate(family, 3))
    ee = put(tmp_path, "ee.pem", "x509", certificate)
    asked = ["-respin", "answer.der", "-issuer", root, "-cert", ee, "-CAfile", root]
    _, said = openssl(tmp_path, "ocsp", *asked, "-no_nonce")
    assert "Response verify OK" in said
    assert f"ee.pem: {status}" in said
    found = (
        validator(now=now, ocsp=[(tmp_path / "answer.der").read_bytes()])
        .validate(certificate)
        .check("revocation")
    )
    assert found is not None
    wanted = {
        "good": Outcome.VALID,
        "revoked": Outcome.INVALID,
        "unknown": Outcome.CANNOT_TELL,
    }
    assert found.outcome is wanted[status]
