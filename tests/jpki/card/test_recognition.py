# SPDX-License-Identifier: Apache-2.0
"""Cards that are not ours: named for what they are, with SELECTs only, and never read."""

from __future__ import annotations

import pytest

from card_files import token_file
from card_script import ScriptedConnection, line
from foreign_cards import select_foreign
from jpki.card import Card
from jpki.card.recognition import SeenCard, storage_card
from jpki.card_map import FOREIGN_APPLICATIONS, ForeignApplication
from jpki.errors import NotOurCardError
from jpki.messages import LANGUAGES, text
from jpki_apdu.errors import CardRemovedError

SELECT_JPKI = "00A4040C0AD392F000260100000001"
FCI = "6F0A8408A00000000000000000"  # something a card might tell; nobody looks at it

STORAGE = "3B8F8001804F0CA000000306"
FELICA = "3B8F8001804F0CA000000306 11 003B 00000000 42"  # PC/SC part 3 supplement, [PT]


def seen(script: list[tuple[str, str]], atr: str = "") -> str:
    """What detection says of a card that answers so; every line must have been used."""
    connection = ScriptedConnection([line(*one) for one in script], bytes.fromhex(atr))
    card = Card(connection)
    with pytest.raises(NotOurCardError) as caught:
        card.detect()
    assert connection.used_up
    assert {apdu[1] for apdu in connection.sent} == {0xA4}
    return str(caught.value.values["seen"])


def probes(accepted: ForeignApplication, answer: str = "9000") -> list[tuple[str, str]]:
    """JPKI refused, then every probe before the one that is answered."""
    before = FOREIGN_APPLICATIONS[: FOREIGN_APPLICATIONS.index(accepted)]
    refused = [(select_foreign(one), "6A82") for one in before]
    return [(SELECT_JPKI, "6A82"), *refused, (select_foreign(accepted), answer)]


@pytest.mark.parametrize("application", FOREIGN_APPLICATIONS, ids=lambda a: a.aid.hex())
@pytest.mark.parametrize("answer", ["9000", "6283"])
def test_each_kind_of_card(application: ForeignApplication, answer: str) -> None:
    assert seen(probes(application, answer)) == application.name


def test_a_payment_card_tells_more_and_nobody_keeps_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    card = next(a for a in FOREIGN_APPLICATIONS if a.aid.startswith(b"2PAY"))
    assert seen(probes(card, FCI + "9000")) == SeenCard.PAYMENT_CARD
    assert FCI.lower() not in caplog.text.lower()


def test_these_are_the_published_names() -> None:
    """Sources: card formats of the residence card [LJ], the licence [HM], ICAO 9303-10, EMV 1.4."""
    known = {a.aid.hex().upper(): a.name for a in FOREIGN_APPLICATIONS}
    assert known == {
        "D392F0004F0200000000000000000000": "residence_card",
        "A0000002310100000000000000000000": "licence_card",
        "A0000002471001": "passport",
        "325041592E5359532E4444463031": "payment_card",
        "315041592E5359532E4444463031": "payment_card",
        "D3921000310001010401": "juki_card",
    }


def test_nothing_known() -> None:
    script = [(SELECT_JPKI, "6D00")]
    script += [(select_foreign(one), "6A82") for one in FOREIGN_APPLICATIONS]
    assert seen(script) == SeenCard.UNKNOWN


def test_answers_that_are_no_answer() -> None:
    """A refusal of any kind is no recognition; 6F00 on a cold card is asked once again."""
    answers = ["6A82", "6D00", "6E00", "6700", "6A86", "6999"]
    script = [(SELECT_JPKI, "6F00"), (SELECT_JPKI, "6F00")]
    script += [
        (select_foreign(one), sw) for one, sw in zip(FOREIGN_APPLICATIONS, answers, strict=True)
    ]
    assert seen(script) == SeenCard.UNKNOWN


def test_a_card_that_leaves_meanwhile_is_not_named() -> None:
    first = select_foreign(FOREIGN_APPLICATIONS[0])
    connection = ScriptedConnection([line(SELECT_JPKI, "6A82"), line(first, CardRemovedError())])
    with pytest.raises(CardRemovedError):
        Card(connection).detect()
    assert connection.used_up


@pytest.mark.parametrize(
    ("atr", "name"),
    [
        (FELICA, "felica"),
        (STORAGE + "03 0001 00000000 6A", "mifare"),  # Classic 1K [PT]
        (STORAGE + "03 0002 00000000 69", "mifare"),  # Classic 4K [PT]
        (STORAGE + "03 0003 00000000 68", "mifare"),  # Ultralight [PT]
        (STORAGE + "0B 0014 00000000 77", "memory_card"),  # ISO 15693, ICODE SLI [PT]
    ],
)
def test_memory_cards_by_the_readers_atr(atr: str, name: str) -> None:
    """One SELECT, that of JPKI: a memory card has nothing to select."""
    assert seen([(SELECT_JPKI, "6A81")], atr) == name


@pytest.mark.parametrize("length", range(len(bytes.fromhex(FELICA))))
def test_a_cut_atr_names_a_card_only_if_the_name_is_in_it(length: int) -> None:
    found = storage_card(bytes.fromhex(FELICA)[:length])
    assert found is (SeenCard.FELICA if length >= 15 else None)


@pytest.mark.parametrize(
    "atr",
    ["3B888001000005E0B381A1007F", "3BDA13FF8131FB468012392F31C173C601C03B", "3BE000FF8131FE4514"],
)
def test_no_processor_card_is_a_memory_card(atr: str) -> None:
    assert storage_card(bytes.fromhex(atr)) is None


def test_the_label_names_a_juki_card_without_further_commands() -> None:
    reply = token_file("JPKIAPICCTOKEN")[:64].hex() + "9000"
    connection = ScriptedConnection([line(SELECT_JPKI, "9000"), line("00B0860040", reply)])
    with pytest.raises(NotOurCardError) as caught:
        Card(connection).detect()
    assert caught.value.values["seen"] == SeenCard.JUKI_CARD
    assert connection.used_up


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_kind_has_words(lang: str) -> None:
    said = {text("error.not_our_card", lang, seen=kind.value) for kind in SeenCard}
    assert len(said) == len(SeenCard)
    assert not any(kind.value in one for one in said for kind in SeenCard if "_" in kind.value)
