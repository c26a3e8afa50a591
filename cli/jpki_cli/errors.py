# SPDX-License-Identifier: Apache-2.0
"""From an exception to an exit code, words, and the ``jpki.error/1`` object. The one place."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import click

from jpki_cli import texts
from jpki_cli.clicks import UsageFault, label, nearest
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.verdict import Outcome


class Exit(IntEnum):
    """Exit codes; stable. When several apply: 2, 3, 4, 1, 5."""

    DONE = 0
    INVALID = 1
    USAGE = 2
    READER = 3
    PIN = 4
    CANNOT_TELL = 5
    INTERNAL = 70
    INTERRUPTED = 130


_BY_CLASS: tuple[tuple[str, str, Exit], ...] = (
    # The first class that fits decides, so narrower classes stand first.
    ("jpki.errors", "PinError", Exit.PIN),
    ("jpki.errors", "PinFormatError", Exit.PIN),
    ("jpki.errors", "MissingExtraError", Exit.USAGE),
    ("jpki.errors", "ConfigurationError", Exit.USAGE),
    ("jpki.errors", "FaultSpecError", Exit.USAGE),
    ("jpki.errors", "NotOurCardError", Exit.READER),
    ("jpki.errors", "UnsupportedTokenError", Exit.READER),
    ("jpki.errors", "TrustUndeterminedError", Exit.CANNOT_TELL),
    ("jpki_apdu.errors", "ReaderUriError", Exit.USAGE),
    ("jpki_apdu.errors", "TransportError", Exit.READER),
    ("jpki_apdu.errors", "Coded", Exit.INVALID),
)


# What other tools call it; ours has none.
_PIN_OPTIONS = frozenset(("--pin", "--password", "--newpin", "--new-pin", "--passphrase", "-p"))


@dataclass(frozen=True, slots=True)
class Failure:
    """What a run ended with, ready to be shown."""

    code: str
    message: str
    exit: Exit
    attempts_left: int | None = None

    def to_json(self) -> dict[str, object]:
        """The ``jpki.error/1`` object."""
        return {
            "schema": "jpki.error/1",
            "code": self.code,
            "message": self.message,
            "exit": int(self.exit),
            "attempts_left": self.attempts_left,
        }


def failure(error: BaseException) -> Failure:
    """The failure for anything a command may raise."""
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return Failure("interrupted", t("error.interrupted"), Exit.INTERRUPTED)
    if isinstance(error, click.ClickException):
        return _usage(error)
    exit_code = exit_for(error)
    if exit_code is Exit.INTERNAL:
        kind = type(error).__name__
        return Failure("internal", t("error.internal", type=kind), Exit.INTERNAL)
    code = str(getattr(error, "code", "error"))
    values: dict[str, object] = dict(getattr(error, "values", {}))
    left = values.get("attempts_left")
    # A PIN with its own office has its own words: error.pin_blocked.licence.
    own = texts.words(f"error.{code}.{values.get('kind')}", "", **values)
    message = own or texts.words(f"error.{code}", str(error), **values)
    return Failure(code, message, exit_code, left if isinstance(left, int) else None)


def exit_for(error: BaseException) -> Exit:
    """The exit code of an error of the library; INTERNAL for anything else."""
    import importlib

    if str(getattr(error, "code", "")).startswith("pin_"):
        return Exit.PIN  # also a status word that refused a PIN in its own way
    for module, name, code in _BY_CLASS:
        if isinstance(error, getattr(importlib.import_module(module), name)):
            return code
    return Exit.INTERNAL


def exit_of(outcome: Outcome) -> Exit:
    """The exit code of a verdict."""
    return {"valid": Exit.DONE, "invalid": Exit.INVALID}.get(outcome.value, Exit.CANNOT_TELL)


def worst(codes: list[Exit]) -> Exit:
    """The one that counts when several apply."""
    order = (Exit.USAGE, Exit.READER, Exit.PIN, Exit.INVALID, Exit.CANNOT_TELL)
    return next((code for code in order if code in codes), Exit.DONE)


def _usage(error: click.ClickException) -> Failure:
    """Click's own complaints in our words. What was typed is never repeated."""
    if isinstance(error, UsageFault):
        return Failure(error.code, t(f"error.{error.code}", **error.values), Exit.USAGE)
    if isinstance(error, click.NoSuchOption):
        # Only the option's name: «--pin=1234» keeps its value to itself.
        name = error.option_name.partition("=")[0]
        name = name if name.startswith("--") else name[:2]
        message = t("error.usage_no_such_option", option=name)
        if name in _PIN_OPTIONS:
            message += " " + t("error.usage_pin_typed")
            return Failure("usage_pin_typed", message, Exit.USAGE)
        near = nearest(name, _options(error.ctx)) if name.startswith("--") else ""
        if near:
            message += " " + t("error.usage_meant_option", option=near)
        return Failure("usage_no_such_option", message, Exit.USAGE)
    if isinstance(error, click.MissingParameter):
        message = t("error.usage_missing", option=label(error.param))
        return Failure("usage_missing", message, Exit.USAGE)
    option = getattr(error, "option_name", None) or label(getattr(error, "param", None))
    return Failure("usage_value", t("error.usage_value", option=option), Exit.USAGE)


def _options(ctx: click.Context | None) -> list[str]:
    """The long options of the command that was called."""
    parameters = [] if ctx is None else ctx.command.params
    return [name for each in parameters for name in each.opts if name.startswith("--")]


def trace(error: BaseException) -> str:
    """A traceback for ``--debug``: places and types. Values and foreign texts stay out of it."""
    from jpki_apdu.errors import Coded

    lines: list[str] = []
    at: BaseException | None = error
    while at is not None:
        lines += traceback.format_tb(at.__traceback__)
        said = f": {at}" if isinstance(at, Coded) else ""
        lines.append(f"{type(at).__module__}.{type(at).__qualname__}{said}\n")
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return "".join(lines)
