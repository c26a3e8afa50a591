# SPDX-License-Identifier: Apache-2.0
"""Login: answered by an emulated card, verified to a verdict; every way to cheat is invalid."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jpki.card import Card
from jpki.card_map import PinKind
from jpki.emulator import EmulatedCard, VirtualConnection, load_card
from jpki.errors import ChallengeError, PinIncorrectError
from jpki.open import load_trust
from jpki.verdict import Outcome, Verdict
from jpki.verifying.challenge import Challenge, Response, new_challenge
from jpki.verifying.login import respond, verify_response
from jpki.verifying.material import ValidationOptions

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
OPTIONS = ValidationOptions(at=NOW)


@pytest.fixture(scope="module")
def challenge() -> Challenge:
    return new_challenge("https://city.example", "library login", now=NOW)


def answer(card: EmulatedCard, challenge: Challenge, pin: bytes = b"1234") -> Response:
    with Card(VirtualConnection(card)) as reader:
        return respond(reader, challenge, bytearray(pin), now=NOW)


@pytest.fixture(scope="module")
def response(challenge: Challenge) -> Response:
    return answer(load_card("hanako", at=NOW), challenge)


def verify(
    response: Response, challenge: Challenge, now: datetime = NOW, trust: str = "test"
) -> Verdict:
    validator = OPTIONS.validator(load_trust(trust, at=NOW))
    return verify_response(response, challenge, validator, now=now)


def outcome_of(verdict: Verdict, name: str) -> tuple[Outcome, str]:
    check = verdict.check(name)
    assert check is not None
    return check.outcome, check.code


def test_a_good_login(response: Response, challenge: Challenge) -> None:
    verdict = verify(response, challenge)
    assert verdict.outcome is Outcome.VALID
    assert outcome_of(verdict, "single_use") == (Outcome.NOT_RUN, "no_challenge_store")
    assert verdict.subject["origin"] == "https://city.example"


def test_another_challenge_of_ours(response: Response, challenge: Challenge) -> None:
    other = new_challenge(challenge.origin, challenge.purpose, now=NOW)
    verdict = verify(response, other)
    assert outcome_of(verdict, "challenge") == (Outcome.INVALID, "challenge_other")
    assert outcome_of(verdict, "login") == (Outcome.INVALID, "login_signature_wrong")


@pytest.mark.parametrize("member", ["origin", "purpose"])
def test_a_challenge_relabelled_after_signing(
    response: Response, challenge: Challenge, member: str
) -> None:
    changed = replace(challenge, **{member: "something else"})  # type: ignore[arg-type]
    verdict = verify(replace(response, challenge=changed), changed)
    assert outcome_of(verdict, "login") == (Outcome.INVALID, "login_signature_wrong")
    assert verdict.outcome is Outcome.INVALID


@pytest.mark.parametrize("position", [0, 100, 255])
def test_an_altered_signature(response: Response, challenge: Challenge, position: int) -> None:
    damaged = bytearray(response.signature)
    damaged[position] ^= 1
    verdict = verify(replace(response, signature=bytes(damaged)), challenge)
    assert outcome_of(verdict, "login") == (Outcome.INVALID, "login_signature_wrong")


def test_somebody_elses_certificate(response: Response, challenge: Challenge) -> None:
    other = answer(load_card("old-g2", at=NOW), challenge)
    verdict = verify(replace(response, certificate=other.certificate), challenge)
    assert outcome_of(verdict, "login") == (Outcome.INVALID, "login_signature_wrong")


def test_a_sign_certificate_is_no_login(challenge: Challenge) -> None:
    with Card(VirtualConnection(load_card("hanako", at=NOW))) as reader:
        reader.pins.verify(PinKind.SIGN, bytearray(b"ABC123"))
        certificate = reader.jpki.certificate("sign")
        from jpki.card.jpki_ap import sha256_digest_info

        signature = reader.jpki.sign_digest(
            PinKind.SIGN, sha256_digest_info(challenge.signed_text())
        )
    verdict = verify(Response(challenge, certificate, signature), challenge)
    assert outcome_of(verdict, "login")[0] is Outcome.VALID
    assert verdict.outcome is Outcome.INVALID


def test_a_copied_card(challenge: Challenge) -> None:
    verdict = verify(answer(load_card("copied", at=NOW), challenge), challenge)
    assert verdict.outcome is Outcome.INVALID


def test_an_expired_card(challenge: Challenge) -> None:
    verdict = verify(answer(load_card("jiro-expired", at=NOW), challenge), challenge)
    assert outcome_of(verdict, "validity") == (Outcome.INVALID, "expired")


@pytest.mark.parametrize(
    ("shift", "code"),
    [
        (timedelta(minutes=5), "challenge_expired"),
        (timedelta(seconds=-1), "challenge_not_yet_issued"),
    ],
)
def test_outside_the_time(
    response: Response, challenge: Challenge, shift: timedelta, code: str
) -> None:
    verdict = verify(response, challenge, now=challenge.issued_at + shift)
    assert outcome_of(verdict, "challenge_time") == (Outcome.INVALID, code)


def test_an_expired_challenge_is_refused_before_the_pin(challenge: Challenge) -> None:
    card = load_card("hanako", at=NOW)
    pin = bytearray(b"1234")
    with Card(VirtualConnection(card)) as reader, pytest.raises(ChallengeError):
        respond(reader, challenge, pin, now=challenge.expires_at)
    assert card.apdus == 0


def test_a_wrong_pin(challenge: Challenge) -> None:
    with pytest.raises(PinIncorrectError):
        answer(load_card("hanako", at=NOW), challenge, b"0000")


def test_garbage_for_a_certificate(response: Response, challenge: Challenge) -> None:
    verdict = verify(replace(response, certificate=b"garbage"), challenge)
    assert verdict.outcome is Outcome.INVALID
    assert outcome_of(verdict, "login") == (Outcome.CANNOT_TELL, "login_no_key")


def test_a_test_login_proves_nothing_in_production(
    response: Response, challenge: Challenge
) -> None:
    verdict = verify(response, challenge, trust="production")
    assert outcome_of(verdict, "path") == (Outcome.INVALID, "test_root")
