# SPDX-License-Identifier: Apache-2.0
"""A town of invented people: the server side of a demonstration. Everything is TEST."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from jpki.card_map import PinKind
from jpki.certificate.kinds import Environment
from jpki.errors import JpkiError
from jpki.kiosk.documents.contents import DocumentKind
from jpki.kiosk.documents.issuing import Issuer
from jpki.kiosk.records import MemoryRecords, ResidentRecord, SealRecord, TaxRecord
from jpki.kiosk.scripted import ScriptedDesk
from jpki.kiosk.server.half import Answer, Errand, PromptHalf, ServerHalf, ServerHalfError
from jpki.kiosk.server.local import PURPOSES, LocalServer, Office
from jpki.kiosk.server.tickets import TicketDesk
from jpki.kiosk.visit import Visit
from jpki.kiosk.web.bench import ServerLine
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.policy import Operation
from jpki.mapping.service import Map
from jpki.mapping.store.grouped import Turn
from jpki.open import TEST_ISSUER, emulated_card, open_card, plug, unplug
from jpki.verdict import Verdict
from jpki_apdu.errors import CardError

if TYPE_CHECKING:
    from jpki.kiosk.server.app import More
    from jpki.verifying.challenge import Challenge, Response

TERMINAL: Final = "kiosk-01"
FEES: Final = {DocumentKind.RESIDENCE: 200, DocumentKind.SEAL: 200, DocumentKind.TAX: 300}
CONTRACT: Final = timedelta(days=365)  # how long a contract of a demonstration lasts
SLOW: Final = 3.0  # seconds for an answer over a slow line


class DemoClock:
    """The present, or as far ahead of it as somebody moved it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(slots=True)
class Town:
    """The server side of a demonstration: map, register, office.

    ``watcher``: is told of every login; ``settled``: of everything the server half did.
    ``line``: between the terminal and this side.
    """

    table: Map
    clock: DemoClock
    watcher: Callable[[Verdict, Resolution], None]
    settled: Callable[[], None]
    records: MemoryRecords = field(default_factory=MemoryRecords)
    tickets: TicketDesk = field(default_factory=TicketDesk)
    line: ServerLine = ServerLine.ON

    def half(self, terminal: str = TERMINAL) -> PromptHalf:
        """The server half for a terminal."""
        office = Office(town_issuer(), self.records, FEES)
        return _BehindLine(
            self,
            LocalServer(
                self.table, office, terminal=terminal, origin=f"demo:{terminal}",
                tickets=self.tickets, clock=self.clock, watcher=self.watcher,
                contract_end=lambda reference: self.clock() + CONTRACT,
            ),
        )  # fmt: skip

    def cross_line(self) -> None:
        """Take as long as the line takes. Raises ServerHalfError where it is cut."""
        if self.line is ServerLine.OFF:
            raise ServerHalfError("server_down")
        if self.line is ServerLine.SLOW:
            time.sleep(SLOW)

    def behind_line(self, work: More) -> More:
        """Another path's work, as a terminal reaches it."""

        def done(terminal: str, members: dict[str, Any]) -> dict[str, object]:
            self.cross_line()
            answer = work(terminal, members)
            self.settled()
            return answer

        return done

    def enrol(self, names: Iterable[str]) -> None:
        """Register the holders of these cards (built in, or a file) as a counter would."""
        for name in names:
            self._enrol(name)

    def _enrol(self, name: str) -> None:
        card = emulated_card(name, at=self.clock())
        half = LocalServer(
            self.table, terminal=TERMINAL, origin="demo:counter", tickets=self.tickets,
            clock=self.clock,
        )  # fmt: skip
        uri, pin = plug(card), card.pins().get("auth", "")
        try:
            self._present(half, uri, pin, Operation.ENROL)
            answer = self._present(half, uri, pin, Operation.RESOLVE)
        except (JpkiError, CardError):
            return  # blocked, without a certificate, no longer good: unknown to this town
        finally:
            unplug(uri)
        pseudonym = half.pseudonym(answer.ticket)
        if answer.outcome is Outcome.RESOLVED and pseudonym is not None:
            self.records.put(pseudonym, _record(name))

    def _present(self, half: LocalServer, uri: str, pin: str, operation: Operation) -> Answer:
        from jpki.kiosk.flows.common import login

        errand = Errand("konbini", PURPOSES[DocumentKind.RESIDENCE], operation)
        with open_card(uri, trust=Environment.TEST).card as opened:
            desk = ScriptedDesk(pins={PinKind.AUTH: pin} if pin else {})
            return login(Visit(opened, desk, self.clock), half, errand)


class _BehindLine:
    """A PromptHalf as a terminal reaches it: over a line that can be slow or cut."""

    def __init__(self, town: Town, half: ServerHalf) -> None:
        self._town = town
        self._half = half

    def challenge(self, errand: Errand) -> Challenge:
        """As the Protocol has it."""
        self._town.cross_line()
        return self._half.challenge(errand)

    def challenge_at_hand(self, errand: Errand, turn: Turn) -> Challenge | None:
        """None: the line may take its time."""
        return None

    def present_begun(self, errand: Errand, response: Response, turn: Turn) -> None:
        """None: the line may take its time."""

    def present(self, errand: Errand, response: Response) -> Answer:
        """As the Protocol has it."""
        self._town.cross_line()
        answer = self._half.present(errand, response)
        self._town.settled()
        return answer

    def document(self, ticket: str, kind: DocumentKind) -> bytes:
        """As the Protocol has it."""
        self._town.cross_line()
        return self._half.document(ticket, kind)


def town_issuer() -> Issuer:
    """Who issues the documents of a demonstration."""
    from jpki.synth.keystore import stored_ec_key

    key = stored_ec_key("document-issuer")
    return Issuer("清瀬市", "清瀬市長", TEST_ISSUER, key, Environment.TEST)


def _record(card: str) -> ResidentRecord:
    """An invented register entry of an invented holder."""
    from jpki.emulator.population import find_profile

    holder = find_profile(card).holder
    return ResidentRecord(
        name=holder.name,
        kana="",
        birth=holder.birth,
        sex={"1": "男", "2": "女"}.get(holder.sex, ""),
        address=holder.address,
        resident_since=date(2010, 4, 1),
        head=holder.name,
        relation="世帯主",
        seal=SealRecord(date(2012, 5, 6), holder.name[:2]),
        tax=TaxRecord(2026, 3_456_000, 2_345_000, 234_500),
    )
