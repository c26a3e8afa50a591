# SPDX-License-Identifier: Apache-2.0
"""``jpki pin``: tries left, one VERIFY, change, and where a blocked PIN is unblocked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from jpki.card_map import PIN_HOME, PinKind
from jpki_cli.cards import Head, head_of
from jpki_cli.clicks import OneOf, UsageFault, argument, command
from jpki_cli.options import KINDS, card_options, kind_argument, pin_options
from jpki_cli.pin_desk import PinDesk, present, question
from jpki_cli.prompts import wipe
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.card.pin import PinCounter


def counter_json(counter: PinCounter) -> dict[str, object]:
    """One counter as every command writes it."""
    return {
        "kind": counter.kind.value,
        "application": counter.application_name,
        "attempts_left": counter.attempts_left,
        "max_tries": counter.max_tries,
        "state": counter.state.value,
    }


def tries(counter: PinCounter) -> str:
    """``2/3``, or what is known instead."""
    if counter.attempts_left is None:
        return t(f"value.pin_state.{counter.state.value}")
    return f"{counter.attempts_left}/{counter.max_tries}"


def rows(counters: Sequence[PinCounter]) -> list[tuple[str | tuple[str, str], ...]]:
    """The table of counters."""
    out: list[tuple[str | tuple[str, str], ...]] = []
    for counter in counters:
        style = "invalid" if counter.attempts_left == 0 else "strong"
        if counter.attempts_left is None:
            style = "quiet"
        out.append(
            (
                counter.kind.value,
                (tries(counter), style),
                t(f"value.kind.{counter.kind.value}"),
                (t(f"value.application.{counter.application_name}"), "quiet"),
            )
        )
    return out


@command("status")
@argument("kinds", metavar="KIND", nargs=-1, type=OneOf(*KINDS))
@card_options
def status(
    session: Session, kinds: tuple[str, ...], wait: float | None, at: datetime | None
) -> None:
    with session.card(wait=wait, at=at) as opened:
        head = head_of(opened)
        counters = opened.card.pins.counters(*(PinKind(kind) for kind in kinds))
        if not kinds:
            licence = opened.card.pins.counters(PinKind.LICENCE)
            counters += tuple(one for one in licence if one.state.value != "absent")
        if session.json:
            pins = [counter_json(counter) for counter in counters]
            session.emit({"schema": "jpki.pin_status/1", **head.mark, "pins": pins})
            return
        screen = session.screen()
        head.show(screen)
        screen.table(rows(counters))


@command("check")
@kind_argument
@pin_options
@card_options
def check(
    session: Session,
    kind: str,
    pin_fd: int | None,
    last_try: bool,
    wait: float | None,
    at: datetime | None,
) -> None:
    wanted = PinKind(kind)
    with (
        PinDesk(session, [wanted], pin_fd) as desk,
        session.card(wait=wait, at=at, needs_pin=True, begins=PIN_HOME[wanted]) as opened,
    ):
        head = head_of(opened)
        after = present(opened.card, desk, wanted, last_try=last_try)
        if session.json:
            session.emit(_done(head, "checked", after))
            return
        screen = session.screen()
        head.show(screen)
        screen.line(t("cli.pin_right", kind=kind, tries=tries(after)))


@command("change")
@kind_argument
@pin_options
@card_options
def change(
    session: Session,
    kind: str,
    pin_fd: int | None,
    last_try: bool,
    wait: float | None,
    at: datetime | None,
) -> None:
    wanted = PinKind(kind)
    with (
        PinDesk(session, [wanted], pin_fd, lines=2) as desk,
        session.card(wait=wait, at=at, needs_pin=True, begins=PIN_HOME[wanted]) as opened,
    ):
        head = head_of(opened)
        before = opened.card.pins.counter(wanted)
        before.demand_try(last_try=last_try)
        old, new = _old_and_new(session, desk, before)
        after = opened.card.pins.change(wanted, old, new, last_try=last_try)
        if session.json:
            session.emit(_done(head, "changed", after))
            return
        screen = session.screen()
        head.show(screen)
        screen.line(t("cli.pin_changed", kind=kind))


def _old_and_new(
    session: Session, desk: PinDesk, counter: PinCounter
) -> tuple[bytearray, bytearray]:
    """From the descriptor, or asked for: the old one once, the new one twice."""
    if desk.from_descriptor:
        return desk.line(0), desk.line(1)
    ask = session.app.ask_pin
    old = ask(question(counter))
    new = bytearray()
    again = bytearray()
    try:
        new = ask(t("cli.ask_new_pin", kind=counter.kind.value) + " ")
        again = ask(t("cli.ask_new_pin_again", kind=counter.kind.value) + " ")
        if new != again:
            raise UsageFault("usage_pin_mismatch")
    except BaseException:
        wipe(old)
        wipe(new)
        raise
    finally:
        wipe(again)
    return old, new


def _done(head: Head, what: str, counter: PinCounter) -> dict[str, object]:
    return {"schema": "jpki.pin/1", **head.mark, "done": what, **counter_json(counter)}


@command("unblock")
@kind_argument
def unblock(session: Session, kind: str) -> None:
    advice = t(f"cli.unblock.{kind}")
    if session.json:
        session.emit({"schema": "jpki.pin_unblock/1", "kind": kind, "advice": advice})
        return
    session.screen().paragraph(advice)
