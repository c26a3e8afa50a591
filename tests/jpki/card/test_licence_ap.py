# SPDX-License-Identifier: Apache-2.0
"""The licence application of an emulated card, from SELECT to the signer's key."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from card_bench import opened
from jpki.card import Card
from jpki.card.licence_tags import LongTags
from jpki.card_map import LICENCE_AP, PinKind
from jpki.emulator import ApduTrace, EmulatedCard, load_card
from jpki.errors import CardDataError, PinBlockedError, PinError, PinIncorrectError
from jpki.synth import stored_key
from jpki.verdict import Outcome
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import FileNotFoundOnCardError, SecurityStatusError

MakeDriver = Callable[[str], EmulatedCard]


@pytest.fixture
def driver(tmp_path: Path) -> MakeDriver:
    """The driver's card with tables added to its file."""

    def make(tables: str = "") -> EmulatedCard:
        base = files("jpki.emulator").joinpath("cards/driver.toml").read_text(encoding="utf-8")
        path = tmp_path / "card.toml"
        path.write_text(f"{base}\n{tables}\n", encoding="utf-8")
        return load_card(str(path))

    return make


def unlock(card: Card, value: bytes = b"1234") -> None:
    card.pins.verify(PinKind.LICENCE, bytearray(value))


@pytest.mark.parametrize("limits", [None, ReplyLimits(256, 0), ReplyLimits(64, 0)])
@pytest.mark.parametrize("form", ["raw", "ber"])
def test_all_of_it(driver: MakeDriver, form: str, limits: ReplyLimits | None) -> None:
    with opened(driver(f'[quirks]\nlicence_tags = "{form}"'), limits) as card:
        assert card.licence.pin_set()
        unlock(card)
        found = card.licence.evidence()
    assert found.record.tiling.long_tags == form
    assert found.record.number == "991204567893"
    assert str(found.record.conditions[0]) == "眼鏡等"
    check = found.verify_with(stored_key("licence-signer").public_key())
    assert check.outcome is Outcome.VALID


def test_the_other_reading_is_refused(driver: MakeDriver) -> None:
    with opened(driver('[quirks]\nlicence_tags = "ber"')) as card:
        unlock(card)
        card.licence.long_tags = LongTags.RAW
        with pytest.raises(CardDataError):
            card.licence.licence()


def test_only_licence_items_are_read(driver: MakeDriver) -> None:
    """One application, its own files, each byte once."""
    emulated = driver("")
    sent: list[ApduTrace] = []
    emulated.log = sent.append
    with opened(emulated) as card:
        unlock(card)
        found = card.licence.evidence()
    heads = [trace.header for trace in sent]
    assert [head[1] for head in heads].count(0xA4) <= 3  # application, and what SFI leaves over
    assert not [head for head in heads if head[1] == 0xB2 or head[1] == 0xCA]
    read = sum(trace.reply for trace in sent if trace.header[1] == 0xB0)
    assert read == len(found.record.physical) + 584


def test_needs_its_pin(driver: MakeDriver) -> None:
    with opened(driver("")) as card:
        for read in (card.licence.licence, card.licence.signature):
            with pytest.raises(SecurityStatusError) as caught:
                read()
            assert caught.value.code == "file_needs_pin"
            assert caught.value.values["application"] == LICENCE_AP.name


def test_no_licence_on_this_card(hanako: EmulatedCard) -> None:
    with opened(hanako) as card, pytest.raises(FileNotFoundOnCardError) as caught:
        card.licence.pin_set()
    assert caught.value.code == "application_absent"


def test_ten_tries(driver: MakeDriver) -> None:
    with opened(driver("")) as card:
        with pytest.raises(PinIncorrectError) as caught:
            unlock(card, b"0000")
        assert caught.value.attempts_left == 9
        unlock(card)
        assert card.pins.counter(PinKind.LICENCE).attempts_left == 10
    with opened(driver("[tries]\nlicence = 0")) as card, pytest.raises(PinBlockedError):
        unlock(card)


def test_without_a_pin_it_opens_by_itself(driver: MakeDriver) -> None:
    with opened(driver('[pins]\nunset = ["licence"]')) as card:
        assert not card.licence.pin_set()
        assert card.licence.evidence_without_pin().record.number == "991204567893"


def test_without_a_pin_asterisks_only_if_asked_for(driver: MakeDriver) -> None:
    emulated = driver('[pins]\nunset = ["licence"]\n[quirks]\nlicence_unset = "asterisks"')
    with opened(emulated) as card:
        with pytest.raises(PinError) as caught:
            card.licence.evidence_without_pin()
        assert caught.value.code == "licence_closed_without_pin"
        assert emulated.tries()["licence/0006"] == 10
        found = card.licence.evidence_without_pin(default_pin=True)
        assert found.record.number == "991204567893"


def test_asterisks_are_not_tried_where_a_pin_is_set(driver: MakeDriver) -> None:
    emulated = driver("")
    with opened(emulated) as card, pytest.raises(PinError) as caught:
        card.licence.evidence_without_pin(default_pin=True)
    assert caught.value.code == "licence_pin_set"
    assert emulated.tries()["licence/0006"] == 10


def test_wrong_asterisks_cost_one_try(driver: MakeDriver) -> None:
    """They are four characters like others to a card that does not know them."""
    emulated = driver("")
    with opened(emulated) as card:
        with pytest.raises(PinIncorrectError):
            card.pins.verify(PinKind.LICENCE, bytearray(b"****"))
        assert emulated.tries()["licence/0006"] == 9
