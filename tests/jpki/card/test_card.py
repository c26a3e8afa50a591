# SPDX-License-Identifier: Apache-2.0
"""The reader side on emulated cards: what it finds, what it costs, and what it leaves behind."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from card_files import NUMBER, token_file
from card_script import ScriptedConnection, line
from jpki.card import (
    Card,
    NumberPurpose,
    PinState,
    Presence,
    TextEvidence,
    check_card_present,
    check_text,
)
from jpki.card_map import TEXT_AP, PinKind, TokenKind
from jpki.emulator import EmulatedCard, FaultPoint, VirtualConnection, load_card
from jpki.errors import (
    NoCertificateError,
    NotOurCardError,
    NumberNotAllowedError,
    PinBlockedError,
    PinIncorrectError,
    PinOutcomeUnknownError,
    UnsupportedTokenError,
)
from jpki.synth import SynthPki
from jpki.verdict import Outcome
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import (
    CardRemovedError,
    FileNotFoundOnCardError,
    SecurityStatusError,
    StaleSessionError,
)

SHORT = ReplyLimits(256, 0)
SELECT_JPKI = "00A4040C0AD392F000260100000001"
TEXT_PIN, AUTH_PIN, SIGN_PIN = b"1234", b"1234", b"ABC123"


def opened(card: EmulatedCard, limits: ReplyLimits | None = None) -> Card:
    return Card(VirtualConnection(card, limits))


@pytest.fixture
def hanako() -> EmulatedCard:
    return load_card("hanako")


@pytest.fixture
def quirky(tmp_path: Path) -> Callable[[str], EmulatedCard]:
    """Hanako's card with other switches."""

    def make(quirks: str) -> EmulatedCard:
        base = files("jpki.emulator").joinpath("cards/hanako.toml").read_text(encoding="utf-8")
        path = tmp_path / "card.toml"
        path.write_text(f"{base}\n[quirks]\n{quirks}\n", encoding="utf-8")
        return load_card(str(path))

    return make


def read_all(card: Card) -> TextEvidence:
    text = card.text
    return TextEvidence(
        cv_certificate=text.cv_certificate(),
        digests=text.digests(),
        attributes=text.attributes(),
        number=text.number(NumberPurpose.own_card()),
        ap_key=text.ap_key(),
    )


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
    reply = token_file().hex() + "9000"
    card, connection = detecting((SELECT_JPKI, "9000"), ("00B08600A0", reply))
    assert card.detect().kind is TokenKind.CARD
    assert card.detect() is card.detect()
    assert connection.used_up


@pytest.mark.parametrize("sw", ["6A82", "6D00", "6E00", "6A86", "6999", "6985"])
def test_a_card_without_jpki(sw: str) -> None:
    card, connection = detecting((SELECT_JPKI, sw))
    with pytest.raises(NotOurCardError) as caught:
        card.detect()
    assert caught.value.values["seen"] == "unknown"
    assert connection.used_up


def test_an_old_juki_card_is_recognised_and_refused() -> None:
    reply = token_file("JPKIAPICCTOKEN").hex() + "9000"
    card, _ = detecting((SELECT_JPKI, "9000"), ("00B08600A0", reply))
    with pytest.raises(NotOurCardError) as caught:
        card.detect()
    assert caught.value.values["seen"] == "juki_card"


@pytest.mark.parametrize("label", ["JPKIAPICCTOKEN3", "jpkiapicctoken2", "X", ""])
def test_an_unknown_label_is_refused(label: str) -> None:
    reply = token_file(label).hex() + "9000"
    card, _ = detecting((SELECT_JPKI, "9000"), ("00B08600A0", reply))
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


# Genuineness.


