# SPDX-License-Identifier: Apache-2.0
"""Statements of the hot path: compiled once for each kind of database, then run as text.

SQLAlchemy's own cache still builds a key and a compiled context for every execution; that is
half of what a look-up by key costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, CursorResult, Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import Executable

_T = TypeVar("_T")


class Prepared:
    """One statement whose every parameter is an int, a text or bytes, and named by the caller."""

    def __init__(self, statement: Executable) -> None:
        self._statement: Final = statement
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, dict[str, Any]]] = {}

    def run(self, connection: Connection, values: Mapping[str, object]) -> CursorResult[Any]:
        """Execute it. ``values``: all that the statement leaves open."""
        dialect = connection.dialect
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = self._compile(dialect)
        text, names, fixed = found
        whole = {**fixed, **values}
        if names is None:
            return connection.exec_driver_sql(text, whole)
        return connection.exec_driver_sql(text, tuple([whole[name] for name in names]))

    def _compile(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
        compiled = self._statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        names = None if compiled.positiontup is None else tuple(compiled.positiontup)
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        return str(compiled), names, fixed


class PreparedForMany:
    """A statement over many values, prepared for one of them, two, four and so on.

    ``make``: the statement for a number of values, whose parameters are called ``NAME_0`` to
    ``NAME_n`` (:func:`numbered`).
    """

    def __init__(self, make: Callable[[int], Executable]) -> None:
        self._make: Final = make
        self._sizes: dict[int, Prepared] = {}

    def of_size(self, size: int) -> Prepared:
        """For exactly so many values."""
        found = self._sizes.get(size)
        if found is None:
            found = self._sizes[size] = Prepared(self._make(size))
        return found


def numbered(name: str, values: Sequence[_T]) -> dict[str, _T]:
    """The parameters for ``values``."""
    return {f"{name}_{place}": value for place, value in enumerate(values)}


def padded(values: Sequence[_T]) -> list[_T]:
    """As many as the next power of two, the last one repeated: for ``IN``."""
    return [*values, *[values[-1]] * ((1 << (len(values) - 1).bit_length()) - len(values))]


def portions(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """All of them, in portions of powers of two: for rows that are put in."""
    start = 0
    while start < len(values):
        size = 1 << ((len(values) - start).bit_length() - 1)
        yield values[start : start + size]
        start += size
