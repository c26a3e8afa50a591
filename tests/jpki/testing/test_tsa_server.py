# SPDX-License-Identifier: Apache-2.0
"""The time stamp server, looked at with asn1crypto, which did not write its answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import core, tsp
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_der_x509_certificate

from http_client import request
from jpki.testing.tsa_server import TsaMode, TsaServer

DIGEST = hashlib.sha256(b"a document").digest()
KIND = {"Content-Type": "application/timestamp-query"}


@pytest.fixture
def server() -> Iterator[TsaServer]:
    with TsaServer() as server:
        yield server


def query(nonce: int | None = 12345) -> bytes:
    asked: dict[str, Any] = {
        "version": 1,
        "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": DIGEST},
        "cert_req": True,
    }
    if nonce is not None:
        asked["nonce"] = nonce
    return bytes(tsp.TimeStampReq(asked).dump())


def stamp(server: TsaServer, body: bytes) -> tuple[Any, bool]:
    """The TSTInfo, and whether the signature fits."""
    reply = request(server.url, body, KIND)
    assert reply.headers["content-type"] == "application/timestamp-reply"
    answer = tsp.TimeStampResp.load(reply.body, strict=True)
    assert answer["status"]["status"].native == "granted"
    signed = answer["time_stamp_token"]["content"]
    signer = signed["signer_infos"][0]
    certificate = load_der_x509_certificate(server.certificate)
    key: Any = certificate.public_key()
    fits = True
    try:
        attributes = signer["signed_attrs"].untag().dump()
        key.verify(signer["signature"].native, attributes, PKCS1v15(), SHA256())
    except Exception:
        fits = False
    return signed["encap_content_info"]["content"].parsed, fits


# What each mode changes: nonce, imprint, the time in days, whether the signature fits.
MODES = [
    (TsaMode.GOOD, 12345, True, 0, True),
    (TsaMode.PAST, 12345, True, -1, True),
    (TsaMode.FUTURE, 12345, True, 1, True),
    (TsaMode.NO_NONCE, None, True, 0, True),
    (TsaMode.WRONG_IMPRINT, 12345, False, 0, True),
    (TsaMode.BAD_SIGNATURE, 12345, True, 0, False),
]


@pytest.mark.parametrize(("mode", "nonce", "same", "days", "fits"), MODES)
def test_modes(
    server: TsaServer, mode: TsaMode, nonce: int | None, same: bool, days: int, fits: bool
) -> None:
    server.mode = mode
    info, signature = stamp(server, query())
    assert info["nonce"].native == nonce
    assert (info["message_imprint"]["hashed_message"].native == DIGEST) is same
    expected = datetime.now(UTC) + timedelta(days=days)
    assert abs(info["gen_time"].native - expected) < timedelta(minutes=1)
    assert signature is fits


def test_wrong_nonce(server: TsaServer) -> None:
    server.mode = "wrong_nonce"
    assert stamp(server, query())[0]["nonce"].native not in (None, 12345)


@pytest.mark.parametrize(
    ("mode", "body", "failure"),
    [
        (TsaMode.REFUSED, query(), "time_not_available"),
        (TsaMode.GOOD, b"", "bad_data_format"),
        (TsaMode.GOOD, b"garbage", "bad_data_format"),
        (TsaMode.GOOD, query()[:-1], "bad_data_format"),
    ],
    ids=["refused", "empty", "garbage", "truncated"],
)
def test_refusals(server: TsaServer, mode: TsaMode, body: bytes, failure: str) -> None:
    server.mode = mode
    # asn1crypto's TimeStampResp wants a token; a refusal is its status alone.
    whole = core.Sequence.load(request(server.url, body, KIND).body, strict=True)
    assert len(whole) == 1
    status = tsp.PKIStatusInfo.load(whole[0].dump(), strict=True)
    assert status["status"].native == "rejection"
    assert status["fail_info"].native == {failure}


def test_other_content_types_and_methods(server: TsaServer) -> None:
    assert request(server.url).status == 405
    assert request(server.url, query(), {"Content-Type": "text/plain"}).status == 415
    assert [seen.status for seen in server.requests] == [405, 415]


def test_transport_lies(server: TsaServer) -> None:
    server.mode = TsaMode.HTML
    assert request(server.url, query(), KIND).headers["content-type"].startswith("text/html")
    server.mode = TsaMode.UNAVAILABLE
    assert request(server.url, query(), KIND).status == 503
