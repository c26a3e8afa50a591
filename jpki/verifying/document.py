# SPDX-License-Identifier: Apache-2.0
"""A signed document to a verdict: its format is detected, and every signature in it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Final

from jpki.errors import InputFileError
from jpki.input_file import read_head
from jpki.verdict import Check, Outcome, Verdict, combine
from jpki.verifying.issued import MAX_FILE, Statement, is_issued
from jpki.verifying.judge import Judge

_HEAD: Final = 4096  # bytes that are looked at to tell what a file is


class DocumentFormat(StrEnum):
    """What a signed file is."""

    CMS = "cms"
    PDF = "pdf"
    XML = "xml"
    RAW = "raw"
    REPORT = "report"
    ISSUED = "issued"


@dataclass(frozen=True, slots=True)
class SignatureVerdict:
    """One signature. ``number``: its place in the file, from 1.

    ``checks``: integrity, signature, signer, certificate, path, profile, validity, revocation,
    time. ``subject``: facts that may be shown (algorithm, family, medium, generation, expires,
    signing_time, stamped_at). ``certificate``: the signer's DER, or None if it is not at hand.
    """

    number: int
    checks: tuple[Check, ...]
    subject: Mapping[str, object] = field(default_factory=dict)
    certificate: bytes | None = field(default=None, repr=False)

    @property
    def outcome(self) -> Outcome:
        return combine(check.outcome for check in self.checks)


@dataclass(frozen=True, slots=True)
class DocumentVerdict:
    """All of a document: each signature, and ``checks`` on the document as a whole.

    ``legal``: False where another's signature is verified under production trust without a
    declared verifier; every output is then headed as no legal verification (17条).
    ``statement``: what an issued document states, if its issuer's signature is good.
    """

    format: DocumentFormat
    environment: str
    legal: bool
    signatures: tuple[SignatureVerdict, ...]
    checks: tuple[Check, ...] = ()
    statement: Statement | None = field(default=None, repr=False)

    @property
    def outcome(self) -> Outcome:
        return self.verdict.outcome

    @property
    def verdict(self) -> Verdict:
        """Every check in one list: the document's, then those of each signature."""
        checks = [*self.checks]
        for signature in self.signatures:
            checks += signature.checks
        return Verdict(tuple(checks), self.environment, subject={"format": self.format.value})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is verified, and against what.

    ``content``: the signed file of a detached signature. ``signature`` and ``certificate``:
    of a raw signature over ``path``; ``certificate`` alone: who has to have signed a report
    (one in PDF too).
    ``profile``: the 登記 rules (``moj``), or None.
    """

    path: Path
    content: Path | None = None
    signature: Path | None = None
    certificate: Path | None = None
    profile: str | None = None


Verifier = Callable[[Wanted, Judge], DocumentVerdict]

# Modules are loaded when their format occurs: each brings its own heavy library.
_VERIFIERS: Final[Mapping[DocumentFormat, str]] = {
    DocumentFormat.CMS: "jpki.verifying.cms:verify_file",
    DocumentFormat.PDF: "jpki.verifying.pdf:verify_file",
    DocumentFormat.XML: "jpki.verifying.xml:verify_file",
    DocumentFormat.RAW: "jpki.verifying.raw:verify_file",
    DocumentFormat.REPORT: "jpki.verifying.report:verify_file",
    DocumentFormat.ISSUED: "jpki.verifying.issued_file:verify_file",
}


def detect_format(head: bytes) -> DocumentFormat | None:
    """The format of a file by its first bytes, or None. Proves nothing about it."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"%PDF-" in head[:1024]:
        return DocumentFormat.PDF
    if head[:1] == b"\x30" or text.startswith((b"-----BEGIN CMS", b"-----BEGIN PKCS7")):
        return DocumentFormat.CMS
    if text.startswith(b"<") or head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return DocumentFormat.XML
    if text.startswith(b"{") and b"jpki.verification_report/1" in head:
        return DocumentFormat.REPORT
    if text.startswith(b"eyJ"):  # the head of a JWS: {" in base64url
        return DocumentFormat.ISSUED
    return None


def verify_document(wanted: Wanted, judge: Judge) -> DocumentVerdict:
    """The verdict on a file of any format we know. A bad signature is a verdict, no error.

    Raises InputFileError for a file that cannot be read, is of no format we know, or breaks
    its own form; MissingExtraError.
    """
    found = DocumentFormat.RAW if wanted.signature else detect_format(read_head(wanted.path, _HEAD))
    # The mark of an issued document lies anywhere in it.
    if found is DocumentFormat.PDF and is_issued(read_head(wanted.path, MAX_FILE)):
        found = DocumentFormat.ISSUED
    if found is None:
        raise InputFileError(path=str(wanted.path), reason="no_signed_format")
    named = (DocumentFormat.RAW, DocumentFormat.REPORT, DocumentFormat.PDF)
    if wanted.certificate and found not in named:
        # A certificate inside is judged by its issuer; the one named would go unused, unsaid.
        raise InputFileError(path=str(wanted.certificate), reason="certificate_unused")
    module, _, name = _VERIFIERS[found].partition(":")
    verifier: Verifier = getattr(import_module(module), name)
    return verifier(wanted, judge)
