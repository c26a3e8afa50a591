# SPDX-License-Identifier: Apache-2.0
"""One run: the global options as resolved, the configuration, the output."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpki_cli.app import App
from jpki_cli.clicks import UsageFault, nearest
from jpki_cli.completions import TRUSTS
from jpki_cli.progress import Progress
from jpki_cli.texts import t

if TYPE_CHECKING:
    from datetime import datetime

    from jpki.card_map import Application
    from jpki.open import OpenedCard
    from jpki_cli.config import Config
    from jpki_cli.screen import Screen


class Session:
    """Passed to every command.

    ``given``: global options as they were given, by name. ``arguments``: the command line,
    to print a command that says more; it never holds a PIN.
    """

    def __init__(self, app: App, given: dict[str, Any], arguments: Sequence[str]) -> None:
        self.app = app
        self.given = given
        self.arguments = list(arguments)

    @property
    def progress(self) -> Progress:
        """What goes on, for who sits at a terminal."""
        return self.app.progress

    @cached_property
    def config(self) -> Config:
        """The configuration file, read when first needed. Raises ConfigurationError."""
        from jpki_cli import config

        return config.load(self.app.env)

    @property
    def json(self) -> bool:
        """Whether stdout gets one object instead of words."""
        return bool(self.given.get("as_json"))

    @property
    def reader(self) -> str:
        """Option, JPKI_READER, configuration, ``pcsc:``."""
        named = self.given.get("reader") or self.app.env.get("JPKI_READER")
        return str(named or self.config.reader or "pcsc:")

    @property
    def virtual_cards(self) -> tuple[str, ...]:
        """The emulated card behind ``--reader``, whose revocations the test hierarchy knows."""
        scheme, _, card = self.reader.partition(":")
        return (card,) if scheme == "virtual" and card else ()

    @property
    def trust(self) -> str:
        """Option, JPKI_TRUST, configuration, ``production``."""
        named = self.given.get("trust") or self.app.env.get("JPKI_TRUST")
        name = str(named or self.config.trust or "production")
        if name not in TRUSTS and (near := nearest(name, TRUSTS)) and not Path(name).exists():
            raise UsageFault("usage_trust_near", near=near)
        return name

    def trust_from_command_line(self) -> None:
        """From here on only ``--trust`` counts, else ``production``: for what keeps records."""
        self.given.setdefault("trust", "production")

    def again(self, option: str, value: str) -> str:
        """This command line once more, with ``option`` set to ``value`` instead."""
        import shlex

        kept: list[str] = []
        words = iter(self.arguments)
        for word in words:
            if word == option:
                next(words, None)
            elif not word.startswith(f"{option}="):
                kept.append(word)
        return shlex.join(["jpki", *kept, option, value])

    def say(self, text: str) -> None:
        """A line on stderr for people."""
        self.app.say(text)

    def note(self, code: str, **values: object) -> None:
        """Words on stderr about something that is no error; ``note.CODE``."""
        self.app.say(t(f"note.{code}", **values))

    def emit(self, result: Mapping[str, object]) -> None:
        """The one JSON object of this run."""
        self.app.write(json.dumps(result, ensure_ascii=not self.app.unicode) + "\n")

    def screen(self) -> Screen:
        """Where words for people go line by line: stdout."""
        from jpki_cli.screen import Screen

        return Screen(self.app)

    @contextmanager
    def card(
        self,
        *,
        wait: float | None = None,
        at: datetime | None = None,
        needs_pin: bool = False,
        reader: str | None = None,
        begins: Application | None = None,
    ) -> Iterator[OpenedCard]:
        """The card behind ``--reader``, open for this block, powered off after it.

        ``reader``: of a second card, where a command takes two. ``begins``: the application
        that the command begins with, where that is known.
        """
        # Under test trust a card may also be one that has no place in production.
        more: dict[str, Any] = {"trust": self.trust} if self.trust == "test" else {}
        if begins is not None:
            more["begins"] = begins
        self.progress("read" if wait is None else "wait")
        opened = self.app.open_card(
            reader or self.reader, wait=wait, at=at, needs_pin=needs_pin, **more
        )
        try:
            self.progress("read")
            if opened.others:
                self.note("reader_taken", reader=opened.reader, others=", ".join(opened.others))
            yield opened
            opened.card.connection.finish()
        finally:
            opened.card.close()
