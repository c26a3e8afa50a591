# SPDX-License-Identifier: Apache-2.0
"""A raw signature over a file to a verdict; the certificate comes beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jpki.certificate.certificate import parse_certificate
from jpki.certificate.files import load_certificates
from jpki.errors import CertificateError, InputFileError
from jpki.signing.algorithms import HashName, Scheme
from jpki.signing.proof import signature_fits
from jpki.verdict import Check, Outcome
from jpki.verifying.cms import digests_of
from jpki.verifying.document import DocumentFormat, DocumentVerdict, SignatureVerdict, Wanted
from jpki.verifying.judge import Judge
from jpki.verifying.sources import MAX_CERTIFICATE_FILE, read_file

_LIMIT: Final = 1 << 16  # bytes of a signature


def verify_file(wanted: Wanted, judge: Judge) -> DocumentVerdict:
    """The verdict on ``wanted.signature`` over the file.

    Which scheme and hash were used is nowhere written: each is tried, the certificate's key
    decides. Raises InputFileError.
    """
    assert wanted.signature is not None
    if wanted.certificate is None:
        raise InputFileError(path=str(wanted.signature), reason="certificate_missing")
    signature = read_file(wanted.signature, _LIMIT)
    der = _certificate(wanted.certificate)
    names = [*(name.value for name in HashName), *(("sha1",) if judge.history else ())]
    digests = digests_of(wanted.path, names)
    found = _found(der, signature, digests)
    checks = [_signature(found), *judge.certificate(der).checks]
    checks.append(Check("time", Outcome.NOT_RUN, "time_unknown"))
    subject = {"algorithm": f"{found[0].value}-{found[1]}" if found else "?-?"}
    one = SignatureVerdict(1, tuple(checks), subject, der)
    return DocumentVerdict(DocumentFormat.RAW, judge.environment.value, judge.legal, (one,))


def _certificate(path: Path) -> bytes:
    try:
        return load_certificates(read_file(path, MAX_CERTIFICATE_FILE))[0]
    except CertificateError as exc:
        raise InputFileError(path=str(path), reason=str(exc.values["reason"])) from exc


def _found(der: bytes, signature: bytes, digests: dict[str, bytes]) -> tuple[Scheme, str] | None:
    """The scheme and hash under which the signature is the key's, if there is one."""
    try:
        key = parse_certificate(der).public_key
    except CertificateError:
        return None
    for name, digest in digests.items():
        for scheme in Scheme:
            if signature_fits(key, scheme, name, signature, digest):
                return scheme, name
    return None


def _signature(found: tuple[Scheme, str] | None) -> Check:
    if found is None:
        return Check("signature", Outcome.INVALID, "signature_not_by_key")
    values = {"scheme": found[0].value, "hash": found[1]}
    return Check("signature", Outcome.VALID, "signature_good", values)
