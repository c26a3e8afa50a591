# SPDX-License-Identifier: Apache-2.0
"""Time stamps, judged by OpenSSL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from asn1crypto import tsp
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

from jpki.synth.tsa import time_stamp_answer, tsa_certificate

AT = datetime(2026, 11, 20, 12, 0, 1, tzinfo=UTC)


def request(data: bytes, *, nonce: int | None = 0x1234, enclose: bool = True) -> bytes:
    imprint = {
        "hash_algorithm": {"algorithm": "sha256"},
        "hashed_message": hashlib.sha256(data).digest(),
    }
    fields = {"version": "v1", "message_imprint": imprint, "cert_req": enclose}
    if nonce is not None:
        fields["nonce"] = nonce
    return bytes(tsp.TimeStampReq(fields).dump())


@pytest.mark.system
@pytest.mark.parametrize("enclose", [True, False])
def test_openssl_verifies_a_stamp(openssl: Callable[..., str], enclose: bool) -> None:
    root = load_der_x509_certificate(tsa_certificate()).public_bytes(Encoding.PEM)
    asked = request(b"document", enclose=enclose)

    def said(answer: bytes, query: bytes) -> str:
        return openssl(
            "ts", "-verify", "-queryfile", "query", "-in", "answer", "-CAfile", "root",
            "-untrusted", "root", query=query, answer=answer, root=root,
        )  # fmt: skip

    answer = time_stamp_answer(asked, AT)
    assert "Verification: OK" in said(answer, asked)
    assert "Verification: FAILED" in said(answer, request(b"another", enclose=enclose))
    assert "Verification: FAILED" in said(answer, request(b"document", nonce=5, enclose=enclose))
    damaged = time_stamp_answer(asked, AT, damage_signature=True)
    assert "Verification: FAILED" in said(damaged, asked)


def test_what_a_stamp_says() -> None:
    answer = tsp.TimeStampResp.load(time_stamp_answer(request(b"document"), AT), strict=True)
    assert answer["status"]["status"].native == "granted"
    signed_data = answer["time_stamp_token"]["content"]
    info = signed_data["encap_content_info"]["content"].parsed
    assert info["gen_time"].native == AT
    assert info["nonce"].native == 0x1234
    imprint = info["message_imprint"]["hashed_message"].native
    assert imprint == hashlib.sha256(b"document").digest()
    assert len(signed_data["certificates"]) == 1


def test_equal_requests_get_equal_bytes() -> None:
    asked = request(b"document", nonce=None)
    assert time_stamp_answer(asked, AT) == time_stamp_answer(asked, AT)
    assert time_stamp_answer(asked, AT) != time_stamp_answer(asked, AT.replace(second=2))


def test_no_request_at_all() -> None:
    """Cut short anywhere it is refused as badly formed, and never a crash."""
    asked = request(b"document")
    for size in range(len(asked)):
        # asn1crypto wants a token even in a refusal; the status is the sequence's only part.
        status = tsp.PKIStatusInfo.load(time_stamp_answer(asked[:size], AT)[2:], strict=True)
        assert status["status"].native == "rejection"
        assert status["fail_info"].native == {"bad_data_format"}
