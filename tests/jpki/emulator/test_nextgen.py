# SPDX-License-Identifier: Apache-2.0
"""The card nextgen as a terminal sees it: what its file says, P-384 keys, and nothing of today."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from jpki.card_map import APPLICATIONS, PinKind
from jpki.emulator import load_card
from jpki.emulator.profile_file import parse_profile
from jpki.errors import CardFileError
from jpki.synth import SynthPki
from virtual_terminal import AT, Terminal, built_in_text

AUTH_AP, DATA_AP = "F04A504B494E47415554", "F04A504B494E47464143"
DIGEST = hashlib.sha384(b"a login").digest()
SIGN = f"802A008030{DIGEST.hex()}00"


@pytest.fixture
def card() -> Terminal:
    return Terminal(load_card("nextgen", at=AT))


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], Terminal]:
    """A card from the words of a whole card file."""

    def build(words: str) -> Terminal:
        path = tmp_path / "card.toml"
        path.write_text(words, encoding="utf-8")
        return Terminal(load_card(str(path), at=AT))

    return build


def select(card: Terminal, aid: str) -> str:
    return card.sw(f"00A4040C{len(aid) // 2:02X}{aid}")


def certificate(card: Terminal, fid: str) -> x509.Certificate:
    raw = card.read(fid)
    return x509.load_der_x509_certificate(raw[: 4 + int.from_bytes(raw[2:4], "big")])


def test_none_of_todays_applications(card: Terminal) -> None:
    assert {select(card, a.aid.hex()) for a in APPLICATIONS} == {"6A82"}


def test_files_and_who_may_read_them(card: Terminal) -> None:
    assert select(card, AUTH_AP) == "9000"
    assert card.read("2001")[:32] == b"JPKINEXTGENTEST".ljust(32)
    assert card.read("2002") == bytes.fromhex("8F8F00")
    assert card.file("2012") == "9000"
    assert card.sw("00B0000000") == "6982"
    assert (card.file("2022"), card.verify("ABC123")) == ("9000", "9000")
    pki = SynthPki(AT)
    for fid, root in (("2010", "2011"), ("2012", "2013")):
        issuer = certificate(card, root)
        certificate(card, fid).verify_directly_issued_by(issuer)
    assert card.read("2011").startswith(pki.next_trust_anchors()[1])
    assert select(card, DATA_AP) == "9000"
    assert card.file("2001") == "9000"
    assert card.sw("00B0000000") == "6982"
    assert (card.file("2020"), card.verify(card.card.pins()["number_b"])) == ("9000", "9000")
    assert len(card.read("2001")) == 256


def test_certificates_end_after_ten_years(card: Terminal) -> None:
    select(card, AUTH_AP)
    found = certificate(card, "2010")
    assert found.not_valid_before_utc.year == 2025
    assert found.not_valid_after_utc.strftime("%Y-%m-%d %H%M%S") == "2035-06-11 145959"


@pytest.mark.parametrize("form", ["raw", "der"])
@pytest.mark.parametrize("p1", [0, 4])
def test_signature_with_either_key(made: Callable[[str], Terminal], form: str, p1: int) -> None:
    """Both switches are the card file's; the key is the one in the certificate."""
    text = built_in_text("nextgen")
    changed = text.replace('{ p1 = 0, form = "raw" }', f'{{ p1 = {p1}, form = "{form}" }}')
    assert (changed != text) is ((p1, form) != (0, "raw"))
    card = made(changed)
    command = SIGN[:4] + f"{p1:02X}" + SIGN[6:]
    select(card, AUTH_AP)
    for key, pin, value, fid in (
        ("2021", "2020", "1234", "2010"),
        ("2023", "2022", "ABC123", "2012"),
    ):
        card.file(key)
        assert card.sw(command) == "6982"
        card.file(pin)
        assert card.verify(value) == "9000"
        card.file(key)
        answer, sw = card.send(command)
        assert sw == "9000"
        if form == "raw":
            assert len(answer) == 96
            halves = (int.from_bytes(answer[:48], "big"), int.from_bytes(answer[48:], "big"))
            answer = utils.encode_dss_signature(*halves)
        public = certificate(card, fid).public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        prehashed = ec.ECDSA(utils.Prehashed(hashes.SHA384()))
        public.verify(answer, DIGEST, prehashed)
        with pytest.raises(InvalidSignature):
            public.verify(answer, DIGEST[::-1], prehashed)


