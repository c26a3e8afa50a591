# SPDX-License-Identifier: Apache-2.0
"""A challenge: written to a file, and answered with the card in the reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jpki.card_map import PinKind
from jpki_cli.pin_desk import PinDesk
from jpki_cli.render import rfc3339
from jpki_cli.session import Session
from jpki_cli.texts import t

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
    """The answer with the key named: counter, question, one VERIFY, signature.

    Raises PinError, ChallengeError, TransportError.
    """
    from jpki.certificate.kinds import Family
    from jpki.verifying.login import respond

    counter = card.pins.counter(pin_of(key))
    counter.demand_try(last_try=last_try)
    pin = desk.take(counter)
    return respond(card, asked, pin, now=now, family=Family(key), last_try=last_try)


def json_file(members: Mapping[str, object]) -> bytes:
    """A challenge or an answer as a file for people to look at, too."""
    return (json.dumps(members, ensure_ascii=False, indent=2) + "\n").encode()


def show_made(session: Session, made: Challenge, out: Path) -> None:
    """Say that a challenge was written, and until when it may be answered."""
    until = rfc3339(made.expires_at)
    if session.json:
        session.emit(
            {
                "schema": "jpki.auth_challenge/1",
                "file": str(out),
                "id": made.id,
                "origin": made.origin,
                "purpose": made.purpose,
                "expires_at": until,
            }
        )
        return
    session.screen().line(t("cli.challenge_made", path=str(out), until=until))
