# SPDX-License-Identifier: Apache-2.0
"""The built-in cards: who they are on a given day, and what the test PKI says of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from importlib import resources

import pytest
from cryptography import x509

from jpki.card_map import PinKind
from jpki.certificate.kinds import Family
from jpki.emulator import BUILT_IN, current_crls, load_card, populate
from jpki.emulator.facts import birthday, card_facts, era_birth
from jpki.emulator.population import built_in
from jpki.synth import SynthPki, fifth_birthday
from virtual_terminal import AT, Terminal


def _certificate(card: Terminal, fid: str, pin: tuple[str, str]) -> x509.Certificate:
    assert card.open("jpki", *pin) == "9000"
    raw = card.read(fid)
    return x509.load_der_x509_certificate(raw[: 4 + int.from_bytes(raw[2:4], "big")])


def _both(card: Terminal) -> tuple[x509.Certificate, x509.Certificate]:
    pins = card.card.pins()
    auth = _certificate(card, "000A", ("0018", pins["auth"]))
    return auth, _certificate(card, "0001", ("001B", pins["sign"]))


def test_list_and_folder_agree() -> None:
    folder = resources.files("jpki.emulator") / "cards"
    names = {entry.name.removesuffix(".toml") for entry in folder.iterdir()}
    assert names == set(BUILT_IN)
    assert all(built_in(name).name == name for name in BUILT_IN)
    with pytest.raises(KeyError):
        built_in("nobody")


PIN_FILES = {
    "jpki": (("0018", "auth"), ("001B", "sign")),
    "juki": (("001C", "juki"),),
    "common": (("001C", "common"),),
    "text": (("0014", "number_a"), ("0015", "number_b")),
    "surface": (("0011", "birth"), ("0012", "number_b"), ("0013", "number_a")),
    "licence": (("0006", "licence"),),
}


# The card nextgen has applications of its own; tests/jpki/emulator/test_nextgen.py reads it.
TODAYS = [name for name in BUILT_IN if name != "nextgen"]


@pytest.mark.parametrize("name", TODAYS)
def test_every_readable_file_of_every_card(load: Callable[[str], Terminal], name: str) -> None:
    """All files, with all PINs the card has, without an internal error."""
    card = load(name)
    pins = card.card.pins()
    words = []
    for application, references in PIN_FILES.items():
        if card.application(application) != "9000":
            continue
        for fid, kind in references:
            if kind in pins:
                card.open(application, fid, pins[kind])
        for number in range(1, 0x1F):
            if card.file(f"{number:04X}") == "9000":
                words.append(card.sw("00B00000000000"))
    assert set(words) <= {"9000", "6981", "6982"}
    assert words.count("9000") >= 5
    assert "TEST" in repr(card.card)


def test_hanako_is_who_she_is() -> None:
    facts = card_facts(built_in("hanako"), SynthPki(AT))
    assert facts.issue_day == date(2025, 10, 27)
    assert facts.certificate_end == datetime(2030, 2, 17, 14, 59, 59, tzinfo=UTC)
    assert facts.card_end == date(2035, 2, 17)
    assert facts.derived == {
        PinKind.NUMBER_A: "537686677188",
        PinKind.NUMBER_B: "55021720352285",
        PinKind.BIRTH: "550217",
    }
    assert facts.generations == {Family.SIGN: 3, Family.AUTH: 3}


@pytest.mark.parametrize(
    ("today", "issued"),
    [
        (datetime(2026, 10, 27, tzinfo=UTC), date(2025, 10, 27)),
        (datetime(2026, 10, 26, tzinfo=UTC), date(2024, 10, 27)),
        (datetime(2026, 10, 26, 15, 0, tzinfo=UTC), date(2025, 10, 27)),  # the 27th in Japan
        (datetime(2026, 11, 21, tzinfo=UTC), date(2025, 10, 27)),
        (datetime(2040, 1, 1, tzinfo=UTC), date(2038, 10, 27)),
    ],
)
def test_day_of_issue_follows_today(today: datetime, issued: date) -> None:
    assert card_facts(built_in("hanako"), SynthPki(today)).issue_day == issued


def test_good_on_every_day_of_ten_years() -> None:
    """hanako's certificates are in force whenever the tests run."""
    profile, day = built_in("hanako"), datetime(2026, 1, 1, tzinfo=UTC)
    while day.year < 2036:
        facts = card_facts(profile, SynthPki(day))
        assert facts.issued < day < facts.certificate_end - timedelta(days=365)
        day += timedelta(days=13)


WITH_BOTH = [name for name in TODAYS if name not in ("child", "face-only", "blocked")]


@pytest.mark.parametrize("name", WITH_BOTH)
def test_certificates(load: Callable[[str], Terminal], name: str) -> None:
    expired = {"jiro-expired", "old-g1"}
    for certificate in _both(load(name)):
        in_force = certificate.not_valid_before_utc < AT < certificate.not_valid_after_utc
        assert in_force == (name not in expired)
        assert certificate.not_valid_after_utc.strftime("%H%M%S") == "145959"
        issuer = {a.value for a in certificate.issuer}
        assert "JPKI-SYNTH" in issuer


@pytest.mark.parametrize(("name", "generation"), [("old-g1", 1), ("old-g2", 2), ("hanako", 3)])
def test_generations(load: Callable[[str], Terminal], name: str, generation: int) -> None:
    pki = SynthPki(AT)
    for family, leaf in zip((Family.AUTH, Family.SIGN), _both(load(name)), strict=True):
        root = x509.load_der_x509_certificate(pki.ca_certificate(family, generation))
        leaf.verify_directly_issued_by(root)
        assert root.not_valid_before_utc <= leaf.not_valid_before_utc


