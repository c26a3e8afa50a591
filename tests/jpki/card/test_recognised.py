# SPDX-License-Identifier: Apache-2.0
"""A card is recognised by the application that the job begins with, or else by its token."""

from __future__ import annotations

import pytest

from card_files import Keys, cv_file, token_file
from card_script import ScriptedConnection, line
from jpki.card import Card
from jpki.card.cv_certificate import CV_CERTIFICATE_SIZE, CV_HEAD_SIZE
from jpki.card.token import Recognised
from jpki.card_map import JPKI_AP, SURFACE_AP, TEXT_AP, Application, TokenKind
from jpki.emulator import VirtualConnection, load_card
from jpki.errors import NotOurCardError

READ_HEAD = f"00B08400{CV_HEAD_SIZE:02X}"
DETECTION = [
    ("00A4040C0AD392F000260100000001", "9000"),
    ("00B0860040", token_file()[:64].hex() + "9000"),
]


def select(application: Application) -> str:
    return f"00A4040C{len(application.aid):02X}{application.aid.hex()}"


def head(number: str, generation: str = "001") -> bytes:
    """The first bytes of EF 0004, down to the key that issued it."""
    return bytes.fromhex("7F218202335F4E820129") + (
        number.encode() + b"\x08\x05" + generation.encode() + bytes(4)
    )


def recognised(begins: Application | None, *script: tuple[str, str]) -> Recognised:
    connection = ScriptedConnection([line(*one) for one in script])
    found = Card(connection).recognise(begins)
    assert connection.used_up
    return found


@pytest.mark.parametrize(
    ("application", "number", "test"),
    [
        (TEXT_AP, "5000033", False),
        (TEXT_AP, "6000033", True),  # lent by J-LIS
        (TEXT_AP, "9000033", True),  # of the test PKI here
        (SURFACE_AP, "5000023", False),
        (SURFACE_AP, "9000023", True),
    ],
)
def test_by_whose_key_issued_its_data(application: Application, number: str, test: bool) -> None:
    """Two commands, and the first of them is what the job begins with."""
    script = [(select(application), "9000"), (READ_HEAD, head(number).hex() + "9000")]
    assert recognised(application, *script) == Recognised(TokenKind.CARD, test)


def test_the_head_is_what_the_files_have(keys: Keys) -> None:
    whole = cv_file(keys.ca, keys.city)
    assert len(whole) == CV_CERTIFICATE_SIZE
    assert whole[:10] == head("5000033")[:10]


@pytest.mark.parametrize(
    "answer",
    [
        *(head("5000033")[:size].hex() + "6282" for size in range(CV_HEAD_SIZE)),
        "FF" * CV_HEAD_SIZE + "9000",
        head("5000023").hex() + "9000",  # of the other application
        head("500003X").hex() + "9000",
        "6982",
        "6985",
    ],
)
def test_anything_else_is_asked_of_the_token(answer: str) -> None:
    script = [(select(TEXT_AP), "9000"), (READ_HEAD, answer)]
    if answer == "6985":  # no short identifier there: once more by name
        script += [("00A4020C020004", "9000"), (READ_HEAD.replace("84", "00"), answer)]
    assert recognised(TEXT_AP, *script, *DETECTION) == Recognised(TokenKind.CARD, is_test=False)


def test_a_card_without_that_application_is_asked_for_its_token() -> None:
    script = [(select(TEXT_AP), "6A82"), *DETECTION]
    assert recognised(TEXT_AP, *script).kind is TokenKind.CARD


@pytest.mark.parametrize("begins", [None, JPKI_AP])
def test_what_begins_elsewhere_is_detected(begins: Application | None) -> None:
    assert recognised(begins, *DETECTION).kind is TokenKind.CARD


@pytest.mark.parametrize("name", ["hanako", "forged", "copied", "driver", "android", "iphone"])
def test_both_ways_say_the_same(name: str) -> None:
    found = []
    for begins in (None, TEXT_AP, SURFACE_AP):
        with Card(VirtualConnection(load_card(name))) as card:
            found.append(card.recognise(begins))
            assert card.recognise() is found[-1]
    assert found == [found[0]] * 3
    assert found[0].is_test


def test_another_card_is_still_named() -> None:
    connection = ScriptedConnection(
        [
            line(select(TEXT_AP), "6A82"),
            line(DETECTION[0][0], "6A82"),
            line("00A4040C10D392F0004F0200000000000000000000", "9000"),
        ]
    )
    with pytest.raises(NotOurCardError) as caught:
        Card(connection).recognise(TEXT_AP)
    assert caught.value.values["seen"] == "residence_card"
    assert connection.used_up
