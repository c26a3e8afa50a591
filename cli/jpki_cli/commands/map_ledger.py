# SPDX-License-Identifier: Apache-2.0
"""``jpki map ledger verify|checkpoint``: is the chain whole, and where does it stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpki_cli import files
from jpki_cli.clicks import command, option
from jpki_cli.errors import Exit
from jpki_cli.maps import opened_store, upkeep_options
from jpki_cli.options import PATH
from jpki_cli.render import rfc3339
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.mapping.ledger import LedgerReport

_LIMIT = 1 << 16  # bytes of a checkpoint file


@command("verify")
@upkeep_options
@option("--checkpoint", metavar="F", type=PATH, multiple=True)
def verify(session: Session, checkpoint: tuple[Path, ...], **given: Any) -> Exit:
    from jpki.mapping.checkpoint import parse_checkpoint
    from jpki.mapping.ledger import Ledger

    kept = [parse_checkpoint(files.read_input(path, limit=_LIMIT)) for path in checkpoint]
    with opened_store(session, given) as (store, keys), store.reading() as connection:
        found = Ledger(keys).verify(connection, kept=kept)
    if session.json:
        session.emit(_json(found))
    else:
        _show(session, found)
    return Exit.DONE if found.intact else Exit.INVALID


@command("checkpoint")
@upkeep_options
@option("--out", metavar="F", type=PATH, required=True)
@option("--force", is_flag=True)
def checkpoint(session: Session, out: Path, force: bool, **given: Any) -> None:
    from jpki.mapping.ledger import Ledger

    files.check_target(out, force=force)
    now = session.app.clock()
    with opened_store(session, given) as (store, keys):
        made = store.change(lambda connection: Ledger(keys).checkpoint(connection, now))
    data = (json.dumps(made.to_object(), indent=1) + "\n").encode()
    files.write_whole(out, data, private=False, force=force)
    if session.json:
        session.emit(made.to_object())
        return
    screen = session.screen()
    screen.line(t("map.entries", n=made.seq))
    screen.paragraph(t("map.checkpoint_made", path=str(out)))


def _json(found: LedgerReport) -> dict[str, object]:
    fault, last = found.fault, found.last_checkpoint
    return {
        "schema": "jpki.map.ledger/1",
        "intact": found.intact,
        "entries": found.entries,
        "hash": found.hash.hex(),
        "checkpoints": found.checkpoints,
        "last_checkpoint": None if last is None else last.to_object(),
        "fault": None
        if fault is None
        else {"code": fault.code, "entry": fault.seq, "text": t(f"map.fault.{fault.code}")},
    }


def _show(session: Session, found: LedgerReport) -> None:
    screen = session.screen()
    outcome = "intact" if found.intact else "damaged"
    style = "valid" if found.intact else "invalid"
    screen.line((t(f"map.ledger.{outcome}"), style), f"  {t('map.entries', n=found.entries)}")
    if found.fault is not None:
        screen.paragraph(
            t("map.fault_at", n=found.fault.seq, words=t(f"map.fault.{found.fault.code}"))
        )
    screen.line(t("map.last_hash", hash=found.hash.hex()))
    last = found.last_checkpoint
    if last is None:
        screen.paragraph(t("map.no_checkpoint"))
    else:
        screen.line(t("map.last_checkpoint", n=last.seq, at=rfc3339(last.at)))
