# SPDX-License-Identifier: Apache-2.0
"""Certificates and CRLs as people hand them over: PEM, or DER."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from jpki.errors import CertificateError, RevocationDataError

_BEGIN: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----\s")


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
    for body in _bodies(data, labels):
        try:
            found.append(base64.b64decode(b"".join(body.split()), validate=True))
        except binascii.Error:
            return None
    if not found and b"-----BEGIN" in data:
        return None if any(b"-----BEGIN " + label in data for label in labels) else []
    return found


def _bodies(data: bytes, labels: tuple[bytes, ...]) -> Iterator[bytes]:
    """What stands between the lines of armour. Each label's end is looked for once a block."""
    pos = 0
    open_ended: set[bytes] = set()
    while opening := _BEGIN.search(data, pos):
        pos, label = opening.end(), opening[1]
        if label not in labels or label in open_ended:
            continue
        end = data.find(b"-----END " + label + b"-----", pos)
        if end < 0:
            open_ended.add(label)
            continue
        yield data[pos:end]
        pos = end
