# SPDX-License-Identifier: Apache-2.0
"""Every file of every application in the card map is decoded, or left out for a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from jpki.card import Card, NumberPurpose
from jpki.card_map import APPLICATIONS, CARD_OBJECTS, FileKind, PinKind
from jpki.emulator import VirtualConnection, load_card

AT = datetime(2026, 11, 21, tzinfo=UTC)
OWN = NumberPurpose.own_card()
Read = Callable[[Card], object]

DECODED: dict[tuple[str, str], Read] = {
    ("jpki", "sign-certificate"): lambda card: card.jpki.certificate("sign"),
    ("jpki", "sign-ca-certificate"): lambda card: card.jpki.certificate("sign-ca"),
    ("jpki", "auth-certificate"): lambda card: card.jpki.certificate("auth"),
    ("jpki", "auth-ca-certificate"): lambda card: card.jpki.certificate("auth-ca"),
    ("jpki", "token-info"): lambda card: card.jpki.token_info().details,
    ("jpki", "certificate-availability"): lambda card: card.jpki.availability(),
    ("surface", "age-record"): lambda card: card.surface.age(),
    ("surface", "face"): lambda card: card.surface.face(),
    ("surface", "basic-info"): lambda card: card.surface.basic_info(),
    ("surface", "cv-certificate"): lambda card: card.surface.cv_certificate(),
    ("surface", "number-image"): lambda card: card.surface.number_image(OWN),
    ("surface", "filler"): lambda card: card.surface.filler(),
    ("text", "number"): lambda card: card.text.number(OWN),
    ("text", "attributes"): lambda card: card.text.attributes(),
    ("text", "digests"): lambda card: card.text.digests(),
    ("text", "cv-certificate"): lambda card: card.text.cv_certificate(),
    ("text", "basic-info"): lambda card: card.text.basic_info(),
    ("text", "session-key"): lambda card: card.text.session_key(),
    ("text", "ap-public-key"): lambda card: card.text.ap_key(),
    ("common", "card-record"): lambda card: card.common.card_record(),
    ("common", "key-reference"): lambda card: card.common.key_reference(),
    ("juki", "key-reference"): lambda card: card.juki.key_reference(),
    ("licence", "pin-set"): lambda card: card.licence.pin_set(),
    ("licence", "licence"): lambda card: card.licence.licence(),
    ("licence", "licence-signature"): lambda card: card.licence.signature(),
}

# What no source says anything about. Nothing is guessed; nothing is read.
REASONS = {
    FileKind.UNKNOWN: "no public source says what it holds or who may read it [MC] [JS]",
    FileKind.PIN: "internal: presented to, never read (6981)",
    FileKind.KEY: "internal: used, never read (6981)",
}

# PINs that open an application's files on ``driver``, which has every application of today.
OPENED = {
    "jpki": (PinKind.SIGN,),
    "surface": (PinKind.NUMBER_A, PinKind.BIRTH),
    "text": (PinKind.TEXT,),
    "licence": (PinKind.LICENCE,),
}
FILES = [(ap, entry) for ap in APPLICATIONS for entry in ap.files.values()]


@pytest.fixture
def card() -> Iterator[Card]:
    with Card(VirtualConnection(load_card("driver", at=AT))) as found:
        yield found


def test_nothing_in_the_table_is_unknown_to_the_map() -> None:
    assert set(DECODED) <= {(ap.name, entry.name) for ap, entry in FILES}


@pytest.mark.parametrize(
    ("application", "entry"), FILES, ids=[f"{ap.name}-{e.fid:04X}" for ap, e in FILES]
)
def test_decoded_or_left_out_by_name(card: Card, application: object, entry: object) -> None:
    from jpki.card_map import Application, FileEntry

    assert isinstance(application, Application)
    assert isinstance(entry, FileEntry)
    read = DECODED.get((application.name, entry.name))
    if read is None:
        assert entry.kind in REASONS, f"{application.name} {entry.name} is neither"
        assert not entry.readable
        return
    pins = load_card("driver", at=AT).pins()
    card.detect()
    for kind in OPENED.get(application.name, ()):
        value = bytearray(pins[kind.value.replace("-", "_")], "ascii")
        card.pins.verify(kind, value, application=application)
    assert read(card) is not None


def test_every_object_of_the_card_level_is_decoded(card: Card) -> None:
    objects = card.mf.read_all()
    missing = [name for name in type(objects).__slots__ if getattr(objects, name) is None]
    assert missing == []
    assert len(type(objects).__slots__) == len(CARD_OBJECTS)
