# SPDX-License-Identifier: Apache-2.0
"""OCSP answers at hand in the general profile: who may give them, and what is in them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.ocsp import OCSPCertStatus
from cryptography.x509.oid import ExtendedKeyUsageOID

from der_edit import Item, decode, resigned_answer
from general_checks import status
from general_pki import (
    HOLDER,
    LEAF_DER,
    MIDDLE,
    MIDDLE_DER,
    OTHER,
    ROOT,
    ROOT_DER,
    Extensions,
    answer,
    certificate,
)

Edit = Callable[[Item], None]
RESPONDER: Extensions = (
    *HOLDER,
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False),
    (x509.OCSPNoCheck(), False),
)


def _responder(extensions: Extensions = RESPONDER, signer: RSAPrivateKey = MIDDLE) -> bytes:
    return certificate("Responder", "Middle", OTHER, signer, extensions, serial=90)


def _ocsp(*answers: bytes) -> tuple[str, str]:
    return status(ocsp=answers)


def _critical(place: str) -> Edit:
    extension = Item(0x30, parts=[Item(6, b"\x2a\x03\x04"), Item(1, b"\xff"), Item(4, b"\x05\x00")])

    def edit(whole: Item) -> None:
        data = whole.parts[0]
        single = data.parts[2].parts[0]
        (single if place == "single" else data).parts.append(
            Item(0xA1, parts=[Item(0x30, parts=[extension])])
        )

    return edit


def _good_and_revoked(order: int) -> bytes:
    good, revoked = (
        answer(LEAF_DER, MIDDLE_DER, MIDDLE, status)
        for status in (OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED)
    )

    def single(data: bytes) -> Item:
        octets = decode(data)[0].parts[1].parts[0].parts[1].value
        return decode(octets)[0].parts[0].parts[2].parts[0]

    def both(whole: Item) -> None:
        whole.parts[0].parts[2].parts = [single(good), single(revoked)][::order]

    return resigned_answer(good, MIDDLE, both)


def _status_tag(whole: Item) -> None:
    whole.parts[0].parts[2].parts[0].tag = 0xA0


OCSP_GOOD = answer(LEAF_DER, MIDDLE_DER, MIDDLE)
ANSWERS = [
    ("good, and the certificate names no responder", OCSP_GOOD, ("valid", "ocsp_good")),
    (
        "revoked",
        answer(LEAF_DER, MIDDLE_DER, MIDDLE, OCSPCertStatus.REVOKED),
        ("invalid", "revoked"),
    ),
    (
        "unknown",
        answer(LEAF_DER, MIDDLE_DER, MIDDLE, OCSPCertStatus.UNKNOWN),
        ("cannot_tell", "ocsp_unknown"),
    ),
    # RFC 6960 4.4: unknown critical extensions, of the answer and of one status.
    (
        "critical in the answer",
        resigned_answer(OCSP_GOOD, MIDDLE, _critical("answer")),
        ("cannot_tell", "ocsp_critical_extension"),
    ),
    (
        "critical in a status",
        resigned_answer(OCSP_GOOD, MIDDLE, _critical("single")),
        ("cannot_tell", "ocsp_critical_extension"),
    ),
    (
        "a status that is no SEQUENCE",
        resigned_answer(OCSP_GOOD, MIDDLE, _status_tag),
        ("cannot_tell", "ocsp_malformed"),
    ),
    ("good and revoked", _good_and_revoked(1), ("invalid", "revoked")),
    ("revoked and good", _good_and_revoked(-1), ("invalid", "revoked")),
    # RFC 6960 4.2.2.2: delegated by the very issuer, for OCSP.
    (
        "delegated",
        answer(LEAF_DER, MIDDLE_DER, OTHER, enclosed=_responder()),
        ("valid", "ocsp_good"),
    ),
    (
        "delegated by somebody else",
        answer(LEAF_DER, MIDDLE_DER, OTHER, enclosed=_responder(signer=ROOT)),
        ("cannot_tell", "ocsp_responder"),
    ),
    (
        "delegated for something else",
        answer(LEAF_DER, MIDDLE_DER, OTHER, enclosed=_responder(HOLDER)),
        ("cannot_tell", "ocsp_responder"),
    ),
    (
        "about another certificate",
        answer(MIDDLE_DER, ROOT_DER, ROOT),
        ("cannot_tell", "ocsp_other_certificate"),
    ),
    (
        "by another key",
        resigned_answer(OCSP_GOOD, OTHER, lambda _: None),
        ("cannot_tell", "ocsp_signature"),
    ),
]


@pytest.mark.parametrize(
    ("data", "wanted"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_ocsp(data: bytes, wanted: tuple[str, str]) -> None:
    assert _ocsp(data) == wanted
