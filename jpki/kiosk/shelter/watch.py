# SPDX-License-Identifier: Apache-2.0
"""The server half of 見守り in this process: a guardian's consent, a child's arrival, a notice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection

from jpki.kiosk.server.half import ServerHalfError
from jpki.kiosk.server.wire import RequestMalformedError
from jpki.kiosk.shelter import watch_tables as tables
from jpki.kiosk.shelter.codes import new_code
from jpki.kiosk.shelter.half import Outcome
from jpki.kiosk.shelter.local import refusal
from jpki.kiosk.shelter.watch_half import (
    SERVICE,
    ArrivalNotice,
    Channel,
    Notifier,
    WatchDeed,
    WatchTold,
)
from jpki.mapping.answers import Outcome as MapOutcome
from jpki.mapping.answers import Resolution
from jpki.mapping.card_answer import TapEvidence
from jpki.mapping.errors import ConflictError
from jpki.mapping.ledger import now_utc
from jpki.mapping.policy import Operation
from jpki.mapping.presentation import Evidence
from jpki.mapping.records import pseudonym_text
from jpki.mapping.service import Map
from jpki.mapping.sitting import Asker
from jpki.mapping.together import Step, consenting, resolving
from jpki.verifying.challenge import Challenge, Response

_log = logging.getLogger(__name__)
GUARDIAN, ARRIVAL = tables.GUARDIAN_PURPOSE, "arrival-notice"
CODE_TTL: Final = timedelta(days=7)
_AIMS: Final[Mapping[WatchDeed, tuple[str, Operation]]] = {
    WatchDeed.CONSENT: (GUARDIAN, Operation.ENROL),
    WatchDeed.WITHDRAW: (GUARDIAN, Operation.WITHDRAW),
    WatchDeed.SEE: (GUARDIAN, Operation.RESOLVE),
    WatchDeed.CHILD: (ARRIVAL, Operation.ENROL),
    WatchDeed.ARRIVE: (ARRIVAL, Operation.RESOLVE),
}


@dataclass(frozen=True, slots=True)
class Gates:
    """What all gates of a school board share. ``places``: where each gate stands, by its name."""

    table: Map
    places: Mapping[str, str]
    notifier: Notifier
    origin: str
    clock: Callable[[], datetime] = now_utc

    def prepare(self) -> None:
        """Make the tables in the map's database, where they are not there."""
        self.table.store.change(tables.prepare)

    def deliver(self) -> int:
        """Give the notices that are due; how many were given. What fails is tried again.

        To be called often (``notices.gates_kept``), by one thread of one process: nobody at a
        gate waits for a notice, and no notice is given twice.
        """
        now = self.clock()
        with self.table.store.reading() as connection:
            waiting = tables.due(connection, now)
        given = 0
        for each in waiting:
            notice = ArrivalNotice(each.place, each.at)
            try:
                self.notifier(pseudonym_text(each.guardian), each.channel, notice)
            except Exception as error:
                _log.warning("a notice was not given: %s", type(error).__name__)
                continue
            self.table.store.change(partial(tables.told, notice=each.id))
            given += 1
        return given

    def purge(self) -> int:
        """Remove what may not be kept; how many places. To be called every hour or so."""
        gone = self.table.store.change(lambda c: tables.purge(c, self.clock()))
        if gone:
            self.table.store.empty_log()
        return gone


class LocalWatch:
    """A WatchHalf for one gate."""

    def __init__(self, gates: Gates, gate: str) -> None:
        self._all = gates
        self._map = gates.table
        self._gate = gate

    def watch_challenge(self, deed: WatchDeed) -> Challenge:
        """As the Protocol has it; also raises MapError."""
        purpose, operation = _AIMS[deed]
        return self._map.issue_challenge(
            operation, origin=self._all.origin, service=SERVICE, purpose=purpose
        )

    def guardian(
        self, deed: WatchDeed, response: Response, *, channel: Channel | None = None
    ) -> WatchTold:
        """As the Protocol has it."""
        evidence = Evidence(response)
        match deed:
            case WatchDeed.CONSENT if channel is not None:
                step = consenting(self._map, evidence, self._asker(GUARDIAN))
                return self._run(step, lambda c, guardian: self._give_code(c, guardian, channel))
            case WatchDeed.SEE:
                step = resolving(self._map, evidence, self._asker(GUARDIAN))
                return self._run(step, self._see)
            case WatchDeed.WITHDRAW:
                presentation = self._map.verify(evidence)
                ended = self._map.withdraw(presentation, self._asker(GUARDIAN))
                self._all.purge()
                done = ended.outcome is MapOutcome.DONE
                return WatchTold(Outcome.DONE) if done else WatchTold(*refusal(ended))
            case _:
                raise RequestMalformedError(member="deed")

    def child(self, response: Response, code: str) -> WatchTold:
        """As the Protocol has it. Without a guardian's standing consent the policy refuses."""
        with self._map.store.reading() as connection:
            guardian = tables.guardian_of_code(connection, code, self._all.clock())
        asker = self._asker(ARRIVAL, guardian=guardian is not None)
        step = consenting(self._map, Evidence(response), asker)

        def add(connection: Connection, child: bytes) -> WatchTold:
            if guardian is None or child == guardian:
                raise ServerHalfError("server_refused")
            if not tables.add_child(connection, child, guardian):
                raise ConflictError
            return WatchTold(Outcome.DONE)

        return self._run(step, add)

    def arrive(self, evidence: Response | TapEvidence) -> WatchTold:
        """As the Protocol has it."""
        proof = evidence if isinstance(evidence, TapEvidence) else Evidence(evidence)
        step = resolving(self._map, proof, self._asker(ARRIVAL, guardian=True))
        return self._run(step, self._arrived)

    def _arrived(self, connection: Connection, child: bytes) -> WatchTold:
        now, place = self._all.clock(), self._all.places.get(self._gate)
        if not place:
            raise ServerHalfError("server_refused")
        tables.purge(connection, now)
        if not tables.arrived(connection, child, place, now):
            purpose = self._map.policy.find(SERVICE, ARRIVAL)[1]
            ground = "" if purpose is None else str(purpose.legal_basis)
            return WatchTold(Outcome.REFUSED, "guardian_consent", "R14", ground)
        return WatchTold(Outcome.CHECKED_IN)

    def _give_code(self, connection: Connection, guardian: bytes, channel: Channel) -> WatchTold:
        code = new_code()
        until = self._all.clock() + CODE_TTL
        tables.give_code(connection, guardian, channel, code, until)
        return WatchTold(Outcome.DONE, code=code)

    def _see(self, connection: Connection, guardian: bytes) -> WatchTold:
        now = self._all.clock()
        tables.purge(connection, now)
        return WatchTold(Outcome.DONE, arrivals=tables.arrivals(connection, guardian, now))

    def _run(self, step: Step, deed: Callable[[Connection, bytes], WatchTold]) -> WatchTold:
        """The map's decision and the deed, in one transaction."""
        told: list[WatchTold] = []

        def work(connection: Connection) -> Resolution:
            resolution = step(connection)
            person = resolution.pseudonym
            if resolution.outcome is MapOutcome.RESOLVED and person is not None:
                told[:] = [deed(connection, person)]
            else:
                told[:] = [WatchTold(*refusal(resolution))]
            return resolution

        self._map.change(work)
        return told[0]

    def _asker(self, purpose: str, *, guardian: bool | None = None) -> Asker:
        """``guardian``: of a child's card, whether one consented."""
        return Asker(
            actor=self._gate, service=SERVICE, purpose=purpose, minor=guardian is not None,
            guardian=guardian,
        )  # fmt: skip
