# SPDX-License-Identifier: Apache-2.0
"""``jpki map report``: who looked, when, how often, for what, on which article. No person."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from jpki_cli.clicks import Moment, command, option
from jpki_cli.maps import opened_store, upkeep_options
from jpki_cli.render import clean, rfc3339
from jpki_cli.session import Session
from jpki_cli.texts import t, words

if TYPE_CHECKING:
    from jpki.mapping.report import ReportRow


@command("report")
@upkeep_options
@option("--service", metavar="ID")
@option("--since", metavar="TIME", type=Moment())
@option("--until", metavar="TIME", type=Moment())
def report(
    session: Session,
    service: str | None,
    since: datetime | None,
    until: datetime | None,
    **given: Any,
) -> None:
    from jpki.mapping.report import SCHEMA
    from jpki.mapping.report import report as counted

    with opened_store(session, given) as (store, keys), store.reading() as connection:
        rows = counted(connection, service=service, since=since, until=until)
    total = sum(row.entries for row in rows)
    if session.json:
        session.emit(
            {
                "schema": SCHEMA,
                "environment": keys.environment.value,
                "service": service,
                "since": since and rfc3339(since),
                "until": until and rfc3339(until),
                "entries": total,
                "rows": [_row(row) for row in rows],
            }
        )
        return
    screen = session.screen()
    screen.line((t("map.entries", n=total), "strong"))
    screen.line(t(f"map.environment.{keys.environment.value}"))
    place = ""
    for row in rows:
        if f"{row.service}/{row.purpose}" != place:
            place = f"{row.service}/{row.purpose}"
            screen.line()
            screen.line((clean(place), "strong"))
        screen.table([_cells(row)])


def _cells(row: ReportRow) -> tuple[str, ...]:
    return (
        f"{row.entries:>6}", words(f"map.operation.{row.operation}", row.operation),
        words(f"map.outcome.{row.outcome}", row.outcome), clean(row.actor), row.article or "–",
        f"{rfc3339(row.first)} – {rfc3339(row.last)}",
    )  # fmt: skip


def _row(row: ReportRow) -> dict[str, object]:
    return {
        "service": row.service,
        "purpose": row.purpose,
        "operation": row.operation,
        "article": row.article,
        "role": row.role,
        "actor": row.actor,
        "outcome": row.outcome,
        "entries": row.entries,
        "first": rfc3339(row.first),
        "last": rfc3339(row.last),
    }
