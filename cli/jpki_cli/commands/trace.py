# SPDX-License-Identifier: Apache-2.0
"""``jpki trace``: any other command, with a transcript of what passes between it and the card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jpki_cli import texts
from jpki_cli.clicks import OneOf, Tree, UsageFault, argument, command, option
from jpki_cli.errors import Exit, worst
from jpki_cli.options import PATH
from jpki_cli.session import Session
from jpki_cli.tree import TREE

LINKS = ("contact", "106", "212", "424", "848")

if TYPE_CHECKING:
    from jpki_apdu.tracing import Recorder
    from jpki_apdu.transcript import Trace


@command("trace")
@option("--out", metavar="F", required=True, type=PATH)
@option("--force", is_flag=True)
@option("--replayable", is_flag=True)
@option("--like", metavar="F", type=PATH)
@option("--any-length", is_flag=True)
@option("--time", "link", metavar="LINK", type=OneOf(*LINKS))
@argument("command", nargs=-1, required=True, metavar="-- COMMAND", type=click.UNPROCESSED)
def trace(
    session: Session,
    out: Path,
    force: bool,
    replayable: bool,
    like: Path | None,
    any_length: bool,
    link: str | None,
    command: tuple[str, ...],
) -> int:
    from jpki.open import recorded
    from jpki_apdu.transcript import read_trace
    from jpki_cli.files import check_target
    from jpki_cli.root import run

    job = _job(command)
    if job[:1] == ["trace"]:
        raise UsageFault("usage_trace_nested")
    if replayable and (like is not None or link is not None):
        raise UsageFault("usage_trace_like")
    check_target(out, force=force)
    earlier = read_trace(like) if like is not None else None
    lang = texts.language()
    with recorded(out, replayable=replayable, job=" ".join(job), overwrite=force) as recorder:
        code = run([*_inherited(session), *command], session.app)
    texts.speak(lang)
    _say(session, recorder)
    if link is not None and recorder.failed is None:
        _say_time(session, out, link)
    if earlier is not None and recorder.failed is None:
        return _compared(session, earlier, out, code, lengths=not any_length)
    return code


trace.allow_interspersed_args = False  # what follows the command's name is the command's


def _job(words: tuple[str, ...]) -> list[str]:
    """Noun and verb of the command; nothing else of it is written down."""
    found: list[str] = []
    at: str | Tree = TREE
    for word in words:
        if isinstance(at, str):
            break
        if word in at:
            found.append(word)
            at = at[word]
    return found


def _inherited(session: Session) -> list[str]:
    """What stood before ``trace`` holds for the command too."""
    given = session.given
    named = [f"--{name}={given[name]}" for name in ("reader", "trust", "lang") if given.get(name)]
    flags = [flag for name, flag in _FLAGS if given.get(name)]
    return [*named, *flags]


_FLAGS = (("as_json", "--json"), ("debug", "--debug"))


def _say(session: Session, recorder: Recorder) -> None:
    path = str(recorder.path)
    if recorder.failed is not None:
        session.note("trace_cut_off", path=path, reason=recorder.failed)
    elif not recorder.connections:
        session.note("trace_nothing", path=path)
    elif recorder.replayable:
        session.note("recording_written", path=path, n=recorder.commands)
    else:
        session.note("trace_written", path=path, n=recorder.commands)


def _say_time(session: Session, out: Path, link: str) -> None:
    """What the model makes of it: the whole, then the slowest kinds of command."""
    from jpki.open_timing import modelled_time

    found = modelled_time(out, link)
    session.note(
        "trace_time", link=link, seconds=f"{found.seconds:.2f}", commands=found.commands,
        bytes=found.size, link_seconds=f"{found.link:.2f}", chip_seconds=f"{found.chip:.2f}",
    )  # fmt: skip
    for share in found.shares[:5]:
        session.note(
            "trace_time_slow", seconds=f"{share.seconds:6.3f}", count=share.count, what=share.what
        )


def _compared(session: Session, earlier: Trace, out: Path, code: int, *, lengths: bool) -> int:
    """The command's own exit code, or 1 if that is milder and the traces differ."""
    from jpki_apdu.transcript import compare, read_trace

    difference = compare(earlier, read_trace(out), lengths=lengths)
    if difference is None:
        session.note("trace_same")
        return code
    session.note("trace_differs")
    session.say(str(difference))
    return code if code >= Exit.INTERNAL else worst([Exit(code), Exit.INVALID])
