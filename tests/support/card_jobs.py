# SPDX-License-Identifier: Apache-2.0
"""Jobs with ``hanako`` whose commands are counted, in tests and beside other tools."""

from __future__ import annotations

from collections.abc import Callable

from jpki.card import Card
from jpki.card_map import PinKind
from jpki.signing.card_key import CardKey

Job = Callable[[Card], object]


def auth_certificate(card: Card) -> None:
    card.jpki.certificate("auth")


def sign_certificate(card: Card) -> None:
    card.pins.verify(PinKind.SIGN, bytearray(b"ABC123"))
    card.jpki.certificate("sign")


def attributes(card: Card) -> None:
    card.pins.verify(PinKind.TEXT, bytearray(b"1234"))
    card.text.attributes()


def signature(card: Card) -> None:
    card.pins.verify(PinKind.AUTH, bytearray(b"1234"))
    card.jpki.authenticate(b"challenge")


def document(card: Card) -> None:
    signer = CardKey(card, PinKind.SIGN).unlock(bytearray(b"ABC123"))
    signer.sign_digest(signer.algorithms[0], bytes(32))
    assert signer.chain


def face(card: Card) -> None:
    card.pins.verify(PinKind.NUMBER_A, bytearray(b"537686677188"))
    card.surface.face()


def age(card: Card) -> None:
    card.pins.verify(PinKind.BIRTH, bytearray(b"550217"))
    card.surface.age()


def pin_status(card: Card) -> None:
    assert len(card.pins.counters()) == 10
