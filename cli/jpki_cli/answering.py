# SPDX-License-Identifier: Apache-2.0
"""A challenge answered with the card in the reader: counter, question, one VERIFY, signature."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from jpki.card_map import PinKind
from jpki_cli.pin_desk import PinDesk, refuse_early

if TYPE_CHECKING:
    from jpki.card import Card
    from jpki.verifying.challenge import Challenge, Response

KEYS = ("auth", "sign")
"""What ``--key`` takes."""


def pin_of(key: str) -> PinKind:
    """The PIN of the auth key or of the sign key."""
    return PinKind(key)


def answer(
    card: Card, asked: Challenge, desk: PinDesk, now: datetime, *, key: str, last_try: bool
) -> Response:
    """The answer with the key named. Raises PinError, ChallengeError, TransportError."""
    from jpki.certificate.kinds import Family
    from jpki.verifying.login import respond

    counter = card.pins.counter(pin_of(key))
    refuse_early(counter, last_try=last_try)
    pin = desk.take(counter)
    return respond(card, asked, pin, now=now, family=Family(key), last_try=last_try)
