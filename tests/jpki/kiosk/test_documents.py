# SPDX-License-Identifier: Apache-2.0
"""Issued documents, read back with programs nobody here wrote: pdftotext, qpdf, zbar, pdffonts."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest

from issued import AT, HANAKO, ISSUER
from jpki import messages
from jpki.errors import ConfigurationError, IssuedDocumentError
from jpki.kiosk.documents.code import CAPACITY, qr_picture
from jpki.kiosk.documents.contents import Content, DocumentKind, content_of, missing
from jpki.kiosk.documents.issuing import IssuedDocument, issue_document
from jpki.kiosk.records import ResidentRecord
from jpki.verdict import Outcome
from jpki.verifying.issued import verify_issued, verify_statement

KINDS = tuple(DocumentKind)


def _issue(kind: DocumentKind) -> IssuedDocument:
    return issue_document(content_of(kind, HANAKO), ISSUER, now=AT)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.system
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_on_paper_is_what_was_signed(kind: DocumentKind, tmp_path: Path) -> None:
    issued, file = _issue(kind), tmp_path / "document.pdf"
    file.write_bytes(issued.pdf)
    _run("qpdf", "--check", str(file))
    words = _run("pdftotext", "-layout", str(file), "-")
    verdict, statement = verify_issued(issued.pdf, [ISSUER.public()], now=AT)
    assert verdict.outcome is Outcome.VALID
    assert statement is not None
    runs = " ".join(words.split())  # pdftotext sets wide spaces as several
    for name, text in statement.fields:
        assert messages.text(f"document.field.{name}", "ja") in runs
        assert " ".join(text.split()) in runs
    for said in (messages.text("document.test_mark", "ja"), issued.number, ISSUER.title):
        assert said in words


@pytest.mark.system
@pytest.mark.parametrize("kind", KINDS)
def test_the_code_on_paper_and_the_attachment_are_the_statement(
    kind: DocumentKind, tmp_path: Path
) -> None:
    issued, file = _issue(kind), tmp_path / "document.pdf"
    file.write_bytes(issued.pdf)
    _run("pdftoppm", "-r", "300", "-gray", "-png", str(file), str(tmp_path / "page"))
    scanned = _run("zbarimg", "-q", "--raw", str(tmp_path / "page-1.png")).strip()
    assert scanned == issued.statement
    _run("pdfdetach", "-save", "1", "-o", str(tmp_path / "attached"), str(file))
    assert issued.statement in (tmp_path / "attached").read_text("ascii")
    verdict, statement = verify_statement(scanned, [ISSUER.public()], now=AT)
    assert (verdict.outcome, statement is not None) == (Outcome.VALID, True)
    paper = verdict.check("file")
    assert paper is not None
    assert paper.outcome is Outcome.NOT_RUN  # nobody here has seen the paper


@pytest.mark.system
def test_the_japanese_font_is_embedded(tmp_path: Path) -> None:
    file = tmp_path / "document.pdf"
    file.write_bytes(_issue(DocumentKind.RESIDENCE).pdf)
    lines = [line for line in _run("pdffonts", str(file)).splitlines() if "IPAex" in line]
    assert lines
    assert all(line.split()[-5] == "yes" for line in lines)


def test_two_issues_have_two_numbers() -> None:
    assert _issue(DocumentKind.TAX).number != _issue(DocumentKind.TAX).number


def test_nothing_personal_in_reprs() -> None:
    shown = repr((HANAKO, content_of(DocumentKind.SEAL, HANAKO), _issue(DocumentKind.SEAL), ISSUER))
    assert not any(secret in shown for secret in ("花子", "はなこ", "1980", "昭和", "中里", "eyJ"))


@pytest.mark.parametrize(
    ("kind", "bare"),
    [
        (DocumentKind.SEAL, dataclasses.replace(HANAKO, seal=None)),
        (DocumentKind.TAX, dataclasses.replace(HANAKO, tax=None)),
    ],
)
def test_nothing_registered_is_nothing_to_certify(kind: DocumentKind, bare: ResidentRecord) -> None:
    assert missing(kind, bare)
    assert not missing(kind, HANAKO)
    with pytest.raises(IssuedDocumentError) as caught:
        content_of(kind, bare)
    assert caught.value.values["reason"] == "not_registered"


def test_too_much_for_the_code_is_said() -> None:
    content = Content(DocumentKind.RESIDENCE, (("name", "あ" * 250), ("address", "い" * 250)))
    with pytest.raises(IssuedDocumentError) as caught:
        issue_document(content, ISSUER, now=AT)
    assert caught.value.values["reason"] == "code_too_long"


def test_the_code_takes_what_it_promises() -> None:
    picture = qr_picture("a" * CAPACITY)
    assert picture.side == 157  # version 35
    assert len(picture.pixels) == 157 * 20


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "font_missing"), (b"no font", "font_unusable")]
)
def test_a_font_that_is_not_there(content: bytes | None, reason: str, tmp_path: Path) -> None:
    font = tmp_path / "font.ttf"
    if content is not None:
        font.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        issue_document(content_of(DocumentKind.TAX, HANAKO), ISSUER, now=AT, font=font)
    assert caught.value.values["reason"] == reason
