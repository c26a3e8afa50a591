# SPDX-License-Identifier: Apache-2.0
"""The login challenge: canonical text, strict parsing, nothing echoed from a hostile file."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jpki.errors import ChallengeError
from jpki.verifying.challenge import (
    Challenge,
    Response,
    new_challenge,
    parse_challenge,
    parse_response,
)

NOW = datetime(2026, 11, 21, 3, 4, 5, 678, tzinfo=UTC)


def fixed() -> Challenge:
    return Challenge(
        id="AAAAAAAAAAAAAAAAAAAAAA",
        nonce=bytes(range(32)),
        origin="https://city.example",
        purpose="図書館",
        issued_at=datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC),
        expires_at=datetime(2026, 11, 21, 3, 9, 5, tzinfo=UTC),
    )


def test_signed_text_is_the_canonical_form() -> None:
    # Written out by hand: other implementations must be able to make the same bytes.
    assert fixed().signed_text() == (
        b"jpki-auth/1\n"
        b'{"expires_at":"2026-11-21T03:09:05Z","id":"AAAAAAAAAAAAAAAAAAAAAA",'
        b'"issued_at":"2026-11-21T03:04:05Z",'
        b'"nonce":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",'
        b'"origin":"https://city.example","purpose":"\xe5\x9b\xb3\xe6\x9b\xb8\xe9\xa4\xa8",'
        b'"schema":"jpki.auth.challenge/1"}'
    )


def test_two_challenges_differ_in_id_and_nonce() -> None:
    one, two = (new_challenge("https://a.example", "login", now=NOW) for _ in range(2))
    assert one.id != two.id
    assert one.nonce != two.nonce
    assert one.expires_at - one.issued_at == timedelta(minutes=5)


def test_round_trip() -> None:
    challenge = fixed()
    assert parse_challenge(json.dumps(challenge.to_object()).encode()) == challenge
    response = Response(challenge, b"certificate", b"signature")
    assert parse_response(json.dumps(response.to_object()).encode()) == response


def test_repr_shows_neither_nonce_nor_certificate() -> None:
    shown = repr(Response(fixed(), b"certificate", b"signature"))
    assert "certificate=" not in shown
    assert "nonce" not in shown


def test_expiry_is_exact() -> None:
    challenge = fixed()
    assert not challenge.is_expired(challenge.expires_at - timedelta(microseconds=1))
    assert challenge.is_expired(challenge.expires_at)


Change = Callable[[dict[str, Any]], object]

BAD: list[tuple[Change, str]] = [
    (lambda o: o.update(schema="jpki.auth.challenge/2"), "schema"),
    (lambda o: o.pop("nonce"), "member"),
    (lambda o: o.update(extra=1), "member"),
    (lambda o: o.update(nonce="AAAA"), "member"),
    (lambda o: o.update(nonce="!!!"), "member"),
    (lambda o: o.update(nonce=5), "member"),
    (lambda o: o.update(id="short"), "member"),
    (lambda o: o.update(id=7), "member"),
    (lambda o: o.update(origin=""), "member"),
    (lambda o: o.update(origin="https://a.example\u202egpj"), "member"),
    (lambda o: o.update(origin="https://a.example\x1b[2J"), "member"),
    (lambda o: o.update(origin=" https://a.example"), "member"),
    (lambda o: o.update(purpose="x" * 257), "member"),
    (lambda o: o.update(issued_at="2026-11-21T03:04:05+09:00"), "member"),
    (lambda o: o.update(issued_at=0), "member"),
    (lambda o: o.update(expires_at="2026-11-21T03:04:05Z"), "member"),
    (lambda o: o.update(expires_at="2026-11-23T03:04:05Z"), "member"),
]


@pytest.mark.parametrize(("change", "reason"), BAD)
def test_bad_members_are_refused(change: Change, reason: str) -> None:
    raw: dict[str, Any] = dict(fixed().to_object())
    change(raw)
    with pytest.raises(ChallengeError) as caught:
        parse_challenge(json.dumps(raw).encode())
    assert caught.value.values["reason"] == reason


def test_every_truncation_is_refused() -> None:
    whole = json.dumps(Response(fixed(), b"c" * 40, b"s" * 40).to_object()).encode()
    for length in range(len(whole)):
        with pytest.raises(ChallengeError):
            parse_response(whole[:length])


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"\xff\xfe", b'{"schema":1,"schema":2}', b"[" * 60000, b" " * 70000],
)
def test_what_is_not_a_challenge_is_refused(data: bytes) -> None:
    with pytest.raises(ChallengeError):
        parse_challenge(data)


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(days=2), timedelta(seconds=-5)])
def test_a_life_time_out_of_bounds_is_refused(ttl: timedelta) -> None:
    with pytest.raises(ChallengeError):
        new_challenge("https://a.example", "login", ttl=ttl, now=NOW)
