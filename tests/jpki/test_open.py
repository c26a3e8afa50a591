# SPDX-License-Identifier: Apache-2.0
"""What stands behind a reader URI, and which reader is taken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

import jpki.open
from jpki.certificate.kinds import Environment
from jpki.emulator import VirtualConnection, load_card
from jpki.errors import CardFileError, InputFileError, NotOurCardError
from jpki.open import load_trust, open_card, open_connection, plug, unplug
from jpki_apdu import readers
from jpki_apdu.connection import CardConnection
from jpki_apdu.errors import (
    CardRemovedError,
    NoCardError,
    ReaderBusyError,
    ReaderUriError,
    SeveralReadersError,
)
from jpki_apdu.status import StatusWord

AT = datetime(2026, 11, 21, tzinfo=UTC)


class Reader(VirtualConnection):
    """A card of ours in a reader with a name."""

    def __init__(self, name: str) -> None:
        super().__init__(load_card("hanako", at=AT))
        self._name = name

    @property
    def name(self) -> str:
        return self._name


class ForeignCard(Reader):
    """Something else in the reader: every command is refused."""

    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        return b"", StatusWord(0x6A82)


Opener = Callable[[str], CardConnection]
ours: Opener = Reader
foreign: Opener = ForeignCard


def busy(name: str) -> CardConnection:
    raise ReaderBusyError(reader=name)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A desk of PC/SC readers: names and what opening each gives."""

    def lay(**openers: Opener) -> None:
        states = [readers.ReaderState(name, True, False, b"") for name in openers]
        monkeypatch.setattr(readers, "list_readers", lambda: states)

        def open_reader(
            uri: str, *, wait: float | None = None, timeout: float | None = None
        ) -> CardConnection:
            name = uri.removeprefix("pcsc:") or next(iter(openers))
            return openers[name](name)

        monkeypatch.setattr(readers, "open_reader", open_reader)

    return lay


def test_a_virtual_card_by_name() -> None:
    with open_card("virtual:hanako", at=AT).card as card:
        assert card.detect().info.label == "JPKIAPICCTOKEN2"


def test_a_virtual_reader_without_a_card_name() -> None:
    with pytest.raises(ReaderUriError):
        open_connection("virtual:")


def test_an_unknown_card_is_a_typed_error() -> None:
    with pytest.raises(CardFileError):
        open_card("virtual:nobody")


def test_plug_and_unplug() -> None:
    uri = plug(load_card("hanako", at=AT))
    opened = open_card(uri)
    assert opened.emulated
    unplug(uri)
    unplug(uri)
    with pytest.raises(CardRemovedError):
        opened.card.jpki.availability()
    with pytest.raises(NoCardError):
        open_card(uri)


def test_the_same_plugged_card_keeps_its_counters() -> None:
    card = load_card("hanako", at=AT)
    uri = plug(card)
    before = card.apdus
    open_card(uri).card.close()
    assert card.apdus > before
    unplug(uri)


def test_several_cards_of_ours_and_a_pin(desk: Callable[..., None]) -> None:
    desk(one=ours, two=ours)
    with pytest.raises(SeveralReadersError) as caught:
        open_card("pcsc:", needs_pin=True)
    assert caught.value.values["names"] == "one, two"


def test_several_cards_of_ours_without_a_pin_takes_the_first(desk: Callable[..., None]) -> None:
    desk(one=ours, two=ours)
    opened = open_card("pcsc:")
    assert (opened.reader, opened.others) == ("one", ("two",))
    opened.card.close()


def test_a_foreign_card_beside_ours_is_no_second_card(desk: Callable[..., None]) -> None:
    desk(one=foreign, two=ours)
    opened = open_card("pcsc:", needs_pin=True)
    assert opened.reader == "two"
    opened.card.close()


def test_only_foreign_cards(desk: Callable[..., None]) -> None:
    desk(one=foreign, two=foreign)
    with pytest.raises(NotOurCardError):
        open_card("pcsc:")


def test_a_busy_reader_is_the_reason_that_is_given(desk: Callable[..., None]) -> None:
    desk(one=foreign, two=busy)
    with pytest.raises(ReaderBusyError):
        open_card("pcsc:")


@pytest.mark.parametrize(
    ("name", "environment", "anchors"),
    [("test", Environment.TEST, 8), ("production", Environment.PRODUCTION, 0)],
)
def test_trust_by_name(name: str, environment: Environment, anchors: int) -> None:
    material = load_trust(name, at=AT)
    assert material.store.environment is environment
    assert len(material.store.anchors) == anchors
    assert len(material.cv_keys) == 3


def test_trust_from_a_file_that_is_not_there() -> None:
    with pytest.raises(InputFileError):
        load_trust("no-such-file.pem")


def test_the_test_material_is_current() -> None:
    assert load_trust("test", at=AT).crls != load_trust("test", at=AT.replace(day=22)).crls
    assert jpki.open.load_trust("test", at=AT).crls == load_trust("test", at=AT).crls
