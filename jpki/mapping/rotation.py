# SPDX-License-Identifier: Apache-2.0
"""New index keys for a service while it runs.

First the keys get the new epoch, then the database names it, then the rows are re-keyed a
page at a time. Look-ups find rows of the new epoch and of the one before. Whoever has an old
copy of the key file finds nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, bindparam, select, update

from jpki.mapping.errors import KeyFileError, StoreStateError
from jpki.mapping.index import (
    next_index,
    open_card_key,
    open_certificate,
    seal_card_key,
    seal_certificate,
)
from jpki.mapping.keys import KeyRing, ServiceKeys
from jpki.mapping.store import schema
from jpki.mapping.store.store import Store

PAGE: Final = 2_000
_K, _R, _C = schema.SERVICE_KEY, schema.RECHECK_SERIAL, schema.CARD_KEY


def rotate(store: Store, keys: KeyRing, service: str, *, page: int = PAGE) -> KeyRing:
    """Give ``service`` a new epoch and re-key every row; returns the new keys.

    A rotation that was cut short goes on where it stopped; two at once make one epoch. Raises
    KeyFileError, StoreDownError.
    """
    keys = store.change(lambda connection: _renew(connection, keys, service))
    _rekey(store, keys, service, page)
    return keys


def _renew(connection: Connection, keys: KeyRing, service: str) -> KeyRing:
    """The keys with the epoch that the rows shall have; the database names it, too.

    Whoever else would rotate waits for this transaction, and finds the keys made.
    """
    epoch = connection.execute(
        select(_K.c.epoch).where(_K.c.service == service).with_for_update()
    ).scalar()
    if epoch is None:
        raise StoreStateError(reason="purpose_unknown")
    keys = keys.again()
    if keys.service(service).epoch == epoch:
        if _behind(connection, service, epoch):
            return keys
        # The keys first: a database that names keys nobody has would be lost.
        keys = keys.renewed(service)
    own = keys.service(service)
    if own.epoch != epoch + 1:
        raise KeyFileError(reason="other_key")
    connection.execute(
        update(_K).where(_K.c.service == service).values(epoch=own.epoch, fingerprint=own.check())
    )
    return keys


def _behind(connection: Connection, service: str, epoch: int) -> bool:
    """Whether rows of an earlier epoch are left."""
    return any(
        connection.execute(
            select(table.c.epoch).where(table.c.service == service, table.c.epoch < epoch).limit(1)
        ).first()
        for table in (schema.CERTIFICATE_INDEX, schema.SUPPRESSED_INDEX, _R, _C)
    )


def _rekey(store: Store, keys: KeyRing, service: str, page: int) -> None:
    """Page by page, each in a transaction of its own. Two who do it at once take turns."""
    for table in (schema.CERTIFICATE_INDEX, schema.SUPPRESSED_INDEX):
        while store.change(lambda c, t=table: _page(c, t, keys, service, page)):  # type: ignore[misc]
            pass
    for table, sealed_anew in ((_R, _certificate), (_C, _card_key)):
        while store.change(lambda c, t=table, f=sealed_anew: _sealed(c, t, f, keys, service, page)):  # type: ignore[misc]
            pass


def _page(connection: Connection, table: Table, keys: KeyRing, service: str, page: int) -> int:
    own = _turn(connection, keys, service)
    rows = connection.execute(
        select(table.c.index_key)
        .where(table.c.service == service, table.c.epoch == own.epoch - 1)
        .limit(page)
    ).all()
    if not rows:
        return 0
    moved = (
        update(table)
        .where(table.c.index_key == bindparam("old"))
        .values(index_key=bindparam("new"), epoch=own.epoch)
    )
    connection.execute(
        moved,
        [{"old": bytes(r.index_key), "new": next_index(own, bytes(r.index_key))} for r in rows],
    )
    return len(rows)


def _sealed(
    connection: Connection,
    table: Table,
    sealed_anew: Callable[[ServiceKeys, Row[Any]], bytes],
    keys: KeyRing,
    service: str,
    page: int,
) -> int:
    own = _turn(connection, keys, service)
    rows = connection.execute(
        select(table).where(table.c.service == service, table.c.epoch == own.epoch - 1).limit(page)
    ).all()
    for row in rows:
        same = [column == row._mapping[column] for column in table.primary_key.columns]
        connection.execute(
            update(table).where(*same).values(sealed=sealed_anew(own, row), epoch=own.epoch)
        )
    return len(rows)


def _turn(connection: Connection, keys: KeyRing, service: str) -> ServiceKeys:
    """The keys of the service, once nobody else is at its rows: they would lock each other."""
    connection.execute(select(_K.c.epoch).where(_K.c.service == service).with_for_update())
    return keys.service(service)


def _certificate(keys: ServiceKeys, row: Row[Any]) -> bytes:
    handle = bytes(row.handle)
    return seal_certificate(
        keys, open_certificate(keys, bytes(row.sealed), handle, row.epoch), handle
    )


def _card_key(keys: ServiceKeys, row: Row[Any]) -> bytes:
    handle = bytes(row.handle)
    return seal_card_key(keys, open_card_key(keys, bytes(row.sealed), handle, row.epoch), handle)
