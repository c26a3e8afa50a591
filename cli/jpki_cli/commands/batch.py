# SPDX-License-Identifier: Apache-2.0
"""``jpki batch verify``: many certificates and signatures, one verdict a row."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jpki_cli import texts
from jpki_cli.clicks import Moment, UsageFault, argument, command, option
from jpki_cli.errors import Exit, exit_of
from jpki_cli.files import check_target
from jpki_cli.options import PATH, out_options, validation_options
from jpki_cli.session import Session
from jpki_cli.texts import t
from jpki_cli.validation import Asked, material

if TYPE_CHECKING:
    from jpki.verifying.batch import BatchProgress, BatchSummary, Engine

_MINUTE = 60


@command("verify")
@argument("input_", metavar="INPUT", type=PATH)
@out_options
@option("--signers", metavar="F|DIR", type=PATH)
@option("--workers", metavar="N", type=click.IntRange(min=1))
@option("--cluster", metavar="URL")
@option("--cluster-ca", metavar="F", type=PATH)
@option("--cluster-cert", metavar="F", type=PATH)
@option("--cluster-key", metavar="F", type=PATH)
@validation_options
@option("--at", metavar="TIME", type=Moment())
def verify(session: Session, input_: Path, out: Path | None, force: bool, **given: Any) -> Exit:
    from jpki.verifying.batch import BatchSetup, open_input, read_signers, run_batch, run_moment

    session.trust_from_command_line()
    if out is None:
        raise UsageFault("usage_missing", option="--out")
    check_target(out, force=force)
    asked = Asked.from_options(given)
    # A run that goes on judges at the moment it began with.
    began = run_moment(out)
    if asked.at is None and began is not None:
        asked = replace(asked, at=datetime.fromisoformat(began))
    engine = _engine(given)
    source = open_input(input_)
    signers = read_signers(given["signers"]) if given["signers"] else {}
    trust, options = material(session, asked)
    if options.ocsp_client is not None:
        raise UsageFault("usage_batch_ocsp")
    screen = session.progress
    setup = BatchSetup.of(trust, options, signers)
    try:
        summary = run_batch(
            setup, source, out, engine, overwrite=force, progress=lambda p: screen.line(_line(p))
        )
    finally:
        screen.clear()
    _show(session, summary, out)
    return exit_of(summary.outcome)


def _engine(given: dict[str, Any]) -> Engine:
    from jpki.verifying.batch.pool import InProcess, ProcessPool, cores

    files = {name: given[f"cluster_{name}"] for name in ("ca", "cert", "key")}
    if given["cluster"]:
        from jpki.verifying.batch.cluster import Cluster

        if given["workers"]:
            raise UsageFault("usage_batch_workers")
        return Cluster(given["cluster"], files["ca"], files["cert"], files["key"])
    if any(files.values()):
        raise UsageFault("usage_batch_cluster")
    workers = given["workers"] or cores()
    return ProcessPool(workers) if workers > 1 else InProcess()


def _line(progress: BatchProgress) -> str:
    """Rows done, how fast, how long still."""
    line = t("batch.progress", rows=f"{progress.rows:,}", rate=f"{progress.rate:,.0f}")
    if progress.left is None:
        return line
    minutes, seconds = divmod(round(progress.left), _MINUTE)
    return line + t("batch.left", time=f"{minutes}:{seconds:02d}")


def _show(session: Session, summary: BatchSummary, out: Path) -> None:
    rate = (summary.rows - summary.kept) / max(summary.seconds, 1e-6)
    if session.json:
        session.emit(
            {
                "schema": "jpki.batch/1",
                "outcome": summary.outcome.value,
                "environment": session.trust,
                "rows": summary.rows,
                "valid": summary.valid,
                "invalid": summary.invalid,
                "cannot_tell": summary.cannot_tell,
                "kept": summary.kept,
                "seconds": round(summary.seconds, 3),
                "out": str(out),
                "out_schema": "jpki.batch_verdict/1",
            }
        )
        return
    screen = session.screen()
    if session.trust != "production":
        screen.line((t("cli.test_data"), "test"), f"  {session.trust}")
        screen.line()
    for name in ("valid", "invalid", "cannot_tell"):
        label = texts.pad(t(f"value.outcome.{name}"), 14)
        screen.line((label, name), f"{getattr(summary, name):>14,}")
    screen.line()
    if summary.kept:
        screen.paragraph(t("batch.kept", rows=f"{summary.kept:,}"))
    screen.paragraph(t("batch.written", path=str(out), rate=f"{rate:,.0f}"))
