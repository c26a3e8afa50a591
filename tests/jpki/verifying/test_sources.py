# SPDX-License-Identifier: Apache-2.0
"""Files and folders of certificates, CRLs and OCSP answers."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jpki.certificate.kinds import Family
from jpki.errors import InputFileError
from jpki.synth import SynthPki
from jpki.verifying.sources import read_certificates, read_crls, read_file, read_ocsp

PKI = SynthPki(datetime(2026, 11, 21, tzinfo=UTC))
ROOTS = PKI.trust_anchors()
CRLS = PKI.crls()


def pem(der: bytes, label: str) -> bytes:
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


def test_der_pem_and_bundles(tmp_path: Path) -> None:
    (tmp_path / "a.cer").write_bytes(ROOTS[0])
    (tmp_path / "b.pem").write_bytes(
        b"a comment\n" + b"".join(pem(r, "CERTIFICATE") for r in ROOTS[1:3])
    )
    assert read_certificates([tmp_path / "a.cer", tmp_path / "b.pem"]) == tuple(ROOTS[:3])


def test_a_folder_in_order_of_names_without_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "2.crl").write_bytes(CRLS[1])
    (tmp_path / "1.crl").write_bytes(pem(CRLS[0], "X509 CRL"))
    (tmp_path / ".partial").write_bytes(b"half a download")
    (tmp_path / "sub").mkdir()
    assert read_crls([tmp_path]) == (CRLS[0], CRLS[1])


def test_an_ocsp_answer(tmp_path: Path) -> None:
    answer = PKI.ocsp_answer(b"nonsense")
    (tmp_path / "answer.der").write_bytes(answer)
    assert read_ocsp([tmp_path / "answer.der"]) == (answer,)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "not_found"), (b"", "empty"), (b"hello", "no_certificate")],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputFileError) as caught:
        read_certificates([path])
    assert caught.value.values == {"path": str(path), "reason": reason}


def test_one_bad_file_in_a_folder_is_not_skipped(tmp_path: Path) -> None:
    (tmp_path / "1.crl").write_bytes(CRLS[0])
    (tmp_path / "2.crl").write_bytes(b"<html>login</html>")
    with pytest.raises(InputFileError) as caught:
        read_crls([tmp_path])
    assert caught.value.values["path"] == str(tmp_path / "2.crl")


def test_text_for_an_ocsp_answer(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"OK")
    with pytest.raises(InputFileError):
        read_ocsp([tmp_path / "a"])


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputFileError):
        read_file(tmp_path, 10)


def test_the_limit_is_exact(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 10)
    assert read_file(tmp_path / "f", 10) == b"x" * 10
    with pytest.raises(InputFileError) as caught:
        read_file(tmp_path / "f", 9)
    assert caught.value.values["reason"] == "too_large"


def test_families_are_all_there() -> None:
    assert len(ROOTS) == 3 * len(Family)
