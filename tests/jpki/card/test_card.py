# SPDX-License-Identifier: Apache-2.0
"""The reader side on emulated cards: what it finds, what it costs, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from card_bench import AUTH_PIN, SIGN_PIN, TEXT_PIN, opened, read_all
from card_files import NUMBER, token_file
from card_script import ScriptedConnection, line
from foreign_cards import select_foreign
from jpki.card import (
    Availability,
    Card,
    NumberPurpose,
    PinState,
    Presence,
    check_text,
)
from jpki.card_map import FOREIGN_APPLICATIONS, PinKind, TokenKind
from jpki.emulator import EmulatedCard, load_card
from jpki.errors import (
    CardDataError,
    NoCertificateError,
    NotOurCardError,
    NumberNotAllowedError,
    UnsupportedTokenError,
)
from jpki.synth import SynthPki
from jpki.verdict import Outcome
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import (
    FileNotFoundOnCardError,
    SecurityStatusError,
)

SHORT = ReplyLimits(256, 0)
SELECT_JPKI = "00A4040C0AD392F000260100000001"


# Detection.


@pytest.mark.parametrize(
    ("name", "kind", "applications"),
    [
        ("hanako", TokenKind.CARD, ("jpki", "surface", "text", "common", "juki")),
        ("android", TokenKind.ANDROID, ("jpki",)),
        ("iphone", TokenKind.IPHONE, ("jpki",)),
    ],
)
def test_info(name: str, kind: TokenKind, applications: tuple[str, ...]) -> None:
    with opened(load_card(name)) as card:
        info = card.info()
    assert info.token.kind is kind
    assert info.token.medium == ("card" if kind is TokenKind.CARD else "phone")
    assert info.applications == applications
    assert info.certificates.sign is Presence.PRESENT
    absent = [c for c in info.counters if c.state is PinState.ABSENT]
    assert len(absent) == (0 if kind is TokenKind.CARD else 8)


def test_a_child_has_no_sign_certificate() -> None:
    with opened(load_card("child")) as card:
        assert card.jpki.availability().sign is Presence.ABSENT
        with pytest.raises((NoCertificateError, SecurityStatusError)):
            card.jpki.certificate("sign")
        assert card.jpki.certificate("auth").startswith(b"\x30\x82")


@pytest.mark.parametrize(
    ("atr", "interface"),
    [
        ("", "unknown"),
        ("3B888001000005E0B381A1007F", "contactless"),
        ("3B8F8001804F0CA000000306030001000000006A", "contactless"),
        ("3BDA13FF8131FB468012392F31C173C601C03B", "contact"),
        ("3BE000FF8131FE4514", "contact"),
    ],
)
def test_interface(atr: str, interface: str) -> None:
    assert Card(ScriptedConnection([], bytes.fromhex(atr))).interface == interface


def detecting(*answers: tuple[str, str]) -> tuple[Card, ScriptedConnection]:
    connection = ScriptedConnection([line(*answer) for answer in answers])
    return Card(connection), connection


def test_detection_costs_two_commands_and_no_atr() -> None:
    reply = token_file()[:64].hex() + "9000"
    card, connection = detecting((SELECT_JPKI, "9000"), ("00B0860040", reply))
    assert card.detect().kind is TokenKind.CARD
    assert card.detect() is card.detect()
    assert connection.used_up


@pytest.mark.parametrize("sw", ["6A82", "6D00", "6E00", "6A86", "6999", "6985"])
def test_a_card_without_jpki(sw: str) -> None:
    probes = [(select_foreign(application), "6A82") for application in FOREIGN_APPLICATIONS]
    card, connection = detecting((SELECT_JPKI, sw), *probes)
    with pytest.raises(NotOurCardError) as caught:
        card.detect()
    assert caught.value.values["seen"] == "unknown"
    assert connection.used_up


def test_an_old_juki_card_is_recognised_and_refused() -> None:
    reply = token_file("JPKIAPICCTOKEN")[:64].hex() + "9000"
    card, _ = detecting((SELECT_JPKI, "9000"), ("00B0860040", reply))
    with pytest.raises(NotOurCardError) as caught:
        card.detect()
    assert caught.value.values["seen"] == "juki_card"


@pytest.mark.parametrize("label", ["JPKIAPICCTOKEN3", "jpkiapicctoken2", "X", ""])
def test_an_unknown_label_is_refused(label: str) -> None:
    reply = token_file(label)[:64].hex() + "9000"
    card, _ = detecting((SELECT_JPKI, "9000"), ("00B0860040", reply))
    with pytest.raises(UnsupportedTokenError) as caught:
        card.detect()
    assert caught.value.values["label"] == label


def test_first_command_after_power_up(quirky: Callable[[str], EmulatedCard]) -> None:
    card = quirky("first_apdu_6f00 = true")
    with opened(card) as one:
        assert one.detect().kind is TokenKind.CARD


# What it costs.


def costs(card: EmulatedCard, limits: ReplyLimits, job: Callable[[Card], object]) -> int:
    before = card.apdus
    with opened(card, limits) as one:
        job(one)
    return card.apdus - before


def signed_in(
    kind: PinKind, value: bytes, job: Callable[[Card], object]
) -> Callable[[Card], object]:
    return lambda card: (card.pins.verify(kind, bytearray(value)), job(card))


def test_commands_needed(hanako: EmulatedCard) -> None:
    size = len(opened(hanako).jpki.certificate("auth"))
    chunks = -(-size // 256)
    assert costs(hanako, SHORT, lambda c: c.pins.counters()) == 15
    assert costs(hanako, SHORT, lambda c: c.jpki.certificate("auth")) == 1 + chunks <= 8
    assert (
        costs(
            hanako, SHORT, signed_in(PinKind.SIGN, SIGN_PIN, lambda c: c.jpki.certificate("sign"))
        )
        <= 12
    )
    assert (
        costs(hanako, SHORT, signed_in(PinKind.TEXT, TEXT_PIN, lambda c: c.text.attributes())) <= 5
    )
    assert (
        costs(hanako, SHORT, signed_in(PinKind.AUTH, AUTH_PIN, lambda c: c.jpki.authenticate(b"x")))
        <= 5
    )


def test_commands_needed_without_short_identifiers(quirky: Callable[[str], EmulatedCard]) -> None:
    card = quirky("sfi = false")
    # One refused query for each of the five applications, then SELECT and query for each PIN.
    assert costs(card, SHORT, lambda c: c.pins.counters()) <= 25 + 5


# Reading.


def test_certificates_need_their_pins(hanako: EmulatedCard) -> None:
    with opened(hanako) as card:
        for which in ("auth", "auth-ca", "sign-ca"):
            assert card.jpki.certificate(which).startswith(b"\x30\x82")
        with pytest.raises(SecurityStatusError) as caught:
            card.jpki.certificate("sign")
        assert (caught.value.code, caught.value.values["kind"]) == ("certificate_needs_pin", "sign")
        card.pins.verify(PinKind.SIGN, bytearray(SIGN_PIN))
        assert card.jpki.certificate("sign").startswith(b"\x30\x82")


@pytest.mark.parametrize("name", ["android", "iphone"])
def test_a_phone_wants_the_auth_pin_for_its_certificate(name: str) -> None:
    emulated = load_card(name)
    with opened(emulated) as card:
        with pytest.raises(SecurityStatusError) as closed:
            card.jpki.certificate("auth")
        assert (closed.value.code, closed.value.values["kind"]) == ("certificate_needs_pin", "auth")
        card.pins.verify(PinKind.AUTH, bytearray(emulated.pins()["auth"].encode()))
        assert card.jpki.certificate("auth").startswith(b"\x30\x82")
        with pytest.raises(FileNotFoundOnCardError) as caught:
            card.text.basic_info()
        assert caught.value.code == "application_absent"


def test_signing(hanako: EmulatedCard) -> None:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import load_der_x509_certificate

    with opened(hanako) as card:
        with pytest.raises(SecurityStatusError) as caught:
            card.jpki.authenticate(b"challenge")
        assert caught.value.code == "key_needs_pin"
        card.pins.verify(PinKind.AUTH, bytearray(AUTH_PIN))
        signature = card.jpki.authenticate(b"challenge")
        key = load_der_x509_certificate(card.jpki.certificate("auth")).public_key()
        assert isinstance(key, RSAPublicKey)
        key.verify(signature, b"challenge", PKCS1v15(), SHA256())
        for size in (0, 246):
            with pytest.raises(ValueError, match="245"):
                card.jpki.sign_digest(PinKind.AUTH, bytes(size))


def test_the_number_needs_a_purpose_and_a_pin(hanako: EmulatedCard) -> None:
    with opened(hanako) as card:
        before = hanako.apdus
        with pytest.raises(NumberNotAllowedError):
            card.text.number(None)  # type: ignore[arg-type]
        assert hanako.apdus == before
        with pytest.raises(SecurityStatusError) as caught:
            card.text.number(NumberPurpose.own_card())
        assert (caught.value.code, caught.value.values["record"]) == ("file_needs_pin", "number")
        card.pins.verify(PinKind.TEXT, bytearray(TEXT_PIN))
        record = card.text.number(NumberPurpose.own_card())
        assert record.number.reveal() == NUMBER
        assert record.number.check_digit_ok


def test_what_is_free_to_read(hanako: EmulatedCard) -> None:
    with opened(hanako) as card:
        assert card.text.basic_info().version.hex() == "01030e01"
        assert card.surface.basic_info().municipality == "13221"
        assert card.surface.cv_certificate().issuer_fits_chain
        assert card.text.cv_certificate().issuer_fits_chain
        record = card.common.card_record()
        assert record.municipality == "13221"
        assert record.serial.reveal() not in repr(record)
        assert card.juki.key_reference().endswith("/001")


def test_records_in_the_long_form(quirky: Callable[[str], EmulatedCard]) -> None:
    with opened(quirky("nonminimal_lengths = true")) as card:
        card.pins.verify(PinKind.TEXT, bytearray(TEXT_PIN))
        result = check_text(read_all(card), SynthPki().cv_ca_keys())
        assert {check.outcome for check in result.checks} == {Outcome.VALID}


SELECT_JUKI = "00A4040C0AD3921000310001010401"


def test_files_that_are_not_there() -> None:
    card, connection = detecting((SELECT_JPKI, "9000"), *absent(0x0A), *absent(0x08, "B0880003"))
    with pytest.raises(NoCertificateError) as caught:
        card.jpki.certificate("auth")
    assert caught.value.values["which"] == "auth"
    assert card.jpki.availability() == Availability(Presence.UNKNOWN, Presence.UNKNOWN)
    assert connection.used_up


def absent(fid: int, read: str = "") -> list[tuple[str, str]]:
    """A file that is refused by short identifier and by name."""
    by_sfi = f"00{read}" if read else f"00B0{0x80 | fid:02X}0000"
    return [(by_sfi, "6A82"), (f"00A4020C0200{fid:02X}", "6A82")]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [("31323334", "truncated"), ("FF" * 16, "bad_key_id"), ("00" * 16, "bad_key_id")],
)
def test_key_reference_that_is_none(reply: str, reason: str) -> None:
    card, _ = detecting(
        (SELECT_JUKI, "9000"),
        ("00B0820010", reply + "9000"),
        *([("00B000040C", "6B00")] if reason == "truncated" else []),
    )
    with pytest.raises(CardDataError) as caught:
        card.juki.key_reference()
    assert caught.value.values["reason"] == reason


def test_session_key(hanako: EmulatedCard) -> None:
    with opened(hanako) as card:
        with pytest.raises(SecurityStatusError):
            card.text.session_key()
        card.pins.verify(PinKind.TEXT, bytearray(TEXT_PIN))
        assert card.text.session_key().n.bit_length() == 2048
        assert card.text.session_key() != card.text.ap_key().key
