# SPDX-License-Identifier: Apache-2.0
"""Click, with every word looked up when it is shown.

Texts of a command ``card check``: ``help.card.check`` (first line is the short help),
``example.card.check``; of an option: ``option.card.check.NAME``,
``option.card.NAME`` or ``option.NAME``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from jpki_cli import completions, texts
from jpki_cli.renamed import command_now, options_now
from jpki_cli.texts import t

Tree = Mapping[str, "str | Tree"]
"""Names of commands; ``module:attribute``, or the commands below a noun."""

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    _Type = click.ParamType[Any]
else:
    _Type = click.ParamType  # not generic in every release that we take

_NARROWEST = 38  # columns of a help page

GLOBAL_NAMES = ("reader", "trust", "lang", "as_json", "debug")


class Option(click.Option):
    """An option whose help is a key, not a text. ``is_secret`` options do not exist."""

    def words(self, ctx: click.Context) -> str:
        """The help text: of this command's option, of its noun's, or wherever it occurs."""
        name = self.opts[-1].lstrip("-").replace("_", "-")
        place = command_key(ctx).split(".")
        for depth in range(len(place), 0, -1):
            own = ".".join(("option", *place[:depth], name))
            if texts.known(own):
                return t(own)
        return t(f"option.{name}")

    def names(self, ctx: click.Context) -> str | None:
        """``--with LIST`` as shown on the left; None if hidden."""
        if self.hidden:
            return None
        shown = ", ".join(sorted(self.opts, key=len))
        if self.is_flag:
            return shown
        return f"{shown} {self.metavar or (self.name or '').upper()}"


def command_key(ctx: click.Context) -> str:
    """``card.check``: the command's place in the tree, without the program's name."""
    names = []
    at: click.Context | None = ctx
    while at is not None and at.parent is not None:
        names.append(at.info_name or "")
        at = at.parent
    return ".".join(reversed(names)) or "jpki"


class _Speaking(click.Command):
    """What commands and groups share: help made from keys, and the global options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *global_options()]
        self.add_help_option = False
        self.allow_extra_args = True  # so that we, not click, complain about them
        self.params.append(
            Option(
                ["-h", "--help"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_show_help,
            )
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """``--wait`` may stand alone: then it is ``--wait=inf`` (and never eats a word)."""
        end = args.index("--") if "--" in args else len(args)
        spelled = ["--wait=inf" if arg == "--wait" else arg for arg in args[:end]]
        spelled = options_now(command_key(ctx), spelled, ctx)
        rest = super().parse_args(ctx, spelled + args[end:])
        if ctx.args and not isinstance(self, click.Group) and not ctx.resilient_parsing:
            raise UsageFault("usage_extra", ctx)  # what was typed may be a PIN: not repeated
        return rest

    def get_short_help_str(self, limit: int = 45) -> str:
        return ""

    def get_help(self, ctx: click.Context) -> str:
        return help_page(self, ctx)


class Command(_Speaking):
    """A verb."""


class Group(_Speaking, click.Group):
    """A noun; its verbs are imported when they run, their short helps come from the texts."""

    def __init__(self, tree: Tree, *, callback: Callable[..., Any] | None = None, **kwargs: Any):
        # Ours is asked first, with or without a verb; click's own answer is not in our words.
        super().__init__(callback=callback or _demand_verb, invoke_without_command=True, **kwargs)
        self.tree = tree

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.tree)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = command_now(command_key(ctx), args[0], ctx)
        found = self.get_command(ctx, name)
        if found is None:
            flags = (flag for param in self.params for flag in param.opts)
            near = next((flag for flag in flags if flag == f"--{name}"), "")
            near = near or nearest(name, self.tree)
            code = "usage_did_you_mean" if near else "usage_no_such_command"
            raise UsageFault(code, ctx, command=ctx.command_path, meant=near)
        return name, found, args[1:]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.tree.get(cmd_name)
        if entry is None:
            return None
        if not isinstance(entry, str):
            return Group(entry, name=cmd_name)
        module, _, attribute = entry.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


def nearest(word: str, known: Iterable[str]) -> str:
    """The one of ``known`` that ``word`` may have been meant as; empty if none is near.

    What was typed is not repeated to anybody: it may be a PIN in the wrong place.
    """
    import difflib

    return next(iter(difflib.get_close_matches(word, list(known), 1)), "")


@click.pass_context
def _demand_verb(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        raise UsageFault("usage_missing_command", ctx, command=ctx.command_path)


def command(name: str) -> Callable[[Callable[..., Any]], Command]:
    """Make a verb of a function that takes the session and its options."""

    def make(function: Callable[..., Any]) -> Command:
        made = click.command(name, cls=Command)(click.pass_obj(function))
        made.help = None
        return made

    return make


def option(*names: str, **attributes: Any) -> Callable[[Any], Any]:
    """An option with words by key."""
    return click.option(*names, cls=Option, **attributes)


def argument(*names: str, **attributes: Any) -> Callable[[Any], Any]:
    """A positional argument."""
    return click.argument(*names, **attributes)


def _show_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.find_root().obj.app.write(help_page(ctx.command, ctx) + "\n")
        ctx.exit()


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a global option; the one nearest to the verb wins."""
    if value and param.name:
        ctx.find_root().obj.given[param.name] = value
        if param.name == "lang":
            app = ctx.find_root().obj.app
            texts.speak(texts.choose(value, app.env, unicode=app.unicode))


def global_options() -> list[click.Parameter]:
    """``--reader --trust --lang --json --debug``: before the noun or after the verb."""

    def make(*names: str, **attributes: Any) -> click.Parameter:
        return Option(list(names), expose_value=False, callback=_remember, **attributes)

    return [
        make("--reader", metavar="URI", shell_complete=completions.readers),
        make("--trust", metavar="NAME|PATH", shell_complete=completions.trusts),
        make("--lang", metavar="ja|en", is_eager=True, type=OneOf("ja", "en")),
        make("as_json", "--json", is_flag=True),
        make("--debug", is_flag=True),
    ]


class UsageFault(click.UsageError):
    """A wrong call, by code: ``error.CODE`` has the words. Exit 2."""

    def __init__(self, code: str, ctx: click.Context | None = None, **values: object) -> None:
        self.code = code
        self.values = values
        super().__init__(code, ctx)


def no_choice(
    typed: str,
    allowed: Sequence[str],
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> UsageFault:
    """A word that is none of ``allowed``, with the nearest of those. ``typed`` is not repeated."""
    words = {"option": label(param), "allowed": ", ".join(allowed)}
    near = nearest(typed, allowed)
    if near:
        return UsageFault("usage_choice_near", ctx, near=near, **words)
    return UsageFault("usage_choice", ctx, **words)


class OneOf(_Type):
    """One word of several."""

    name = "choice"

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return completions.offered(self.allowed, incomplete)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.allowed:
            raise no_choice(str(value), self.allowed, param, ctx)
        return str(value)


class Listed(_Type):
    """Words with commas between them, each one of ``allowed``, none twice, order kept."""

    name = "list"

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before, comma, _ = incomplete.rpartition(",")
        left = [word for word in self.allowed if word not in before.split(",")]
        return completions.offered([before + comma + word for word in left], incomplete)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        parts = tuple(dict.fromkeys(part.strip() for part in str(value).split(",")))
        for part in parts:
            if part not in self.allowed:
                raise no_choice(part, self.allowed, param, ctx)
        return parts


class Seconds(_Type):
    """A length of time in seconds, not negative."""

    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1
        if not seconds >= 0:
            raise UsageFault("usage_seconds", ctx, option=label(param))
        return seconds


class Moment(_Type):
    """A time as RFC 3339 writes it, with its offset."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from datetime import UTC, datetime

        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                raise ValueError("no offset")
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise UsageFault("usage_time", ctx, option=label(param)) from None


def label(param: click.Parameter | None) -> str:
    """How a person would name the parameter."""
    if param is None:
        return "?"
    if isinstance(param, click.Option):
        return param.opts[-1]
    return param.metavar or (param.name or "").upper()


def help_page(command: click.Command, ctx: click.Context) -> str:
    """The whole help text of a command, ending with an example and the disclaimer."""
    columns = max(_NARROWEST, min(ctx.terminal_width or _columns(), 100))
    key = command_key(ctx)
    lines = [f"{t('cli.usage')} {' '.join([ctx.command_path, *usage_pieces(command, ctx)])}", ""]
    lines += _indented(t(f"help.{key}"), columns)
    if isinstance(command, click.Group):
        prefix = "" if key == "jpki" else f"{key}."
        verbs = [
            (name, t(f"help.{prefix}{name}").split("\n")[0]) for name in command.list_commands(ctx)
        ]
        lines += ["", t("cli.commands"), *_table(verbs, columns)]
    own, everywhere = _options(command, ctx)
    if own:
        lines += ["", t("cli.options"), *_table(own, columns)]
    lines += ["", t("cli.global_options"), *_table(everywhere, columns)]
    lines += ["", t("cli.example"), *(f"  {line}" for line in t(f"example.{key}").split("\n"))]
    lines += ["", *texts.wrap(t("cli.disclaimer"), columns)]
    return "\n".join(lines)


def usage_pieces(command: click.Command, ctx: click.Context) -> list[str]:
    """What follows the command's name in the usage line."""
    pieces = [t("cli.options_metavar")]
    for param in command.params:
        if isinstance(param, click.Argument):
            name = param.metavar or (param.name or "").upper()
            many = "…" if param.nargs == -1 else ""
            pieces.append(f"{name}{many}" if param.required else f"[{name}]{many}")
    if isinstance(command, click.Group):
        pieces.append(t("cli.command_metavar"))
    return pieces


def _columns() -> int:
    return texts.terminal_columns() - 1


def _options(
    command: click.Command, ctx: click.Context
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    own: list[tuple[str, str]] = []
    everywhere: list[tuple[str, str]] = []
    for param in command.params:
        if isinstance(param, Option) and (names := param.names(ctx)):
            shared = param.name in GLOBAL_NAMES or param.name == "help"
            (everywhere if shared else own).append((names, param.words(ctx)))
    return own, everywhere


def _indented(text: str, columns: int) -> Sequence[str]:
    return [f"  {line}".rstrip() for line in texts.wrap(text, columns - 2)]


def _table(rows: Iterable[tuple[str, str]], columns: int) -> list[str]:
    """Two columns, the right one wrapped; a long left side stands on its own line."""
    rows = list(rows)
    left = min(max((texts.width(name) for name, _ in rows), default=0), 26, columns // 2 - 4)
    lines = []
    for name, words in rows:
        body = texts.wrap(words, columns - left - 4)
        if texts.width(name) > left:
            lines.append(f"  {name}")
        else:
            lines.append(f"  {texts.pad(name, left)}  {body.pop(0)}".rstrip())
        lines += [f"  {' ' * left}  {line}".rstrip() for line in body]
    return lines