@pytest.mark.parametrize(
    ("name", "data", "present"),
    [
        ("hanako", "text_data_genuine", "challenge_answered"),
        ("old-g1", "text_data_genuine", "challenge_answered"),
        ("forged", "digest_mismatch", "challenge_answered"),
        ("copied", "text_data_genuine", "challenge_wrong"),
    ],
)
def test_genuineness(name: str, data: str, present: str) -> None:
    emulated = load_card(name)
    with opened(emulated) as card:
        card.pins.verify(PinKind.TEXT, bytearray(emulated.pins()["text"].encode()))
        result = check_text(read_all(card), SynthPki().cv_ca_keys())
        assert result.checks[0].code == data
        check = check_card_present(card.channel, TEXT_AP, result.key, problem=result.key_problem)
        assert check.code == present
        unknown = check_text(read_all(card), {})
        assert unknown.checks[0].outcome is Outcome.CANNOT_TELL


# PINs on a card that keeps count.


def test_wrong_right_and_restored(hanako: EmulatedCard) -> None:
    with opened(hanako) as card:
        with pytest.raises(PinIncorrectError) as caught:
            card.pins.verify(PinKind.AUTH, bytearray(b"9999"))
        assert caught.value.attempts_left == 2
        assert card.pins.counter(PinKind.AUTH).attempts_left == 2
        assert card.pins.verify(PinKind.AUTH, bytearray(AUTH_PIN)).attempts_left == 3
        assert card.pins.counter(PinKind.AUTH).attempts_left == 3


@pytest.mark.parametrize("query", ["63C0", "6984"])
@pytest.mark.parametrize("verify", ["6984", "6983", "63C0"])
def test_blocking(quirky: Callable[[str], EmulatedCard], query: str, verify: str) -> None:
    emulated = quirky(f'blocked_query = "{query}"\nblocked_verify = "{verify}"')
    with opened(emulated) as card:
        for left in (2, 1):
            with pytest.raises(PinIncorrectError) as caught:
                card.pins.verify(PinKind.AUTH, bytearray(b"9999"))
            assert caught.value.attempts_left == left
        with pytest.raises(PinBlockedError) as blocked:
            card.pins.verify(PinKind.AUTH, bytearray(b"9999"), last_try=True)
        assert blocked.value.code == "pin_blocked_now"
        with pytest.raises(PinBlockedError) as blocked:
            card.pins.verify(PinKind.AUTH, bytearray(AUTH_PIN), last_try=True)
        assert blocked.value.code == "pin_blocked"
        assert card.pins.counter(PinKind.AUTH).state is PinState.BLOCKED


def test_a_query_answered_9000(quirky: Callable[[str], EmulatedCard]) -> None:
    with opened(quirky('verified_query = "9000"')) as card:
        card.pins.verify(PinKind.AUTH, bytearray(AUTH_PIN))
        counter = card.pins.counter(PinKind.AUTH)
        assert (counter.state, counter.attempts_left) == (PinState.OK, None)
        assert card.pins.verify(PinKind.AUTH, bytearray(AUTH_PIN)).attempts_left == 3


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (PinKind.AUTH, b"1234", b"8765"),
        (PinKind.SIGN, b"ABC123", b"xyz789"),
        (PinKind.TEXT, b"1234", b"8765"),
        (PinKind.COMMON, b"1234", b"8765"),
        (PinKind.JUKI, b"1234", b"8765"),
    ],
)
@pytest.mark.parametrize("sfi", ["true", "false"])
def test_change(
    quirky: Callable[[str], EmulatedCard], kind: PinKind, old: bytes, new: bytes, sfi: str
) -> None:
    emulated = quirky(f"sfi = {sfi}")
    with opened(emulated) as card:
        card.pins.change(kind, bytearray(old), bytearray(new))
    with opened(emulated) as card:
        with pytest.raises(PinIncorrectError):
            card.pins.verify(kind, bytearray(old))
        card.pins.verify(kind, bytearray(new))


@pytest.mark.parametrize(("point", "left"), [(FaultPoint.BEFORE, 3), (FaultPoint.AFTER, 2)])
def test_a_card_pulled_during_verify(hanako: EmulatedCard, point: FaultPoint, left: int) -> None:
    value = bytearray(b"9999")
    hanako.fault = lambda n, apdu: point if len(apdu) > 5 and apdu[1] == 0x20 else None
    with opened(hanako) as card:
        with pytest.raises(PinOutcomeUnknownError) as caught:
            card.pins.verify(PinKind.AUTH, value)
        assert caught.value.attempts_left is None
        assert value == bytes(4)
        with pytest.raises((CardRemovedError, StaleSessionError)):
            card.pins.counter(PinKind.AUTH)
    hanako.fault = None
    with opened(hanako) as card:
        assert card.pins.counter(PinKind.AUTH).attempts_left == left


