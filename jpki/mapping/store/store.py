# SPDX-License-Identifier: Apache-2.0
"""A map's database: made once, opened often, changed in whole transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine, MetaData, insert, inspect, select, text

from jpki.mapping.errors import StoreDownError, StoreStateError
from jpki.mapping.store import evidence_schema, schema
from jpki.mapping.store.engine import POOLED, READ_ONLY, by_cause, open_engine
from jpki.mapping.store.schema import META

PARTITIONS: Final = 8
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Layout:
    """Which tables a database has, the folder of the steps to them, and the last step."""

    tables: MetaData
    migrations: str
    revision: str


MAP_LAYOUT: Final = Layout(schema.METADATA, "migrations", "0002")
EVIDENCE_LAYOUT: Final = Layout(evidence_schema.METADATA, "evidence_migrations", "e0001")


class Store:
    """Transactions over one engine. Closing it gives every connection back."""

    def __init__(self, engine: Engine, layout: Layout = MAP_LAYOUT) -> None:
        self.engine = engine
        self._layout = layout

    @classmethod
    def create(
        cls,
        url: str,
        facts: dict[str, str],
        *,
        layout: Layout = MAP_LAYOUT,
        partitions: int = PARTITIONS,
        first: Callable[[Connection], None] | None = None,
    ) -> Store:
        """Make the tables and write down ``facts`` (``meta``), in one transaction.

        ``partitions``: of the index, PostgreSQL only. ``first``: rows that a map begins with.
        Raises StoreStateError (``exists``).
        """
        engine = open_engine(url, create=True)
        rows = [{"name": name, "value": value} for name, value in facts.items()]
        try:
            with by_cause(), engine.begin() as connection:
                if inspect(connection).has_table("meta"):
                    raise StoreStateError(reason="exists")
                _migrate(connection, layout, partitions)
                connection.execute(insert(META), rows)
                if first is not None:
                    first(connection)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, layout)

    @classmethod
    def open(cls, url: str, *, layout: Layout = MAP_LAYOUT) -> Store:
        """Open one that is there. Raises StoreStateError (``no_map``, ``version``)."""
        store = cls(open_engine(url), layout)
        try:
            with store.reading() as connection:
                _check_version(connection, layout)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def upgrade(cls, url: str, *, layout: Layout = MAP_LAYOUT) -> None:
        """Bring an older map's tables up to date, in one transaction."""
        engine = open_engine(url)
        with by_cause(), engine.begin() as connection:
            _migrate(connection, layout, PARTITIONS)
        engine.dispose()

    def facts(self) -> dict[str, str]:
        """What ``meta`` says."""
        with self.reading() as connection:
            rows = connection.execute(select(META.c.name, META.c.value)).all()
        return {row.name: row.value for row in rows}

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that changes nothing."""
        with by_cause(), self._answering() as connection:
            reader = connection.execution_options(**{READ_ONLY: True})
            with reader.begin():
                yield reader

    def _answering(self) -> Connection:
        """A connection that is alive: those from before a restart of the server are replaced."""
        connection = self.engine.connect()
        try:
            connection.connection.cursor().execute("SELECT 1")
            connection.connection.rollback()
        except self.engine.dialect.loaded_dbapi.Error:
            connection.invalidate()
            connection.close()
            self.engine.dispose()
            return self.engine.connect()
        return connection

    def change(self, work: Callable[[Connection], _T]) -> _T:
        """Do ``work`` in one transaction: all of it is kept, or nothing.

        Pooled connections that turn out dead before the commit are replaced, each once (a
        database that was restarted); an error in the commit itself is raised.
        """
        for attempt in range(1, POOLED + 2):
            committing = False
            try:
                with by_cause(), self.engine.connect() as connection:
                    transaction = connection.begin()
                    done = work(connection)
                    committing = True
                    transaction.commit()
                    return done
            except StoreDownError as exc:
                if attempt > POOLED or committing or exc.values.get("reason") != "lost":
                    raise
        raise AssertionError("unreachable")

    def empty_log(self) -> None:
        """Have SQLite's log hold nothing any longer of rows that were removed.

        PostgreSQL keeps them for its own time.
        """
        if self.engine.dialect.name == "sqlite":
            with by_cause(), self.engine.connect() as connection:
                connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def discard(self) -> None:
        """Remove every table: what the database belongs to was not made after all."""
        with by_cause(), self.engine.begin() as connection:
            self._layout.tables.drop_all(connection)
            connection.execute(text("DROP TABLE alembic_version"))
        self.close()

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_version(connection: Connection, layout: Layout) -> None:
    if not inspect(connection).has_table("meta"):
        raise StoreStateError(reason="no_map")
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found != layout.revision:
        raise StoreStateError(reason="other_version", found=str(found), wanted=layout.revision)


def _migrate(connection: Connection, layout: Layout, partitions: int) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", f"jpki.mapping.store:{layout.migrations}")
    config.attributes.update(connection=connection, partitions=partitions)
    command.upgrade(config, "head")
