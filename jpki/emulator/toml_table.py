# SPDX-License-Identifier: Apache-2.0
"""Strict reading of a TOML table: an unknown key is an error, and so is a wrong type."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import NoReturn

from jpki.errors import CardFileError


class Table:
    """One table of a card file. Every value is taken once; ``done`` refuses what is left.

    All methods raise CardFileError with the file's ``path``, the ``place`` (``holder.birth``)
    and a ``reason``. Values are never part of the error: they may be a PIN or a number.
    """

    def __init__(self, values: dict[str, object], path: str, place: str = "") -> None:
        self._values = dict(values)
        self._path = path
        self._place = place

    def fail(self, key: str, reason: str) -> NoReturn:
        """Raise CardFileError for ``key`` of this table."""
        place = f"{self._place}.{key}" if self._place else key
        raise CardFileError(path=self._path, place=place, reason=reason)

    def has(self, key: str) -> bool:
        """Whether the key is there and not taken yet."""
        return key in self._values

    def text(self, key: str, default: str | None = None) -> str:
        """A string; ``default`` None makes it compulsory."""
        value = self._take(key, default)
        if not isinstance(value, str):
            self.fail(key, "wrong_type")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string, or None if it is not there."""
        return self.text(key) if self.has(key) else None

    def choice(self, key: str, allowed: Iterable[str], default: str | None = None) -> str:
        """One of ``allowed``."""
        value = self.text(key, default)
        if value not in tuple(allowed):
            self.fail(key, "bad_value")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.fail(key, "wrong_type")
        return value

    def number(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """An integer from ``low`` to ``high``."""
        value = self._take(key, default)
        if type(value) is not int:
            self.fail(key, "wrong_type")
        if not low <= value <= high:
            self.fail(key, "bad_value")
        return value

    def optional_number(self, key: str, low: int, high: int) -> int | None:
        """An integer, or None if it is not there."""
        return self.number(key, low, high) if self.has(key) else None

    def day(self, key: str) -> date:
        """A local date of TOML (1980-02-17 without quotes)."""
        value = self._take(key, None)
        if not isinstance(value, date) or isinstance(value, datetime):
            self.fail(key, "wrong_type")
        return value

    def optional_day(self, key: str) -> date | None:
        """A local date, or None if it is not there."""
        return self.day(key) if self.has(key) else None

    def texts(self, key: str, allowed: Iterable[str], default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of strings, each one of ``allowed``, none of them twice."""
        value = self._take(key, list(default))
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(key, "wrong_type")
        known = tuple(allowed)
        if len(set(value)) != len(value) or any(item not in known for item in value):
            self.fail(key, "bad_value")
        return tuple(value)

    def strings(self, key: str) -> tuple[str, ...]:
        """A list of any strings; empty if it is not there."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(key, "wrong_type")
        return tuple(value)

    def table(self, key: str, *, required: bool = False) -> Table:
        """A table below this one; empty if it is not there."""
        value = self._take(key, None if required else {})
        if not isinstance(value, dict):
            self.fail(key, "wrong_type")
        return Table(value, self._path, f"{self._place}.{key}" if self._place else key)

    def tables(self, key: str) -> list[Table]:
        """A list of tables (``[[key]]``); empty if it is not there. Places count from 1."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.fail(key, "wrong_type")
        place = f"{self._place}.{key}" if self._place else key
        return [Table(item, self._path, f"{place}[{n}]") for n, item in enumerate(value, 1)]

    def word(self, key: str) -> str | None:
        """A string, or an integer as one; None if it is not there."""
        if not self.has(key):
            return None
        value = self._take(key, None)
        if not isinstance(value, str) and type(value) is not int:
            self.fail(key, "wrong_type")
        return str(value)

    def done(self) -> None:
        """Refuse what nobody asked for."""
        for key in self._values:
            self.fail(key, "unknown_key")

    def _take(self, key: str, default: object) -> object:
        value = self._values.pop(key, default)
        if value is None:
            self.fail(key, "missing")
        return value
