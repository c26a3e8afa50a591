# SPDX-License-Identifier: Apache-2.0
"""The server half of shelters in this process, over a map: decides, writes, tells."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Connection

from jpki.kiosk.server.half import ServerHalfError
from jpki.kiosk.server.wire import RequestMalformedError, read_object
from jpki.kiosk.shelter import tables
from jpki.kiosk.shelter.codes import new_code
from jpki.kiosk.shelter.entries import entry_bytes, read_entry
from jpki.kiosk.shelter.half import (
    SERVICE,
    Bundle,
    CheckIn,
    Deed,
    Mark,
    Outcome,
    Receipt,
    Relation,
    Told,
)
from jpki.kiosk.shelter.queue_format import LIFETIME, Header, QueueError, Record, open_bundle
from jpki.kiosk.shelter.sealing import SealError, open_sealed
from jpki.mapping.answers import Outcome as MapOutcome
from jpki.mapping.answers import Resolution
from jpki.mapping.card_answer import TapEvidence
from jpki.mapping.errors import ConflictError
from jpki.mapping.ledger import now_utc
from jpki.mapping.policy import Operation
from jpki.mapping.presentation import Evidence
from jpki.mapping.service import Map
from jpki.mapping.sitting import Asker
from jpki.mapping.together import Step, resolving
from jpki.verifying.challenge import Challenge, Response

CHECK_IN, ANSWER = "check-in", "family-answer"
"""Purposes of the policy: being here, and being told."""
CODE_TTL: Final = timedelta(days=7)
SYNC_TTL: Final = timedelta(minutes=5)
MOST: Final = 100  # challenges at once
_OUTCOMES: Final = {
    MapOutcome.UNREGISTERED: Outcome.UNREGISTERED,
    MapOutcome.STALE: Outcome.STALE,
}


@dataclass(frozen=True, slots=True)
class Shelters:
    """What all desks of a city share. ``places``: where each desk stands, by its name.

    ``desks``: what each signs its queue with; a stolen one is taken out. ``key``: opens queues.
    """

    table: Map
    places: Mapping[str, str]
    desks: Mapping[str, Ed25519PublicKey]
    key: X25519PrivateKey = field(repr=False)
    origin: str
    clock: Callable[[], datetime] = now_utc

    def prepare(self) -> None:
        """Make the tables in the map's database, where they are not there."""
        self.table.store.change(tables.prepare)


