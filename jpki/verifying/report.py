# SPDX-License-Identifier: Apache-2.0
"""A signed verification report: what was found, when, by whom, in a file that stands on its own.

Revocation data may not be handed on (52条), so a document cannot carry the proof that its
certificate was in force. A verifier's signed statement of what it found can be kept instead.

The file is JSON with three members: ``schema``, ``report``, and ``signature``, a detached CMS
(base64) over ``report`` as canonical JSON: keys in order, no spaces, UTF-8.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jpki.errors import InputFileError
from jpki.signing.algorithms import HashName
from jpki.signing.cms import sign_info, write_signed
from jpki.signing.document import Prepared, SigningOptions, hash_file
from jpki.signing.signer import DigestSigner, choose_algorithm
from jpki.verdict import Check, Outcome
from jpki.verifying.cms import verify_detached
from jpki.verifying.document import DocumentFormat, DocumentVerdict, Wanted
from jpki.verifying.judge import Judge
from jpki.verifying.sources import read_certificates, read_file

SCHEMA: Final = "jpki.verification_report/1"
_LIMIT: Final = 1 << 24  # bytes
_MEMBERS: Final = {"schema", "report", "signature"}


def describe(path: Path) -> dict[str, object]:
    """A file in a report: name without its folder, size in bytes, SHA-256."""
    size, digest = hash_file(path, HashName.SHA256)
    return {"name": path.name, "size": size, "sha256": digest.hex()}


def sign_report(report: Mapping[str, object], signer: DigestSigner, at: datetime) -> bytes:
    """The file: ``report`` with the verifier's signature over it. Raises SigningError."""
    options = SigningOptions(choose_algorithm(signer.algorithms), at, detached=True)
    canonical = _canonical(report)
    name = options.algorithm.hash
    prepared = Prepared(Path(), len(canonical), name, name.digest(canonical))
    out = io.BytesIO()
    write_signed(out, prepared, [sign_info(signer, options, prepared.digest)], detached=True)
    whole = {
        "schema": SCHEMA,
        "report": report,
        "signature": base64.b64encode(out.getvalue()).decode("ascii"),
    }
    return (json.dumps(whole, ensure_ascii=False, indent=2) + "\n").encode()


def verify_file(wanted: Wanted, judge: Judge) -> DocumentVerdict:
    """The verdict on a report: is it as its verifier signed it.

    ``wanted.certificate``: the verifier's certificate, if it is not one of JPKI's; then it
    alone may have signed. ``wanted.content``: whether the report is about that file. What the
    report says is not judged again. Raises InputFileError, CmsError.
    """
    report, signature = _read(wanted.path)
    canonical = _canonical(report)
    digests = {name.value: name.digest(canonical) for name in HashName}
    if wanted.certificate is not None:
        judge = judge.naming(read_certificates([wanted.certificate])[0])
    signatures = verify_detached(signature, digests, judge)
    checks = [_said(report)]
    if wanted.content is not None:
        checks.append(_about(report, wanted.content))
    return DocumentVerdict(
        DocumentFormat.REPORT, judge.environment.value, judge.legal, signatures, tuple(checks)
    )


def _said(report: Mapping[str, Any]) -> Check:
    """What the verifier found then: told, and no part of this verdict."""
    verdict = report.get("verdict")
    said = verdict.get("outcome") if isinstance(verdict, dict) else None
    known = said if said in ("valid", "invalid", "cannot_tell") else "?"
    return Check("reported", Outcome.NOT_RUN, "report_says", {"outcome": known})


def _about(report: Mapping[str, Any], path: Path) -> Check:
    same = report.get("file") is not None and _same(report["file"], describe(path))
    code = "report_of_file" if same else "report_of_other"
    return Check("content", Outcome.VALID if same else Outcome.INVALID, code)


def _same(told: object, found: Mapping[str, object]) -> bool:
    """Whether a report's file is the one found; the name may have changed."""
    names = ("size", "sha256")
    return isinstance(told, dict) and all(told.get(name) == found[name] for name in names)


def _canonical(report: Mapping[str, object]) -> bytes:
    text = json.dumps(report, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def _read(path: Path) -> tuple[dict[str, Any], bytes]:
    """Report and signature of a file. Raises InputFileError."""
    data = read_file(path, _LIMIT)
    try:
        whole = json.loads(data.decode("utf-8"), object_pairs_hook=_once)
        if not isinstance(whole, dict) or set(whole) != _MEMBERS or whole["schema"] != SCHEMA:
            raise ValueError("members")
        report, signature = whole["report"], base64.b64decode(whole["signature"], validate=True)
        if not isinstance(report, dict):
            raise ValueError("report")
        _canonical(report)  # a lone surrogate is text that nobody can have signed
    except (ValueError, TypeError, RecursionError, binascii.Error) as exc:
        raise InputFileError(path=str(path), reason="not_a_report") from exc
    return report, signature


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Members of an object; one that stands twice could be read in two ways."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError("twice")
        found[name] = value
    return found
