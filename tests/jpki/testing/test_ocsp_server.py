# SPDX-License-Identifier: Apache-2.0
"""The OCSP server: both ways to ask, every mode as our validator sees it, and bad input."""

from __future__ import annotations

import base64
import http.client
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import quote

import pytest

from http_client import Reply, request
from jpki.card import Card
from jpki.card_map import PinKind
from jpki.certificate import parse_certificate
from jpki.certificate.kinds import Environment, Family
from jpki.emulator import VirtualConnection, load_card, populate
from jpki.synth import SynthPki
from jpki.testing.ocsp_server import OcspMode, OcspServer
from jpki.validation.ocsp import parse_ocsp
from jpki.validation.ocsp_request import build_ocsp_request
from jpki.validation.ocsp_store import OcspAnswer
from jpki.validation.trust import TrustStore
from jpki.validation.validator import Validator

NONCE = bytes(range(32))
KIND = {"Content-Type": "application/ocsp-request"}


@pytest.fixture(scope="module")
def pki() -> SynthPki:
    pki = SynthPki()
    populate(pki)
    return pki


@pytest.fixture
def server(pki: SynthPki) -> Iterator[OcspServer]:
    with OcspServer(pki) as server:
        yield server


@pytest.fixture(scope="module")
def trust(pki: SynthPki) -> TrustStore:
    return TrustStore(Environment.TEST, pki.trust_anchors())


def certificate_of(name: str, which: Literal["auth", "sign"]) -> bytes:
    with Card(VirtualConnection(load_card(name))) as card:
        if which == "sign":
            card.pins.verify(PinKind.SIGN, bytearray(b"ABC123"))
        return card.jpki.certificate(which)


@pytest.fixture(scope="module")
def hanako() -> bytes:
    """An authentication certificate in force."""
    return certificate_of("hanako", "auth")


@pytest.fixture(scope="module")
def moved() -> bytes:
    """A signature certificate that is revoked."""
    return certificate_of("taro-moved", "sign")


def asking(trust: TrustStore, der: bytes, nonce: bytes | None = NONCE) -> bytes:
    certificate = parse_certificate(der)
    anchor = next(
        a for a in trust.anchors if certificate.aki and a.key_id == certificate.aki.key_id
    )
    return build_ocsp_request(certificate, anchor, nonce)


def post(server: OcspServer, body: bytes) -> Reply:
    return request(server.url, body, KIND)


def judged(trust: TrustStore, der: bytes, family: Family, answer: bytes) -> tuple[str, str]:
    """Outcome and code of our own revocation check with that answer alone."""
    answers = [OcspAnswer(answer, NONCE)]
    check = Validator(trust, ocsp=answers).validate(der, family=family).check("revocation")
    assert check is not None
    return check.outcome.value, check.code


GOOD, REVOKED = ("valid", "ocsp_good"), ("invalid", "revoked")
JUDGED = {
    OcspMode.GOOD: GOOD,
    OcspMode.REVOKED: REVOKED,
    OcspMode.LYING: GOOD,
    OcspMode.UNKNOWN: ("cannot_tell", "ocsp_unknown"),
    OcspMode.STALE: ("cannot_tell", "ocsp_stale"),
    OcspMode.FUTURE: ("cannot_tell", "ocsp_future"),
    OcspMode.WRONG_NONCE: ("cannot_tell", "ocsp_nonce"),
    OcspMode.NO_NONCE: ("cannot_tell", "ocsp_nonce"),
    OcspMode.WRONG_CERTIFICATE: ("cannot_tell", "ocsp_other_certificate"),
    OcspMode.WRONG_RESPONDER: ("cannot_tell", "ocsp_responder"),
    OcspMode.ROGUE: ("cannot_tell", "ocsp_responder"),
    OcspMode.NO_EKU: ("cannot_tell", "ocsp_responder"),
    OcspMode.EXPIRED_RESPONDER: ("cannot_tell", "ocsp_responder"),
    OcspMode.BAD_SIGNATURE: ("cannot_tell", "ocsp_signature"),
    OcspMode.TRY_LATER: ("cannot_tell", "ocsp_refused"),
    OcspMode.UNAUTHORIZED: ("cannot_tell", "ocsp_refused"),
    OcspMode.HTML: ("cannot_tell", "ocsp_malformed"),
}


