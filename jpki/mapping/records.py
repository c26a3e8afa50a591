# SPDX-License-Identifier: Apache-2.0
"""What is stored about persons: found by index or by pseudonym, written, moved, removed.

Every look-up is one statement with the same rows, whether somebody is found, suppressed, or
unknown.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Connection,
    LargeBinary,
    Table,
    bindparam,
    delete,
    exists,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.sql.expression import Executable

from jpki.certificate.kinds import Family, Medium
from jpki.mapping.errors import KeyFileError
from jpki.mapping.index import Index, StoredCertificate, seal_certificate
from jpki.mapping.keys import ServiceKeys
from jpki.mapping.lifecycle import CertificateState, State
from jpki.mapping.store import schema
from jpki.mapping.store.prepared import Prepared, PreparedForMany, numbered, padded
from jpki.mapping.times import micros

CODE_SIZE: Final = 16
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up found. ``handle`` None: nothing that may be told.

    ``hidden``: the handle of a suppressed person, for the ledger only.
    """

    handle: bytes | None = field(repr=False)
    pseudonym: bytes | None = field(repr=False)
    state: State
    certificate: CertificateState
    key: bytes | None = field(default=None, repr=False)
    hidden: bytes | None = field(default=None, repr=False)
    consented: bool = False

    @property
    def about(self) -> bytes | None:
        """Whom a ledger entry is about."""
        return self.handle or self.hidden


_I, _S = schema.CERTIFICATE_INDEX, schema.SUPPRESSED_INDEX
_H, _P, _K = schema.HANDLE, schema.PSEUDONYM, schema.SERVICE_KEY


def _keys(table: Table) -> object:
    return table.c.index_key.in_((bindparam("current"), bindparam("previous")))


_C = schema.CONSENT
_CONSENTED: Final = exists().where(
    _C.c.handle == _I.c.handle, _C.c.purpose == bindparam("purpose"), _C.c.state == "given",
    _C.c.ends_at > bindparam("at"),
)  # fmt: skip
BY_INDEX: Final = Prepared(
    select(
        _K.c.epoch, _K.c.fingerprint, _I.c.index_key, _I.c.handle, _I.c.state.label("certificate"),
        _H.c.state, _P.c.pseudonym, _S.c.handle.label("hidden"), _CONSENTED.label("consented"),
    )
    .select_from(
        _K.outerjoin(_I, _keys(_I))  # type: ignore[arg-type]
        .outerjoin(_H, _H.c.handle == _I.c.handle)
        .outerjoin(_P, _P.c.handle == _I.c.handle)
        .outerjoin(_S, _keys(_S))  # type: ignore[arg-type]
    )
    .where(_K.c.service == bindparam("service"))
)  # fmt: skip
BY_PSEUDONYM: Final = Prepared(
    select(_H.c.handle, _H.c.state, _H.c.suppressed, _P.c.pseudonym)
    .select_from(
        _K.outerjoin(
            _P,
            (_P.c.pseudonym == bindparam("pseudonym")) & (_P.c.service == bindparam("service")),
        ).outerjoin(_H, _H.c.handle == _P.c.handle)
    )
    .where(_K.c.service == bindparam("service"))
)


_HELD_EPOCH: Final = (
    select(_K.c.epoch).where(_K.c.service == bindparam("service")).with_for_update(read=True)
)


def find(
    connection: Connection, keys: ServiceKeys, index: Index, where: tuple[str, str], now: datetime
) -> Found:
    """Whom a certificate belongs to. ``where``: service and purpose (whose consent is asked).

    Raises KeyFileError for old keys.
    """
    service, purpose = where
    row = BY_INDEX.run(
        connection,
        {
            "current": index.current, "previous": index.previous, "service": service,
            "purpose": purpose, "at": micros(now),
        },
    ).one_or_none()  # fmt: skip
    row = _checked(row, keys, service)
    return _found(row, row.hidden)