class LocalShelter:
    """A ShelterHalf for one desk."""

    def __init__(self, shelters: Shelters, desk: str) -> None:
        self._all = shelters
        self._map = shelters.table
        self._desk = desk

    def shelter_challenge(self, deed: Deed) -> Challenge:
        """As the Protocol has it; also raises MapError."""
        purpose, detail = (CHECK_IN, "") if deed is Deed.CHECK_IN else (ANSWER, _detail(deed))
        return self._map.issue_challenge(
            Operation.RESOLVE, origin=self._all.origin, service=SERVICE, purpose=purpose,
            detail=detail,
        )  # fmt: skip

    def ration(self, count: int) -> Sequence[Challenge]:
        """As the Protocol has it."""
        return [
            self._map.issue_challenge(
                Operation.RESOLVE, origin=self._all.origin, service=SERVICE, purpose=CHECK_IN,
                ttl=LIFETIME,
            )
            for _ in range(min(count, MOST))
        ]  # fmt: skip

    def check_in(self, entry: CheckIn) -> Receipt:
        """As the Protocol has it."""
        return self._decide(entry, expired=False)

    def begin_sync(self) -> str:
        """As the Protocol has it."""
        now = self._all.clock()
        return self._map.store.change(
            lambda connection: tables.begin_sync(connection, self._desk, now + SYNC_TTL, now)
        )

    def sync(self, bundle: Bundle) -> Sequence[Receipt]:
        """As the Protocol has it: ``desk_revoked``, ``queue_replayed``, ``queue_altered``,
        ``queue_gap`` refuse all of it."""
        key = self._all.desks.get(self._desk)
        if key is None:
            raise ServerHalfError("desk_revoked")
        now = self._all.clock()
        if not self._map.store.change(
            lambda connection: tables.use_nonce(connection, bundle.nonce, self._desk, now)
        ):
            raise ServerHalfError("queue_replayed")
        try:
            header, records = open_bundle(bundle, key)
            entries = [self._opened(record) for record in records]
        except (QueueError, SealError, RequestMalformedError):
            raise ServerHalfError("queue_altered") from None
        if header.desk != self._desk:
            raise ServerHalfError("queue_altered")
        if not records:
            return []
        self._check_place(header, records)
        late = header.expires <= now
        receipts = [self._decide(entry, expired=late) for entry in entries]
        self._map.store.change(lambda connection: self._extend(connection, header, records[-1]))
        return receipts

    def tell(
        self,
        deed: Deed,
        response: Response,
        *,
        mark: Mark | None = None,
        code: str = "",
        relation: Relation | None = None,
    ) -> Told:
        """As the Protocol has it."""
        wanted = {Deed.MARK: mark, Deed.NAME: relation}
        if deed is Deed.CHECK_IN or wanted.get(deed, deed) is None:
            raise RequestMalformedError(member="deed")
        step = self._step(Evidence(response), ANSWER, _detail(deed))
        told: list[Told] = []

        def work(connection: Connection) -> Resolution:
            resolution = step(connection)
            person = resolution.pseudonym
            if resolution.outcome is MapOutcome.RESOLVED and person is not None:
                told[:] = [self._done(connection, deed, person, mark, code, relation)]
            else:
                told[:] = [Told(*refusal(resolution))]
            return resolution

        self._map.change(work)
        return told[0]

    def counts(self) -> Mapping[str, int | None]:
        """As the Protocol has it."""
        places = sorted(set(self._all.places.values()))
        return self._map.store.change(lambda connection: tables.counts(connection, places))

    def _done(
        self,
        connection: Connection,
        deed: Deed,
        person: bytes,
        mark: Mark | None,
        code: str,
        relation: Relation | None,
    ) -> Told:
        """The deed itself, of who presented."""
        now = self._all.clock()
        match deed:
            case Deed.MARK if mark is not None:
                fresh = new_code()
                tables.give_code(connection, person, mark, fresh, now + CODE_TTL)
                return Told(Outcome.DONE, code=fresh)
            case Deed.NAME if relation is not None:
                named = tables.name(connection, person, code, relation, now)
                return Told(Outcome.DONE if named else Outcome.CODE_UNKNOWN)
            case Deed.FORGET:
                tables.forget(connection, person)
                return Told(Outcome.DONE)
            case Deed.ASK:
                found = tables.ask(connection, person, now)
                return Told(Outcome.DONE, places={each: found.get(each, "") for each in Mark})
            case _:
                return Told(Outcome.DONE, asked=tables.asked(connection, person))

    def _decide(self, entry: CheckIn, *, expired: bool) -> Receipt:
        """Once for each id; the second time the same receipt."""
        digest = hashlib.sha256(entry_bytes(entry)).digest()
        found = self._known(entry.id, digest)
        if found is not None:
            return found
        try:
            return self._decide_now(entry, digest, expired=expired)
        except ConflictError:
            found = self._known(entry.id, digest)
            if found is None:
                raise
            return found

    def _known(self, entry_id: str, digest: bytes) -> Receipt | None:
        with self._map.store.reading() as connection:
            found = tables.known(connection, entry_id)
        if found is None:
            return None
        return found[1] if found[0] == digest else Receipt(entry_id, Outcome.CONFLICT)

    def _decide_now(self, entry: CheckIn, digest: bytes, *, expired: bool) -> Receipt:
        now, receipts = self._all.clock(), [Receipt(entry.id, Outcome.EXPIRED)]
        if expired or entry.evidence is None:
            return self._map.store.change(
                lambda connection: self._without_card(connection, entry, digest, expired)
            )
        evidence = entry.evidence
        is_tap = isinstance(evidence, TapEvidence)
        proof = evidence if is_tap else Evidence(evidence)  # type: ignore[arg-type]
        step = self._step(proof, CHECK_IN, "")  # type: ignore[arg-type]

        def work(connection: Connection) -> Resolution:
            resolution = step(connection)
            person = resolution.pseudonym
            if resolution.outcome is MapOutcome.RESOLVED and person is not None:
                # The desk's clock counts only between the challenge and now.
                at = min(max(entry.at, evidence.challenge.issued_at), now)
                place = "" if entry.leaving else self._place()
                tables.be_at(connection, person, place, entry.shared, at)
                outcome = Outcome.LEFT if entry.leaving else Outcome.CHECKED_IN
                receipts[:] = [Receipt(entry.id, outcome)]
            else:
                receipts[:] = [Receipt(entry.id, *refusal(resolution))]
            tables.decided(connection, receipts[0], digest, self._desk, now)
            return resolution

        self._map.change(work)
        return receipts[0]

    def _without_card(
        self, connection: Connection, entry: CheckIn, digest: bytes, expired: bool
    ) -> Receipt:
        """An entry that came too late, or one of the city's list."""
        now = self._all.clock()
        receipt = Receipt(entry.id, Outcome.EXPIRED if expired else Outcome.LISTED)
        if not expired:
            tables.take_down(connection, entry.id, self._place(), entry.sealed, min(entry.at, now))
        tables.decided(connection, receipt, digest, self._desk, now)
        return receipt

    def _step(self, evidence: Evidence | TapEvidence, purpose: str, detail: str) -> Step:
        asker = Asker(actor=self._desk, service=SERVICE, purpose=purpose)
        return resolving(self._map, evidence, asker, detail=detail)

    def _place(self) -> str:
        place = self._all.places.get(self._desk)
        if not place:
            raise ServerHalfError("server_refused")
        return place

    def _opened(self, record: Record) -> CheckIn:
        """What a record holds. Raises SealError, QueueError, RequestMalformedError."""
        plain = open_sealed(self._all.key, record.sealed, record.id.encode("utf-8"))
        try:
            entry = read_entry(read_object(plain))
        except ServerHalfError:
            raise RequestMalformedError(member="entry") from None
        if entry.id != record.id:
            raise QueueError
        return entry

    def _check_place(self, header: Header, records: Sequence[Record]) -> None:
        """The part begins where the last one ended, or before. Raises ServerHalfError."""
        with self._map.store.reading() as connection:
            desk, number, digest = tables.queue_end(connection, header.id)
        if desk not in ("", self._desk) or records[0].number > number + 1:
            raise ServerHalfError("queue_gap")
        follows = records[0].number == number + 1 and number > 0
        at_end = next((r.digest for r in records if r.number == number), digest)
        if at_end != digest or (follows and records[0].before != digest):
            raise ServerHalfError("queue_altered")

    def _extend(self, connection: Connection, header: Header, last: Record) -> None:
        if last.number > tables.queue_end(connection, header.id)[1]:
            tables.extend_queue(connection, header.id, self._desk, last.number, last.digest)


def _detail(deed: Deed) -> str:
    return f"deed={deed.value}"


def refusal(resolution: Resolution) -> tuple[Outcome, str, str, str]:
    """Outcome, reason, rule and article of what opened nothing."""
    outcome = _OUTCOMES.get(resolution.outcome, Outcome.REFUSED)
    return outcome, resolution.reason, resolution.rule, resolution.article