@pytest.mark.parametrize("mode", JUDGED)
def test_our_validator_on_each_mode(
    trust: TrustStore, server: OcspServer, hanako: bytes, mode: OcspMode
) -> None:
    server.mode = mode
    reply = post(server, asking(trust, hanako))
    assert reply.status == 200
    assert judged(trust, hanako, Family.AUTH, reply.body) == JUDGED[mode]


def test_every_mode_is_tested() -> None:
    elsewhere = {"slow", "unavailable", "oversize", "redirect", "truncated"}
    assert {mode.value for mode in OcspMode} == {mode.value for mode in JUDGED} | elsewhere


def test_the_record_says_revoked_and_a_lying_server_good(
    trust: TrustStore, server: OcspServer, moved: bytes
) -> None:
    asked = asking(trust, moved)
    assert judged(trust, moved, Family.SIGN, post(server, asked).body) == REVOKED
    server.mode = "lying"
    assert judged(trust, moved, Family.SIGN, post(server, asked).body) == GOOD


def test_a_revocation_of_this_moment_is_known_at_once(trust: TrustStore, hanako: bytes) -> None:
    pki = SynthPki()
    with OcspServer(pki) as server:
        assert judged(trust, hanako, Family.AUTH, post(server, asking(trust, hanako)).body) == GOOD
        serial = int.from_bytes(parse_certificate(hanako).serial.reveal(), "big")
        now = datetime.now(UTC).replace(microsecond=0)
        pki.revoke(Family.AUTH, 3, "13221", serial, now, 5)
        body = post(server, asking(trust, hanako)).body
        assert judged(trust, hanako, Family.AUTH, body) == REVOKED


@pytest.mark.parametrize("quoted", [True, False])
def test_get_gives_what_post_gives(
    trust: TrustStore, server: OcspServer, hanako: bytes, quoted: bool
) -> None:
    encoded = base64.b64encode(asking(trust, hanako)).decode()
    path = quote(encoded, safe="") if quoted else encoded
    reply = request(server.url + path)
    assert reply.headers["content-type"] == "application/ocsp-response"
    assert judged(trust, hanako, Family.AUTH, reply.body) == GOOD
    assert [(seen.method, seen.path) for seen in server.requests] == [("GET", "/")]


def test_no_nonce_asked_for_none_given(
    trust: TrustStore, server: OcspServer, hanako: bytes
) -> None:
    answer = parse_ocsp(post(server, asking(trust, hanako, nonce=None)).body)
    assert not isinstance(answer, str)
    assert answer.nonce is None


def test_a_foreign_certificate_is_unknown(server: OcspServer) -> None:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.ocsp import OCSPRequestBuilder

    builder = OCSPRequestBuilder().add_certificate_by_hash(bytes(32), bytes(32), 1, SHA256())
    answer = parse_ocsp(post(server, builder.build().public_bytes(Encoding.DER)).body)
    assert not isinstance(answer, str)
    assert answer.answers[0].status == "unknown"


@pytest.mark.parametrize(
    "body", [b"", b"garbage", b"\x30\x80", b"\x30\x03\x02\x01\x00", bytes(999)]
)
def test_garbage_is_a_malformed_request(server: OcspServer, body: bytes) -> None:
    assert parse_ocsp(post(server, body).body) == "malformed_request"
    encoded = quote(base64.b64encode(body).decode(), safe="")
    assert parse_ocsp(request(server.url + encoded).body) == "malformed_request"
    assert parse_ocsp(request(server.url + "%%%").body) == "malformed_request"


