# SPDX-License-Identifier: Apache-2.0
"""Runs the command line in process, on emulated cards, and checks every JSON object it prints."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import click
from jsonschema import Draft202012Validator

from jpki.testing.cards import PluggedCard
from jpki_cli.app import App
from jpki_cli.clicks import Group
from jpki_cli.root import root, run

NOW = datetime.now(UTC)


def schema_of(result: dict[str, Any]) -> dict[str, Any]:
    """The schema in the package that the object names."""
    name, _, version = str(result["schema"]).removeprefix("jpki.").partition("/")
    text = (resources.files("jpki") / "schemas" / f"{name}-{version}.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def validate(result: dict[str, Any]) -> None:
    """Raises if the object is not what its schema says."""
    Draft202012Validator(schema_of(result)).validate(result)


@dataclass
class Result:
    """What a run left. ``raw``: stdout as bytes."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode("utf-8")

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout, valid by its schema."""
        assert self.raw.count(b"\n") == 1, self.out
        result: dict[str, Any] = json.loads(self.raw)
        validate(result)
        return result


class Stream(io.TextIOWrapper):
    """A stream into memory; may pretend to be a terminal."""

    def __init__(self, encoding: str = "utf-8", terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="backslashreplace", newline="\n")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def bytes(self) -> bytes:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue()


@dataclass
class Cli:
    """``cli("pin", "status")``. ``typed``: what a person answers to PIN questions."""

    env: dict[str, str]
    questions: list[str] = field(default_factory=list)
    clock: Callable[[], datetime] = lambda: NOW

    def __call__(
        self,
        *arguments: str,
        pins: list[str] | None = None,
        raw_pins: bytes | None = None,
        typed: list[str] | None = None,
        encoding: str = "utf-8",
        terminal: bool = False,
        env: dict[str, str] | None = None,
    ) -> Result:
        out, err = Stream(encoding, terminal), Stream(terminal=terminal)
        answers = iter(typed or [])

        def ask(question: str) -> bytearray:
            self.questions.append(question)
            return bytearray(next(answers).encode())

        app = App(
            out,
            err,
            {**self.env, **(env or {})},
            ask_pin=ask,
            ask_yes=lambda question: ask(question) == b"y",
            has_terminal=lambda: typed is not None,
            clock=self.clock,
        )
        words = list(arguments)
        if pins is None and raw_pins is None:
            code = run(words, app)
        else:
            data = raw_pins if raw_pins is not None else "".join(f"{p}\n" for p in pins or [])
            with _pipe(data if isinstance(data, bytes) else data.encode()) as descriptor:
                code = run([*words, "--pin-fd", str(descriptor)], app)
        return Result(code, out.bytes(), err.bytes().decode("utf-8"))


class _pipe:
    """The reading end of a pipe that holds ``data``."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __enter__(self) -> int:
        self._read, write = os.pipe()
        os.write(write, self._data)
        os.close(write)
        return self._read

    def __exit__(self, *_: object) -> None:
        os.close(self._read)


class Commands:
    """What a card was sent: headers (hex) with the length of their data."""

    def __init__(self, plugged: PluggedCard) -> None:
        self.seen: list[tuple[str, int]] = []
        plugged.card.log = lambda trace: self.seen.append((trace.header.hex().upper(), trace.lc))

    @property
    def presented(self) -> int:
        """VERIFY and CHANGE commands with data (count)."""
        return sum(1 for header, lc in self.seen if header[2:4] in ("20", "24", "32") and lc > 0)


class _NoSession:
    """Takes the global options and does nothing with them."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}


def accepted(words: list[str]) -> click.Command:
    """The command that takes ``words`` (without ``jpki``); it is not run. Raises UsageError."""
    ctx = click.Context(root(), info_name="jpki", obj=_NoSession())
    command: click.Command = ctx.command
    while isinstance(command, Group):
        command.parse_args(ctx, words)
        before = getattr(ctx, "_protected_args", None)
        rest = [*(before if before is not None else ctx.protected_args), *ctx.args]
        name, child, words = command.resolve_command(ctx, rest)
        assert child is not None
        ctx = click.Context(child, info_name=name, parent=ctx, obj=ctx.obj)
        command = child
    command.parse_args(ctx, words)
    return command