@pytest.mark.parametrize(
    ("apdu", "sw"),
    [
        ("802A018030" + "00" * 48 + "00", "6A86"),  # another P1
        ("802A098030" + "00" * 48 + "00", "6A86"),
        ("802A00802F" + "00" * 47 + "00", "6985"),
        ("802A008031" + "00" * 49 + "00", "6985"),
        ("802A008033" + "00" * 51 + "00", "6985"),  # a DigestInfo is for RSA
        ("802A008000", "6700"),
        ("802A008030" + "00" * 48 + "5F", "6C60"),  # 95 bytes asked for, 96 there
        ("802A000030" + "00" * 48 + "00", "6A88"),  # no default key
        ("0088008010" + "00" * 16 + "00", "6985"),
    ],
)
def test_what_a_p384_key_refuses(card: Terminal, apdu: str, sw: str) -> None:
    select(card, AUTH_AP)
    card.file("2020")
    assert card.verify("1234") == "9000"
    card.file("2021")
    assert card.sw(apdu) == sw


def test_pin_rules_and_counters_are_the_files(made: Callable[[str], Terminal]) -> None:
    text = built_in_text("nextgen").replace(
        "auth = { min = 4, max = 4, tries = 3", "auth = { min = 6, max = 8, tries = 9"
    )
    card = made(text + '\n[pins]\nauth = "314159"\n\n[tries]\nauth = 8\n')
    select(card, AUTH_AP)
    card.file("2020")
    assert card.sw("00200080") == "63C8"
    assert card.verify("271828") == "63C7"
    assert card.verify("314159") == "9000"
    assert card.sw("00200080") == "63C9"
    assert set(card.card.pins()) == {"auth", "sign", "number_b"}


@pytest.mark.parametrize(
    ("old", "new", "place", "reason"),
    [
        ("certificate_years = 10", "certificate_years = 0", "layout.certificate_years",
         "bad_value"),
        ("certificate_years = 10", "certificate_years = 10\nmore = 1", "layout.more",
         "unknown_key"),
        ('form = "raw"', 'form = "hex"', "layout.signature.form", "bad_value"),
        ("signature = {", "signatures = {", "layout.signature", "missing"),
        ("p1 = 0", "p1 = 6", "layout.signature.p1", "bad_value"),
        ("auth = { min = 4", "auth = { min = 9", "layout.pins.auth.max", "bad_value"),
        ("auth = { min = 4", "me = { min = 4", "layout.pins.me", "unknown_key"),
        ("auth = { min = 4, max = 4", "auth = { min = 6, max = 6", "pins.auth", "bad_pin"),
        (AUTH_AP, "F04A", "layout.applications[1].aid", "bad_value"),
        (AUTH_AP, DATA_AP, "layout.applications", "contradiction"),
        ('name = "jpki"', 'name = "other"', "applications", "contradiction"),
        ('fid = "2010"', 'fid = "2001"', "layout.applications[1].files", "contradiction"),
        ('kind = "key"', 'kind = "lock"', "layout.applications[1].files[8].kind", "bad_value"),
        (', pin = "auth"', "", "layout.applications[1].files[7].pin", "missing"),
        ('name = "nextgen"', 'name = "nextgen"\napplications = ["jpki"]', "applications",
         "contradiction"),
    ],
)  # fmt: skip
def test_bad_layouts(old: str, new: str, place: str, reason: str) -> None:
    text = built_in_text("nextgen")
    assert old in text
    with pytest.raises(CardFileError) as caught:
        parse_profile(text.replace(old, new, 1).encode(), "x.toml")
    assert (caught.value.values["place"], caught.value.values["reason"]) == (place, reason)


def test_profile_of_nextgen() -> None:
    profile = parse_profile(built_in_text("nextgen").encode(), "x.toml")
    assert profile.applications == ("jpki", "card-data")
    assert set(profile.pins) == {PinKind.AUTH, PinKind.SIGN}
    assert profile.layout is not None
    assert profile.layout.certificate_years == 10


def test_every_other_card_has_no_layout_of_its_own() -> None:
    assert parse_profile(built_in_text("hanako").encode(), "x.toml").layout is None
