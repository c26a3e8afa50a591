# SPDX-License-Identifier: Apache-2.0
"""The server of revocation lists: every list, caching, and every mode as our validator sees it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from http_client import request
from jpki.card import Card
from jpki.certificate.kinds import Environment, Family
from jpki.emulator import VirtualConnection, load_card, populate
from jpki.synth import SynthPki
from jpki.testing.crl_server import CrlMode, CrlServer
from jpki.validation.crl import parse_crl
from jpki.validation.trust import TrustStore
from jpki.validation.validator import Validator

KIYOSE = "13221"


@pytest.fixture
def pki() -> SynthPki:
    pki = SynthPki()
    populate(pki)
    return pki


@pytest.fixture
def server(pki: SynthPki) -> Iterator[CrlServer]:
    with CrlServer(pki) as server:
        yield server


@pytest.fixture(scope="module")
def hanako() -> bytes:
    """An authentication certificate in force, of Kiyose, generation 3."""
    with Card(VirtualConnection(load_card("hanako"))) as card:
        return card.jpki.certificate("auth")


def test_the_index_names_every_list_and_each_is_served(server: CrlServer) -> None:
    reply = request(server.url)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    index = json.loads(reply.body)
    assert index["environment"] == "test"
    # Two families, three generations; six municipalities, all users, and the CAs.
    assert len(index["lists"]) == 2 * 3 * (6 + 1 + 1)
    bodies = set()
    for one in index["lists"]:
        found = request(server.url.rstrip("/") + one["path"])
        assert (found.status, found.headers["content-type"]) == (200, "application/pkix-crl")
        assert parse_crl(found.body).number == index["number"]
        bodies.add(found.body)
    assert len(bodies) == len(index["lists"])
    assert server.count == 1 + len(index["lists"])


def test_a_list_is_the_one_of_the_pki(pki: SynthPki, server: CrlServer) -> None:
    url = server.list_url(Family.AUTH, 3, KIYOSE)
    assert request(url).body == pki.crl(Family.AUTH, 3, KIYOSE)
    assert request(server.list_url(Family.SIGN, 3)).body == pki.crl(Family.SIGN, 3, None)
    assert request(f"{server.url}arl/sign/2.crl").body == pki.arl(Family.SIGN, 2)


def test_what_is_revoked_now_is_on_the_next_list(pki: SynthPki, server: CrlServer) -> None:
    url = server.list_url(Family.AUTH, 3, KIYOSE)
    before = request(url)
    pki.revoke(Family.AUTH, 3, KIYOSE, 0x1234567, pki.at - timedelta(days=2), 4)
    after = request(url, headers={"If-None-Match": before.headers["etag"]})
    assert after.status == 200
    assert len(after.body) > len(before.body)


def test_not_modified(server: CrlServer) -> None:
    url = server.list_url(Family.AUTH, 3, KIYOSE)
    first = request(url)
    changed, tag = first.headers["last-modified"], first.headers["etag"]
    older = format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)
    cases = {
        304: [
            {"If-None-Match": tag},
            {"If-None-Match": f'"other", W/{tag}'},
            {"If-None-Match": "*"},
            {"If-Modified-Since": changed},
            {"If-Modified-Since": older, "If-None-Match": tag},
        ],
        200: [
            {"If-None-Match": '"other"'},
            {"If-Modified-Since": older},
            {"If-Modified-Since": "yesterday"},
            {"If-Modified-Since": changed, "If-None-Match": '"other"'},
        ],
    }
    for status, many in cases.items():
        for headers in many:
            reply = request(url, headers=headers)
            assert (reply.status, len(reply.body) > 0) == (status, status == 200), headers
            assert reply.headers["etag"] == tag
    server.mode = CrlMode.NO_304
    assert request(url, headers={"If-None-Match": tag}).status == 200


def test_head_and_other_methods(server: CrlServer) -> None:
    url = server.list_url(Family.AUTH, 3, KIYOSE)
    head, whole = request(url, method="HEAD"), request(url)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))
    assert request(url, b"x").status == 405


@pytest.mark.parametrize(
    "path", ["nothing", "crl/auth/3/99999.crl", "crl/auth/4/all.crl", "crl/../auth", "crl/auth/3"]
)
def test_what_is_not_there(server: CrlServer, path: str) -> None:
    assert request(server.url + path).status == 404
    assert server.requests[-1].path == "?"


# Code of the revocation check of a certificate in force, by what the server does.
JUDGED = {
    CrlMode.CURRENT: ("valid", "crl_good"),
    CrlMode.ROLLED_BACK: ("valid", "crl_good"),
    CrlMode.EMPTY: ("valid", "crl_good"),
    CrlMode.STALE: ("cannot_tell", "crl_expired"),
    CrlMode.FUTURE: ("cannot_tell", "crl_future"),
    CrlMode.WRONG_SIGNER: ("cannot_tell", "crl_signature"),
    CrlMode.WRONG_PARTITION: ("cannot_tell", "crl_other_point"),
    CrlMode.BAD_SIGNATURE: ("cannot_tell", "crl_signature"),
    CrlMode.HTML: ("cannot_tell", "crl_malformed"),
}


@pytest.mark.parametrize("mode", JUDGED)
def test_our_validator_on_each_mode(
    pki: SynthPki, server: CrlServer, hanako: bytes, mode: CrlMode
) -> None:
    server.mode = mode
    body = request(server.list_url(Family.AUTH, 3, KIYOSE)).body
    trust = TrustStore(Environment.TEST, pki.trust_anchors())
    verdict = Validator(trust, crls=[body]).validate(hanako, family=Family.AUTH)
    check = verdict.check("revocation")
    assert check is not None
    assert (check.outcome.value, check.code) == JUDGED[mode]


def test_transport_lies(server: CrlServer) -> None:
    url = server.list_url(Family.AUTH, 3, KIYOSE)
    whole = request(url).body
    server.mode = "truncated"
    with pytest.raises(http.client.IncompleteRead) as cut:
        request(url)
    assert whole.startswith(cut.value.partial)
    server.mode = "redirect"
    reply = request(url)
    assert (reply.status, reply.headers["location"]) == (302, f"/crl/auth/3/{KIYOSE}.crl")
    server.mode = "unavailable"
    assert request(url).status == 503
    server.mode = "oversize"
    reply = request(url, most=1_000_000)
    assert len(reply.body) == 1_000_000
    assert "content-length" not in reply.headers
    assert [seen.mode for seen in server.requests[1:]] == [
        "truncated", "redirect", "unavailable", "oversize",
    ]  # fmt: skip