def test_a_card_pulled_during_change(hanako: EmulatedCard) -> None:
    hanako.fault = lambda n, apdu: FaultPoint.AFTER if apdu[1] == 0x24 else None
    with opened(hanako) as card, pytest.raises(PinOutcomeUnknownError) as caught:
        card.pins.change(PinKind.AUTH, bytearray(AUTH_PIN), bytearray(b"8765"))
    assert caught.value.code == "pin_change_unknown"


@pytest.mark.parametrize("point", FaultPoint)
@pytest.mark.parametrize("count", range(1, 12))
def test_a_card_may_leave_at_any_command(
    hanako: EmulatedCard, point: FaultPoint, count: int
) -> None:
    """Whatever command the card leaves at: a typed error, a wiped PIN, and no try lost."""
    last = hanako.apdus + count
    hanako.fault = lambda n, apdu: point if n == last else None
    value = bytearray(TEXT_PIN)

    def job(card: Card) -> None:
        card.pins.verify(PinKind.TEXT, value)
        read_all(card)

    with opened(hanako) as card, pytest.raises((CardRemovedError, PinOutcomeUnknownError)):
        job(card)
    assert value == bytes(4)
    hanako.fault = None
    with opened(hanako) as card:
        assert card.pins.counter(PinKind.TEXT).attempts_left == 3


# What it leaves behind.


def test_closing_powers_off_then_lets_others_in(hanako: EmulatedCard) -> None:
    script = [
        line(SELECT_JPKI, "9000"),
        line("00200098", "63C3"),
        line("002000980431323334", "9000"),
    ]
    connection = ScriptedConnection(script)
    with Card(connection) as card:
        card.pins.verify(PinKind.AUTH, bytearray(AUTH_PIN))
    assert connection.events[-3:] == ["power_off", "shared", "close"]
    card.close()
    assert connection.events.count("shared") == 1
    with opened(hanako) as one:
        one.pins.verify(PinKind.TEXT, bytearray(TEXT_PIN))
    with opened(hanako) as two, pytest.raises(SecurityStatusError):
        two.text.attributes()


class _Broken(ScriptedConnection):
    def power_off(self) -> None:
        super().power_off()
        raise CardRemovedError


def test_closing_never_raises() -> None:
    connection = _Broken([])
    Card(connection).close()
    assert connection.events == ["power_off", "close"]


def test_nothing_is_logged_or_shown(
    hanako: EmulatedCard, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    pin = b"7351"
    with opened(hanako) as card:
        info = card.info()
        with pytest.raises(PinIncorrectError) as caught:
            card.pins.verify(PinKind.TEXT, bytearray(pin))
        card.pins.verify(PinKind.TEXT, bytearray(TEXT_PIN))
        evidence = read_all(card)
        result = check_text(evidence, SynthPki().cv_ca_keys())
        check = check_card_present(card.channel, TEXT_AP, result.key)
        record = card.common.card_record()
        shown = f"{info} {caught.value!r} {evidence} {result} {check} {record} {card!r}"
    assert evidence.attributes is not None
    captured = capfd.readouterr()
    everything = shown + caplog.text + captured.out + captured.err
    secrets = [pin.decode(), pin.hex(), NUMBER, NUMBER.encode().hex(), "花子", "清瀬市", "1980"]
    secrets += [record.serial.reveal(), evidence.attributes.name.encode().hex()]
    for secret in secrets:
        assert secret not in everything
    assert not captured.out
    assert not captured.err


def test_importing_is_light() -> None:
    code = "import sys, jpki.card; print([m for m in sys.modules if 'crypto' in m or m == 'click'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
