# SPDX-License-Identifier: Apache-2.0
"""現況確認: ask again about certificates that were stored for it, without an act of the holder.

Only serials kept for a purpose that stores them are asked about, one certificate at a time, each
with its ledger entry. What goes out are this service's pseudonyms of those whose certificate
ended. Serials that no purpose needs any longer are deleted (公的個人認証法52条).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Row, Select, delete, exists, select, tuple_, update

from jpki.certificate.kinds import Family, Medium
from jpki.mapping import records
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.decision import Decision
from jpki.mapping.index import StoredCertificate, open_certificate
from jpki.mapping.ledger import Entry
from jpki.mapping.lifecycle import CertificateState, State, after, event_of
from jpki.mapping.permissions import SIGN_ROLES
from jpki.mapping.platform import PlatformAdapter, Validity
from jpki.mapping.policy import Operation, Policy, Proof
from jpki.mapping.presentation import Cause, Status, cause_named, cause_of, status_of
from jpki.mapping.records import pseudonym_text
from jpki.mapping.sitting import Asker, Result
from jpki.mapping.store import schema
from jpki.mapping.times import micros
from jpki.validation.validator import Validator
from jpki.verdict import Outcome as CheckOutcome

if TYPE_CHECKING:
    from jpki.mapping.service import Map

SCHEMA: Final = "jpki.map.recheck/1"
PAGE: Final = 500
_R, _H, _P, _C = schema.RECHECK_SERIAL, schema.HANDLE, schema.PSEUDONYM, schema.CONSENT


@dataclass(frozen=True, slots=True)
class Change:
    """One certificate that ended, and what became of its holder's entry."""

    pseudonym: bytes = field(repr=False)
    family: str
    medium: str
    reason: str
    before: State
    after: State


