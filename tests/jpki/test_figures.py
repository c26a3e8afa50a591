# SPDX-License-Identifier: Apache-2.0
"""Commands each job costs on ``hanako``, from no application selected (counts, not times)."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import jpki.emulator
from jpki.card import Card
from jpki.card_map import PinKind
from jpki.emulator import EmulatedCard, VirtualConnection, load_card
from jpki.emulator.card import ApduTrace
from jpki_apdu.connection import ReplyLimits

AT = datetime(2026, 11, 21, tzinfo=UTC)
SHORT = ReplyLimits(short=256, extended=0)
EXTENDED = ReplyLimits(short=256, extended=65536)

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


def pin_status(card: Card) -> None:
    assert len(card.pins.counters()) == 10


@functools.cache
def _hanako_without_sfi() -> str:
    text = (Path(jpki.emulator.__file__).parent / "cards" / "hanako.toml").read_text("utf-8")
    path = Path(tempfile.mkdtemp()) / "hanako.toml"
    path.write_text(text + "\n[quirks]\nsfi = false\n", encoding="utf-8")
    return str(path)


def count(job: Job, *, sfi: bool = True, limits: ReplyLimits = SHORT) -> int:
    emulated = load_card("hanako" if sfi else _hanako_without_sfi(), at=AT)
    with Card(VirtualConnection(emulated, limits)) as card:
        job(card)
    return emulated.apdus


@pytest.mark.parametrize(
    ("job", "accepted", "refused", "applications"),
    [
        (auth_certificate, 8, 9, 1),
        (sign_certificate, 12, 13, 1),
        (attributes, 5, 6, 1),
        (signature, 5, 6, 1),
        (pin_status, 15, 25, 5),
    ],
)
def test_short_replies(job: Job, accepted: int, refused: int, applications: int) -> None:
    assert count(job) <= accepted
    # One refused try in each application, after which short identifiers are not tried again.
    assert count(job, sfi=False) <= refused + applications


def test_the_two_that_have_no_slack() -> None:
    assert count(auth_certificate) == 8
    assert count(pin_status) == 15


@pytest.mark.parametrize(("job", "most"), [(auth_certificate, 3), (sign_certificate, 5)])
def test_extended_replies(job: Job, most: int) -> None:
    assert count(job, limits=EXTENDED) == most


@pytest.mark.parametrize("job", [auth_certificate, signature])
def test_detection_costs_one_more(job: Job) -> None:
    def detected(card: Card) -> None:
        card.detect()
        job(card)

    assert count(detected) == count(job) + 1


def test_no_byte_of_a_certificate_is_read_twice() -> None:
    emulated: EmulatedCard = load_card("hanako", at=AT)
    seen: list[ApduTrace] = []
    emulated.log = seen.append
    with Card(VirtualConnection(emulated, SHORT)) as card:
        der = card.jpki.certificate("auth")
    read = sum(trace.reply for trace in seen if trace.header[1] == 0xB0)
    assert read == len(der)
