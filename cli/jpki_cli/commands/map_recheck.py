# SPDX-License-Identifier: Apache-2.0
"""``jpki map recheck``: are the certificates that are stored for it still in force (現況確認)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpki_cli import resolutions
from jpki_cli.clicks import Moment, command, option
from jpki_cli.errors import Exit
from jpki_cli.maps import actor_options, asker_of, map_options, opened_map, purpose_options
from jpki_cli.options import validation_options
from jpki_cli.platforms import platform_in, platform_option
from jpki_cli.presenting import Answered, is_test
from jpki_cli.session import Session
from jpki_cli.texts import t, words
from jpki_cli.validation import Asked

if TYPE_CHECKING:
    from jpki.mapping.recheck import RecheckReport
    from jpki_cli.screen import Screen


@command("recheck")
@option("--only", metavar="CODE")
@platform_option
@map_options
@purpose_options
@actor_options
@validation_options
@option("--at", metavar="TIME", type=Moment())
def recheck(session: Session, only: str | None, platform: Path | None, **given: Any) -> Exit:
    operator = platform_in(platform)
    with opened_map(session, given, Asked.from_options(given)) as table:
        report = table.recheck_all(asker_of(given), operator, only=only)
        answered = Answered(report.resolution, is_test(table))
    if session.json:
        session.emit(report.to_object())
        return resolutions.exit_of(report.resolution)
    screen = session.screen()
    resolutions.show_test(screen, answered)
    resolutions.show(screen, report.resolution)
    if report.resolution.done:
        _show(screen, report)
    return resolutions.exit_of(report.resolution)


def _show(screen: Screen, report: RecheckReport) -> None:
    from jpki.mapping.records import pseudonym_text

    screen.line()
    screen.line(
        t("map.rechecked", n=report.checked, unknown=report.unknown, deleted=report.deleted)
    )
    screen.table(
        [
            (
                pseudonym_text(change.pseudonym),
                t(f"value.family.{change.family}"),
                t(f"value.medium.{change.medium}"),
                words(f"reason.{change.reason}", change.reason),
                t(f"map.state.{change.after.value}"),
            )
            for change in report.changes
        ]
    )
