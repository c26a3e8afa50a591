# SPDX-License-Identifier: Apache-2.0
"""``jpki crl watch``: which of the certificates somebody keeps have changed (現況確認)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jpki_cli import files
from jpki_cli.clicks import Moment, argument, command, option
from jpki_cli.crl_stores import opened_store, store_option
from jpki_cli.errors import Exit
from jpki_cli.options import PATH, out_options
from jpki_cli.render import clean, rfc3339
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.certificate.kinds import Family
    from jpki.validation.crl_index.watching import Watched

_STYLES = {"good": "valid", "revoked": "invalid", "unknown": "cannot_tell", "expired": "quiet"}


@command("watch")
@argument("rows", metavar="LIST", type=PATH)
@store_option
@out_options
@option("--at", metavar="TIME", type=Moment())
def watch(
    session: Session, rows: Path, store: Path, out: Path | None, force: bool, at: datetime | None
) -> Exit:
    from jpki.validation.crl_index.watch_file import read_rows, row_line
    from jpki.validation.crl_index.watching import Watcher

    if out is not None:
        files.check_target(out, force=force)
    held = opened_store(session, store)
    verifier = session.config.verifier

    def covers(family: Family | None) -> bool:
        if held.environment.value != "production":
            return True
        return verifier is not None and family is not None and verifier.covers(family)

    watcher = Watcher(held, held.secret(), now=at or session.app.clock(), covers=covers)
    counts: Counter[str] = Counter()
    changed: list[Watched] = []
    lines = bytearray()
    for watched in watcher.compare(read_rows(rows)):
        counts[watched.status.value] += 1
        if watched.changed:
            changed.append(watched)
        if out is not None:
            lines += row_line(watched)
    if out is not None:
        # A handle stands for a serial number: not for everybody's eyes.
        files.write_whole(out, bytes(lines), private=True, force=force)
    if session.json:
        session.emit(_json(held.environment.value, counts, changed))
    else:
        _show(session, counts, changed)
    return Exit.CANNOT_TELL if counts["unknown"] else Exit.DONE


def _json(environment: str, counts: Counter[str], changed: Sequence[Watched]) -> dict[str, object]:
    return {
        "schema": "jpki.crl.watch/1",
        "environment": environment,
        "rows": sum(counts.values()),
        "counts": {status: counts[status] for status in _STYLES},
        "changed": [_row(watched) for watched in changed],
    }


def _row(watched: Watched) -> dict[str, object]:
    entry = watched.entry
    return {
        "key": watched.key,
        "before": watched.before.value if watched.before else None,
        "status": watched.status.value,
        "date": rfc3339(entry.since) if entry else None,
        "reason": entry.reason if entry else None,
    }


def _show(session: Session, counts: Counter[str], changed: Sequence[Watched]) -> None:
    screen = session.screen()
    table = []
    for watched in changed:
        status = watched.status.value
        shown = (t(f"value.watched.{status}"), _STYLES[status])
        entry = watched.entry
        detail = ""
        if entry is not None:
            reason = t(f"value.reason.{entry.reason}")
            detail = t("crl.revoked_since", date=rfc3339(entry.since), why=reason)
        table.append((shown, clean(watched.key), detail))
    screen.table(table)
    total = sum(counts.values())
    screen.paragraph(t("crl.watched", n=total, changed=len(changed), unknown=counts["unknown"]))
