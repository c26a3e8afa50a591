# SPDX-License-Identifier: Apache-2.0
"""What a look at one thing came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Level(StrEnum):
    """How much it matters. A ``fault`` keeps cards from being used; a ``warning`` may."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. Words: ``doctor.check.CHECK``, ``doctor.CODE``, ``doctor.fix.FIX``.

    ``values``: what the words need: versions, counts, names from fixed lists and masked
    reader names; never the name of a user or machine, a path of theirs, an address or an
    identifier of a card. ``fix``: code of what to do; empty = nothing. ``lines``: exactly
    what to type on this system.
    """

    check: str
    level: Level
    code: str
    values: Mapping[str, object] = field(default_factory=dict)
    fix: str = ""
    lines: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))


def not_looked_at(check: str) -> Finding:
    """The check exists, and not for this system."""
    return Finding(check, Level.NOTE, "not_looked_at")
