# SPDX-License-Identifier: Apache-2.0
"""The reader of free-area applications: files, records, and a PIN that is presented once."""

from __future__ import annotations

import dataclasses
import logging

import pytest

from card_bench import opened
from card_script import ScriptedConnection, line
from jpki.card import Card
from jpki.card.free_area import (
    ContentKind,
    FreeAreaFile,
    FreeAreaRecord,
    is_present,
    read_free_area,
)
from jpki.card_map import ISD_AID, FileKind
from jpki.emulator import EmulatedCard, load_card
from jpki.errors import ApplicationPinError, CardDataError, PinFormatError
from jpki.messages import LANGUAGES, text
from jpki_apdu.errors import (
    CardRemovedError,
    FileNotFoundOnCardError,
    SecurityStatusError,
)
from library_card import AID, library

LIBRARY = library()
SELECT = f"00A4040C0E{AID}"
ISD = "00A4040C07A0000001510000"


@pytest.fixture
def card() -> EmulatedCard:
    return load_card("library")


@pytest.mark.parametrize(
    ("file", "content"),
    [("library", "見本市立図書館 (TEST)"), ("card-code", "0099004217"), ("branch", "移動図書館")],
)
def test_free_files(card: EmulatedCard, file: str, content: str) -> None:
    with opened(card) as reader:
        record = read_free_area(reader, LIBRARY, file)
    assert record.text == content
    assert content not in repr(record)


def test_a_file_without_a_size_is_read_to_its_end(card: EmulatedCard) -> None:
    whole = dataclasses.replace(LIBRARY.file("card-code"), size=None, content=ContentKind.BYTES)
    with opened(card) as reader:
        record = read_free_area(reader, LIBRARY, whole)
    assert record.data == b"0099004217"
    with pytest.raises(ValueError, match="bytes"):
        assert record.text


def test_what_a_read_costs(card: EmulatedCard) -> None:
    with opened(card) as reader:
        read_free_area(reader, LIBRARY, "card-code")
        assert card.apdus == 2
        read_free_area(reader, LIBRARY, "card-code")
        assert card.apdus == 3


def test_a_card_without_it(hanako: EmulatedCard) -> None:
    with opened(hanako) as reader:
        assert not is_present(reader, LIBRARY)
        with pytest.raises(FileNotFoundOnCardError) as caught:
            read_free_area(reader, LIBRARY, "library")
    assert caught.value.code == "application_absent"


def test_a_file_that_is_not_there(card: EmulatedCard) -> None:
    with opened(card) as reader, pytest.raises(FileNotFoundOnCardError) as caught:
        read_free_area(reader, LIBRARY, FreeAreaFile("other", 0x0009, "他", "other"))
    assert caught.value.code == "file_absent"
    assert caught.value.values["record"] == "other"


def test_a_name_that_is_not_listed(card: EmulatedCard) -> None:
    with opened(card) as reader, pytest.raises(KeyError):
        read_free_area(reader, LIBRARY, "other")
    assert card.apdus == 0


# PINs.


def test_a_guarded_file_wants_its_pin(card: EmulatedCard) -> None:
    with opened(card) as reader, pytest.raises(SecurityStatusError) as caught:
        read_free_area(reader, LIBRARY, "contact")
    assert caught.value.code == "free_area_needs_pin"


def test_the_pin_is_presented_once_wiped_and_forgotten(card: EmulatedCard) -> None:
    pin = bytearray(b"4649")
    with opened(card) as reader:
        record = read_free_area(reader, LIBRARY, "contact", pin=pin)
        assert reader.channel.selection.aid == ISD_AID
        with pytest.raises(SecurityStatusError):
            read_free_area(reader, LIBRARY, "contact")
    assert record.text == "reader-4217@library.example"
    assert pin == bytes(4)


def script(*exchanges: tuple[str, str | Exception]) -> tuple[Card, ScriptedConnection]:
    connection = ScriptedConnection([line(*one) for one in exchanges])
    return Card(connection), connection


VERIFY = "00200091 04 34363439".replace(" ", "")


def test_the_order_of_events() -> None:
    """Select, counter, one VERIFY, one read, and the card manager before anybody else may talk."""
    card, connection = script(
        (SELECT, "9000"), ("00200091", "63C5"), (VERIFY, "9000"), ("00B0840000", "61629000"),
        ("00B0000200", "6B00"), (ISD, "9000"),
    )  # fmt: skip
    record = read_free_area(card, LIBRARY, "contact", pin=bytearray(b"4649"))
    assert record.text == "ab"
    assert connection.used_up
    assert (connection.events[0], connection.events[-1]) == ("exclusive", "shared")
    assert connection.presented == 1


