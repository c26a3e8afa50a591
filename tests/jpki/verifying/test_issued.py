# SPDX-License-Identifier: Apache-2.0
"""Issued documents under attack: no altered file, and no statement of a stranger, is valid."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from issued import AT, HANAKO, ISSUER
from jpki.certificate.kinds import Environment
from jpki.errors import IssuedDocumentError
from jpki.kiosk.documents.contents import DocumentKind, content_of
from jpki.kiosk.documents.issuing import IssuedDocument, issue_document
from jpki.verdict import Outcome, Verdict
from jpki.verifying.issued import (
    MARK,
    MAX_FILE,
    IssuerKey,
    is_issued,
    parse_issuer_key,
    verify_issued,
    verify_statement,
)

KEYS = (ISSUER.public(),)


@functools.cache
def _document() -> IssuedDocument:
    return issue_document(content_of(DocumentKind.RESIDENCE, HANAKO), ISSUER, now=AT)


def _verdict(data: bytes, keys: tuple[IssuerKey, ...] = KEYS) -> Verdict:
    verdict, statement = verify_issued(data, keys, now=AT)
    file = verdict.check("file")
    assert (statement is not None) == (file is not None and file.outcome is not Outcome.NOT_RUN)
    return verdict


def _codes(verdict: Verdict) -> dict[str, str]:
    return {check.name: check.code for check in verdict.checks}


def test_bytes_altered_all_over_the_file_and_the_hole() -> None:
    whole = _document().pdf
    assert _verdict(whole).outcome is Outcome.VALID
    start = whole.index(MARK)
    places = {*range(0, len(whole), 499), *range(start - 40, start + 2200, 5)}
    for place in places:
        altered = bytearray(whole)
        altered[place] ^= 1
        assert _verdict(bytes(altered)).outcome is not Outcome.VALID, place


def test_cut_off_anywhere_or_longer() -> None:
    whole = _document().pdf
    for length in range(0, len(whole), 499):
        assert _verdict(whole[:length]).outcome is Outcome.INVALID, length
    assert _verdict(whole + b"\n").outcome is Outcome.INVALID
    assert _verdict(b"\n" + whole).outcome is Outcome.INVALID


def test_a_good_statement_in_another_file() -> None:
    one, other = _document(), issue_document(content_of(DocumentKind.TAX, HANAKO), ISSUER, now=AT)
    moved = other.pdf.replace(other.statement.encode(), one.statement.encode())
    assert _codes(_verdict(moved))["file"] == "issued_file_altered"


def test_a_second_statement_is_refused() -> None:
    whole = _document().pdf
    assert _verdict(whole + MARK + b"a.b.c ").outcome is Outcome.INVALID


def test_an_issuer_nobody_here_knows_is_cannot_tell() -> None:
    verdict = _verdict(_document().pdf, ())
    assert verdict.outcome is Outcome.CANNOT_TELL
    assert _codes(verdict)["issuer"] == "issued_key_unknown"


def test_a_stranger_under_the_issuers_name() -> None:
    forger = dataclasses.replace(ISSUER, key=ec.generate_private_key(ec.SECP384R1()))
    forged = issue_document(content_of(DocumentKind.TAX, HANAKO), forger, now=AT)
    verdict = _verdict(forged.pdf)
    assert verdict.outcome is Outcome.INVALID
    assert _codes(verdict)["issuer"] == "issued_signature_wrong"


def test_test_and_production_do_not_mix() -> None:
    real = dataclasses.replace(ISSUER, environment=Environment.PRODUCTION)
    issued = issue_document(content_of(DocumentKind.TAX, HANAKO), real, now=AT)
    assert _codes(_verdict(issued.pdf))["issuer"] == "issued_environment"


def test_issued_in_the_future() -> None:
    issued = issue_document(
        content_of(DocumentKind.TAX, HANAKO), ISSUER, now=AT + timedelta(days=1)
    )
    assert _codes(_verdict(issued.pdf))["issuer"] == "issued_in_future"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "not_jws"),
        ("a.b", "not_jws"),
        ("a.b.c.d", "not_jws"),
        ("=.b.c", "base64url"),
        ("e30.e30.e30", "header"),
        ("x" * 5000, "too_large"),
        ("ü.b.c", "base64url"),
    ],
)
def test_what_is_no_statement(token: str, reason: str) -> None:
    verdict, statement = verify_statement(token, KEYS, now=AT)
    assert statement is None
    assert verdict.outcome is Outcome.INVALID
    assert verdict.checks[0].values["reason"] == reason


def test_every_character_of_a_statement_counts() -> None:
    token = _document().statement
    for place in range(len(token)):
        altered = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        verdict, statement = verify_statement(altered, KEYS, now=AT)
        # The last character of base64url may hold bits that nothing reads.
        same = statement is not None and place == len(token) - 1
        assert verdict.outcome is not Outcome.VALID or same, place


def test_what_is_not_issued_says_so() -> None:
    assert is_issued(_document().pdf)
    assert not is_issued(b"%PDF-1.7\n")
    assert not is_issued(MARK)
    assert _verdict(b"%PDF-1.7\n").checks[0].values["reason"] == "no_statement"
    assert _verdict(bytes(MAX_FILE + 1)).checks[0].values["reason"] == "too_large"


def test_the_public_key_as_a_file() -> None:
    key = parse_issuer_key(ISSUER.jwk(), Environment.TEST)
    assert key.key_id == ISSUER.key_id
    assert _verdict(_document().pdf, (key,)).outcome is Outcome.VALID


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "RSA"},
        {"crv": "P-256"},
        {"d": "AA"},
        {"kid": ""},
        {"kid": 7},
        {"x": "AA"},
        {"y": 5},
        {"x": "A" * 64},
    ],
)
def test_what_is_no_issuer_key(change: dict[str, object]) -> None:
    members = {**json.loads(ISSUER.jwk()), **change}
    with pytest.raises(IssuedDocumentError):
        parse_issuer_key(json.dumps(members).encode(), Environment.TEST)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", hashlib.sha256().digest(), b"[" * 9999])
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(IssuedDocumentError):
        parse_issuer_key(data, Environment.TEST)
