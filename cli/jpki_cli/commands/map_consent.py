# SPDX-License-Identifier: Apache-2.0
"""``jpki map consent``: the holder gives and withdraws; staff look at what stands and is due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jpki_cli import resolutions
from jpki_cli.clicks import command, option
from jpki_cli.consents import terms
from jpki_cli.errors import Exit
from jpki_cli.maps import asker_of, opened_map, staff_options
from jpki_cli.presenting import Answered, is_test, present, presenting_options
from jpki_cli.render import clean, rfc3339
from jpki_cli.session import Session
from jpki_cli.texts import t
from jpki_cli.validation import Asked

if TYPE_CHECKING:
    from jpki.mapping.answers import Resolution
    from jpki.mapping.consent import ConsentRecord
    from jpki.mapping.policy import Purpose
    from jpki.mapping.presentation import Presentation, Rejected
    from jpki.mapping.service import Map
    from jpki.mapping.sitting import Asker
    from jpki.mapping.staff_view import ConsentView


@command("give")
@option("--item", metavar="ITEM", multiple=True)
@option("--notice", metavar="VERSION")
@presenting_options
def give(session: Session, notice: str | None, **given: Any) -> Exit:
    from jpki.mapping.consent import detail
    from jpki.mapping.policy import Operation

    def signed(purpose: Purpose | None, asker: Asker) -> str:
        return "" if purpose is None else detail(*terms(purpose, asker.items, notice))

    def work(table: Map, proof: Presentation | Rejected, asker: Asker) -> Resolution:
        _, purpose = table.policy.find(asker.service, asker.purpose, Operation.CONSENT)
        assert purpose is not None  # or it would have been refused
        items, version = terms(purpose, asker.items, notice)
        return table.consent(proof, replace(asker, items=items), notice=version)

    answered = present(session, given, Operation.CONSENT, work, detail=signed)
    return resolutions.finish(session, answered)


@command("withdraw")
@presenting_options
def withdraw(session: Session, **given: Any) -> Exit:
    from jpki.mapping.policy import Operation

    answered = present(
        session, given, Operation.WITHDRAW, lambda table, proof, asker: table.withdraw(proof, asker)
    )
    return resolutions.finish(session, answered)


@command("list")
@option("--pseudonym", metavar="CODE", required=True)
@staff_options
def list_consents(session: Session, pseudonym: str, **given: Any) -> Exit:
    from jpki.mapping.staff_view import consents_of

    return _look(session, given, lambda table, asker: consents_of(table, asker, pseudonym))


@command("due")
@staff_options
def due(session: Session, **given: Any) -> Exit:
    from jpki.mapping.staff_view import reminders_due

    return _look(session, given, reminders_due)


def _look(
    session: Session, given: dict[str, Any], look: Callable[[Map, Asker], ConsentView]
) -> Exit:
    at: datetime | None = given.pop("at")
    with opened_map(session, given, Asked(at=at)) as table:
        view, test = look(table, asker_of(given)), is_test(table)
    if session.json:
        session.emit(view.to_object())
        return resolutions.exit_of(view.resolution)
    from jpki.mapping.records import pseudonym_text

    screen = session.screen()
    answered = Answered(view.resolution, test)
    resolutions.show_test(screen, answered)
    resolutions.show(screen, view.resolution)
    for person in view.persons:
        screen.line()
        screen.line((pseudonym_text(person.pseudonym), "strong"))
        screen.table([_cells(one) for one in person.consents])
    return resolutions.exit_of(view.resolution)


def _cells(one: ConsentRecord) -> tuple[str, ...]:
    return (
        t(f"map.consent.{one.state}"), clean(one.purpose), ", ".join(one.items), clean(one.notice),
        f"{rfc3339(one.starts_at)} – {rfc3339(one.ends_at)}",
    )  # fmt: skip
