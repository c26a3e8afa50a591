# SPDX-License-Identifier: Apache-2.0
"""The OCSP client against a real server on loopback, one that lies in every way it can."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from jpki.certificate import Family, parse_certificate
from jpki.errors import ConfigurationError
from jpki.synth.keystore import stored_key
from jpki.synth.ocsp import responder_certificate
from jpki.synth.pki import SynthPki
from jpki.testing.ocsp_server import OcspMode, OcspServer
from jpki.validation import (
    OcspClient,
    OcspTimes,
    OcspUnavailableError,
    Preference,
    TrustStore,
    Validator,
)
from jpki.validation.ocsp_request import OcspQuestion, load_signer, question_about
from jpki.validation.rfc5280 import GeneralOptions, GeneralValidator
from jpki.verdict import Outcome

Make = Callable[..., bytes]
Build = Callable[..., Validator]
# Short, so that waiting for what never comes costs a test nothing.
QUICK = OcspTimes(timeout=5.0, retries=2, wait=0.0, failures=1000)


@pytest.fixture
def server(pki: SynthPki, at: datetime) -> Iterator[OcspServer]:
    with OcspServer(pki, clock=lambda: at, delay=0.5) as server:
        yield server


@pytest.fixture(scope="module")
def certificate(make: Make) -> bytes:
    return make(Family.AUTH)


@pytest.fixture(scope="module")
def question(trust: TrustStore, certificate: bytes) -> OcspQuestion:
    read = parse_certificate(certificate)
    anchor = Validator(trust).anchor_of(read)
    assert anchor is not None
    return question_about(read, anchor)


def said(validator: Validator, certificate: bytes) -> tuple[Outcome, str, object]:
    check = validator.validate(certificate).check("revocation")
    assert check is not None
    return check.outcome, check.code, check.values.get("reason")


CANNOT = Outcome.CANNOT_TELL
MODES = {
    OcspMode.GOOD: (Outcome.VALID, "ocsp_good", None),
    OcspMode.REVOKED: (Outcome.INVALID, "revoked", "superseded"),
    OcspMode.UNKNOWN: (CANNOT, "ocsp_unknown", None),
    OcspMode.STALE: (CANNOT, "ocsp_stale", None),
    OcspMode.FUTURE: (CANNOT, "ocsp_future", None),
    OcspMode.WRONG_NONCE: (CANNOT, "ocsp_nonce", None),
    OcspMode.NO_NONCE: (CANNOT, "ocsp_nonce", None),
    OcspMode.WRONG_CERTIFICATE: (CANNOT, "ocsp_other_certificate", None),
    OcspMode.WRONG_RESPONDER: (CANNOT, "ocsp_responder", None),
    OcspMode.ROGUE: (CANNOT, "ocsp_responder", None),
    OcspMode.NO_EKU: (CANNOT, "ocsp_responder", None),
    OcspMode.EXPIRED_RESPONDER: (CANNOT, "ocsp_responder", None),
    OcspMode.BAD_SIGNATURE: (CANNOT, "ocsp_signature", None),
    OcspMode.TRY_LATER: (CANNOT, "ocsp_refused", None),
    OcspMode.UNAUTHORIZED: (CANNOT, "ocsp_refused", None),
    OcspMode.UNAVAILABLE: (CANNOT, "ocsp_no_answer", "http_server_error"),
    OcspMode.HTML: (CANNOT, "ocsp_no_answer", "not_ocsp"),
    OcspMode.OVERSIZE: (CANNOT, "ocsp_no_answer", "too_large"),
    OcspMode.REDIRECT: (CANNOT, "ocsp_no_answer", "redirect"),
    OcspMode.TRUNCATED: (CANNOT, "ocsp_malformed", "truncated"),
}
# An answer that nobody who knows better would give; the client cannot know better.
UNDETECTABLE = {OcspMode.LYING, OcspMode.SLOW}


def test_every_mode_is_in_the_table() -> None:
    assert MODES.keys() | UNDETECTABLE == set(OcspMode)


@pytest.mark.parametrize("mode", MODES)
def test_modes(validator: Build, server: OcspServer, certificate: bytes, mode: OcspMode) -> None:
    server.mode = mode
    client = OcspClient(server.url, times=QUICK)
    assert said(validator(ocsp_client=client), certificate) == MODES[mode]


@pytest.mark.parametrize("mode", [m for m, s in MODES.items() if s[0] is Outcome.CANNOT_TELL])
def test_the_general_profile_believes_no_more(
    pki: SynthPki, at: datetime, server: OcspServer, certificate: bytes, mode: OcspMode
) -> None:
    server.mode = mode
    options = GeneralOptions(at=at, client=OcspClient(server.url, times=QUICK))
    assert GeneralValidator(pki.trust_anchors(), options).validate(certificate).outcome is CANNOT


@pytest.mark.parametrize("mode", [OcspMode.GOOD, OcspMode.REVOKED])
def test_the_general_profile_hears_an_answer(
    pki: SynthPki, at: datetime, server: OcspServer, certificate: bytes, mode: OcspMode
) -> None:
    server.mode = mode
    options = GeneralOptions(at=at, client=OcspClient(server.url, times=QUICK))
    verdict = GeneralValidator(pki.trust_anchors(), options).validate(certificate)
    assert verdict.outcome is MODES[mode][0]


@pytest.mark.parametrize(
    ("mode", "sent"), [(OcspMode.UNAVAILABLE, 3), (OcspMode.HTML, 1), (OcspMode.REDIRECT, 1)]
)
def test_only_what_may_pass_is_tried_again(
    server: OcspServer, question: OcspQuestion, at: datetime, mode: OcspMode, sent: int
) -> None:
    server.mode = mode
    waits: list[float] = []
    times = OcspTimes(retries=2, wait=0.1)
    with pytest.raises(OcspUnavailableError):
        OcspClient(server.url, times=times, sleep=waits.append).ask(question, at)
    assert server.count == sent
    assert waits == [0.1, 0.2][: sent - 1]


def test_a_slow_server_is_given_up(
    server: OcspServer, question: OcspQuestion, at: datetime
) -> None:
    server.mode = OcspMode.SLOW
    client = OcspClient(server.url, times=OcspTimes(timeout=0.05, retries=0))
    with pytest.raises(OcspUnavailableError) as caught:
        client.ask(question, at)
    assert caught.value.values["reason"] == "timeout"


def test_nobody_listens(question: OcspQuestion, at: datetime) -> None:
    client = OcspClient("http://127.0.0.1:1/", times=QUICK, sleep=lambda _: None)
    with pytest.raises(OcspUnavailableError) as caught:
        client.ask(question, at)
    assert caught.value.values["reason"] == "unreachable"
    assert "127.0.0.1" not in str(caught.value)


def test_after_failures_nothing_is_sent_for_a_while(
    server: OcspServer, question: OcspQuestion, at: datetime
) -> None:
    now = [0.0]
    times = OcspTimes(timeout=1e9, retries=0, failures=3, pause=30.0)
    client = OcspClient(server.url, times=times, clock=lambda: now[0])
    server.mode = OcspMode.UNAVAILABLE
    reasons = []
    for _ in range(5):
        with pytest.raises(OcspUnavailableError) as caught:
            client.ask(question, at)
        reasons.append(caught.value.values["reason"])
    assert reasons == ["http_server_error"] * 3 + ["circuit_open"] * 2
    assert server.count == 3
    server.mode = OcspMode.GOOD
    now[0] = 30.0
    client.ask(question, at)
    assert server.count == 4


def test_an_answer_is_kept_for_its_certificate_and_its_lifetime(
    validator: Build, make: Make, server: OcspServer, certificate: bytes, at: datetime
) -> None:
    client = OcspClient(server.url)
    for _ in range(3):
        assert said(validator(ocsp_client=client), certificate)[0] is Outcome.VALID
    assert server.count == 1
    assert said(validator(ocsp_client=client), make(Family.SIGN))[0] is Outcome.VALID
    assert server.count == 2
    later = at + timedelta(minutes=30)  # nextUpdate of what was kept
    said(validator(now=later, ocsp_client=client), certificate)
    assert server.count == 3


@pytest.mark.parametrize("mode", [OcspMode.ROGUE, OcspMode.UNKNOWN, OcspMode.STALE])
def test_what_is_not_believed_is_not_kept(
    validator: Build, server: OcspServer, certificate: bytes, mode: OcspMode
) -> None:
    client = OcspClient(server.url)
    server.mode = mode
    assert said(validator(ocsp_client=client), certificate)[0] is CANNOT
    server.mode = OcspMode.GOOD
    assert said(validator(ocsp_client=client), certificate)[0] is Outcome.VALID
    assert server.count == 2


def test_the_cache_has_an_end(server: OcspServer, make: Make, validator: Build) -> None:
    client = OcspClient(server.url, cache=1)
    first, second = make(Family.AUTH), make(Family.SIGN)
    for data in (first, second, first):
        said(validator(ocsp_client=client), data)
    assert server.count == 3


# Preference, CRLs at hand, mode of the server; what comes out, and how many questions it took.
POLICIES = [
    (Preference.CRL, True, OcspMode.REVOKED, (Outcome.VALID, "crl_good"), 0),
    (Preference.CRL, False, OcspMode.GOOD, (Outcome.VALID, "ocsp_good"), 1),
    (Preference.OCSP, True, OcspMode.REVOKED, (Outcome.INVALID, "revoked"), 1),
    (Preference.OCSP, True, OcspMode.HTML, (Outcome.VALID, "crl_good"), 1),
    (Preference.OCSP, True, OcspMode.UNKNOWN, (CANNOT, "ocsp_unknown"), 1),
    (Preference.BOTH, True, OcspMode.GOOD, (Outcome.VALID, "crl_good"), 1),
    (Preference.BOTH, True, OcspMode.REVOKED, (Outcome.INVALID, "revoked"), 1),
    (Preference.BOTH, True, OcspMode.HTML, (CANNOT, "one_source_only"), 1),
    (Preference.BOTH, False, OcspMode.GOOD, (CANNOT, "one_source_only"), 1),
]


@pytest.mark.parametrize(("preference", "lists", "mode", "wanted", "sent"), POLICIES)
def test_preference(
    validator: Build,
    pki: SynthPki,
    server: OcspServer,
    certificate: bytes,
    preference: Preference,
    lists: bool,
    mode: OcspMode,
    wanted: tuple[Outcome, str],
    sent: int,
) -> None:
    server.mode = mode
    judge = validator(
        preference=preference,
        crls=pki.crls() if lists else (),
        ocsp_client=OcspClient(server.url, times=QUICK),
    )
    assert said(judge, certificate)[:2] == wanted
    assert server.count == sent


def test_offline_sends_nothing(validator: Build, server: OcspServer, certificate: bytes) -> None:
    client = OcspClient(server.url, offline=True)
    wanted = (CANNOT, "ocsp_no_answer", "offline")
    assert said(validator(ocsp_client=client), certificate) == wanted
    assert server.count == 0


def test_production_without_a_declaration_sends_nothing(server: OcspServer, pki: SynthPki) -> None:
    from jpki.certificate import Environment

    faithful = SynthPki(pki.at, faithful_dn=True)
    trust = TrustStore(Environment.PRODUCTION)
    judge = Validator(trust, ocsp_client=OcspClient(server.url), clock=lambda: pki.at)
    data = _holder(faithful)
    assert said(judge, data)[:2] == (CANNOT, "not_permitted")
    assert server.count == 0


def _holder(pki: SynthPki) -> bytes:
    from jpki.synth.end_entity import EndEntityRequest
    from jpki.synth.keystore import any_stored_key

    key = any_stored_key("card-00-auth").public_key()
    return pki.end_entity(EndEntityRequest(family=Family.AUTH, public_key=key))


def test_threads_share_a_client(
    trust: TrustStore, server: OcspServer, make: Make, at: datetime
) -> None:
    client = OcspClient(server.url)
    validator = Validator(trust, ocsp_client=client, clock=lambda: at)
    certificates = [make(Family.AUTH, serial=0x2000 + n) for n in range(8)]
    found: list[Outcome] = []

    def work(start: int) -> None:
        for step in range(len(certificates)):
            data = certificates[(start + step) % len(certificates)]
            found.append(said(validator, data)[0])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [Outcome.VALID] * 64


def _signer_files(pki: SynthPki) -> tuple[bytes, bytes]:
    key = stored_key("ocsp-auth-3").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key, responder_certificate(pki.authority(Family.AUTH, 3), pki.at)


def test_a_signed_request_is_answered(
    pki: SynthPki, validator: Build, server: OcspServer, certificate: bytes
) -> None:
    key, own = _signer_files(pki)
    client = OcspClient(server.url, signer=load_signer(key, (own,)))
    assert said(validator(ocsp_client=client), certificate)[0] is Outcome.VALID


@pytest.mark.parametrize(
    "url",
    [
        "ocsp.example",
        "ftp://ocsp.example/",
        "file:///etc/passwd",
        "http://",
        "http://user:word@ocsp.example/",
        "http://ocsp.example:99999/",
        "http://ocsp.example/\r\nX: y",
        "http://ocsp.example/ x",
        "http://ocsp.example/#part",
        "http://ocsp.例え/",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OcspClient(url)
    assert "example" not in str(caught.value)
