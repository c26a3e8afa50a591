# SPDX-License-Identifier: Apache-2.0
"""``jpki map suspend|suppress|close``: what staff do, by pseudonym and on a document."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jpki_cli import resolutions
from jpki_cli.clicks import OneOf, command, option
from jpki_cli.errors import Exit
from jpki_cli.maps import asker_of, opened_map, staff_options
from jpki_cli.options import together
from jpki_cli.presenting import Answered, is_test
from jpki_cli.session import Session
from jpki_cli.validation import Asked

if TYPE_CHECKING:
    from jpki.mapping.answers import Resolution
    from jpki.mapping.service import Map
    from jpki.mapping.sitting import Asker

person_options = together(
    option("--pseudonym", metavar="CODE", required=True),
    staff_options,
)


@command("suspend")
@person_options
@option("--medium", metavar="MEDIUM", type=OneOf("card", "phone"))
def suspend(session: Session, pseudonym: str, medium: str | None, **given: Any) -> Exit:
    from jpki.certificate.kinds import Medium

    lost = None if medium is None else Medium(medium)
    return _do(session, given, lambda table, asker: table.suspend(pseudonym, asker, medium=lost))


@command("suppress")
@person_options
@option("--lift", is_flag=True)
def suppress(session: Session, pseudonym: str, lift: bool, **given: Any) -> Exit:
    return _do(session, given, lambda table, asker: table.suppress(pseudonym, asker, lift=lift))


@command("close")
@person_options
def close(session: Session, pseudonym: str, **given: Any) -> Exit:
    return _do(session, given, lambda table, asker: table.close_account(pseudonym, asker))


def _do(
    session: Session,
    given: dict[str, Any],
    work: Callable[[Map, Asker], Resolution],
) -> Exit:
    at: datetime | None = given.pop("at")
    with opened_map(session, given, Asked(at=at)) as table:
        answered = Answered(work(table, asker_of(given)), is_test(table))
    return resolutions.finish(session, answered)
