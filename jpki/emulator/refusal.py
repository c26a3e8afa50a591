# SPDX-License-Identifier: Apache-2.0
"""The line that is not crossed: nothing under a production or J-LIS test key is carried.

Every content of every file passes :func:`refuse` before the card can hand it out. There
is no switch. Looked for: the organisation JPKI or JPKI-TEST in a distinguished name, the
key identifiers of the six J-LIS roots, and key ids of the 5… (production) and 6… (J-LIS
test) families of card-verifiable certificates. Sources: [CA-DER] [MC].
"""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.x509.oid import NameOID

from jpki.errors import ForgeryRefusedError

PINNED_ROOT_KEY_IDS: frozenset[bytes] = frozenset(
    bytes.fromhex(value)
    for value in (
        "0d034cbb34d0714f45e45a1cafd8fd143fab54a7",  # sign, first generation
        "4de017de4b7f473dcd867a62d38b134ace83558a",  # sign, second
        "d21ea55895617e93adbf966b941ab4edf653f08f",  # sign, third
        "9567951b5ca70d84a0fff1d85a87f1aab1340385",  # authentication, first
        "8cd5586a891485e559379b7e29d410cfd28b3593",  # authentication, second
        "1ac100f596a3bc8c4b3df195e32699249e9e308a",  # authentication, third
    )
)
"""Subject key identifiers of the six J-LIS root certificates [CA-DER]."""

_ORGANISATIONS = frozenset({"jpki", "jpki-test"})
# organizationName (2.5.4.10), any string tag, then the value with its length.
_ORGANISATION_DER = re.compile(rb"\x55\x04\x0a.(?:\x04JPKI|\x09JPKI-TEST)", re.DOTALL | re.I)
_CV_KEY_ID = re.compile(rb"[56][0-9]{6}\x08\x05[0-9]{3}")


def refuse(data: bytes) -> None:
    """Raise ForgeryRefusedError if ``data`` is, or holds, material under a key of J-LIS.

    Bytes are searched, not parsed, so that a damaged or wrapped certificate is found too;
    a certificate that can be parsed is looked at by its names and key ids besides.
    """
    if _ORGANISATION_DER.search(data):
        raise ForgeryRefusedError(what="issuer_name")
    if any(key_id in data for key_id in PINNED_ROOT_KEY_IDS):
        raise ForgeryRefusedError(what="root_key_id")
    if _CV_KEY_ID.search(data):
        raise ForgeryRefusedError(what="cv_key_id")
    if data[:1] == b"\x30" and len(data) > 256:
        _refuse_certificate(data)


def _refuse_certificate(data: bytes) -> None:
    """Names that differ from the known ones only in case or blanks are the same name."""
    size = 4 + int.from_bytes(data[2:4], "big") if data[1] == 0x82 else len(data)
    try:
        certificate = x509.load_der_x509_certificate(data[:size])
        names = [*certificate.issuer, *certificate.subject]
    except (ValueError, x509.InvalidVersion):
        return
    for attribute in names:
        value = attribute.value
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        same = "".join(text.split()).casefold() in _ORGANISATIONS
        if attribute.oid == NameOID.ORGANIZATION_NAME and same:
            raise ForgeryRefusedError(what="issuer_name")
