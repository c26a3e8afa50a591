# SPDX-License-Identifier: Apache-2.0
"""Engines: which addresses are taken, what every connection is told, and errors by cause."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from jpki.errors import MissingExtraError
from jpki.mapping.errors import (
    ConflictError,
    LedgerDamagedError,
    MapError,
    StoreDownError,
    StoreFullError,
    StoreStateError,
    StoreUrlError,
)

READ_ONLY: Final = "jpki_read_only"
BUSY_SECONDS: Final = 30
POOLED: Final = 5  # connections that an engine keeps for the next one
_DIALECTS: Final = {
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_SECRETS: Final = frozenset({"password", "passfile_content", "sslpassword"})
_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR})
_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def parse_url(text: str) -> URL:
    """The address of a database: ``sqlite:///FILE``, ``FILE``, or ``postgresql://…``.

    A password in it is refused: command lines and environments are seen by others. libpq finds
    it in its usual places (``~/.pgpass``, a service file, the socket's peer).
    Raises StoreUrlError.
    """
    if "://" not in text:
        text = f"sqlite:///{text}"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise StoreUrlError(reason="malformed") from None
    if url.password is not None or _SECRETS & set(url.query):
        raise StoreUrlError(reason="password")
    dialect = _DIALECTS.get(url.drivername)
    if dialect is None:
        raise StoreUrlError(reason="scheme")
    if dialect.startswith("sqlite") and (url.database in (None, "", ":memory:") or url.query):
        raise StoreUrlError(reason="malformed")
    return url.set(drivername=dialect)


def open_engine(text: str, *, create: bool = False) -> Engine:
    """An engine for the address. ``create``: a SQLite file may be made (mode 0600).

    Raises StoreUrlError, StoreStateError (``no_map``), MissingExtraError.
    """
    url = parse_url(text)
    if url.drivername.startswith("sqlite"):
        _prepare_file(str(url.database), create)
        return _sqlite(url)
    return _postgresql(url)


def _prepare_file(path: str, create: bool) -> None:
    if os.path.exists(path):
        return
    if not create:
        raise StoreStateError(reason="no_map")
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as exc:
        raise StoreDownError(reason="unreachable") from exc


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=POOLED,
        connect_args={"timeout": BUSY_SECONDS, "autocommit": True}
        if hasattr(sqlite3, "LEGACY_TRANSACTION_CONTROL")
        else {"timeout": BUSY_SECONDS, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        # FULL: a change that was answered is on the disk. secure_delete: what is removed is
        # overwritten; not every build of SQLite does so by itself.
        for pragma in (
            "journal_mode=WAL", "synchronous=FULL", "trusted_schema=OFF", "secure_delete=ON",
        ):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}").fetchall()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # Writers queue at the beginning: none of them finds the chain moved on below it.
        reading = connection.get_execution_options().get(READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL) -> Engine:
    try:
        import psycopg  # noqa: F401
    except ImportError as exc:
        raise MissingExtraError(extra="postgres") from exc
    engine = create_engine(
        url, hide_parameters=True, pool_size=POOLED, isolation_level="READ COMMITTED"
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit TO on")
            # Look-ups by key have one good plan; making it anew over the partitions costs
            # more than the look-up.
            cursor.execute("SET plan_cache_mode TO force_generic_plan")
        connection.commit()

    return engine


@contextmanager
def by_cause() -> Iterator[None]:
    """Turns what the database raises into MapErrors by cause.

    The cause is not chained: databases put values of rows into their messages.
    """
    try:
        yield
    except DBAPIError as exc:
        raise _cause(exc) from None
    except SQLAlchemyError as exc:
        if type(exc).__name__ == "TimeoutError":
            raise StoreDownError(reason="locked") from None
        raise


def _cause(exc: DBAPIError) -> MapError:
    original = exc.orig
    if isinstance(original, sqlite3.Error):
        return _sqlite_cause(original, exc)
    state = str(getattr(original, "sqlstate", None) or "")
    if state.startswith("53100") or state in ("25006", "58030"):
        return StoreFullError(reason="read_only" if state == "25006" else "full")
    if state == "42P01":
        return StoreStateError(reason="no_map")
    if state == "42501":
        return LedgerDamagedError(reason="refused")
    if state in ("55P03", "40P01", "40001"):
        return StoreDownError(reason="locked")
    if exc.connection_invalidated or not state or state[:2] in ("08", "53", "57"):
        return StoreDownError(reason="lost" if exc.connection_invalidated else "unreachable")
    if isinstance(exc, IntegrityError):
        return ConflictError()
    return StoreStateError(reason="failed", state=state)


def _sqlite_cause(original: sqlite3.Error, exc: DBAPIError) -> MapError:
    code = getattr(original, "sqlite_errorcode", 0) & 0xFF
    if code in _FULL:
        return StoreFullError(reason="read_only" if code == sqlite3.SQLITE_READONLY else "full")
    if code in _LOCKED:
        return StoreDownError(reason="locked")
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreDownError(reason="unreachable")
    if code in _DAMAGED:
        return StoreStateError(reason="corrupt")
    if "append-only" in str(original):
        return LedgerDamagedError(reason="refused")
    if "no such table" in str(original):
        return StoreStateError(reason="no_map")
    if isinstance(exc, IntegrityError):
        return ConflictError()
    return StoreStateError(reason="failed", state=original.sqlite_errorname)
