# SPDX-License-Identifier: Apache-2.0
"""A map's database: made once, opened often, changed in whole transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine, insert, inspect, select, text

from jpki.mapping.errors import StoreDownError, StoreStateError
from jpki.mapping.store.engine import READ_ONLY, by_cause, open_engine
from jpki.mapping.store.schema import META

REVISION: Final = "0002"
PARTITIONS: Final = 8
_T = TypeVar("_T")


class Store:
    """Transactions over one engine. Closing it gives every connection back."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def create(
        cls,
        url: str,
        facts: dict[str, str],
        *,
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
                _migrate(connection, partitions)
                connection.execute(insert(META), rows)
                if first is not None:
                    first(connection)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    @classmethod
    def open(cls, url: str) -> Store:
        """Open one that is there. Raises StoreStateError (``no_map``, ``version``)."""
        store = cls(open_engine(url))
        try:
            with store.reading() as connection:
                _check_version(connection)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def upgrade(cls, url: str) -> None:
        """Bring an older map's tables up to date, in one transaction."""
        engine = open_engine(url)
        with by_cause(), engine.begin() as connection:
            _migrate(connection, PARTITIONS)
        engine.dispose()

    def facts(self) -> dict[str, str]:
        """What ``meta`` says."""
        with self.reading() as connection:
            rows = connection.execute(select(META.c.name, META.c.value)).all()
        return {row.name: row.value for row in rows}

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that changes nothing."""
        with by_cause(), self.engine.connect() as connection:
            reader = connection.execution_options(**{READ_ONLY: True})
            with reader.begin():
                yield reader

    def change(self, work: Callable[[Connection], _T]) -> _T:
        """Do ``work`` in one transaction: all of it is kept, or nothing.

        A pooled connection that turns out dead before the commit is replaced once (a
        database that was restarted); an error in the commit itself is raised.
        """
        for attempt in (1, 2):
            committing = False
            try:
                with by_cause(), self.engine.connect() as connection:
                    transaction = connection.begin()
                    done = work(connection)
                    committing = True
                    transaction.commit()
                    return done
            except StoreDownError as exc:
                if attempt == 2 or committing or exc.values.get("reason") != "lost":
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_version(connection: Connection) -> None:
    if not inspect(connection).has_table("meta"):
        raise StoreStateError(reason="no_map")
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found != REVISION:
        raise StoreStateError(reason="other_version", found=str(found), wanted=REVISION)


def _migrate(connection: Connection, partitions: int) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "jpki.mapping.store:migrations")
    config.attributes.update(connection=connection, partitions=partitions)
    command.upgrade(config, "head")
