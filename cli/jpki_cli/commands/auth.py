# SPDX-License-Identifier: Apache-2.0
"""``jpki auth``: make a login challenge, answer it with the card, verify the answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpki_cli import files
from jpki_cli.answering import KEYS, answer, json_file, pin_of, show_made
from jpki_cli.cards import Head, head_of
from jpki_cli.clicks import Moment, OneOf, Seconds, argument, command, option
from jpki_cli.errors import Exit
from jpki_cli.options import PATH, card_options, pin_options, validation_options
from jpki_cli.pin_desk import PinDesk
from jpki_cli.session import Session
from jpki_cli.texts import t
from jpki_cli.validation import Asked, material
from jpki_cli.verdicts import finish

if TYPE_CHECKING:
    from jpki.verifying.challenge import Challenge

_LIMIT = 1 << 16  # bytes of a challenge or response file


@command("challenge")
@option("--origin", metavar="O", required=True)
@option("--purpose", metavar="P", required=True)
@option("--ttl", metavar="S", type=Seconds(), default=300)
@option("--at", metavar="TIME", type=Moment())
@option("--out", metavar="F", type=PATH, required=True)
@option("--force", is_flag=True)
def challenge(
    session: Session,
    origin: str,
    purpose: str,
    ttl: float,
    at: datetime | None,
    out: Path,
    force: bool,
) -> None:
    from jpki.verifying.challenge import MAX_TTL, new_challenge

    files.check_target(out, force=force)
    lifetime = timedelta(seconds=min(ttl, 2 * MAX_TTL.total_seconds()))
    made = new_challenge(origin, purpose, ttl=lifetime, now=at or session.app.clock())
    files.write_whole(out, json_file(made.to_object()), private=False, force=force)
    show_made(session, made, out)


@command("respond")
@argument("challenge_file", metavar="F", type=PATH)
@option("--out", metavar="R", type=PATH, required=True)
@option("--force", is_flag=True)
@option("--key", metavar="KEY", type=OneOf(*KEYS), default="auth")
@pin_options
@card_options
def respond(
    session: Session,
    challenge_file: Path,
    out: Path,
    force: bool,
    key: str,
    pin_fd: int | None,
    last_try: bool,
    wait: float | None,
    at: datetime | None,
) -> None:
    from jpki.errors import ChallengeError
    from jpki.verifying.challenge import parse_challenge

    asked = parse_challenge(files.read_input(challenge_file, limit=_LIMIT))
    files.check_target(out, force=force)
    now = at or session.app.clock()
    if asked.is_expired(now):
        raise ChallengeError(reason="expired")
    with PinDesk(session, [pin_of(key)], pin_fd) as desk:
        session.say(t("cli.challenge_asks", origin=asked.origin, purpose=asked.purpose))
        with session.card(wait=wait, at=at, needs_pin=True) as opened:
            head = head_of(opened)
            response = answer(opened.card, asked, desk, now, key=key, last_try=last_try)
    # The certificate in it is as good as a serial number: not for everybody's eyes.
    files.write_whole(out, json_file(response.to_object()), private=True, force=force)
    _show_response(session, head, asked, out)


def _show_response(session: Session, head: Head, asked: Challenge, out: Path) -> None:
    if session.json:
        session.emit(
            {
                "schema": "jpki.auth_response/1",
                **head.mark,
                "file": str(out),
                "id": asked.id,
                "origin": asked.origin,
                "purpose": asked.purpose,
            }
        )
        return
    screen = session.screen()
    head.show(screen)
    screen.line(t("cli.challenge_answered", path=str(out)))


@command("verify")
@argument("response_file", metavar="R", type=PATH)
@option("--challenge", "challenge_file", metavar="F", type=PATH, required=True)
@validation_options
@option("--at", metavar="TIME", type=Moment())
def verify(session: Session, response_file: Path, challenge_file: Path, **given: Any) -> Exit:
    from jpki.verifying.challenge import parse_challenge, parse_response
    from jpki.verifying.login import verify_response

    asked = Asked.from_options(given)
    own = parse_challenge(files.read_input(challenge_file, limit=_LIMIT))
    answered = parse_response(files.read_input(response_file, limit=_LIMIT))
    trust, options = material(session, asked)
    now = asked.at or session.app.clock()
    return finish(session, verify_response(answered, own, options.validator(trust), now=now))
