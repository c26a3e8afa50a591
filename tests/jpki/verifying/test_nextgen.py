# SPDX-License-Identifier: Apache-2.0
"""The card nextgen in check and login: valid under test trust, never in production."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jpki.card import Card, PinState
from jpki.card.layout import EcdsaForm, EcdsaRule, invented_layouts
from jpki.card_map import TEXT_AP, PinKind, TokenKind
from jpki.emulator import EmulatedCard, VirtualConnection, load_card
from jpki.emulator.population import built_in
from jpki.errors import (
    NotOurCardError,
    PinError,
    PinFormatError,
    PinIncorrectError,
    UnsupportedTokenError,
)
from jpki.open import load_trust, open_card, plug, unplug
from jpki.verdict import Headline, Outcome
from jpki.verifying.card_check import CardReport, check_card
from jpki.verifying.challenge import new_challenge
from jpki.verifying.login import respond, verify_response
from jpki.verifying.material import ValidationOptions
from jpki_apdu import readers
from jpki_apdu.errors import FileNotFoundOnCardError, MalformedResponseError, SecurityStatusError

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
PINS = {PinKind.AUTH: b"1234", PinKind.SIGN: b"ABC123"}
(LAYOUT,) = invented_layouts()
DER = dataclasses.replace(LAYOUT, ecdsa=EcdsaRule(p1=0, form=EcdsaForm.DER))


@pytest.fixture
def emulated() -> EmulatedCard:
    return load_card("nextgen", at=AT)


@pytest.fixture
def card(emulated: EmulatedCard) -> Iterator[Card]:
    with Card(VirtualConnection(emulated), layout=LAYOUT) as opened:
        yield opened


def check(card: Card, trust: str, *kinds: PinKind) -> CardReport:
    return check_card(
        card,
        load_trust(trust, at=AT),
        ValidationOptions(at=AT),
        {kind: lambda counter: bytearray(PINS[counter.kind]) for kind in kinds},
    )


def test_info(card: Card) -> None:
    info = card.info()
    assert info.token.kind is TokenKind.NEXTGEN
    assert (info.token.medium, info.token.is_test) == ("card", True)
    assert info.applications == ("jpki", "card-data")
    here = {(c.application_name, c.kind): c for c in info.counters if c.state is PinState.OK}
    assert set(here) == {
        ("jpki", PinKind.AUTH), ("jpki", PinKind.SIGN), ("card-data", PinKind.NUMBER_B),
    }  # fmt: skip
    absent = [c for c in info.counters if c.state is PinState.ABSENT]
    assert len(absent) == len(info.counters) - 3
    assert card.pins.counter(PinKind.TEXT).state is PinState.ABSENT
    assert card.pins.counter(PinKind.SIGN).max_tries == 5


def test_valid_under_test_trust(card: Card) -> None:
    report = check(card, "test", PinKind.AUTH, PinKind.SIGN)
    assert report.verdict.outcome is Outcome.VALID
    assert (report.verdict.genuine, report.verdict.in_force) == (Headline.YES, Headline.YES)
    login = report.verdict.check("login")
    assert login is not None
    assert (login.code, login.values["bits"]) == ("login_signed_ecdsa", 384)
    assert report.sign_holder is not None


@pytest.mark.parametrize("kinds", [(), (PinKind.AUTH,), (PinKind.AUTH, PinKind.SIGN)])
def test_never_valid_in_production(card: Card, kinds: tuple[PinKind, ...]) -> None:
    report = check(card, "production", *kinds)
    assert report.verdict.outcome is Outcome.INVALID
    assert report.verdict.genuine is Headline.NO
    codes = {c.code for c in report.verdict.checks if c.name.endswith("_profile")}
    assert codes == {"algorithm_not_in_law"}


def test_a_trust_of_the_six_roots_cannot_tell(card: Card, tmp_path: Path) -> None:
    """An anchor file without the fourth generation does not make it valid either."""
    from jpki.synth import SynthPki

    for number, der in enumerate(SynthPki(AT).trust_anchors()):
        (tmp_path / f"{number}.der").write_bytes(der)
    verdict = check(card, str(tmp_path), PinKind.AUTH).verdict
    assert verdict.outcome is not Outcome.VALID
    path = verdict.check("auth_path")
    assert path is not None
    assert path.code == "unknown_generation"


@pytest.mark.parametrize("altered", [False, True])
def test_login(card: Card, altered: bool) -> None:
    challenge = new_challenge("https://city.example", "login", now=AT)
    response = respond(card, challenge, bytearray(b"1234"), now=AT)
    if altered:
        wrong = response.signature[:-1] + bytes((response.signature[-1] ^ 1,))
        response = dataclasses.replace(response, signature=wrong)
    validator = ValidationOptions(at=AT).validator(load_trust("test", at=AT))
    verdict = verify_response(response, challenge, validator, now=AT)
    assert verdict.outcome is (Outcome.INVALID if altered else Outcome.VALID)
    in_production = ValidationOptions(at=AT).validator(load_trust("production", at=AT))
    again = verify_response(response, challenge, in_production, now=AT)
    assert again.outcome is Outcome.INVALID


def test_any_altered_byte_of_a_login_is_invalid(card: Card) -> None:
    from jpki.verifying.login import check_signature

    card.pins.verify(PinKind.AUTH, bytearray(b"1234"))
    der, data = card.jpki.certificate("auth"), b"what is signed"
    signature = card.jpki.authenticate(data)
    assert check_signature(der, signature, data).outcome is Outcome.VALID
    for at in range(len(signature)):
        wrong = bytearray(signature)
        wrong[at] ^= 0x01
        assert check_signature(der, bytes(wrong), data).code == "login_signature_wrong"
    assert check_signature(der, signature, data + b"!").code == "login_signature_wrong"


def test_the_form_of_the_signature_is_the_layouts(emulated: EmulatedCard) -> None:
    """A card that writes r and s, read as one that writes DER: an error, no wrong signature."""
    with Card(VirtualConnection(emulated), layout=DER) as card:
        card.pins.verify(PinKind.AUTH, bytearray(b"1234"))
        with pytest.raises(MalformedResponseError):
            card.jpki.authenticate(b"x")
        report = check(card, "test", PinKind.AUTH)
    login = report.verdict.check("login")
    assert login is not None
    assert login.outcome is Outcome.CANNOT_TELL


def test_keys_and_certificates_want_their_pin(card: Card) -> None:
    with pytest.raises(SecurityStatusError, match="key_needs_pin"):
        card.jpki.authenticate(b"x")
    with pytest.raises(SecurityStatusError, match="certificate_needs_pin"):
        card.jpki.certificate("sign")
    assert card.jpki.certificate("auth")


def test_the_sign_key_signs_a_hash(card: Card) -> None:
    from hashlib import sha384

    from jpki.verifying.login import check_signature

    card.pins.verify(PinKind.SIGN, bytearray(b"ABC123"))
    signature = card.jpki.sign_hash(PinKind.SIGN, sha384(b"a document").digest())
    der = card.jpki.certificate("sign")
    assert check_signature(der, signature, b"a document").outcome is Outcome.VALID
    assert check_signature(card.jpki.certificate("auth"), signature, b"a document").outcome is (
        Outcome.INVALID
    )


def test_what_an_rsa_card_signs_it_does_not(card: Card) -> None:
    with pytest.raises(ValueError, match="SHA-384"):
        card.jpki.sign_hash(PinKind.AUTH, bytes(32))
    today = Card(VirtualConnection(load_card("hanako", at=AT)))
    with today, pytest.raises(ValueError, match="P-384"):
        today.jpki.sign_hash(PinKind.AUTH, bytes(48))


def test_pins_by_the_rules_of_the_layout(emulated: EmulatedCard) -> None:
    """A layout that wants six digits refuses four before anything is sent."""
    rule = dataclasses.replace(LAYOUT.pin_rules[PinKind.AUTH], min_length=6, max_length=6)
    six = dataclasses.replace(LAYOUT, pin_rules={**LAYOUT.pin_rules, PinKind.AUTH: rule})
    with Card(VirtualConnection(emulated), layout=six) as card:
        before = emulated.apdus
        with pytest.raises(PinFormatError) as caught:
            card.pins.verify(PinKind.AUTH, bytearray(b"1234"))
        assert caught.value.values["lengths"] == "6"
        with pytest.raises(PinError) as absent:
            card.pins.verify(PinKind.TEXT, bytearray(b"1234"))
        assert absent.value.code == "pin_absent"
        assert emulated.apdus == before
        with pytest.raises(PinIncorrectError) as wrong:
            card.pins.verify(PinKind.AUTH, bytearray(b"123456"))
        assert wrong.value.attempts_left == 2


def test_a_pin_is_changed_where_it_is_at_home(card: Card) -> None:
    card.pins.change(PinKind.AUTH, bytearray(b"1234"), bytearray(b"4321"))
    assert card.pins.verify(PinKind.AUTH, bytearray(b"4321")).attempts_left == 3


def test_text_records_are_not_there(card: Card) -> None:
    with pytest.raises(FileNotFoundOnCardError, match="application_absent"):
        card.text.attributes()
    with pytest.raises(PinError, match="pin_absent"):
        card.pins.verify(PinKind.NUMBER_B, bytearray(b"06061120353840"), application=TEXT_AP)


def test_by_todays_map_it_is_none_of_ours(emulated: EmulatedCard) -> None:
    with Card(VirtualConnection(emulated)) as card, pytest.raises(NotOurCardError):
        card.detect()


def test_a_card_of_today_is_none_of_the_layouts() -> None:
    card = Card(VirtualConnection(load_card("hanako", at=AT)), layout=LAYOUT)
    with card, pytest.raises(NotOurCardError):
        card.detect()


def test_the_label_goes_with_the_layout(make_card: Callable[[str], EmulatedCard]) -> None:
    """Today's applications with the invented label, and the other way round."""
    relabelled = (
        Card(VirtualConnection(make_card("hanako"))),
        Card(VirtualConnection(make_card("nextgen")), layout=LAYOUT),
    )
    for card in relabelled:
        with card, pytest.raises(UnsupportedTokenError):
            card.detect()