@dataclass(frozen=True, slots=True)
class RecheckReport:
    """What came of it. Counts are of certificates.

    ``checked``: asked about. ``unknown``: no yes and no no was to be had. ``deleted``: serials
    that were no longer needed. ``resolution``: the decision; refused: nobody was looked up.
    """

    resolution: Resolution
    checked: int = 0
    unknown: int = 0
    deleted: int = 0
    changes: tuple[Change, ...] = ()

    def to_object(self) -> dict[str, object]:
        """The JSON object, ``jpki.map.recheck/1``."""
        return {
            "schema": SCHEMA,
            "outcome": self.resolution.outcome.value,
            "resolution": self.resolution.to_object(),
            "checked": self.checked,
            "unknown": self.unknown,
            "deleted": self.deleted,
            "changes": [
                {
                    "pseudonym": pseudonym_text(c.pseudonym), "family": c.family,
                    "medium": c.medium, "reason": c.reason, "before": c.before.value,
                    "after": c.after.value,
                }
                for c in self.changes
            ],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was said of one certificate. ``cause`` None and not ``good``: nothing."""

    status: Status
    good: bool
    cause: Cause | None = None
    obtained: str = "revocation-data"
    reference: str = ""


def run(
    table: Map, asker: Asker, platform: PlatformAdapter | None, only: str | None
) -> RecheckReport:
    """Ask about all certificates stored for the asker's service, or those of one pseudonym."""
    request = replace(table.request(Operation.RECHECK, asker), proof=Proof.NONE)
    decision = table.sitting().decide(request)
    entry = replace(table.sitting().entry(asker, request, decision), proof=Proof.NONE.value)
    service = decision.service or ""
    deleted = _purge(table, service, entry, decision)
    if not decision.allowed:
        refused = table.change(lambda c: table.sitting().refused(c, entry, decision, decision.code))
        return RecheckReport(refused, deleted=deleted)
    whose: bytes | None = None
    if only is not None:
        whose = _whose(table, service, only)
        if whose is None:
            unknown = Result(Outcome.UNREGISTERED)
            return RecheckReport(
                table.change(lambda c: table.sitting().written(c, entry, decision, unknown))
            )
    job = _Job(table, entry, decision, service, platform)
    return job.run(whose)


def _purge(table: Map, service: str, entry: Entry, decision: Decision) -> int:
    """Delete the serials of a service none of whose purposes needs them any longer (count)."""
    now = table.sitting().now
    found = table.policy.service(service)
    if found is None or any(p.stores_serial and p.in_force(now) for p in found.purposes):
        return 0
    with table.store.reading() as connection:
        if connection.execute(select(_R.c.handle).where(_R.c.service == service)).first() is None:
            return 0
    count = 0

    def work(connection: Connection) -> Resolution:
        nonlocal count
        count = connection.execute(delete(_R).where(_R.c.service == service)).rowcount
        gone = Result(Outcome.DONE, true_reason="serials_deleted")
        return table.sitting().written(connection, entry, decision, gone)

    table.change(work)
    return count


@dataclass(slots=True)
class _Job:
    table: Map
    entry: Entry
    decision: Decision
    service: str
    platform: PlatformAdapter | None
    checked: int = 0
    unknown: int = 0
    deleted: int = 0
    changes: list[Change] = field(default_factory=list)

    def run(self, whose: bytes | None) -> RecheckReport:
        for row in self._rows(whose):
            self._one(row)
        done = Resolution(Outcome.DONE, self.decision)
        return RecheckReport(done, self.checked, self.unknown, self.deleted, tuple(self.changes))

    def _rows(self, whose: bytes | None) -> Iterator[Row[Any]]:
        """The stored certificates, a page at a time; no transaction is open between pages."""
        place = (b"", "", "")
        while True:
            with self.table.store.reading() as connection:
                rows = connection.execute(_page(self.service, whose, place)).all()
            yield from rows
            if len(rows) < PAGE:
                return
            place = (bytes(rows[-1].handle), rows[-1].family, rows[-1].medium)

    def _one(self, row: Row[Any]) -> None:
        """Ask about one certificate and put down what was said, in one transaction."""
        keys = self.table.sitting().keys.service(self.service)
        handle = bytes(row.handle)
        if self._consent_ended(handle):
            self.table.change(lambda c: self._forget(c, row))
            self.deleted += 1
            return
        stored = open_certificate(keys, bytes(row.sealed), handle, row.epoch)
        now = self.table.sitting().now
        answer = ask(stored, self.table.validator, self.table.policy, self.platform, now)
        self.checked += 1
        self.unknown += answer.cause is None and not answer.good
        found: list[Change] = []

        def work(connection: Connection) -> Resolution:
            found.clear()  # a transaction may be tried again
            return self._write(connection, row, answer, found)

        self.table.change(work)
        self.deleted += answer.cause is not None
        self.changes += found

    def _consent_ended(self, handle: bytes) -> bool:
        service = self.table.policy.service(self.service)
        purpose = None if service is None else service.purpose(self.decision.purpose or "")
        if purpose is None or not purpose.consent:
            return False
        at = micros(self.table.sitting().now)
        given = exists().where(
            _C.c.handle == handle, _C.c.purpose == purpose.id, _C.c.state == "given",
            _C.c.ends_at > at,
        )  # fmt: skip
        with self.table.store.reading() as connection:
            return not connection.execute(select(given)).scalar_one()

    def _forget(self, connection: Connection, row: Row[Any]) -> Resolution:
        _delete(connection, row)
        gone = Result(Outcome.DONE, about=bytes(row.handle), true_reason="serial_deleted")
        return self._written(connection, self._entry(row), gone)

    def _write(
        self, connection: Connection, row: Row[Any], answer: _Answer, found: list[Change]
    ) -> Resolution:
        handle = bytes(row.handle)
        entry = replace(
            self._entry(row), status=answer.status.text, status_at=answer.status.at,
            obtained=answer.obtained, document=answer.reference,
        )  # fmt: skip
        if answer.cause is None:
            reason = "good" if answer.good else "status_unknown"
            return self._written(connection, entry, Result(Outcome.DONE, "", None, handle, reason))
        holder = connection.execute(
            select(_H.c.state, _H.c.suppressed, _P.c.pseudonym)
            .select_from(_H.join(_P, _P.c.handle == _H.c.handle))
            .where(_H.c.handle == handle)
        ).one_or_none()
        if holder is None:  # erased meanwhile
            return self._written(connection, entry, Result(Outcome.DONE))
        before = State(holder.state)
        state = _end(connection, row, answer.cause, before, self.table.sitting().now)
        if not holder.suppressed:
            found.append(
                Change(bytes(holder.pseudonym), row.family, row.medium, answer.cause.value,
                       before, state)
            )  # fmt: skip
        ended = Result(Outcome.STALE, answer.cause.value, about=handle)
        return self._written(connection, entry, ended)

    def _entry(self, row: Row[Any]) -> Entry:
        giver = "verifier" if self.platform is None else "platform"
        return replace(self.entry, family=row.family, medium=row.medium, giver=giver)

    def _written(self, connection: Connection, entry: Entry, result: Result) -> Resolution:
        return self.table.sitting().written(connection, entry, self.decision, result)


def ask(
    stored: StoredCertificate,
    validator: Validator,
    policy: Policy,
    platform: PlatformAdapter | None,
    now: datetime,
) -> _Answer:
    """What is to be had about one certificate. Raises PlatformError."""
    if stored.named.not_after < now:
        return _Answer(Status("invalid expired", None), False, Cause.EXPIRED, "certificate")
    if stored.ref.family is Family.SIGN and not policy.organisation.roles & SIGN_ROLES:
        return _Answer(Status("cannot_tell not_permitted", None), False)
    if platform is None:
        check = validator.status(stored.named)
        good = check.outcome is CheckOutcome.VALID
        return _Answer(status_of(check), good, cause_of(check))
    told = platform.status(stored.ref)
    revoked = told.validity is Validity.REVOKED
    return _Answer(
        Status(f"platform {told.validity.value} {told.reason}".strip(), told.at),
        told.validity is Validity.GOOD, cause_named(told.reason) if revoked else None,
        "platform", told.reference,
    )  # fmt: skip


def _end(
    connection: Connection, row: Row[Any], cause: Cause, before: State, now: datetime
) -> State:
    """The certificate has ended: it opens nothing, its serial is not needed, its holder moves."""
    event, ending = event_of(cause, Family(row.family), Medium(row.medium))
    for table in (schema.CERTIFICATE_INDEX, schema.SUPPRESSED_INDEX):
        connection.execute(
            update(table)
            .where(
                table.c.handle == row.handle, table.c.family == row.family,
                table.c.medium == row.medium, table.c.state == CertificateState.ACTIVE.value,
            )
            .values(state=ending.value, since=micros(now))
        )  # fmt: skip
    _delete(connection, row)
    state = after(before, event) or before
    if state is not before:
        records.set_state(connection, bytes(row.handle), state, now)
    return state


def _delete(connection: Connection, row: Row[Any]) -> None:
    connection.execute(
        delete(_R).where(
            _R.c.handle == row.handle, _R.c.family == row.family, _R.c.medium == row.medium
        )
    )


def _page(service: str, whose: bytes | None, place: tuple[bytes, str, str]) -> Select[Any]:
    key = (_R.c.handle, _R.c.family, _R.c.medium)
    page = select(_R).where(_R.c.service == service, tuple_(*key) > place)
    if whose is not None:
        page = page.where(_R.c.handle == whose)
    return page.order_by(*key).limit(PAGE)


def _whose(table: Map, service: str, pseudonym: str) -> bytes | None:
    code = records.parse_pseudonym(pseudonym)
    if code is None:
        return None
    with table.store.reading() as connection:
        return records.find_pseudonym(connection, code, service).handle
