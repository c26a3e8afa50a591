# SPDX-License-Identifier: Apache-2.0
"""Whether 登記・供託オンライン申請システム would take a signature in a PDF, rule by rule.

What the ministry publishes on its form of PDF signatures, as far as it was read: its own
check says the last word. The certificate is judged elsewhere (a sign certificate in force).
Source: [MOJ].
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from jpki.certificate import der
from jpki.certificate.certificate import Certificate, parse_certificate
from jpki.errors import CertificateError
from jpki.signing.algorithms import Scheme
from jpki.signing.cms_envelope import CmsError, Envelope, read_envelope
from jpki.verdict import Check, Outcome
from jpki.verifying.pdf_reading import Change, PdfSignature, unpadded
from jpki.verifying.signer_info import CONTENT_TYPE, MESSAGE_DIGEST, SignerInfo, read_signer_info

_SHA256 = "sha256"
_ENTRIES = ("/Name", "/M", "/ByteRange", "/Contents", "/Filter")


def moj_checks(one: PdfSignature) -> list[Check]:
    """One check for each rule, in the order in which the form is described."""
    checks = [
        _rule("type", one.kind == "/Sig"),
        _rule("subfilter", one.subfilter == "/adbe.pkcs7.detached"),
    ]
    for entry in _ENTRIES:
        checks.append(_rule(f"entry_{entry[1:].lower()}", entry in one.entries))
    checks.append(_rule("byte_range", bool(one.ranges) and one.whole_revision))
    checks.append(_rule("cosigning", one.change is not Change.OTHER and one.allowed))
    return [*checks, *_cms_rules(one)]


def _cms_rules(one: PdfSignature) -> Iterator[Check]:
    """What is asked of the CMS: SHA-256, RSA, one signer whose certificate is enclosed."""
    read = _signer(one.contents)
    yield _rule("cms", read is not None)
    if read is None:
        return
    envelope, info = read
    yield _rule("digest", info.hash == _SHA256)
    yield _rule("algorithm", info.scheme is Scheme.PKCS1 and info.hash == _SHA256)
    needed = {CONTENT_TYPE, MESSAGE_DIGEST}
    yield _rule("attributes", info.signed is None or needed <= info.attributes.keys())
    enclosed = (_certificate(raw) for raw in envelope.certificates)
    yield _rule("certificate", any(info.names(found) for found in enclosed if found))


def _signer(contents: bytes) -> tuple[Envelope, SignerInfo] | None:
    """The one signer of a detached CMS, or None if there is not just one that can be read."""
    try:
        cms = unpadded(contents)
        envelope = read_envelope(io.BytesIO(cms), lambda hashes, kind: lambda piece: None)
        if len(envelope.signers) != 1 or envelope.attached:
            return None
        return envelope, read_signer_info(envelope.signers[0])
    except (CmsError, der.DerError):
        return None


def _certificate(raw: bytes) -> Certificate | None:
    try:
        return parse_certificate(raw)
    except CertificateError:
        return None


def _rule(name: str, kept: bool) -> Check:
    outcome = Outcome.VALID if kept else Outcome.INVALID
    return Check(f"moj_{name}", outcome, "moj_kept" if kept else f"moj_{name}_broken")