def test_serials_differ_and_some_need_a_leading_zero() -> None:
    pki = SynthPki(AT)
    serials = [
        (family, facts.generations[family], facts.serials[family])
        for name in BUILT_IN
        if name != "copied"
        for facts in [card_facts(built_in(name), pki)]
        for family in Family
    ]
    assert len(set(serials)) == len(serials)
    first = [serial.to_bytes(-(-serial.bit_length() // 8), "big")[0] for *_, serial in serials]
    assert any(byte & 0x80 for byte in first)


def test_child_and_face_only_have_no_sign_certificate(load: Callable[[str], Terminal]) -> None:
    for name in ("child", "face-only"):
        card = load(name)
        card.application("jpki")
        assert card.read("0008") == bytes.fromhex("008F00")
        card.file("001B")
        assert [card.sw("00200080"), card.verify("ABC123")] == ["63C0", "6984"]
        card.file("0001")
        assert card.sw("00B0000004") == "6982"
        assert card.sw("802A009A010100") == "6985"


def test_blocked(load: Callable[[str], Terminal]) -> None:
    card = load("blocked")
    card.open("jpki", "0018")
    assert [card.sw("00200080"), card.verify("1234")] == ["63C0", "6984"]
    assert card.open("jpki", "001B", "ABC123") == "9000"
    card.file("000A")
    assert card.sw("00B0000004") == "9000"  # free to read on a card


@pytest.mark.parametrize(("name", "label"), [("android", "GPSE"), ("iphone", "IOS")])
def test_phones(load: Callable[[str], Terminal], name: str, label: str) -> None:
    card = load(name)
    words = [card.application(ap) for ap in ("surface", "text", "common", "juki", "jpki")]
    assert words == ["6A82"] * 4 + ["9000"]
    assert card.read("0006")[:32] == f"JPKIAP{label}TOKEN".encode().ljust(32)
    card.file("000A")
    assert card.sw("00B0000004") == "6982"
    assert card.open("jpki", "0018", "1234") == "9000"
    card.file("000A")
    assert card.sw("00B0000004") == "9000"
    assert card.sw("80FC0000") == ("9000" if name == "iphone" else "6700")


def test_only_taro_is_revoked() -> None:
    lists = [x509.load_der_x509_crl(der) for der in current_crls(AT)]
    found = [(entry.serial_number, entry) for crl in lists for entry in crl]
    assert [serial for serial, _ in found] == [0x0880AA02]
    reason = found[0][1].extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.affiliation_changed
    pki = SynthPki(AT)
    populate(pki)
    assert pki.status(Family.SIGN, 3, 0x0880AA02).word == "revoked"
    assert pki.status(Family.AUTH, 3, 0x0880AA01).word == "good"


@pytest.mark.parametrize(
    ("birth", "digits"),
    [
        (date(1980, 2, 17), "550217"), (date(1952, 1, 1), "270101"), (date(2015, 1, 1), "270101"),
        (date(1989, 1, 7), "640107"), (date(1989, 1, 8), "010108"), (date(2019, 4, 30), "310430"),
        (date(2019, 5, 1), "010501"), (date(1926, 12, 24), "151224"),
        (date(1926, 12, 25), "011225"), (date(1912, 7, 29), "450729"),
        (date(1912, 7, 30), "010730"),
        (date(1868, 1, 25), "010125"),
    ],
)  # fmt: skip
def test_era_years(birth: date, digits: str) -> None:
    assert era_birth(birth) == digits


def test_leap_day() -> None:
    assert birthday(date(2000, 2, 29), 2025) == date(2025, 2, 28)
    assert birthday(date(2000, 2, 29), 2028) == date(2028, 2, 29)


def test_term_of_a_minors_card() -> None:
    facts = card_facts(built_in("child"), SynthPki(AT))
    assert facts.card_end == date(2030, 5, 5)
    assert facts.certificate_end == fifth_birthday(facts.issued, date(2016, 5, 5))


def test_equal_days_give_equal_cards(load: Callable[[str], Terminal]) -> None:
    cards = [load("hanako") for _ in range(2)]
    for fid in ("000A", "0001", "0006"):
        first, second = (_read_signed(card, fid) for card in cards)
        assert first == second


def _read_signed(card: Terminal, fid: str) -> bytes:
    card.open("jpki", "001B", "ABC123")
    return card.read(fid)


def test_a_command_takes_microseconds() -> None:
    """10 µs is the goal; the bound leaves room for a busy machine."""
    card = Terminal(load_card("hanako", at=AT))
    card.application("jpki")
    read = bytes.fromhex("00B08A0000")
    card.card.transmit(read)
    best = min(_timed(card, read) for _ in range(5))
    assert best < 50e-6


def _timed(card: Terminal, apdu: bytes) -> float:
    begin = time.perf_counter()
    for _ in range(1000):
        card.card.transmit(apdu)
    return (time.perf_counter() - begin) / 1000


def test_lists_are_equal_all_day() -> None:
    morning, evening = (datetime(2026, 11, 21, hour, 7, 9, tzinfo=UTC) for hour in (1, 20))
    assert current_crls(morning) == current_crls(evening)
    assert current_crls(morning) != current_crls(morning + timedelta(days=1))
