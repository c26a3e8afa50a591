# SPDX-License-Identifier: Apache-2.0
"""The emulated マイナ免許証: selection and PIN as measured, contents as specified."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from jpki.emulator.licence_files import era_date, field
from jpki.emulator.licence_profile import x0208
from jpki.emulator.population import built_in
from jpki.emulator.profile_file import parse_profile
from jpki.errors import CardFileError
from jpki.synth import stored_key
from virtual_terminal import MakeCard, Terminal, built_in_text

Load = Callable[[str], Terminal]
ELF, MODULE = (f"A0000002310{n}" + "00" * 10 for n in (4, 5))
DRIVER = built_in_text("driver")


@pytest.mark.parametrize("aid", [ELF, MODULE])
def test_package_and_module_cannot_be_selected(load: Load, aid: str) -> None:
    # Measured on a card [HM].
    assert load("driver").sw(f"00A4040C10{aid}") == "6A82"


@pytest.mark.parametrize(
    ("apdu", "word"),
    [
        ("00200086", "63CA"),  # the counter, 10 tries [HM]
        ("00200082", "6A82"),  # what annex 3-1 says, and is not so [HM]
        ("00B09A0003", "9000"),  # whether a PIN is set: free [HM]
        ("00B09B0001", "6982"),
        ("00B09C0001", "6982"),
        ("0020008604 30303030", "63C9"),
        ("00240186 04 35363738", "6985"),  # not changed with this tool
    ],
)
def test_before_the_pin(load: Load, apdu: str, word: str) -> None:
    card = load("driver")
    assert card.application("licence") == "9000"
    assert card.sw(apdu) == word


def test_other_cards_have_none(load: Load) -> None:
    assert load("hanako").application("licence") == "6A82"


def test_pin_flag(load: Load) -> None:
    card = load("driver")
    card.application("licence")
    assert card.send("00B09A0003") == (bytes.fromhex("C10101"), "9000")


def _files(card: Terminal) -> tuple[bytes, bytes]:
    assert card.open("licence", "0006", "1234") == "9000"
    return card.read("001B"), card.read("001C")


def test_signature_file_has_the_size_of_the_specification(load: Load) -> None:
    licence, signature = _files(load("driver"))
    assert len(signature) == 584
    assert signature[:5] == bytes.fromhex("0108820100")
    key = stored_key("licence-signer").public_key()
    key.verify(signature[5:261], licence, padding.PKCS1v15(), hashes.SHA256())


def test_a_full_licence_has_the_size_of_the_specification() -> None:
    """5845 bytes: every field at its greatest length. Only two-byte tags give that sum."""
    sizes = dict.fromkeys((*range(0xC6, 0xCA), *range(0xCC, 0xD4), *range(0xD7, 0xE7)), 80)
    sizes |= dict.fromkeys((0xCA, 0xCB, 0xD4, 0xD5, 0xD6), 256)
    sizes |= dict.fromkeys((0xC2, 0xC5, 0xE9, 0xEA, 0xEB, *range(0xFB, 0x107)), 7)
    sizes |= dict.fromkeys((0xC3, *range(0xEC, 0xFB)), 1)
    sizes |= {0xC4: 6, 0xE7: 12, 0xE8: 12, 0x107: 2000}
    assert sorted(sizes) == list(range(0xC2, 0x108))
    assert sum(len(field(tag, bytes(size))) for tag, size in sizes.items()) == 5845
    assert sum(len(field(tag, bytes(n), ber=True)) for tag, n in sizes.items()) != 5845


def test_every_output_is_marked(load: Load) -> None:
    licence, signature = _files(load("driver"))
    assert x0208("ＴＥＳＴ　ＣＡＲＤ　見本") in licence
    assert b"TEST CARD" in signature


def test_empty_fields_are_there(make: MakeCard) -> None:
    licence, _ = _files(make("driver", {"licence": "photo = false"}))
    assert bytes.fromhex("C800C900CA820100") in licence  # two conditions, one picture
    assert bytes.fromhex("CB00CC00CD00CE00CF00D000D100") in licence
    assert licence.endswith(bytes.fromhex("010600010700"))


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("亜", "3021"),  # first letter of level 1 [JISX0208 16-01]
        ("弌", "5021"),  # first of level 2 [48-01]
        ("\u3000", "2121"),
        ("５", "2335"),
        ("\ue001\ue007\ue00a", "FFF1FFF7FFFA"),
    ],
)
def test_letters(text: str, encoded: str) -> None:
    assert x0208(text).hex().upper() == encoded


@pytest.mark.parametrize(
    ("day", "digits"),
    [
        ("2019-05-01", b"5010501"),
        ("2019-04-30", b"4310430"),
        ("1989-01-07", b"3640107"),
        ("1926-12-24", b"2151224"),
        ("1912-07-29", b"1450729"),
    ],
)
def test_dates(day: str, digits: bytes) -> None:
    from datetime import date

    assert era_date(date.fromisoformat(day)) == digits


@pytest.mark.parametrize(
    ("lines", "place", "reason"),
    [
        ("nobody_knows = 1", "licence.nobody_knows", "unknown_key"),
        ('number = "301204567893"', "licence.number", "bad_value"),
        ('number = "99120456789"', "licence.number", "bad_digits"),
        ('history_number = "12345678901２"', "licence.history_number", "bad_digits"),
        ('colour = "優良優良"', "licence.colour", "bad_text"),
        ('colour = "gold"', "licence.colour", "bad_text"),
        ("category = 256", "licence.category", "bad_value"),
        ('recorded = "2025-01-01"', "licence.recorded", "wrong_type"),
        ("conditions = [1]", "licence.conditions", "wrong_type"),
        (f"conditions = {['あ'] * 13}", "licence.conditions", "bad_value"),
        (f"conditions = ['{'あ' * 41}']", "licence.conditions", "bad_text"),
        ("conditions = ['ｱ']", "licence.conditions", "bad_text"),
        ("conditions = ['😀']", "licence.conditions", "bad_text"),
        (f"remarks = {['あ'] * 8}", "licence.remarks", "bad_value"),
        ('held = ["tram"]', "licence.held", "bad_value"),
        ('photo = "no"', "licence.photo", "wrong_type"),
    ],
)
def test_strict(lines: str, place: str, reason: str) -> None:
    key = lines.split("=")[0].strip()
    begin, end = DRIVER.index("[licence]"), DRIVER.index("[keys]")
    kept = [] if key in ("conditions", "remarks") else ['conditions = ["眼鏡等"]']
    text = DRIVER[:begin] + "\n".join(["[licence]", *kept, lines, "", ""]) + DRIVER[end:]
    with pytest.raises(CardFileError) as caught:
        parse_profile(text.encode(), "card.toml")
    assert (caught.value.values["place"], caught.value.values["reason"]) == (place, reason)


def test_nothing_need_be_said() -> None:
    text = DRIVER[: DRIVER.index("[licence]")] + DRIVER[DRIVER.index("[keys]") :]
    licence = parse_profile(text.encode(), "card.toml").licence
    assert licence is not None
    assert licence.number.startswith("99")
    assert built_in("hanako").licence is None


def test_nothing_personal_is_shown() -> None:
    licence = built_in("driver").licence
    assert licence is not None
    assert licence.number not in repr(built_in("driver"))
