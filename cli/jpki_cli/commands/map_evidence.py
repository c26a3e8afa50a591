# SPDX-License-Identifier: Apache-2.0
"""``jpki map evidence``: what a named law wants kept, in a database of its own (U19)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpki_cli import files, resolutions
from jpki_cli.answering import json_file
from jpki_cli.clicks import Moment, command, option
from jpki_cli.errors import Exit
from jpki_cli.maps import (
    asker_of,
    evidence_option,
    opened_map,
    opened_store,
    staff_options,
    upkeep_options,
)
from jpki_cli.options import PATH
from jpki_cli.presenting import Answered, is_test, present_evidence, presenting_options
from jpki_cli.session import Session
from jpki_cli.texts import t
from jpki_cli.validation import Asked

if TYPE_CHECKING:
    from jpki.mapping.answers import Resolution
    from jpki.mapping.presentation import Evidence
    from jpki.mapping.service import Map
    from jpki.mapping.sitting import Asker


@command("keep")
@evidence_option
@option("--reference", metavar="TEXT", required=True)
@option("--ends", metavar="TIME", type=Moment(), required=True)
@presenting_options
def keep(session: Session, reference: str, ends: datetime, **given: Any) -> Exit:
    from jpki.mapping.policy import Operation

    def work(table: Map, evidence: Evidence, asker: Asker) -> Resolution:
        return table.keep_evidence(
            table.verify(evidence), asker, evidence=evidence, reference=reference, ends=ends
        )

    answered = present_evidence(session, given, Operation.KEEP_EVIDENCE, work)
    return resolutions.finish(session, answered)


@command("show")
@evidence_option
@option("--reference", metavar="TEXT", required=True)
@option("--out", metavar="F", type=PATH, required=True)
@option("--force", is_flag=True)
@staff_options
def show(session: Session, reference: str, out: Path, force: bool, **given: Any) -> Exit:
    """Personal data goes to a file of its owner alone, never to the screen."""
    from jpki.mapping.staff_view import read_evidence

    files.check_target(out, force=force)
    at: datetime | None = given.pop("at")
    with opened_map(session, given, Asked(at=at)) as table:
        found, test = read_evidence(table, asker_of(given), reference), is_test(table)
    if found.kept:
        files.write_whole(out, json_file(found.to_object()), private=True, force=force)
        session.say(t("map.evidence_shown", n=len(found.kept), path=str(out)))
    return resolutions.finish(session, Answered(found.resolution, test))


@command("purge")
@upkeep_options
@option("--evidence-db", metavar="URL", required=True)
def purge(session: Session, evidence_db: str, **given: Any) -> None:
    from jpki.mapping.evidence import EvidenceStore

    with opened_store(session, given) as (_, keys), EvidenceStore.open(evidence_db, keys) as store:
        gone = store.purge(session.app.clock())
    if session.json:
        session.emit({"schema": "jpki.map.purge/1", "deleted": gone})
        return
    session.screen().paragraph(t("map.evidence_purged", n=gone))
