# SPDX-License-Identifier: Apache-2.0
"""Statements of the hot path: compiled once for each kind of database, then run by its driver.

SQLAlchemy's own cache still builds a key and a compiled context for every execution, and a
result around what was found; that is more than what a look-up by key costs.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import Executable

_T = TypeVar("_T")


class Done:
    """What came of a statement. ``rows``: what it found, with its columns' names."""

    __slots__ = ("rowcount", "rows")

    def __init__(self, rowcount: int, rows: list[Any]) -> None:
        self.rowcount = rowcount
        self.rows = rows

    def one_or_none(self) -> Any:
        """The row, or None where there is none."""
        assert len(self.rows) < 2
        return self.rows[0] if self.rows else None


class Prepared:
    """One statement whose every parameter is an int, a text or bytes, and named by the caller."""

    def __init__(self, statement: Executable) -> None:
        self._statement: Final = statement
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, dict[str, Any]]] = {}
        self._row: Callable[[Any], Any] | None = None

    def run(self, connection: Connection, values: Mapping[str, object]) -> Done:
        """Execute it. ``values``: all that the statement leaves open."""
        text, names, fixed = self._of(connection.dialect)
        whole = {**fixed, **values}
        given = whole if names is None else tuple([whole[name] for name in names])
        with _cursor(connection, text, given) as cursor:
            cursor.execute(text, given)
            if cursor.description is None:
                return Done(cursor.rowcount, [])
            if self._row is None:
                columns = [column[0] for column in cursor.description]
                kind: Any = namedtuple("Row", columns)  # type: ignore[misc]
                self._row = kind._make
            return Done(cursor.rowcount, [*map(self._row, cursor.fetchall())])

    def run_all(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
        """Execute it for each of the rows, in one go. It leaves open what they hold, or less."""
        text, names, fixed = self._of(connection.dialect)
        assert not fixed
        if names is None:
            given: list[Any] = list(rows)
        else:
            given = [*map(itemgetter(*names), rows)]
        with _cursor(connection, text, given) as cursor:
            cursor.executemany(text, given)

    def _of(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = self._compile(dialect)
        return found

    def _compile(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
        compiled = self._statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        names = None if compiled.positiontup is None else tuple(compiled.positiontup)
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        return str(compiled), names, fixed


@contextmanager
def _cursor(connection: Connection, text: str, given: Any) -> Iterator[Any]:
    """A cursor of the driver's own. Whoever listens to statements hears of this one, too.

    Raises DBAPIError, as SQLAlchemy does.
    """
    driver = connection.dialect.loaded_dbapi
    cursor = connection.connection.cursor()
    many = isinstance(given, list)
    try:
        for heard in connection.engine.dispatch.before_cursor_execute:
            heard(connection, cursor, text, given, None, many)
        yield cursor
        for heard in connection.engine.dispatch.after_cursor_execute:
            heard(connection, cursor, text, given, None, many)
    except driver.Error as exc:
        lost = connection.dialect.is_disconnect(exc, connection.connection, cursor)
        if lost:
            connection.invalidate(exc)
        raise DBAPIError.instance(
            text, None, exc, driver.Error, hide_parameters=True, connection_invalidated=lost,
            dialect=connection.dialect,
        ) from None  # fmt: skip
    finally:
        cursor.close()


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
