# SPDX-License-Identifier: Apache-2.0
"""A platform operator, asked over a real socket: what it answers, and how it fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from jpki.certificate.kinds import Family, Medium
from jpki.errors import ConfigurationError
from jpki.mapping.answers import Outcome
from jpki.mapping.index import CertificateRef
from jpki.mapping.platform import PlatformError, Validity
from jpki.mapping.platform_http import HttpPlatform
from jpki.mapping.policy import LinkKind, Operation
from jpki.mapping.presentation import Presentation, verify_presentation
from jpki.synth import Reason, SynthPki
from jpki.synth.municipalities import KIYOSE
from jpki.testing.platform_server import PlatformMode, PlatformServer
from jpki.verifying.challenge import new_challenge
from map_bench import NOW, ORIGIN, Bench, Clock, Holder, holder, validator

INFO = {"name": "試験 太郎", "address": "東京都清瀬市中里五丁目842番地", "birth": "1980-02-17"}
CHALLENGE = new_challenge(ORIGIN, "library: register", now=NOW)
_VALIDATOR = validator(Clock())


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer(SynthPki(NOW), delay=5.0, clock=lambda: NOW) as running:
        yield running


def client(server: PlatformServer, token: str = "tenant-1", timeout: float = 10.0) -> HttpPlatform:
    return HttpPlatform(server.url, server.key, token=token, timeout=timeout)


def ref_of(who: Holder) -> CertificateRef:
    found = verify_presentation(who.answer(CHALLENGE), _VALIDATOR, now=NOW)
    assert isinstance(found, Presentation)
    return found.ref


def revoke(server: PlatformServer, who: Holder, reason: Reason) -> None:
    since = NOW - timedelta(days=2)
    server.pki.revoke(who.family, 3, KIYOSE.code, who.serial, since, reason)


# --- what the map asks ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (None, ""),
        (Reason.AFFILIATION_CHANGED, "affiliation_changed"),
        (Reason.CERTIFICATE_HOLD, "certificate_hold"),
        (Reason.KEY_COMPROMISE, "key_compromise"),
    ],
)
def test_status(server: PlatformServer, reason: Reason | None, word: str) -> None:
    who = holder()
    if reason is not None:
        revoke(server, who, reason)
    answer = client(server).status(ref_of(who))
    assert answer.validity is (Validity.GOOD if reason is None else Validity.REVOKED)
    assert (answer.reason, answer.at, answer.reference) == (word, NOW, "TEST-1")


@pytest.mark.parametrize(
    ("kind", "asked", "answered"),
    [
        (LinkKind.OLD_NEW, 1, 0),
        (LinkKind.SIGN_AUTH, 1, 2),
        (LinkKind.SIGN_AUTH, 2, 1),
        (LinkKind.CARD_PHONE, 1, 3),
        (LinkKind.CARD_PHONE, 3, 1),
        (LinkKind.OLD_NEW, 0, None),
        (LinkKind.OLD_NEW, 3, None),
        (LinkKind.CARD_PHONE, 2, None),
    ],
)
def test_links(server: PlatformServer, kind: LinkKind, asked: int, answered: int | None) -> None:
    """old, new, sign, phone: what belongs together, and nothing for who is not known."""
    people = [holder(), holder(slot=1), holder(Family.SIGN), holder(medium=Medium.PHONE)]
    server.know(*(who.certificate for who in people))
    answer = client(server).linked(ref_of(people[asked]), kind)
    if answered is None:
        assert answer is None
    else:
        assert answer is not None
        assert (answer.kind, answer.other) == (kind, ref_of(people[answered]))
    assert client(server).linked(ref_of(holder()), kind) is None


def test_latest_info_is_what_was_consented_to_and_asked_for(server: PlatformServer) -> None:
    auth, sign = holder(), holder(Family.SIGN)
    server.know(auth.certificate, sign.certificate, info=INFO, consented={"name", "address"})
    ask = client(server).latest_info
    ref = ref_of(auth)
    assert ask(ref, frozenset({"name"})) == {"name": INFO["name"]}
    assert code_of(lambda: ask(ref, frozenset({"name", "birth"}))) == ("platform_refused", 403)
    assert code_of(lambda: ask(ref_of(holder()), frozenset({"name"}))) == ("platform_unknown", 404)
    revoke(server, sign, Reason.AFFILIATION_CHANGED)
    assert code_of(lambda: ask(ref, frozenset({"name"}))) == ("platform_sign_stale", 410)


def code_of(call: Callable[[], object]) -> tuple[str, object]:
    with pytest.raises(PlatformError) as caught:
        call()
    return caught.value.code, caught.value.values["status"]


# --- what a service provider asks -------------------------------------------------------


def test_registration_login_replacement(server: PlatformServer) -> None:
    """The walk of one user, with 404, 409, 410 and 401 where they belong."""
    auth, old, new = holder(), holder(Family.SIGN), holder(Family.SIGN, slot=1)
    server.know(auth.certificate, old.certificate, new.certificate)
    here, there = client(server), client(server, "tenant-2")
    proof = {who: who.answer(CHALLENGE) for who in (auth, old, new)}
    assert code_of(lambda: here.login(proof[auth])) == ("platform_unknown", 404)
    assert code_of(lambda: here.replace(proof[new])) == ("platform_unknown", 404)
    user = here.register(proof[old])
    assert code_of(lambda: here.register(proof[old])) == ("platform_duplicate", 409)
    assert here.login(proof[auth]).id == user.id
    # Another service provider gets another id for the same person.
    assert there.register(proof[old]).id != user.id
    revoke(server, old, Reason.AFFILIATION_CHANGED)
    assert code_of(lambda: here.login(proof[auth])) == ("platform_sign_stale", 410)
    assert here.replace(proof[new]).id == user.id
    assert here.login(proof[auth]).id == user.id
    assert code_of(lambda: here.replace(proof[new])) == ("platform_duplicate", 409)
    assert code_of(lambda: here.replace(proof[old])) == ("platform_refused", 401)
    revoke(server, auth, Reason.SUPERSEDED)
    assert code_of(lambda: here.login(proof[auth])) == ("platform_refused", 401)


@pytest.mark.parametrize("fault", ["signature", "family", "foreign", "expired"])
def test_what_is_not_valid_is_401(server: PlatformServer, fault: str) -> None:
    who = {
        "signature": Holder(holder(Family.SIGN).certificate, holder(slot=3).key, 0),
        "family": holder(Family.AUTH),
        "foreign": foreign(),
        "expired": holder(Family.SIGN, not_after=NOW - timedelta(days=1)),
    }[fault]
    asked = client(server)
    assert code_of(lambda: asked.register(who.answer(CHALLENGE))) == ("platform_refused", 401)


def foreign() -> Holder:
    """A certificate whose issuer's signature is somebody else's."""
    whole = holder(Family.SIGN)
    der = bytearray(whole.certificate)
    der[-1] ^= 1
    return Holder(bytes(der), whole.key, whole.serial)


# --- faults -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "code", "status"),
    [
        (PlatformMode.GARBAGE, "platform_answer", 200),
        (PlatformMode.HTML, "platform_answer", 200),
        (PlatformMode.TRUNCATED, "platform_answer", 200),
        (PlatformMode.OVERSIZE, "platform_answer", 200),
        (PlatformMode.REDIRECT, "platform_down", 302),
        (PlatformMode.UNAVAILABLE, "platform_down", 503),
        (PlatformMode.SLOW, "platform_down", 0),
        (PlatformMode.REFUSING, "platform_refused", 401),
    ],
)
def test_no_fault_is_an_answer(
    server: PlatformServer, mode: PlatformMode, code: str, status: int
) -> None:
    who, sign = holder(), holder(Family.SIGN)
    server.know(sign.certificate, who.certificate, info=INFO, consented=INFO)
    client(server).register(sign.answer(CHALLENGE))
    asked = client(server, timeout=0.3 if mode is PlatformMode.SLOW else 10.0)
    ref, before = ref_of(who), server.count
    server.mode = mode
    calls: list[Callable[[], Any]] = [
        lambda: asked.status(ref),
        lambda: asked.linked(ref, LinkKind.SIGN_AUTH),
        lambda: asked.latest_info(ref, frozenset({"name"})),
        lambda: asked.login(who.answer(CHALLENGE)),
    ]
    for call in calls:
        assert code_of(call) == (code, status)
    # Nothing is repeated, and no redirect is followed (a slow answer is logged when it is sent).
    assert server.count - before <= len(calls)


def test_down(server: PlatformServer) -> None:
    asked, ref = client(server), ref_of(holder())
    server.close()
    assert code_of(lambda: asked.status(ref)) == ("platform_down", 0)


def test_more_than_was_asked_for_is_not_taken(server: PlatformServer) -> None:
    auth, sign = holder(), holder(Family.SIGN)
    server.know(auth.certificate, sign.certificate, info=INFO, consented=INFO)
    server.mode = PlatformMode.MORE_ITEMS
    answer = code_of(lambda: client(server).latest_info(ref_of(auth), frozenset({"name"})))
    assert answer == ("platform_answer", 200)


@pytest.mark.parametrize(
    "url",
    ["http://platform.example/", "ftp://127.0.0.1/", "https://", "https://user:secret@p.example/"],
)
def test_addresses_that_are_not_taken(server: PlatformServer, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HttpPlatform(url, server.key)
    assert caught.value.values == {"reason": "platform_url"}
    with pytest.raises(ConfigurationError):
        HttpPlatform(server.url, b"no key")


def test_nothing_of_a_person_is_seen_on_the_way(
    server: PlatformServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the log of either side, nor in the open on the wire, nor in an error."""
    sent: list[bytes] = []
    plain_respond = server.respond

    def respond(request: Any, mode: PlatformMode) -> Any:
        sent.append(request.body)
        return plain_respond(request, mode)

    server.respond = respond  # type: ignore[method-assign]
    who = holder(Family.SIGN, serial=0x5A17C0FFEE5EED)
    with caplog.at_level(logging.DEBUG):
        client(server).status(ref_of(who))
        client(server).register(who.answer(CHALLENGE))
        server.mode = PlatformMode.REFUSING
        with pytest.raises(PlatformError) as caught:
            client(server).status(ref_of(who))
    seen = caplog.text.encode() + b"".join(sent) + repr(caught.value).encode()
    seen += repr(client(server)).encode() + repr(server.requests).encode()
    for secret in (b"5a17c0ffee5eed", str(who.serial).encode(), "試験".encode(), b"tenant-1"):
        assert secret not in seen
    assert len(sent) == 3


