# SPDX-License-Identifier: Apache-2.0
"""``jpki map latest-info``: today's name and address of who consented, from an operator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpki_cli import resolutions
from jpki_cli.clicks import OneOf, command, option
from jpki_cli.errors import Exit
from jpki_cli.options import PATH
from jpki_cli.platforms import platform_in
from jpki_cli.presenting import present_evidence, presenting_options
from jpki_cli.render import clean
from jpki_cli.session import Session
from jpki_cli.texts import words

if TYPE_CHECKING:
    from jpki.mapping.answers import Resolution
    from jpki.mapping.latest import LatestInfo
    from jpki.mapping.presentation import Evidence
    from jpki.mapping.service import Map
    from jpki.mapping.sitting import Asker


@command("latest-info")
@option("--reveal", metavar="WHAT", type=OneOf("attributes"), required=True)
@option("--platform", metavar="FILE", type=PATH, required=True)
@option("--item", metavar="ITEM", multiple=True)
@presenting_options
def latest(session: Session, reveal: str, platform: Path, **given: Any) -> Exit:
    """Without ``--reveal`` nobody is asked: what nobody may see is not fetched."""
    from jpki.mapping.latest import LatestInfo, latest_info
    from jpki.mapping.policy import Operation

    operator = platform_in(platform)
    assert operator is not None
    found: LatestInfo | None = None

    def work(table: Map, evidence: Evidence, asker: Asker) -> Resolution:
        nonlocal found
        _, purpose = table.policy.find(asker.service, asker.purpose, Operation.LATEST_INFO)
        items = asker.items or (frozenset() if purpose is None else purpose.data_items)
        found = latest_info(table, evidence, replace(asker, items=items), operator)
        return found.resolution

    answered = present_evidence(session, given, Operation.LATEST_INFO, work)
    if session.json:
        session.emit((found or LatestInfo(answered.resolution)).to_object())
        return resolutions.exit_of(answered.resolution)
    screen = session.screen()
    resolutions.show_test(screen, answered)
    resolutions.show(screen, answered.resolution)
    if found is not None and found.items:
        screen.line()
        screen.table(
            [(words(f"record.{name}", clean(name)), clean(text))
             for name, text in sorted(found.items.items())]
        )  # fmt: skip
    return resolutions.exit_of(answered.resolution)
