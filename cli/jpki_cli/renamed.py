# SPDX-License-Identifier: Apache-2.0
"""Commands and options that have another name now: the old one works on, and says so on stderr.

What is promised about it: docs/en/versions.md. One line here is all that a renaming takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import click


@dataclass(frozen=True, slots=True)
class Renamed:
    """The name that counts now, and the version (``0.2``) from which on."""

    now: str
    since: str


COMMANDS: Final[Mapping[str, Mapping[str, Renamed]]] = {}
"""By the place in the tree (``map``; ``jpki`` for the top): old names. None so far."""

OPTIONS: Final[Mapping[str, Mapping[str, Renamed]]] = {}
"""By the place in the tree (``card.read``): old names, with their dashes. None so far."""


def command_now(key: str, word: str, ctx: click.Context) -> str:
    """``word`` below ``key``, or what took its place."""
    found = COMMANDS.get(key, {}).get(word)
    return word if found is None else _told(word, found, ctx)


def options_now(key: str, words: Iterable[str], ctx: click.Context) -> list[str]:
    """The words of a command line (up to ``--``) with today's names of its options."""
    old = OPTIONS.get(key, {})
    out = []
    for word in words:
        name, equals, value = word.partition("=")
        now = _told(name, old[name], ctx) if name in old else name
        out.append(f"{now}{equals}{value}")
    return out


def _told(word: str, found: Renamed, ctx: click.Context) -> str:
    if not ctx.resilient_parsing:
        ctx.find_root().obj.note("renamed", old=word, now=found.now, since=found.since)
    return found.now