def _checked(row: Any, keys: ServiceKeys, service: str) -> Any:
    """The row. Raises KeyFileError unless the keys are those that it names for the service."""
    if row is None:
        raise KeyFileError(reason="no_keys_for_service", service=service)
    if row.epoch != keys.epoch or bytes(row.fingerprint) != keys.check():
        raise KeyFileError(reason="rotated" if row.epoch > keys.epoch else "other_key")
    return row


def _found(row: Any, hidden: Any) -> Found:
    hidden = None if hidden is None else bytes(hidden)
    if row.handle is None:
        nobody = State.UNREGISTERED
        return Found(None, None, nobody, CertificateState.ACTIVE, hidden=hidden)
    return Found(
        bytes(row.handle),
        None if row.pseudonym is None else bytes(row.pseudonym),
        State(row.state),
        CertificateState(row.certificate),
        key=bytes(row.index_key),
        consented=bool(row.consented),
        hidden=hidden,
    )


def _by_indexes(count: int) -> Executable:
    """One row for each of the keys, whether anybody has it or not."""
    asked = union_all(
        *(select(bindparam(f"key_{n}", type_=LargeBinary).label("key")) for n in range(count))
    ).subquery("asked")
    return (
        select(
            asked.c.key, _K.c.epoch, _K.c.fingerprint, _I.c.index_key, _I.c.handle,
            _I.c.state.label("certificate"), _H.c.state, _P.c.pseudonym,
            _S.c.handle.label("hidden"), _CONSENTED.label("consented"),
        )
        .select_from(
            asked.join(_K, _K.c.service == bindparam("service"))
            .outerjoin(_I, _I.c.index_key == asked.c.key)
            .outerjoin(_H, _H.c.handle == _I.c.handle)
            .outerjoin(_P, _P.c.handle == _I.c.handle)
            .outerjoin(_S, _S.c.index_key == asked.c.key)
        )
    )  # fmt: skip


BY_INDEXES: Final = PreparedForMany(_by_indexes)


def find_all(
    connection: Connection,
    keys: ServiceKeys,
    indexes: Sequence[Index],
    where: tuple[str, str],
    now: datetime,
) -> list[Found]:
    """As :func:`find` for each, in one statement."""
    service, purpose = where
    wanted = padded([key for index in indexes for key in (index.current, index.previous)])
    rows = BY_INDEXES.of_size(len(wanted)).run(
        connection,
        {**numbered("key", wanted), "service": service, "purpose": purpose, "at": micros(now)},
    ).rows  # fmt: skip
    _checked(rows[0] if rows else None, keys, service)
    by_key = {bytes(row.key): row for row in rows}
    return [
        _found_in(by_key[index.current], by_key[index.previous]) for index in indexes
    ]  # fmt: skip


def _found_in(current: Any, previous: Any) -> Found:
    """What the rows of an index under its newest key and the one before it say."""
    person = current if current.handle is not None else previous
    hidden = current.hidden if current.hidden is not None else previous.hidden
    return _found(person, hidden)


def find_pseudonym(connection: Connection, pseudonym: bytes, service: str) -> Found:
    """Whom a pseudonym of ``service`` names; a suppressed person only as ``hidden``."""
    row = BY_PSEUDONYM.run(connection, {"pseudonym": pseudonym, "service": service}).one_or_none()
    if row is None:
        raise KeyFileError(reason="no_keys_for_service", service=service)
    if row.handle is None:
        return Found(None, None, State.UNREGISTERED, CertificateState.ACTIVE)
    handle, state = bytes(row.handle), State(row.state)
    if row.suppressed:
        nobody = State.UNREGISTERED
        return Found(None, None, nobody, CertificateState.ACTIVE, hidden=handle)
    return Found(handle, bytes(row.pseudonym), state, CertificateState.ACTIVE)


def hold_epoch(connection: Connection, service: str, epoch: int) -> None:
    """Keep the service's epoch as it is until this transaction ends.

    Without it a certificate could be written under the old key and the new one at once.
    Raises KeyFileError when it has moved.
    """
    held = connection.execute(_HELD_EPOCH, {"service": service}).scalar()
    if held != epoch:
        raise KeyFileError(reason="rotated")


