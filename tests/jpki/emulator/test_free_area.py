# SPDX-License-Identifier: Apache-2.0
"""Applications of a card file's own: parsing, and what the emulated card answers."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from jpki.emulator import EmulatedCard, load_card
from jpki.emulator.profile_file import parse_profile
from jpki.errors import CardFileError, ForgeryRefusedError
from jpki.messages import LANGUAGES, has

LIBRARY = (resources.files("jpki.emulator") / "cards" / "library.toml").read_text("utf-8")
SELECT = bytes.fromhex("00A4040C0EF04A504B492D544553542D4C4942")
A = "free_area[1]"


def answers(card: EmulatedCard, *commands: str) -> list[str]:
    card.transmit(SELECT)
    return [card.transmit(bytes.fromhex(command)).hex().upper() for command in commands]


@pytest.fixture
def card() -> EmulatedCard:
    return load_card("library")


def test_its_files(card: EmulatedCard) -> None:
    assert card.transmit(SELECT) == b"\x90\x00"
    name, code, record, none, closed = answers(
        card, "00B0810000", "00B0820000", "00B2021C00", "00B2031C00", "00B0840000"
    )
    assert bytes.fromhex(name)[:-2].decode() == "見本市立図書館 (TEST)"
    assert bytes.fromhex(code) == b"0099004217\x90\x00"
    assert bytes.fromhex(record)[:-2].decode() == "移動図書館"
    assert (none, closed) == ("6A83", "6982")


def test_its_pin(card: EmulatedCard) -> None:
    assert answers(card, "00200091", "002000910430303030", "00200091") == ["63C5", "63C4", "63C4"]
    opened = answers(card, "002000910434363439", "00B0840000", "00200091")
    assert opened[0] == "9000"
    assert opened[1].endswith("9000")
    assert opened[2] == "63C5"
    assert card.tries()["sample-library/0011"] == 5


def test_the_pin_is_forgotten_with_the_application(card: EmulatedCard) -> None:
    answers(card, "002000910434363439")
    card.transmit(bytes.fromhex("00A4040C07A0000001510000"))
    assert answers(card, "00B0840000") == ["6982"]


def test_the_counter_is_kept(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    answers(load_card("library", state_file=state), "002000910430303030")
    assert answers(load_card("library", state_file=state), "00200091") == ["63C4"]


def test_cards_with_other_applications_share_no_state(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    load_card("library", state_file=state)
    other = tmp_path / "library.toml"
    other.write_text(LIBRARY.replace('id = "sample-library"', 'id = "other"'), encoding="utf-8")
    with pytest.raises(CardFileError):
        load_card(str(other), state_file=state)


@pytest.mark.parametrize(
    ("old", "new", "place", "reason"),
    [
        ('id = "sample-library"', 'id = "Sample"', f"{A}.id", "bad_value"),
        ('id = "sample-library"', 'id = "jpki"', f"{A}.id", "bad_value"),
        ('id = "sample-library"', "", f"{A}.id", "missing"),
        ('aid = "F0', 'aid = "D0', f"{A}.aid", "bad_value"),
        ('aid = "F0', 'aid = "x', f"{A}.aid", "bad_value"),
        ('"F04A504B492D544553542D4C4942"', '"F04A504B"', f"{A}.aid", "bad_value"),
        ('"F04A504B492D544553542D4C4942"', '"' + "F0" * 17 + '"', f"{A}.aid", "bad_value"),
        ('fid = "0002"', 'fid = "0001"', f"{A}.file", "contradiction"),
        ('fid = "0011"', 'fid = "0012"', f"{A}.file[4].opened_by", "bad_value"),
        ('value = "4649"', 'value = "46a9"', f"{A}.pin[1].value", "bad_pin"),
        ('value = "4649"', 'value = ""', f"{A}.pin[1].value", "bad_pin"),
        ("tries = 5", "tries = 16", f"{A}.pin[1].tries", "bad_value"),
        ("tries = 5", "x = 1", f"{A}.pin[1].x", "unknown_key"),
        ('fid = "0001"', 'fid = "3F00"', f"{A}.file[1].fid", "bad_value"),
        ('fid = "0001"', "fid = 1", f"{A}.file[1].fid", "wrong_type"),
        ('text = "0099004217"', "", f"{A}.file[2].text", "missing"),
        ('text = "0099004217"', 'text = "1"\nhex = "31"', f"{A}.file[2].text", "contradiction"),
        ('text = "0099004217"', 'hex = "3"', f"{A}.file[2].hex", "bad_value"),
        ('text = "0099004217"', f'text = "{"1" * 32768}"', f"{A}.file[2].text", "too_large"),
        ('["本館", ', f'["{"x" * 256}", ', f"{A}.file[3].records", "too_large"),
        ('["本館", "移動図書館"]', "[1]", f"{A}.file[3].records", "wrong_type"),
        ('["0011"]', '["11"]', f"{A}.file[4].opened_by", "bad_value"),
        ("[card]", '[card]\ntoken = "JPKIAPGPSETOKEN"', "applications", "contradiction"),
        (
            'name = "library"',
            'name = "library"\napplications = ["jpki"]\ncard = { token = "JPKIAPGPSETOKEN" }',
            "free_area",
            "contradiction",
        ),
    ],
)
def test_one_wrong_value(old: str, new: str, place: str, reason: str) -> None:
    assert old in LIBRARY
    text = LIBRARY.replace(old, new, 1)
    if "card = {" in new:
        text = text.replace('[card]\nsecurity_code = "5093"\n', "")
    with pytest.raises(CardFileError) as caught:
        parse_profile(text.encode(), "f")
    assert caught.value.values == {"path": "f", "place": place, "reason": reason}
    assert all(has(f"value.reason.{reason}", lang) for lang in LANGUAGES)


@pytest.mark.parametrize(
    ("id", "aid", "place", "reason"),
    [
        ("sample-library", "F0A0B0C0D0", "free_area[2].id", "bad_value"),
        ("other", "F04A504B49", "free_area[2].aid", "contradiction"),
        ("other", "F04A504B492D544553542D4C494201", "free_area[2].aid", "contradiction"),
    ],
)
def test_two_that_could_be_taken_for_each_other(id: str, aid: str, place: str, reason: str) -> None:
    text = LIBRARY + f'\n[[free_area]]\nid = "{id}"\naid = "{aid}"\n'
    with pytest.raises(CardFileError) as caught:
        parse_profile(text.encode(), "f")
    assert caught.value.values == {"path": "f", "place": place, "reason": reason}


def test_no_material_under_a_real_key_here_either(tmp_path: Path) -> None:
    """The key id of the production CA of the surface application, as a file of one's own."""
    key_id = b"5000023\x08\x05001".hex()
    path = tmp_path / "x.toml"
    path.write_text(LIBRARY.replace('text = "0099004217"', f'hex = "{key_id}"'), encoding="utf-8")
    card = load_card(str(path))
    card.transmit(SELECT)
    assert card.transmit(bytes.fromhex("00B0820000")) == b"\x6f\x00"
    application = card._chip.image.applications[-1]
    file = application.by_fid[2]
    assert file.content is not None
    with pytest.raises(ForgeryRefusedError):
        file.content()