# --- with the map -----------------------------------------------------------------------


def renew(bench: Bench, server: PlatformServer, new: Holder, kind: LinkKind) -> Any:
    evidence = bench.evidence(new, Operation.LINK, detail=kind.value)
    return bench.map.link(bench.map.verify(evidence), bench.asker(), kind, platform=client(server))


@pytest.mark.parametrize("kind", LinkKind)
def test_a_link_that_the_platform_knows(
    bench: Bench, server: PlatformServer, kind: LinkKind
) -> None:
    old = holder()
    new = {
        LinkKind.OLD_NEW: holder(slot=1),
        LinkKind.SIGN_AUTH: holder(Family.SIGN),
        LinkKind.CARD_PHONE: holder(medium=Medium.PHONE),
    }[kind]
    pseudonym = bench.ask(old, Operation.ENROL).pseudonym
    assert renew(bench, server, new, kind).reason == "link_evidence"
    server.know(old.certificate, new.certificate)
    answer = renew(bench, server, new, kind)
    assert (answer.outcome, answer.pseudonym) == (Outcome.RESOLVED, pseudonym)
    view = bench.map.disclose(
        bench.map.verify(bench.evidence(old if kind is not LinkKind.OLD_NEW else new,
                                        Operation.DISCLOSE)), bench.asker()
    ).view  # fmt: skip
    assert [(link.kind, link.evidence) for link in view.links] == [(kind.value, "platform")]


def test_another_link_than_was_asked_for_is_none(bench: Bench, server: PlatformServer) -> None:
    old, new = holder(), holder(slot=1)
    bench.ask(old, Operation.ENROL)
    server.know(old.certificate, new.certificate)
    server.mode = PlatformMode.WRONG_KIND
    assert renew(bench, server, new, LinkKind.OLD_NEW).reason == "link_evidence"


def test_a_platform_that_is_down_leaves_everything_as_it_was(
    bench: Bench, server: PlatformServer
) -> None:
    old, new = holder(), holder(slot=1)
    bench.ask(old, Operation.ENROL)
    server.know(old.certificate, new.certificate)
    server.mode = PlatformMode.UNAVAILABLE
    entries = bench.map.verify_ledger().entries
    with pytest.raises(PlatformError):
        renew(bench, server, new, LinkKind.OLD_NEW)
    assert bench.map.verify_ledger().entries == entries
    assert bench.ask(new, Operation.RESOLVE).outcome is Outcome.UNREGISTERED
