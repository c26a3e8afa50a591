# SPDX-License-Identifier: Apache-2.0
"""現況確認: ask again about certificates that were stored for it, without an act of the holder.

Only serials kept for a purpose that stores them are asked about, one certificate at a time. What
was said of a page of them is put down in one transaction, each with its ledger entry: all of the
page or nothing, and what a dead process had asked is asked again. What goes out are this service's
pseudonyms of those whose certificate ended. Serials that no purpose needs any longer are deleted
(公的個人認証法52条).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    delete,
    exists,
    select,
    tuple_,
    update,
)

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
PAGE: Final = 500  # certificates in one transaction
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


@dataclass(frozen=True, slots=True)
class _Kept:
    """A certificate as it is stored, and whether the consent to that stands."""

    row: Row[Any]
    stored: StoredCertificate
    consented: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """A stored certificate and what was said of it. ``answer`` None: its consent has ended."""

    kept: _Kept
    answer: _Answer | None


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
        for page in self._pages(whose):
            asked: list[_Asked] = []
            try:
                for one in page:
                    asked.append(self._ask(one))
            finally:  # what was answered is kept, also when nobody answers any more
                self._keep(asked)
        done = Resolution(Outcome.DONE, self.decision)
        return RecheckReport(done, self.checked, self.unknown, self.deleted, tuple(self.changes))

    def _pages(self, whose: bytes | None) -> Iterator[list[_Kept]]:
        """The stored certificates; no transaction is open between pages."""
        place = (b"", "", "")

        def read(connection: Connection) -> list[_Kept]:
            rows = connection.execute(_page(self.service, whose, place)).all()
            return [
                _Kept(row, self._opened(row), self._consented(connection, bytes(row.handle)))
                for row in rows
            ]

        while True:
            page = self.table.read(read)
            yield page
            if len(page) < PAGE:
                return
            last = page[-1].row
            place = (bytes(last.handle), last.family, last.medium)

    def _opened(self, row: Row[Any]) -> StoredCertificate:
        keys = self.table.sitting().keys.service(self.service)
        return open_certificate(keys, bytes(row.sealed), bytes(row.handle), row.epoch)

    def _ask(self, kept: _Kept) -> _Asked:
        """Ask about one certificate, with no transaction open. Raises PlatformError."""
        if not kept.consented:
            return _Asked(kept, None)
        table = self.table
        answer = ask(kept.stored, table.validator, table.policy, self.platform, table.sitting().now)
        return _Asked(kept, answer)

    def _keep(self, asked: list[_Asked]) -> None:
        """Put down what was said of a page, in one transaction."""
        if not asked:
            return
        found: list[Change] = []
        deleted = 0

        def work(connection: Connection) -> Resolution:
            nonlocal deleted
            found.clear()  # a transaction may be tried again
            deleted = sum(self._write(connection, one, found) for one in asked)
            return Resolution(Outcome.DONE, self.decision)

        self.table.change(work)
        answers = [one.answer for one in asked if one.answer is not None]
        self.checked += len(answers)
        self.unknown += sum(answer.cause is None and not answer.good for answer in answers)
        self.deleted += deleted
        self.changes += found

    def _consented(self, connection: Connection, handle: bytes) -> bool:
        """Whether the consent stands, where the purpose asks for one."""
        service = self.table.policy.service(self.service)
        purpose = None if service is None else service.purpose(self.decision.purpose or "")
        if purpose is None or not purpose.consent:
            return True
        at = micros(self.table.sitting().now)
        given = exists().where(
            _C.c.handle == handle, _C.c.purpose == purpose.id, _C.c.state == "given",
            _C.c.ends_at > at,
        )  # fmt: skip
        return bool(connection.execute(select(given)).scalar_one())

    def _write(self, connection: Connection, one: _Asked, found: list[Change]) -> bool:
        """Put down what was said of one certificate. Was its serial deleted?"""
        row, answer = one.kept.row, one.answer
        handle = bytes(row.handle)
        if answer is None:
            return self._forget(connection, row)
        entry = replace(
            self._entry(row), status=answer.status.text, status_at=answer.status.at,
            obtained=answer.obtained, document=answer.reference,
        )  # fmt: skip
        if answer.cause is None:
            reason = "good" if answer.good else "status_unknown"
            self._written(connection, entry, Result(Outcome.DONE, "", None, handle, reason))
            return False
        holder = connection.execute(
            select(_H.c.state, _H.c.suppressed, _P.c.pseudonym)
            .select_from(_H.join(_P, _P.c.handle == _H.c.handle))
            .where(_H.c.handle == handle)
        ).one_or_none()
        if holder is None or not self._still(connection, one.kept):  # erased or replaced meanwhile
            about = None if holder is None else handle
            self._written(connection, entry, Result(Outcome.DONE, about=about))
            return False
        before = State(holder.state)
        state = _end(connection, row, answer.cause, before, self.table.sitting().now)
        if not holder.suppressed:
            found.append(
                Change(bytes(holder.pseudonym), row.family, row.medium, answer.cause.value,
                       before, state)
            )  # fmt: skip
        ended = Result(Outcome.STALE, answer.cause.value, about=handle)
        self._written(connection, entry, ended)
        return True

    def _forget(self, connection: Connection, row: Row[Any]) -> bool:
        """Delete a serial whose consent ended, unless it was given anew meanwhile."""
        handle = bytes(row.handle)
        if self._consented(connection, handle):
            return False
        _delete(connection, row)
        gone = Result(Outcome.DONE, about=handle, true_reason="serial_deleted")
        self._written(connection, self._entry(row), gone)
        return True

    def _still(self, connection: Connection, kept: _Kept) -> bool:
        """Whether the certificate that was asked about is the one that is stored now."""
        there = connection.execute(select(_R).where(*_at(kept.row)).with_for_update()).one_or_none()
        return there is not None and self._opened(there).ref == kept.stored.ref

    def _entry(self, row: Row[Any]) -> Entry:
        giver = "verifier" if self.platform is None else "platform"
        return replace(self.entry, family=row.family, medium=row.medium, giver=giver)

    def _written(self, connection: Connection, entry: Entry, result: Result) -> None:
        self.table.sitting().written(connection, entry, self.decision, result)


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
    connection.execute(delete(_R).where(*_at(row)))


def _at(row: Row[Any]) -> tuple[ColumnElement[bool], ...]:
    return _R.c.handle == row.handle, _R.c.family == row.family, _R.c.medium == row.medium


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
