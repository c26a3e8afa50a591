# SPDX-License-Identifier: Apache-2.0
"""What staff do, by pseudonym and with a document: suspend, suppress (非開示), close.

A suppressed person's certificates are moved out of the index: an ordinary look-up then finds
what it finds for somebody unknown, by the same statements. The ledger alone knows better.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from jpki.certificate.kinds import Medium
from jpki.mapping import records
from jpki.mapping.answers import Outcome
from jpki.mapping.lifecycle import CertificateState, Event, after
from jpki.mapping.sitting import Result, StaffHere, nobody
from jpki.mapping.store import schema
from jpki.mapping.times import micros

_I, _S, _H = schema.CERTIFICATE_INDEX, schema.SUPPRESSED_INDEX, schema.HANDLE


def suspend(here: StaffHere, medium: Medium | None = None) -> Result:
    """Shut a person out; with ``medium`` only the certificates on it (a lost phone)."""
    handle = here.found.handle
    if handle is None:
        return nobody(here.found)
    if medium is not None:
        here.connection.execute(
            update(_I)
            .where(
                _I.c.handle == handle,
                _I.c.medium == medium.value,
                _I.c.state == CertificateState.ACTIVE.value,
            )
            .values(state=CertificateState.HELD.value, since=micros(here.now))
        )
        return Result(Outcome.DONE, about=handle, true_reason=f"held_{medium.value}")
    state = after(here.found.state, Event.STAFF_SUSPENDED)
    assert state is not None
    records.set_state(here.connection, handle, state, here.now)
    return Result(Outcome.DONE, about=handle, true_reason="suspended")


def close(here: StaffHere) -> Result:
    """End a person's entry (death, end of the contract): as erased, on a document."""
    if here.found.handle is None:
        return nobody(here.found)
    records.remove(here.connection, here.found.handle)
    return Result(Outcome.DONE)


def suppress(here: StaffHere) -> Result:
    """From now on the person is unknown to all who ask."""
    handle = here.found.handle
    if handle is None:
        return nobody(here.found)
    _move(here.connection, _I, _S, handle)
    here.connection.execute(update(_H).where(_H.c.handle == handle).values(suppressed=1))
    here.connection.execute(
        insert(schema.SUPPRESSION).values(
            handle=handle, service=here.service, document=here.document, since=micros(here.now)
        )
    )
    return Result(Outcome.DONE, about=handle)


def lift(here: StaffHere) -> Result:
    """End a suppression. Refused while the card has been enrolled a second time meanwhile."""
    handle = here.found.hidden
    if handle is None:
        return Result(Outcome.UNREGISTERED)
    taken = here.connection.execute(
        select(func.count())
        .select_from(_S.join(_I, _I.c.index_key == _S.c.index_key))
        .where(_S.c.handle == handle)
    ).scalar_one()
    if taken:
        return Result(Outcome.REFUSED, "card_enrolled_again", about=handle)
    _move(here.connection, _S, _I, handle)
    here.connection.execute(update(_H).where(_H.c.handle == handle).values(suppressed=0))
    table = schema.SUPPRESSION
    here.connection.execute(delete(table).where(table.c.handle == handle))
    return Result(Outcome.DONE, about=handle, true_reason="lifted")


def _move(connection: Connection, source: Table, target: Table, handle: bytes) -> None:
    names = [column.name for column in source.columns]
    rows = select(*source.columns).where(source.c.handle == handle)
    connection.execute(insert(target).from_select(names, rows))
    connection.execute(delete(source).where(source.c.handle == handle))
