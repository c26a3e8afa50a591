# SPDX-License-Identifier: Apache-2.0
"""Opening emulated cards, and reading all of the text application."""

from __future__ import annotations

from jpki.card import (
    Card,
    NumberPurpose,
    TextEvidence,
)
from jpki.emulator import EmulatedCard, VirtualConnection
from jpki_apdu.connection import ReplyLimits

TEXT_PIN, AUTH_PIN, SIGN_PIN = b"1234", b"1234", b"ABC123"


def opened(card: EmulatedCard, limits: ReplyLimits | None = None) -> Card:
    return Card(VirtualConnection(card, limits))


def read_all(card: Card) -> TextEvidence:
    text = card.text
    return TextEvidence(
        cv_certificate=text.cv_certificate(),
        digests=text.digests(),
        attributes=text.attributes(),
        number=text.number(NumberPurpose.own_card()),
        ap_key=text.ap_key(),
    )
