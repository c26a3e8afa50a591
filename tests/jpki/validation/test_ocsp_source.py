# SPDX-License-Identifier: Apache-2.0
"""When a responder is asked at all, and how long its answer is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from jpki.certificate import Family, parse_certificate
from jpki.synth import ocsp as synth_ocsp
from jpki.synth.municipalities import KIYOSE
from jpki.synth.pki import SynthPki
from jpki.validation import OcspClient, Preference, RevocationMode, TrustStore, Validator
from jpki.validation.ocsp_request import question_about
from jpki.validation.ocsp_source import ask_if_needed
from jpki.validation.times import Moment
from jpki.verdict import Outcome

Build = Callable[..., Validator]
Respond = Callable[..., bytes]
SERIAL, OTHER = 0x0700ABCD, 0x0700ABCE
DAY = timedelta(days=1)


class Responder(OcspClient):
    """Always gives the same answer, and counts how often it is asked."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("http://ocsp.example/", nonce=False)
        self.answer = answer
        self.count = 0

    def _persist(self, request: bytes) -> bytes:
        self.count += 1
        return self.answer


@pytest.fixture(scope="module")
def certificate(make: Callable[..., bytes]) -> bytes:
    return make(Family.AUTH, serial=SERIAL)


@pytest.fixture(scope="module")
def respond(pki: SynthPki, certificate: bytes) -> Respond:
    """An answer about the certificate."""

    def respond(status: str = "good", **options: object) -> bytes:
        return pki.ocsp_response(certificate, status, **options)  # type: ignore[arg-type]

    return respond


def outcome(validator: Validator, certificate: bytes) -> Outcome:
    check = validator.validate(certificate).check("revocation")
    assert check is not None
    return check.outcome


@pytest.mark.parametrize("preference", Preference)
def test_who_is_known_to_be_revoked_is_not_asked_about(
    validator: Build, pki: SynthPki, certificate: bytes, respond: Respond, preference: Preference
) -> None:
    listed = pki.crl(Family.AUTH, 3, KIYOSE, [(SERIAL, pki.at - 3 * DAY, 4)])
    clean = pki.crl(Family.AUTH, 3, KIYOSE, [])
    for at_hand in ({"crls": [listed]}, {"crls": [clean], "ocsp": [respond("revoked")]}):
        responder = Responder(respond())
        judge = validator(preference=preference, ocsp_client=responder, **at_hand)
        assert outcome(judge, certificate) is Outcome.INVALID
        assert responder.count == 0


@pytest.mark.parametrize("preference", Preference)
@pytest.mark.parametrize(("days", "asked"), [(1, 0), (-1, 1)], ids=["fresh", "stale"])
def test_an_answer_at_hand_is_enough_if_it_is_fresh(
    validator: Build,
    pki: SynthPki,
    certificate: bytes,
    respond: Respond,
    preference: Preference,
    days: int,
    asked: int,
) -> None:
    held = respond(next_update=pki.at + days * DAY)
    responder = Responder(respond())
    clean = [] if preference is Preference.CRL else [pki.crl(Family.AUTH, 3, KIYOSE, [])]
    judge = validator(preference=preference, crls=clean, ocsp=[held], ocsp_client=responder)
    assert outcome(judge, certificate) is Outcome.VALID
    assert responder.count == asked


def test_where_no_responder_is_named_a_stale_answer_is_all_there_is(
    validator: Build, pki: SynthPki, certificate: bytes, respond: Respond
) -> None:
    judge = validator(ocsp=[respond(next_update=pki.at - DAY)])
    assert outcome(judge, certificate) is Outcome.CANNOT_TELL


def test_whether_a_verdict_may_wait_for_a_server(validator: Build, respond: Respond) -> None:
    assert validator().at_once
    assert validator(ocsp=[respond()]).at_once
    responder = Responder(respond())
    assert not validator(ocsp_client=responder).at_once
    assert validator(ocsp_client=responder, revocation=RevocationMode.NONE).at_once


def about_two(pki: SynthPki, *hours: int | None) -> bytes:
    """An answer about the certificate and another one; each good for so many hours."""
    authority = pki.authority(Family.AUTH, 3)
    singles = [
        synth_ocsp.Single(
            cert_id=synth_ocsp.cert_id(authority, serial, "sha1"),
            status=synth_ocsp.Status(word="good"),
            this_update=pki.at,
            next_update=None if length is None else pki.at + timedelta(hours=length),
        )
        for serial, length in zip((SERIAL, OTHER), hours, strict=True)
    ]
    return synth_ocsp.answer(synth_ocsp.responder(authority, pki.at, "delegated"), singles, pki.at)


@pytest.mark.parametrize(
    ("hours", "asked"),
    [
        ((4, 2), [1, 1, 2]),
        ((4, 9), [1, 1, 1]),
        ((4, None), [1, 2, 3]),
        ((None, None), [1, 2, 3]),
    ],
)
def test_an_answer_is_kept_until_the_first_of_its_ends(
    validator: Build,
    pki: SynthPki,
    certificate: bytes,
    hours: tuple[int | None, int | None],
    asked: list[int],
) -> None:
    """One without an end is believed where its age is limited, and is not kept."""
    responder = Responder(about_two(pki, *hours))
    counts = []
    for hour in (0, 1, 3):
        now = pki.at + timedelta(hours=hour)
        judge = validator(now=now, ocsp_client=responder, max_age=DAY)
        assert outcome(judge, certificate) is Outcome.VALID
        counts.append(responder.count)
    assert counts == asked


def test_an_answer_that_tells_nothing_is_not_kept(
    trust: TrustStore, pki: SynthPki, certificate: bytes, respond: Respond
) -> None:
    read = parse_certificate(certificate)
    anchor = Validator(trust).anchor_of(read)
    assert anchor is not None
    responder, question = Responder(respond()), question_about(read, anchor)
    moment = Moment(pki.at, pki.at)
    for _ in range(2):
        found = ask_if_needed(
            responder, question, moment, Preference.OCSP, [], [], lambda _answer: []
        )
        assert found == []
    assert responder.count == 2
