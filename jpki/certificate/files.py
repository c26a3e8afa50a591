# SPDX-License-Identifier: Apache-2.0
"""Certificates and CRLs as people hand them over: PEM, or DER."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from jpki.errors import CertificateError, RevocationDataError

_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----\s(.*?)-----END \1-----", re.DOTALL)


def load_certificates(data: bytes) -> list[bytes]:
    """The DER of every certificate in PEM ``data``, or ``data`` itself when it is DER.

    Only the armour is looked at; ``parse_certificate`` judges the content. Raises
    CertificateError for neither form, and for armour that cannot be undone.
    """
    blocks = _blocks(data, (b"CERTIFICATE", b"X509 CERTIFICATE"))
    if blocks is None:
        raise CertificateError(reason="bad_pem", field="certificate")
    if not blocks:
        raise CertificateError(reason="no_certificate", field="certificate")
    return blocks


def load_crls(data: bytes) -> list[bytes]:
    """The DER of every CRL in PEM ``data``, or ``data`` itself when it is DER."""
    blocks = _blocks(data, (b"X509 CRL",))
    if not blocks:
        raise RevocationDataError(reason="bad_pem" if blocks is None else "no_crl", source="crl")
    return blocks


def _blocks(data: bytes, labels: tuple[bytes, ...]) -> list[bytes] | None:
    """DER blocks of those labels; None when the armour is broken."""
    if data[:1] == b"\x30":
        return [bytes(data)]
    found: list[bytes] = []
    for label, body in _BLOCK.findall(data):
        if label not in labels:
            continue
        try:
            found.append(base64.b64decode(b"".join(body.split()), validate=True))
        except binascii.Error:
            return None
    if not found and b"-----BEGIN" in data:
        return None if any(b"-----BEGIN " + label in data for label in labels) else []
    return found