def register(connection: Connection, service: str, now: datetime) -> tuple[bytes, bytes]:
    """A new person of ``service``: handle and pseudonym, both random."""
    handle, pseudonym = secrets.token_bytes(CODE_SIZE), secrets.token_bytes(CODE_SIZE)
    at = micros(now)
    connection.execute(
        insert(_H).values(
            handle=handle, service=service, state=State.ACTIVE.value, suppressed=0,
            created_at=at, changed_at=at,
        )
    )  # fmt: skip
    connection.execute(insert(_P).values(pseudonym=pseudonym, handle=handle, service=service))
    return handle, pseudonym


def add_certificate(
    connection: Connection,
    service: str,
    handle: bytes,
    index: Index,
    kind: tuple[str, Medium],
    now: datetime,
) -> None:
    """Put a certificate (``kind``: its family, medium) to a handle.

    A second time is an IntegrityError.
    """
    family, medium = kind
    hold_epoch(connection, service, index.epoch)
    connection.execute(
        insert(_I).values(
            index_key=index.current, handle=handle, service=service, epoch=index.epoch,
            family=str(family), medium=medium.value, state=CertificateState.ACTIVE.value,
            since=micros(now),
        )
    )  # fmt: skip


def keep_serial(
    connection: Connection,
    service: str,
    handle: bytes,
    keys: ServiceKeys,
    stored: StoredCertificate,
) -> None:
    """Keep the serial, encrypted, for 現況確認. Only where the purpose says so."""
    table = schema.RECHECK_SERIAL
    kind = (stored.ref.family.value, stored.ref.medium.value)
    connection.execute(
        delete(table).where(
            table.c.handle == handle, table.c.family == kind[0], table.c.medium == kind[1]
        )
    )
    connection.execute(
        insert(table).values(
            handle=handle, family=kind[0], medium=kind[1], service=service, epoch=keys.epoch,
            sealed=seal_certificate(keys, stored, handle),
        )
    )  # fmt: skip


def set_state(connection: Connection, handle: bytes, state: State, now: datetime) -> None:
    connection.execute(
        update(_H).where(_H.c.handle == handle).values(state=state.value, changed_at=micros(now))
    )


def set_certificate(
    connection: Connection, key: bytes, state: CertificateState, now: datetime
) -> None:
    connection.execute(
        update(_I).where(_I.c.index_key == key).values(state=state.value, since=micros(now))
    )


def replace_certificates(
    connection: Connection, handle: bytes, kind: tuple[Family, Medium], now: datetime
) -> None:
    """A newer certificate of that kind is coming: the others of it are replaced."""
    family, medium = kind
    connection.execute(
        update(_I)
        .where(_I.c.handle == handle, _I.c.family == family.value, _I.c.medium == medium.value)
        .values(state=CertificateState.REPLACED.value, since=micros(now))
    )


def remove(connection: Connection, handle: bytes) -> None:
    """Erase a person: codes, index, consents, links, and whose ledger entries were theirs.

    The ledger keeps that something happened, not to whom; legal evidence lies elsewhere.
    """
    tables = (
        _I, _S, _P, schema.RECHECK_SERIAL, schema.CARD_KEY, schema.LINK, schema.CONSENT,
        schema.SUPPRESSION, schema.LEDGER_PERSON, _H,
    )  # fmt: skip
    for table in tables:
        connection.execute(delete(table).where(table.c.handle == handle))


def pseudonym_text(pseudonym: bytes) -> str:
    """26 letters and digits that cannot be mistaken for a number of a card."""
    value, out = int.from_bytes(pseudonym, "big"), ""
    for _ in range(_LENGTH):
        value, digit = divmod(value, len(_ALPHABET))
        out = _ALPHABET[digit] + out
    return out


def parse_pseudonym(text: str) -> bytes | None:
    """The code again, or None for what cannot be one."""
    if len(text) != _LENGTH or any(char not in _ALPHABET for char in text):
        return None
    value = 0
    for char in text:
        value = value * len(_ALPHABET) + _ALPHABET.index(char)
    return value.to_bytes(CODE_SIZE, "big") if value < 1 << 128 else None


_LENGTH: Final = 26