def test_a_request_cut_anywhere_is_answered(
    trust: TrustStore, server: OcspServer, hanako: bytes
) -> None:
    whole = asking(trust, hanako)
    for size in range(len(whole)):
        assert parse_ocsp(post(server, whole[:size]).body) == "malformed_request", size


@pytest.mark.parametrize(
    ("method", "headers", "body", "status"),
    [
        ("POST", {"Content-Type": "text/plain"}, b"x", 415),
        ("HEAD", {}, None, 405),
        ("PUT", {}, b"x", 501),
        ("POST", {**KIND, "Content-Length": str(64 * 1024 + 1)}, b"", 413),
        ("POST", {**KIND, "Content-Length": "9" * 4000}, b"", 413),
        ("POST", {**KIND, "Content-Length": "-1"}, b"", 411),
        ("POST", {**KIND, "Transfer-Encoding": "chunked"}, b"", 411),
    ],
)
def test_what_is_not_accepted(
    server: OcspServer, method: str, headers: dict[str, str], body: bytes | None, status: int
) -> None:
    assert request(server.url, body, headers, method=method).status == status


def test_a_client_that_sends_less_than_it_said(server: OcspServer) -> None:
    port = int(server.url.rstrip("/").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nshort")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")


def test_slow_waits_and_the_end_of_the_server_does_not(
    trust: TrustStore, server: OcspServer, hanako: bytes
) -> None:
    server.mode, server.delay = OcspMode.SLOW, 0.3
    begin = time.monotonic()
    reply = post(server, asking(trust, hanako))
    assert time.monotonic() - begin >= 0.3
    assert judged(trust, hanako, Family.AUTH, reply.body) == GOOD
    server.delay = 60
    with pytest.raises(TimeoutError):
        request(server.url, asking(trust, hanako), KIND, timeout=0.2)
    begin = time.monotonic()
    server.close()
    assert time.monotonic() - begin < 5


def test_transport_lies(trust: TrustStore, server: OcspServer, hanako: bytes) -> None:
    asked = asking(trust, hanako)
    server.mode = "truncated"
    with pytest.raises(http.client.IncompleteRead):
        post(server, asked)
    server.mode = "redirect"
    assert (post(server, asked).status, server.count) == (302, 2)
    server.mode = "unavailable"
    assert post(server, asked).status == 503
    server.mode = "oversize"
    reply = request(server.url, asked, KIND, most=2_000_000)
    assert len(reply.body) == 2_000_000
    assert not any(reply.body[-1000:])


def test_an_unknown_mode_is_refused(server: OcspServer) -> None:
    with pytest.raises(ValueError, match="friendly"):
        server.mode = "friendly"
    assert server.mode is OcspMode.GOOD


def test_the_log_holds_no_serial(
    trust: TrustStore, server: OcspServer, moved: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    asked = asking(trust, moved)
    post(server, asked)
    encoded = base64.b64encode(asked).decode()
    request(server.url + quote(encoded, safe=""))
    shown = repr(server) + repr(server.requests) + caplog.text
    serial = parse_certificate(moved).serial.reveal()
    for form in (serial.hex(), str(int.from_bytes(serial, "big")), encoded[20:60]):
        assert form not in shown.lower()
    assert [seen.size for seen in server.requests] == [len(asked), 0]


def test_the_day_is_the_pki_s(trust: TrustStore, hanako: bytes) -> None:
    day = datetime(2026, 3, 1, 12, 7, tzinfo=UTC)
    with OcspServer(SynthPki(day)) as server:
        answer = parse_ocsp(post(server, asking(trust, hanako)).body)
    assert not isinstance(answer, str)
    assert answer.answers[0].this_update == day.replace(minute=0)
    assert answer.produced_at - day < timedelta(minutes=1)


def test_start_and_close_may_be_repeated(pki: SynthPki) -> None:
    server = OcspServer(pki)
    with pytest.raises(RuntimeError):
        server.url  # noqa: B018
    server.close()
    server.start()
    url = server.url
    server.start()
    assert server.url == url
    server.close()
    server.close()
    with pytest.raises(ConnectionRefusedError):
        request(url)
