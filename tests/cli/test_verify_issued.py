# SPDX-License-Identifier: Apache-2.0
"""``jpki verify`` of documents that a terminal issued: the file, and the code on the paper."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from command_line import NOW, Cli
from issued import HANAKO, ISSUER
from jpki.certificate.kinds import Environment
from jpki.kiosk.documents.contents import DocumentKind, content_of
from jpki.kiosk.documents.issuing import IssuedDocument, Issuer, issue_document
from jpki.verifying.issued import MARK
from signing_bench import key_pem

PERSONAL = ("花子", "太郎", "1980", "昭和", "中里", "妻")
STRANGER = replace(ISSUER, key_id="SOMEBODY-ELSE", key=ec.generate_private_key(ec.SECP384R1()))


def _issue(issuer: Issuer = ISSUER) -> IssuedDocument:
    content = content_of(DocumentKind.RESIDENCE, HANAKO)
    return issue_document(content, issuer, now=NOW - timedelta(hours=1))


@pytest.fixture(scope="module")
def document() -> IssuedDocument:
    return _issue()


@pytest.fixture
def file(document: IssuedDocument, tmp_path: Path) -> Path:
    path = tmp_path / "document.pdf"
    path.write_bytes(document.pdf)
    return path


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_kind_issuer_time_and_number_are_shown(
    cli: Cli, file: Path, document: IssuedDocument, lang: str
) -> None:
    done = cli("verify", str(file), "--trust", "test", "--lang", lang)
    assert done.code == 0, done.err
    assert {"en": "certificate of residence", "ja": "住民票の写し"}[lang] in done.out
    assert all(shown in done.out for shown in ("清瀬市", document.number, "--reveal content"))
    assert not any(secret in done.out for secret in PERSONAL)


def test_the_person_is_shown_on_wish_only(cli: Cli, file: Path, document: IssuedDocument) -> None:
    words = ("verify", str(file), "--trust", "test", "--json")
    hidden = cli(*words).json
    assert hidden["document"]["format"] == "issued"
    assert hidden["document"]["statement"]["fields"] is None
    assert not any(secret in json.dumps(hidden, ensure_ascii=False) for secret in PERSONAL)
    shown = cli(*words, "--reveal", "content").json["document"]["statement"]
    assert (shown["number"], shown["fields"]["name"]) == (document.number, "番号　花子")
    page = cli(*words[:-1], "--reveal", "content").out
    assert all(secret in page for secret in ("花子", "中里五丁目", "妻"))


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_code_on_the_paper(
    cli: Cli, document: IssuedDocument, tmp_path: Path, ending: str
) -> None:
    scanned = tmp_path / "code.jws"
    scanned.write_text(document.statement + ending, newline="")
    done = cli("verify", str(scanned), "--trust", "test", "--reveal", "content")
    assert done.code == 0, done.err
    assert "not run   file" in done.out
    assert "the paper was not seen: compare it with what is shown here" in done.out
    assert "花子" in done.out


Change = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    "change",
    [
        lambda pdf: pdf + b"\n",
        lambda pdf: pdf[:-1],
        lambda pdf: pdf.replace(b"/Creator", b"/Creatox", 1),
        lambda pdf: pdf.replace(MARK, MARK + b"x", 1),
        lambda pdf: pdf.replace(MARK, b"%nothing/at/all", 1),
        lambda pdf: pdf + MARK,
        lambda pdf: pdf[: pdf.index(MARK) + 300],
        lambda pdf: pdf + b" " * (17 << 20),
    ],
    ids=["longer", "shorter", "altered", "no-jws", "no-mark", "two-marks", "cut", "huge"],
)
def test_an_altered_file_is_invalid(cli: Cli, file: Path, change: Change) -> None:
    changed = change(file.read_bytes())
    assert changed != file.read_bytes()
    file.write_bytes(changed)
    assert cli("verify", str(file), "--trust", "test").code == 1
    assert cli("verify", str(file), "--trust", "test", "--json").code == 1


def test_an_altered_code_is_invalid(cli: Cli, document: IssuedDocument, tmp_path: Path) -> None:
    scanned = tmp_path / "code.jws"
    head, payload, signature = document.statement.split(".")
    for token in (f"{head}.{payload}.A{signature[1:]}", f"{head}.{payload}", f"{head}.."):
        scanned.write_text(token)
        assert cli("verify", str(scanned), "--trust", "test").code == 1


def test_an_unknown_issuer_cannot_be_told_until_it_is_named(
    cli: Cli, file: Path, tmp_path: Path
) -> None:
    file.write_bytes(_issue(STRANGER).pdf)
    jwk, other = tmp_path / "issuer.jwk", tmp_path / "other.jwk"
    jwk.write_bytes(STRANGER.jwk())
    other.write_bytes(replace(STRANGER, key_id="A-THIRD").jwk())
    words = ("verify", str(file), "--trust", "test")
    done = cli(*words)
    assert done.code == 5
    assert "--issuer" in done.out
    assert not any(secret in done.out for secret in PERSONAL)
    assert cli(*words, "--issuer", str(other)).code == 5
    assert cli(*words, "--issuer", str(other), "--issuer", str(jwk)).code == 0


def test_a_wrong_key_under_the_right_name(cli: Cli, file: Path, tmp_path: Path) -> None:
    jwk = tmp_path / "issuer.jwk"
    jwk.write_bytes(replace(STRANGER, key_id=ISSUER.key_id).jwk())
    assert cli("verify", str(file), "--trust", "test", "--issuer", str(jwk)).code == 1


def test_test_and_production_do_not_mix(cli: Cli, file: Path, tmp_path: Path) -> None:
    jwk = tmp_path / "issuer.jwk"
    jwk.write_bytes(ISSUER.jwk())
    unknown = cli("verify", str(file), "--json")
    assert (unknown.code, unknown.json["test"]) == (5, True)
    assert cli("verify", str(file), "--issuer", str(jwk)).code == 1
    real = replace(ISSUER, environment=Environment.PRODUCTION)
    file.write_bytes(_issue(real).pdf)
    assert cli("verify", str(file), "--issuer", str(jwk)).code == 0
    done = cli("verify", str(file), "--trust", "test", "--json")
    assert (done.code, done.json["test"]) == (1, True)


@pytest.mark.parametrize("content", [b"", b"{}", b"no json", b"\xff", b"{" * 5000])
def test_files_that_are_no_key(cli: Cli, file: Path, tmp_path: Path, content: bytes) -> None:
    jwk = tmp_path / "issuer.jwk"
    jwk.write_bytes(content)
    done = cli("verify", str(file), "--trust", "test", "--issuer", str(jwk), "--json")
    assert (done.code, done.json["schema"]) == (1, "jpki.error/1")


def test_a_report_on_it_holds_no_person(cli: Cli, file: Path, tmp_path: Path) -> None:
    report, key = tmp_path / "report.json", tmp_path / "key.pem"
    key.write_bytes(key_pem())
    done = cli("verify", str(file), "--trust", "test", "--reveal", "content",
               "--report", str(report), "--report-key", str(key))  # fmt: skip
    assert done.code == 0, done.err
    assert not any(secret in report.read_text("utf-8") for secret in PERSONAL)
