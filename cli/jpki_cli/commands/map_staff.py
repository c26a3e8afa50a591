# SPDX-License-Identifier: Apache-2.0
"""``jpki map suspend|suppress|close``: what staff do, by pseudonym and on a document."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jpki_cli import resolutions
from jpki_cli.clicks import Moment, OneOf, command, option
from jpki_cli.errors import Exit
from jpki_cli.maps import actor_options, asker_of, map_options, opened_map, purpose_options
from jpki_cli.options import together
from jpki_cli.presenting import Answered, is_test
from jpki_cli.session import Session
from jpki_cli.validation import Asked

if TYPE_CHECKING:
    from jpki.mapping.answers import Resolution
    from jpki.mapping.service import Map
    from jpki.mapping.sitting import Asker

staff_options = together(
    option("--pseudonym", metavar="CODE", required=True),
    option("--document", metavar="TEXT", default=""),
    map_options,
    purpose_options,
    actor_options,
    option("--at", metavar="TIME", type=Moment()),
)


@command("suspend")
@staff_options
@option("--medium", metavar="MEDIUM", type=OneOf("card", "phone"))
def suspend(session: Session, pseudonym: str, medium: str | None, **given: Any) -> Exit:
    from jpki.certificate.kinds import Medium

    lost = None if medium is None else Medium(medium)
    return _do(session, given, lambda table, asker: table.suspend(pseudonym, asker, medium=lost))


@command("suppress")
@staff_options
@option("--lift", is_flag=True)
def suppress(session: Session, pseudonym: str, lift: bool, **given: Any) -> Exit:
    return _do(session, given, lambda table, asker: table.suppress(pseudonym, asker, lift=lift))


@command("close")
@staff_options
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
