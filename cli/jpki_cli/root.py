# SPDX-License-Identifier: Apache-2.0
"""``jpki``: the root command, and the one place where anything that went wrong ends."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click

from jpki_cli import clicks, texts
from jpki_cli.app import App
from jpki_cli.clicks import Group, Option
from jpki_cli.progress import Progress
from jpki_cli.session import Session
from jpki_cli.tree import TREE


@click.pass_context
def _welcome(ctx: click.Context) -> None:
    """``jpki`` alone shows a newcomer what to do first."""
    if ctx.invoked_subcommand is None:
        screen = ctx.obj.screen()
        screen.listed(texts.t("cli.welcome").split("\n"))
        screen.line()
        screen.paragraph(texts.t("cli.disclaimer"))


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from jpki import __version__

        ctx.find_root().obj.app.write(f"jpki {__version__}\n")
        ctx.exit()


def root() -> Group:
    """The root command."""
    version = Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version
    )
    return Group(TREE, name="jpki", params=[version], callback=_welcome)


def run(arguments: Sequence[str], app: App | None = None) -> int:
    """One run of the command line, to its exit code."""
    app = app or App.real()
    given = _glance(arguments)
    texts.speak(texts.choose(given.get("lang"), app.env, unicode=app.unicode))
    with _watched(app, as_json="as_json" in given) as watched:
        session = Session(watched, given, arguments)
        try:
            code = root().main(
                list(arguments), prog_name="jpki", standalone_mode=False, obj=session
            )
            if watched.escaped and not session.json:
                session.note("escaped")
            return int(code or 0)
        except BaseException as error:
            if isinstance(error, SystemExit):
                raise
            return _report(error, session)


@contextmanager
def _watched(app: App, *, as_json: bool) -> Iterator[App]:
    """The same world with somebody who says what goes on, if a person sits there to see it."""
    seen = app.err.isatty() and app.env.get("TERM") != "dumb" and not as_json
    if app.progress.live or not seen:  # live: this is a command inside another
        yield app
        return
    with Progress(app.err, texts.t("cli.step.working")).watching() as progress:
        yield replace(
            app,
            progress=progress,
            ask_pin=progress.around(app.ask_pin),
            ask_yes=progress.around(app.ask_yes),
        )


def _glance(arguments: Sequence[str]) -> dict[str, Any]:
    """``--lang``, ``--json`` and ``--debug`` before parsing: errors in parsing need them too."""
    found: dict[str, Any] = {}
    words = list(arguments)
    words = words[: words.index("--")] if "--" in words else words
    for word, after in zip(words, [*words[1:], ""], strict=False):
        name, _, value = word.partition("=")
        if name == "--lang" and (value or after) in ("en", "ja"):
            found["lang"] = value or after
        elif word == "--json":
            found["as_json"] = True
        elif word == "--debug":
            found["debug"] = True
    return found


def _report(error: BaseException, session: Session) -> int:
    """Words on stderr, or the object on stdout; a traceback only for ``--debug``."""
    from jpki_cli import errors

    ended = errors.failure(error)
    if session.given.get("debug"):
        session.app.say(errors.trace(error).rstrip())
    if session.given.get("as_json") and ended.code != "output_stream":
        session.app.write(json.dumps(ended.to_json(), ensure_ascii=not session.app.unicode) + "\n")
    else:
        session.app.say(ended.message)
        _point_to_help(error, session)
    return int(ended.exit)


def _point_to_help(error: BaseException, session: Session) -> None:
    """After a wrong call: the usage line, and where the help is."""
    ctx = getattr(error, "ctx", None)
    if not isinstance(error, click.UsageError) or ctx is None:
        return
    if getattr(error, "code", "") == "usage_missing_command":
        session.app.say("\n" + clicks.help_page(ctx.command, ctx))
        return
    pieces = " ".join([ctx.command_path, *clicks.usage_pieces(ctx.command, ctx)])
    session.app.say(f"{texts.t('cli.usage')} {pieces}")
    session.app.say(texts.t("cli.see_help", command=f"{ctx.command_path} --help"))
