# SPDX-License-Identifier: Apache-2.0
"""What ``card info`` looks at, what that costs, and what is left out where a card has less."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from card_bench import TEXT_PIN, opened
from jpki.card.overview import overview
from jpki.card_map import COMMON_AP, ISD_AID, PinKind
from jpki.emulator import EmulatedCard, load_card
from jpki.emulator.card import ApduTrace
from jpki.emulator.files import content
from jpki.errors import CardDataError
from jpki_apdu.errors import SecurityStatusError
from library_card import library

CONTACT_ATR = "3bda13ff8131fb468012392f31c173c601c03b"


def seen_by(card: EmulatedCard) -> list[ApduTrace]:
    seen: list[ApduTrace] = []
    card.log = seen.append
    return seen


def test_what_a_card_tells(hanako: EmulatedCard) -> None:
    with opened(hanako) as card:
        found = overview(card)
        assert card.channel.selection.aid == ISD_AID
    assert found.municipality == "13221"
    assert isinstance(found.expiry, date)
    assert found.contact_atr is not None
    assert found.contact_atr.hex() == CONTACT_ATR
    assert found.free_area == ()


def test_what_it_costs(hanako: EmulatedCard) -> None:
    """18 for Card.info; then contact ATR, card manager, municipality, expiry."""
    with opened(hanako) as card:
        card.info()
        assert hanako.apdus == 18
    again = load_card("hanako")
    with opened(again) as card:
        overview(card)
    assert again.apdus == 22


def test_each_listed_application_costs_one_select(hanako: EmulatedCard) -> None:
    with opened(hanako) as card:
        assert overview(card, (library(),)).free_area == ()
    assert hanako.apdus == 23


def test_an_application_in_the_free_area() -> None:
    with opened(load_card("library")) as card:
        found = overview(card, (library(),))
    assert [one.id for one in found.free_area] == ["sample-library"]
    with opened(load_card("library")) as card:
        assert overview(card).free_area == ()


@pytest.mark.parametrize("name", ["android", "iphone"])
def test_a_phone_is_asked_nothing_more(name: str) -> None:
    phone = load_card(name)
    with opened(phone) as card:
        found = overview(card, (library(),))
    assert (found.municipality, found.expiry, found.contact_atr) == (None, None, None)
    assert phone.apdus == 14


def test_the_card_number_is_not_read(hanako: EmulatedCard) -> None:
    seen = seen_by(hanako)
    with opened(hanako) as card:
        overview(card)
    assert [trace for trace in seen if trace.header[1] == 0xB2] == []
    asked = {trace.header[2:].hex() for trace in seen if trace.header[1] == 0xCA}
    assert asked == {"5f51", "00f0", "00f2"}


def test_no_pin_is_presented_and_one_that_was_is_forgotten(hanako: EmulatedCard) -> None:
    seen = seen_by(hanako)
    with opened(hanako) as card:
        card.pins.verify(PinKind.TEXT, bytearray(TEXT_PIN))
        presented = len(seen)
        overview(card)
        assert all(not trace.lc for trace in seen[presented:] if trace.header[1] == 0x20)
        with pytest.raises(SecurityStatusError):
            card.text.attributes()


Altered = Callable[[dict[int, bytes | None]], EmulatedCard]


@pytest.fixture
def altered() -> Altered:
    """``hanako`` with other card-level objects; None = without one."""

    def make(objects: dict[int, bytes | None]) -> EmulatedCard:
        card = load_card("hanako")
        known = card._chip.image.objects
        for tag, data in objects.items():
            if data is None:
                known.pop(tag)  # type: ignore[attr-defined]
            else:
                known[tag] = content(lambda data=data: data)  # type: ignore[index,misc]
        return card

    return make


@pytest.mark.parametrize(
    "objects",
    [{0x00F0: None}, {0x00F2: None}, {0x00F0: b"1322"}, {0x00F2: b"20350230"}],
    ids=["no municipality", "no expiry", "bad municipality", "bad expiry"],
)
def test_the_card_record_stands_in(altered: Altered, objects: dict[int, bytes | None]) -> None:
    with opened(altered(objects)) as card:
        found = overview(card)
    with opened(load_card("hanako")) as card:
        whole = overview(card)
    assert (found.municipality, found.expiry) == (whole.municipality, whole.expiry)


@pytest.mark.parametrize("atr", [None, b"", b"\xda\x13", bytes(40)])
def test_a_contact_atr_that_is_none(altered: Altered, atr: bytes | None) -> None:
    with opened(altered({0x5F51: atr})) as card:
        found = overview(card)
    assert found.contact_atr is None
    assert found.municipality == "13221"


def test_a_card_record_that_cannot_be_read_is_an_error(altered: Altered) -> None:
    emulated = altered({0x00F0: None})
    application = next(a for a in emulated._chip.image.applications if a.aid == COMMON_AP.aid)
    file = application.by_fid[COMMON_AP.file("card-record").fid]
    object.__setattr__(file, "records", (content(lambda: b"\x01\x1c123"),))
    with opened(emulated) as card, pytest.raises(CardDataError):
        overview(card)