@pytest.fixture
def make_card(tmp_path: Path) -> Callable[[str], EmulatedCard]:
    from importlib import resources

    def build(name: str) -> EmulatedCard:
        words = (resources.files("jpki.emulator") / "cards" / f"{name}.toml").read_text("utf-8")
        if name == "nextgen":
            words = words.replace('token = "JPKINEXTGENTEST"', "")
        else:
            words = words.replace("[card]\n", '[card]\ntoken = "JPKINEXTGENTEST"\n')
        path = tmp_path / f"{name}.toml"
        path.write_text(words, encoding="utf-8")
        return load_card(str(path), at=AT)

    return build


def test_opened_by_uri(emulated: EmulatedCard) -> None:
    uri = plug(emulated)
    try:
        opened = open_card(uri, at=AT)
        assert opened.card.layout is LAYOUT
        opened.card.close()
    finally:
        unplug(uri)


def test_a_reader_brings_the_layout_under_test_trust_only() -> None:
    """Not virtual: the same card behind a reader whose cards are not known to be emulated."""
    readers.register_scheme(
        "desk", lambda rest, wait, timeout: VirtualConnection(load_card("nextgen", at=AT))
    )
    opened = open_card("desk:x", trust="test")
    assert opened.card.detect().kind is TokenKind.NEXTGEN
    opened.card.close()
    for trust in ("production", "jlis-test", "/some/folder"):
        with pytest.raises(NotOurCardError):
            open_card("desk:x", trust=trust)
    with pytest.raises(NotOurCardError):
        open_card("desk:x")


def test_todays_card_costs_what_it_did_under_test_trust() -> None:
    counts = []
    for trust in ("production", "test"):
        emulated = load_card("hanako", at=AT)
        uri = plug(emulated)
        opened = open_card(uri, trust=trust)
        opened.card.close()
        unplug(uri)
        counts.append(emulated.apdus)
    assert counts == [2, 2]


def test_nextgen_has_a_generation_of_its_own() -> None:
    assert {c.generation for c in built_in("nextgen").certificates.values()} == {4}
