# SPDX-License-Identifier: Apache-2.0
"""Statements of the hot path: compiled once for each kind of database, then run as text.

SQLAlchemy's own cache still builds a key and a compiled context for every execution; that is
half of what a look-up by key costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import Executable


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
