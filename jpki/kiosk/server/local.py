# SPDX-License-Identifier: Apache-2.0
"""The server half in this process, over a map and a register."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from jpki.kiosk.documents.contents import DocumentKind, content_of, missing
from jpki.kiosk.documents.fonts import DEFAULT_FONT
from jpki.kiosk.documents.issuing import IssuedDocument, Issuer, issue_document
from jpki.kiosk.records import MemoryRecords, ResidentRecords
from jpki.kiosk.server.half import Answer, Begun, Errand, ServerHalfError
from jpki.kiosk.server.tickets import Ticket, TicketDesk
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.card_answer import RereadEvidence
from jpki.mapping.crowd import begin_resolve, begins_at_once, writing_more
from jpki.mapping.errors import StoreStateError
from jpki.mapping.ledger import now_utc
from jpki.mapping.policy import Operation
from jpki.mapping.presentation import Evidence, Presentation, Rejected
from jpki.mapping.service import Map
from jpki.mapping.sitting import Asker
from jpki.mapping.store.grouped import Turn
from jpki.verdict import Verdict
from jpki.verifying.challenge import Challenge, Response

PURPOSES: Final[Mapping[DocumentKind, str]] = MappingProxyType(
    {
        DocumentKind.RESIDENCE: "issue-residence-certificate",
        DocumentKind.SEAL: "issue-seal-certificate",
        DocumentKind.TAX: "issue-tax-certificate",
    }
)
"""The purpose of the policy (preset ``konbini``) under which a document is issued."""


@dataclass(frozen=True, slots=True)
class Office:
    """Who issues, from which register, at which fees (yen), in which font."""

    issuer: Issuer
    records: ResidentRecords
    fees: Mapping[DocumentKind, int] = field(default_factory=dict)
    font: Path = DEFAULT_FONT


@contextmanager
def _known() -> Iterator[None]:
    """A purpose that the policy does not know, by its name here."""
    try:
        yield
    except StoreStateError as error:
        if error.values.get("reason") == "purpose_unknown":
            raise ServerHalfError("errand_unknown") from None
        raise


Watcher = Callable[[Verdict, Resolution], None]
"""Is told of every presentation: the verdict on it, and what the map answered."""


ContractEnd = Callable[[str], datetime]
"""When the contract of a reference ends; the years of keeping count from then."""


class LocalServer:
    """A ServerHalf for one terminal. Several may share a map, an office and a ticket desk.

    ``origin``: what challenges are bound to. ``terminal``: the actor the policy knows.
    ``watcher``: for a demonstration's bench. ``contract_end``: without it no evidence is kept.
    """

    def __init__(
        self,
        table: Map,
        office: Office | None = None,
        *,
        terminal: str,
        origin: str,
        tickets: TicketDesk | None = None,
        clock: Callable[[], datetime] = now_utc,
        watcher: Watcher | None = None,
        contract_end: ContractEnd | None = None,
    ) -> None:
        self._contract_end = contract_end
        self._watcher = watcher
        self._map = table
        self._office = office
        self._terminal = terminal
        self._origin = origin
        self._tickets = tickets or TicketDesk()
        self._clock = clock

    def challenge(self, errand: Errand) -> Challenge:
        """As the Protocol has it; also raises MapError."""
        self._check(errand)
        with _known():
            return self._map.issue_challenge(
                errand.operation, origin=self._origin, service=errand.service,
                purpose=errand.purpose,
            )  # fmt: skip

    def challenge_at_hand(self, errand: Errand, turn: Turn) -> Challenge | None:
        """As the Protocol has it."""
        self._check(errand)
        with _known():
            return self._map.challenge_at_hand(
                errand.operation, origin=self._origin, service=errand.service,
                purpose=errand.purpose, more=writing_more(self._map, turn),
            )  # fmt: skip

    def _check(self, errand: Errand) -> None:
        """Refuse what cannot be before anybody enters a password. Raises ServerHalfError."""
        if errand.operation is Operation.KEEP_EVIDENCE:
            self._contract_ends(errand)

    def present(self, errand: Errand, response: Response) -> Answer:
        """As the Protocol has it; also raises MapError."""
        asker = self._asker(errand)
        if errand.operation is Operation.RECHECK:
            evidence = RereadEvidence(response.challenge, response.certificate, response.signature)
            return self._answer(errand, self._map.reread(evidence, asker))
        presentation = self._map.verify(Evidence(response))
        resolution = self._deed(errand, response, presentation, asker)
        if self._watcher is not None:
            self._watcher(presentation.verdict, resolution)
        return self._answer(errand, resolution)

    def present_begun(self, errand: Errand, response: Response, turn: Turn) -> Begun | None:
        """As the Protocol has it."""
        waits = self._office is not None and not isinstance(self._office.records, MemoryRecords)
        if waits or self._watcher is not None or errand.operation is not Operation.RESOLVE:
            return None
        if not begins_at_once(self._map):
            return None
        resolution = begin_resolve(self._map, Evidence(response), self._asker(errand), turn)
        return Begun(resolution, partial(self._answer, errand))

    def _asker(self, errand: Errand) -> Asker:
        return Asker(
            actor=self._terminal, service=errand.service, purpose=errand.purpose,
            minor=errand.guardian, guardian=errand.guardian or None,
        )  # fmt: skip

    def _deed(
        self,
        errand: Errand,
        response: Response,
        presentation: Presentation | Rejected,
        asker: Asker,
    ) -> Resolution:
        """What the errand asks of the map, for who presented. Raises ServerHalfError."""
        match errand.operation:
            case Operation.ENROL:
                return self._map.enrol(presentation, asker)
            case Operation.RESOLVE:
                return self._map.resolve(presentation, asker)
            case Operation.KEEP_EVIDENCE:
                return self._map.keep_evidence(
                    presentation, asker, evidence=Evidence(response), reference=errand.reference,
                    ends=self._contract_ends(errand),
                )  # fmt: skip
            case _:
                raise ServerHalfError("errand_unknown")

    def document(self, ticket: str, kind: DocumentKind) -> bytes:
        """As the Protocol has it; also raises IssuedDocumentError (``not_registered``)."""
        held = self._tickets.take(ticket, self._terminal)
        if held is None or self._office is None or held.errand.purpose != PURPOSES[kind]:
            raise ServerHalfError("ticket_unknown")
        with held.lock:
            issued = held.issued.get(kind)
            if issued is None:
                issued = held.issued[kind] = self._issue(self._office, held, kind)
            return issued.pdf

    def pseudonym(self, ticket: str) -> bytes | None:
        """The service's own pseudonym of who presented: for the service itself, in its own
        process; it never goes to a terminal."""
        held = self._tickets.take(ticket, self._terminal)
        return None if held is None else held.pseudonym

    def _issue(self, office: Office, held: Ticket, kind: DocumentKind) -> IssuedDocument:
        record = office.records.of(held.pseudonym)
        if record is None:
            raise ServerHalfError("ticket_unknown")
        content = content_of(kind, record)
        return issue_document(content, office.issuer, now=self._clock(), font=office.font)

    def _contract_ends(self, errand: Errand) -> datetime:
        if self._contract_end is None or not errand.reference:
            raise ServerHalfError("errand_unknown")
        return self._contract_end(errand.reference)

    def _answer(self, errand: Errand, resolution: Resolution) -> Answer:
        ticket, fees = "", {}
        if resolution.outcome is Outcome.RESOLVED and resolution.pseudonym is not None:
            ticket = self._tickets.give(self._terminal, errand, resolution.pseudonym)
            fees = self._fees(resolution.pseudonym)
        return Answer(
            resolution.outcome,
            resolution.reason,
            resolution.rule,
            resolution.article,
            ticket,
            fees,
        )

    def _fees(self, pseudonym: bytes) -> dict[DocumentKind, int]:
        """Fees of the documents this person can have."""
        if self._office is None:
            return {}
        record = self._office.records.of(pseudonym)
        if record is None:
            return {}
        fees = self._office.fees
        return {kind: fees.get(kind, 0) for kind in DocumentKind if not missing(kind, record)}
