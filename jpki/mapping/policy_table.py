# SPDX-License-Identifier: Apache-2.0
"""Strict reading of a policy's tables: an unknown key is an error, and so is a wrong type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import NoReturn, TypeVar

from jpki.errors import ConfigurationError
from jpki.messages import EASY

E = TypeVar("E", bound=StrEnum)
IDENTIFIER = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
MAX_TEXT = 500  # characters of one value
MAX_LIST = 200  # entries of one list


class PolicyTable:
    """One table. Every value is taken once; ``done`` refuses what is left.

    All methods raise ConfigurationError with ``path``, ``place`` and ``reason``.
    """

    def __init__(self, values: Mapping[str, object], path: str, place: str = "") -> None:
        self._values = dict(values)
        self._path = path
        self._place = place

    def fail(self, key: str, reason: str) -> NoReturn:
        """Raise ConfigurationError for ``key`` of this table."""
        place = f"{self._place}.{key}" if self._place and key else key or self._place
        raise ConfigurationError("policy_file", path=self._path, place=place, reason=reason)

    def has(self, key: str) -> bool:
        """Whether the key is there and not taken yet."""
        return key in self._values

    def done(self) -> None:
        """Refuse keys that nobody asked for."""
        if self._values:
            self.fail(min(self._values), "unknown_key")

    def text(self, key: str, default: str | None = None) -> str:
        """A string without control characters; ``default`` None makes it compulsory."""
        value = self._take(key, default)
        if not isinstance(value, str):
            self.fail(key, "wrong_type")
        if len(value) > MAX_TEXT or (value != default and not value.strip()):
            self.fail(key, "bad_value")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            self.fail(key, "bad_value")
        return value

    def identifier(self, key: str) -> str:
        """Small letters, digits, hyphens, underscores; at most 64."""
        value = self.text(key)
        if len(value) > 64 or not IDENTIFIER.fullmatch(value):
            self.fail(key, "bad_value")
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        """true or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.fail(key, "wrong_type")
        return value

    def number(self, key: str, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``; compulsory."""
        value = self._take(key, None)
        if type(value) is not int:
            self.fail(key, "wrong_type")
        if not low <= value <= high:
            self.fail(key, "bad_value")
        return value

    def day(self, key: str) -> date:
        """A local date of TOML (2026-04-01 without quotes); compulsory."""
        value = self._take(key, None)
        if not isinstance(value, date) or isinstance(value, datetime):
            self.fail(key, "wrong_type")
        return value

    def choice(self, key: str, allowed: type[E]) -> E:
        """One value of an enumeration; compulsory."""
        return self._member(key, self.text(key), allowed)

    def choices(self, key: str, allowed: type[E]) -> frozenset[E]:
        """Several values of an enumeration, each once."""
        return frozenset(self._member(key, value, allowed) for value in self.texts(key))

    def _member(self, key: str, value: str, allowed: type[E]) -> E:
        try:
            return allowed(value)
        except ValueError:
            self.fail(key, "bad_value")

    def texts(self, key: str) -> tuple[str, ...]:
        """Strings, none of them empty or twice; none at all if the key is not there."""
        value = self._take(key, ())
        if not isinstance(value, list | tuple):
            self.fail(key, "wrong_type")
        found: list[str] = []
        for one in value:
            if not isinstance(one, str):
                self.fail(key, "wrong_type")
            if not one.strip() or len(one) > MAX_TEXT or one in found:
                self.fail(key, "bad_value")
            found.append(one)
        if len(found) > MAX_LIST:
            self.fail(key, "bad_value")
        return tuple(found)

    def words(self, key: str) -> dict[str, str]:
        """A text in some of the languages that are spoken: ``title.ja``, ``title.ja-easy``."""
        table = self.table(key)
        found = {lang: table.text(lang) for lang in ("ja", "en", EASY) if table.has(lang)}
        table.done()
        return found

    def table(self, key: str) -> PolicyTable:
        """A table; empty if it is not there."""
        value = self._take(key, {})
        if not isinstance(value, dict):
            self.fail(key, "wrong_type")
        return PolicyTable(value, self._path, f"{self._place}.{key}" if self._place else key)

    def tables(self, key: str) -> list[PolicyTable]:
        """An array of tables; their places count from 1."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.fail(key, "wrong_type")
        if len(value) > MAX_LIST:
            self.fail(key, "bad_value")
        start = f"{self._place}.{key}" if self._place else key
        return [PolicyTable(one, self._path, f"{start}[{n}]") for n, one in enumerate(value, 1)]

    def rest(self) -> Iterable[str]:
        """Names of what was not taken yet, sorted."""
        return sorted(self._values)

    def _take(self, key: str, default: object) -> object:
        if key not in self._values:
            if default is None:
                self.fail(key, "missing")
            return default
        return self._values.pop(key)