@pytest.mark.parametrize(
    ("query", "answer", "code", "left"),
    [
        ("63C5", "63C4", "pin_of_application", 4),
        ("63C2", "63C1", "pin_of_application", 1),
        ("6300", "6300", "pin_of_application", None),
        ("63C2", "63C0", "pin_of_application_blocked", 0),
        ("63C2", "6983", "pin_of_application_blocked", 0),
        ("63C2", "6984", "pin_of_application_blocked", 0),
        ("63C2", "6A80", "pin_of_application_refused", None),
        ("63C2", CardRemovedError(), "pin_of_application_unknown", None),
    ],
)
def test_a_pin_that_is_not_taken(
    query: str, answer: str | Exception, code: str, left: int | None
) -> None:
    removed = [] if isinstance(answer, Exception) else [(ISD, "9000")]
    card, connection = script((SELECT, "9000"), ("00200091", query), (VERIFY, answer), *removed)
    pin = bytearray(b"4649")
    with pytest.raises(ApplicationPinError) as caught:
        read_free_area(card, LIBRARY, "contact", pin=pin)
    assert (caught.value.code, caught.value.attempts_left) == (code, left)
    assert connection.used_up
    assert pin == bytes(4)
    for lang in LANGUAGES:
        words = text(f"error.{caught.value.code}", lang, **caught.value.values)
        assert "sample-library" in words
        assert "?" not in words or left is None


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("63C1", "pin_of_application_last_try"),
        ("63C0", "pin_of_application_blocked"),
        ("6984", "pin_of_application_blocked"),
        ("6999", "pin_of_application_refused"),
    ],
)
def test_nothing_is_presented_where_it_could_do_harm(query: str, code: str) -> None:
    asked = [("00200091", query)]
    if query == "6999":  # no counter by short identifier: asked again by name
        asked += [("00A4020C020011", "9000"), ("00200080", query)]
    card, connection = script((SELECT, "9000"), *asked, (ISD, "9000"))
    with pytest.raises(ApplicationPinError) as caught:
        read_free_area(card, LIBRARY, "contact", pin=bytearray(b"4649"))
    assert caught.value.code == code
    assert connection.presented == 0
    assert connection.used_up


def test_the_last_try_is_allowed_by_word() -> None:
    card, connection = script(
        (SELECT, "9000"), ("00200091", "63C1"), (VERIFY, "63C0"), (ISD, "9000")
    )
    with pytest.raises(ApplicationPinError) as caught:
        read_free_area(card, LIBRARY, "contact", pin=bytearray(b"4649"), last_try=True)
    assert caught.value.code == "pin_of_application_blocked"
    assert connection.presented == 1


def test_a_pin_that_the_application_does_not_have() -> None:
    card, connection = script(
        (SELECT, "9000"), ("00200091", "6A88"), ("00A4020C020011", "6A82"), (ISD, "9000")
    )
    with pytest.raises(ApplicationPinError) as caught:
        read_free_area(card, LIBRARY, "contact", pin=bytearray(b"4649"))
    assert caught.value.code == "pin_of_application_absent"
    assert connection.used_up


def test_a_card_without_a_card_manager_loses_its_power() -> None:
    card, connection = script(
        (SELECT, "9000"), ("00200091", "63C5"), (VERIFY, "9000"), ("00B0840000", "6162 6282"),
        (ISD, "6A82"),
    )  # fmt: skip
    read_free_area(card, LIBRARY, "contact", pin=bytearray(b"4649"))
    assert connection.events[-2:] == ["power_off", "shared"]


@pytest.mark.parametrize(
    ("pin", "rule"),
    [(b"464", "length"), (b"464946494", "length"), (b"46a9", "digits"), (b"", "length")],
)
def test_a_pin_of_the_wrong_form_is_not_sent(card: EmulatedCard, pin: bytes, rule: str) -> None:
    with opened(card) as reader, pytest.raises(PinFormatError) as caught:
        read_free_area(reader, LIBRARY, "contact", pin=bytearray(pin))
    assert caught.value.values["rule"] == rule
    assert card.apdus == 0


def test_a_pin_for_a_free_file_is_not_sent(card: EmulatedCard) -> None:
    pin = bytearray(b"4649")
    with opened(card) as reader, pytest.raises(ValueError, match="free to read"):
        read_free_area(reader, LIBRARY, "library", pin=pin)
    assert card.apdus == 0
    assert pin == bytes(4)


def test_nothing_is_logged(card: EmulatedCard, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with opened(card) as reader:
        read_free_area(reader, LIBRARY, "contact", pin=bytearray(b"4649"))
        read_free_area(reader, LIBRARY, "card-code")
    assert caplog.records
    for secret in ("4649", "34363439", "4217", "reader-"):
        assert secret not in caplog.text


# Contents.


def record(data: bytes, content: ContentKind) -> FreeAreaRecord:
    file = FreeAreaFile("f", 0x0001, "f", "f", FileKind.TRANSPARENT, content)
    return FreeAreaRecord("sample-library", file, data)


@pytest.mark.parametrize(
    ("data", "content", "reason"),
    [
        (b"", ContentKind.TEXT, "truncated"),
        (b"\xff\xff", ContentKind.TEXT, "filler_only"),
        (b"\xe8\xa6", ContentKind.TEXT, "bad_text"),
        (b"a\x1b[2J", ContentKind.TEXT, "bad_text"),
        ("a\u202eb".encode(), ContentKind.TEXT, "bad_text"),
        (b"12a4", ContentKind.DIGITS, "bad_digits"),
        ("１２".encode(), ContentKind.DIGITS, "bad_digits"),
    ],
)
def test_contents_that_are_not_what_the_registry_says(
    data: bytes, content: ContentKind, reason: str
) -> None:
    with pytest.raises(CardDataError) as caught:
        assert record(data, content).text
    assert caught.value.values["reason"] == reason


@pytest.mark.parametrize("filler", [b"", b"\xff\xff\xff", b"\0\0"])
def test_filler_is_no_content(filler: bytes) -> None:
    assert record(b"0099004217" + filler, ContentKind.DIGITS).text == "0099004217"


@pytest.mark.parametrize("length", range(len("見本館".encode())))
def test_a_text_cut_short(length: int) -> None:
    """A cut inside a character is an error; between two nothing tells it from a shorter text."""
    data = "見本館".encode()[:length]
    if length in (3, 6):
        assert record(data, ContentKind.TEXT).text == "見本館"[: length // 3]
        return
    with pytest.raises(CardDataError):
        assert record(data, ContentKind.TEXT).text
