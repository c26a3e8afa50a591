# SPDX-License-Identifier: Apache-2.0
"""A map driven from the command line: its files, and the options that name them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from command_line import Cli, Result

AUTH, SIGN = "1234", "ABC123"  # PINs of the built-in cards
TEST = ("--trust", "test")
LIBRARY = (resources.files("jpki.mapping") / "presets" / "library.toml").read_text("utf-8")


@dataclass
class MapCli:
    """``table("resolve")`` runs ``jpki map resolve`` on this map, with the card in ``reader``."""

    cli: Cli
    folder: Path
    policy: str = "library"
    actor: str = "terminal-1"
    reader: str = "virtual:hanako"
    trust: tuple[str, ...] = TEST
    more: tuple[str, ...] = ()
    url: str = ""  # of a database that is no file of the folder

    @property
    def db(self) -> Path:
        return self.folder / "map.db"

    @property
    def keys(self) -> Path:
        return self.folder / "map.keys"

    @property
    def place(self) -> tuple[str, ...]:
        return ("--db", self.url or str(self.db), "--key-file", str(self.keys))

    def init(self) -> Result:
        return self.cli("map", "init", *self.place, "--policy", self.policy, *self.trust)

    def __call__(
        self, *words: str, pins: list[str] | None = None, typed: list[str] | None = None
    ) -> Result:
        """A holder's command with the card in the reader; no PINs: with the auth PIN."""
        given = pins if pins is not None or typed is not None else [AUTH]
        arguments = ("map", *words, *self.place, "--policy", self.policy, *self.trust)
        asker = () if "--actor" in words else ("--actor", self.actor)
        reader = () if "--reader" in words else ("--reader", self.reader)
        return self.cli(*arguments, *asker, *reader, *self.more, pins=given, typed=typed)

    def answer(self, *words: str, **given: Any) -> dict[str, Any]:
        """The object that the command answers with, valid by its schema."""
        return self(*words, "--json", **given).json

    def staff(self, *words: str, actor: str = "staff-1", document: str = "2026-1") -> Result:
        """A command of the staff: no card."""
        ground = ("--document", document) if document else ()
        return self.cli(
            "map", *words, *self.place, "--policy", self.policy, *self.trust,
            "--actor", actor, *ground, *self.more,
        )  # fmt: skip

    def upkeep(self, *words: str) -> Result:
        """A command that looks after the map."""
        return self.cli("map", *words, *self.place)

    def challenge(self, operation: str, *words: str) -> Path:
        """A challenge of this map, in a file."""
        out = self.folder / f"challenge-{len(list(self.folder.iterdir()))}.json"
        done = self.cli(
            "map", "challenge", *self.place, "--policy", self.policy, *self.trust,
            "--operation", operation, "--out", str(out), *words,
        )  # fmt: skip
        assert done.code == 0, done.err
        return out

    def respond(self, challenge: Path, *words: str, pin: str = AUTH) -> Path:
        """The card's answer to a challenge, in a file."""
        out = challenge.with_suffix(".answer")
        reader = () if "--reader" in words else ("--reader", self.reader)
        done = self.cli(
            "auth", "respond", str(challenge), "--out", str(out), *reader, *words, pins=[pin]
        )
        assert done.code == 0, done.err
        return out

    def presentation(self, operation: str, *words: str) -> Path:
        """An answer to a challenge of this map."""
        return self.respond(self.challenge(operation, *words))

    def brought(self, operation: str, file: Path, *words: str) -> Result:
        """The command with that answer instead of a card."""
        return self.cli(
            "map", operation, *self.place, "--policy", self.policy, *self.trust,
            "--actor", self.actor, "--presentation", str(file), *words, *self.more,
        )  # fmt: skip

    def entries(self) -> int:
        """Entries of the ledger (count); it has to be whole."""
        found = self.upkeep("ledger", "verify", "--json")
        assert found.code == 0, found.out
        return int(found.json["entries"])

    def write_policy(self, name: str, text: str) -> None:
        """Work under another policy from now on."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        self.policy = str(path)


def error(done: Result) -> tuple[int, str]:
    """Exit code and code of an error."""
    return done.code, str(done.json["code"])


def edited(path: Path, **changes: str) -> Path:
    """The same answer with another challenge in it."""
    answer = json.loads(path.read_text("utf-8"))
    answer["challenge"].update(changes)
    path.write_text(json.dumps(answer), encoding="utf-8")
    return path
