# SPDX-License-Identifier: Apache-2.0
"""PDF signatures to a verdict: every signature, what it covers, and what came after it.

pyHanko reads the file and compares its revisions; the CMS, the certificate and the time are
judged as everywhere here. Source: [ISO32000 12.8], [MOJ].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jpki.certificate.der import DerError
from jpki.errors import InputFileError
from jpki.signing.algorithms import HashName
from jpki.signing.cms_envelope import CmsError
from jpki.signing.pdf import MAX_FILE, demand_extra
from jpki.validation.times import rfc3339
from jpki.verdict import Check, Outcome
from jpki.verifying.cms import verify_detached
from jpki.verifying.document import DocumentFormat, DocumentVerdict, SignatureVerdict, Wanted
from jpki.verifying.judge import Judge
from jpki.verifying.pdf_moj import moj_checks
from jpki.verifying.pdf_reading import (
    Change,
    PdfReadError,
    PdfSignature,
    read_signatures,
    signed_digests,
    unpadded,
)
from jpki.verifying.sources import read_certificates, read_file
from jpki.verifying.timestamp import check_stamp, stamp_check

ADOBE, PADES = "/adbe.pkcs7.detached", "/ETSI.CAdES.detached"
_KNOWN = (ADOBE, PADES)
_WEAK = ("/adbe.pkcs7.sha1", "/adbe.x509.rsa_sha1")


def verify_file(wanted: Wanted, judge: Judge) -> DocumentVerdict:
    """The verdict on a PDF: on each of its signatures.

    ``wanted.profile`` ``moj``: also rule by rule whether 登記・供託オンライン would take it.
    ``wanted.certificate``: it alone may have signed (a verifier's own, on a report).
    Raises MissingExtraError, InputFileError for a file that is no whole PDF or not signed.
    """
    demand_extra()
    data = read_file(wanted.path, MAX_FILE)
    try:
        found = read_signatures(data)
    except PdfReadError as exc:
        reason = f"pdf_{exc.values['reason']}"
        raise InputFileError(path=str(wanted.path), reason=reason) from exc
    if not any(one.kind == "/Sig" for one in found):
        raise InputFileError(path=str(wanted.path), reason="pdf_not_signed")
    if wanted.certificate is not None:
        judge = judge.naming(read_certificates([wanted.certificate])[0])
    return verify_signatures(data, found, judge, moj=wanted.profile == "moj")


def verify_signatures(
    data: bytes, found: Sequence[PdfSignature], judge: Judge, *, moj: bool = False
) -> DocumentVerdict:
    """The verdict on the signatures of ``data``. Never raises for what they hold."""
    verdicts = []
    for number, one in enumerate(found, 1):
        later = found[number:]
        checks = [_coverage(one), _later(one, later, len(data))]
        if one.kind == "/DocTimeStamp":
            verdicts.append(_stamp_verdict(data, one, number, checks, judge))
            continue
        judged = _judged(data, one, number, judge)
        checks = checks if one.subfilter in _KNOWN else []
        rules = moj_checks(one) if moj else []
        verdicts.append(replace(judged, checks=(*checks, *rules, *judged.checks)))
    return DocumentVerdict(
        DocumentFormat.PDF, judge.environment.value, judge.legal, tuple(verdicts)
    )


def _coverage(one: PdfSignature) -> Check:
    """Whether all of the file, as it was when it was signed, is covered."""
    name = "coverage"
    if not one.ranges:
        return Check(name, Outcome.INVALID, "byte_range_wrong")
    if not one.whole_revision:
        return Check(name, Outcome.INVALID, "revision_not_covered")
    return Check(name, Outcome.VALID, "revision_covered")


def _later(one: PdfSignature, later: Sequence[PdfSignature], size: int) -> Check:
    """Whether what came after the signature is allowed, and itself signed.

    Form fields that nobody signed are no part of any signed document, so they are refused
    unless a later signature covers them.
    """
    name = "changes"
    if not one.ranges:
        return Check(name, Outcome.NOT_RUN, "coverage_first")
    if one.change is Change.OTHER:
        return Check(name, Outcome.INVALID, "changed_after")
    if not one.allowed:
        return Check(name, Outcome.INVALID, "change_forbidden")
    if one.change is Change.NOTHING:
        if one.end != size:
            return Check(name, Outcome.INVALID, "bytes_after")
        return Check(name, Outcome.VALID, "nothing_after")
    if one.change is Change.FORM:
        settled = (two.end == size or two.change is Change.EVIDENCE for two in later)
        if not any(settled):
            return Check(name, Outcome.INVALID, "unsigned_after")
        return Check(name, Outcome.VALID, "signed_after")
    return Check(name, Outcome.VALID, "evidence_after")


def _judged(data: bytes, one: PdfSignature, number: int, judge: Judge) -> SignatureVerdict:
    """What the CMS itself is worth over the covered bytes."""
    if one.subfilter not in _KNOWN:
        weak = one.subfilter in _WEAK
        outcome = Outcome.INVALID if weak else Outcome.CANNOT_TELL
        code = "subfilter_weak" if weak else "subfilter_unknown"
        return SignatureVerdict(number, (Check("integrity", outcome, code),))
    names = [*HashName, *(["sha1"] if judge.history else [])]
    digests = signed_digests(data, one.ranges, names) if one.ranges else {}
    try:
        judged = verify_detached(
            unpadded(one.contents),
            digests,
            judge,
            attributes_required=one.subfilter == PADES,
            first=number,
        )
    except (CmsError, DerError) as exc:
        reason = getattr(exc, "reason", None) or getattr(exc, "values", {}).get("reason")
        check = Check("integrity", Outcome.INVALID, "cms_form", {"reason": reason})
        return SignatureVerdict(number, (check,))
    if len(judged) != 1:
        check = Check("integrity", Outcome.INVALID, "several_signers")
        return SignatureVerdict(number, (check,))
    return _with_time(judged[0], one)


def _with_time(verdict: SignatureVerdict, one: PdfSignature) -> SignatureVerdict:
    """PAdES keeps the time in the PDF (/M) and not in the CMS."""
    if verdict.subject.get("signing_time") or one.time is None:
        return verdict
    return replace(verdict, subject={**verdict.subject, "signing_time": rfc3339(one.time)})


def _stamp_verdict(
    data: bytes, one: PdfSignature, number: int, checks: list[Check], judge: Judge
) -> SignatureVerdict:
    """A time stamp over the whole document stands for no person; it shows a time."""
    name = "time"
    covered = b"".join(data[offset : offset + length] for offset, length in one.ranges)
    stamp = check_stamp(unpadded(one.contents), covered, judge.tsa)
    if stamp.fault is not None:
        return SignatureVerdict(number, (*checks, Check(name, Outcome.INVALID, stamp.fault)))
    stamped = rfc3339(stamp.time) if stamp.time else "-"
    check = Check(name, Outcome.NOT_RUN, "stamp_authority_unknown", {"stamped": stamped})
    if stamp.trusted and stamp.time is not None:
        status = judge.stamp_status(stamp.path, stamp.time)
        check = stamp_check(status, Check(name, Outcome.VALID, "document_stamped", check.values))
    return SignatureVerdict(number, (*checks, check), {"stamped_at": stamped})
