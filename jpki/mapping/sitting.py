# SPDX-License-Identifier: Apache-2.0
"""One presented operation in one transaction: challenge, decision, look-up, deed, ledger entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from jpki.certificate.kinds import Environment
from jpki.mapping import challenges, records
from jpki.mapping.answers import GROUNDS, Outcome, Resolution
from jpki.mapping.challenges import Aim
from jpki.mapping.decision import Decider, Decision
from jpki.mapping.errors import EnvironmentMixedError
from jpki.mapping.index import Index, index_of
from jpki.mapping.keys import KeyRing
from jpki.mapping.ledger import Entry, Ledger
from jpki.mapping.lifecycle import after, event_of, refusal
from jpki.mapping.policy import (
    ActorKind,
    LinkEvidence,
    LinkKind,
    Operation,
    Policy,
    Purpose,
    Role,
)
from jpki.mapping.presentation import Presentation, Rejected
from jpki.mapping.records import Found
from jpki.mapping.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, and for what. ``service``, ``purpose``: need not be named where only one fits.

    ``document``: the written ground of a staff operation. ``receiver``: who gets what the
    answer says, where it is not the service itself.
    """

    actor: str
    service: str | None = None
    purpose: str | None = None
    role: Role | None = None
    channel: ActorKind | None = None
    document: str = ""
    receiver: str = ""
    items: frozenset[str] = frozenset()
    minor: bool = False
    guardian: bool | None = None

    def request(
        self,
        operation: Operation,
        environment: Environment,
        at: datetime,
        presentation: Presentation | Rejected | None,
        link: tuple[LinkKind, LinkEvidence | None] | None,
    ) -> Request:
        """What the policy decides on. ``environment``: the map's."""
        ref = None if presentation is None else presentation.ref
        return Request(
            operation=operation,
            actor=self.actor,
            at=at,
            service=self.service,
            purpose=self.purpose,
            role=self.role,
            proof=None if presentation is None else presentation.proof,
            medium=None if ref is None else ref.medium,
            items=self.items,
            # Given with the enrolment's signature, or looked up before anything is told.
            consent=True,
            link=None if link is None else link[0],
            link_evidence=None if link is None else link[1],
            document=self.document,
            receiver=self.receiver,
            channel=self.channel,
            environment=None if presentation is None else presentation.environment,
            map_environment=environment,
            minor=self.minor,
            guardian=self.guardian,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What a deed came to. ``true_reason``: for the ledger, where the answer's differs."""

    outcome: Outcome
    reason: str = ""
    pseudonym: bytes | None = field(default=None, repr=False)
    about: bytes | None = field(default=None, repr=False)
    true_reason: str = ""


@dataclass(frozen=True, slots=True)
class Here:
    """What a deed is done with: inside the transaction, after challenge and decision."""

    connection: Connection
    policy: Policy
    keys: KeyRing
    service: str
    purpose: Purpose
    presentation: Presentation
    index: Index
    found: Found
    now: datetime

    @property
    def where(self) -> tuple[str, str]:
        """Service and purpose."""
        return self.service, self.purpose.id


@dataclass(frozen=True, slots=True)
class StaffHere:
    """The same for what staff do: by pseudonym, on a document."""

    connection: Connection
    service: str
    document: str
    found: Found
    now: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """One presented operation before the database is asked."""

    presentation: Presentation | Rejected
    request: Request
    decision: Decision
    service: str
    purpose: Purpose | None
    entry: Entry
    detail: str

    @property
    def aim(self) -> Aim:
        """What the challenge has to be for."""
        named = self.decision.service or "", self.decision.purpose or ""
        return Aim(*named, self.request.operation, self.detail)

    @property
    def where(self) -> tuple[str, str]:
        """Service and purpose."""
        return self.service, "" if self.purpose is None else self.purpose.id


WITH_CONSENT = frozenset({Operation.RESOLVE, Operation.RECHECK, Operation.LATEST_INFO})
Deed = Callable[[Here], Result]
StaffDeed = Callable[[StaffHere], Result]


@dataclass(frozen=True, slots=True)
class Sitting:
    """Everything that is the same for every operation of one map at one moment."""

    policy: Policy
    keys: KeyRing
    ledger: Ledger
    environment: Environment
    now: datetime
    decide: Decider

    def presented(
        self,
        connection: Connection,
        presentation: Presentation | Rejected,
        asker: Asker,
        request: Request,
        deed: Deed,
        detail: str = "",
    ) -> Resolution:
        """Consume, decide, look up, do, write down: in this order, in this transaction."""
        opened = self.open(presentation, asker, request, detail)
        entry, decision, purpose = opened.entry, opened.decision, opened.purpose
        reason = challenges.consume(connection, presentation.challenge, opened.aim, self.now) or ""
        reason = reason or self.standing_in_the_way(presentation)
        if isinstance(presentation, Rejected):
            if reason or presentation.cause is None or not decision.allowed or purpose is None:
                return self.refused(connection, entry, decision, reason or presentation.reason)
            return self.ended(connection, presentation, opened.service, entry, decision)
        if reason or not decision.allowed or purpose is None:
            return self.refused(connection, entry, decision, reason or decision.code)
        keys = self.keys.service(opened.service)
        index = index_of(keys, presentation.ref)
        found = records.find(connection, keys, index, opened.where, self.now)
        return self.written(connection, *self.done(connection, opened, index, found, deed))

    def open(
        self,
        presentation: Presentation | Rejected,
        asker: Asker,
        request: Request,
        detail: str = "",
    ) -> Opened:
        """What is known before the database is asked. Raises EnvironmentMixedError."""
        if presentation.environment is not self.environment:
            raise EnvironmentMixedError(
                map=self.environment.value, given=presentation.environment.value
            )
        decision = self.decide(request)
        service, purpose = self.named(decision)
        entry = self._entry(asker, request, decision, presentation)
        return Opened(presentation, request, decision, service, purpose, entry, detail)

    def standing_in_the_way(self, presentation: Presentation | Rejected) -> str:
        """``verdict_stale`` for one that was verified too long ago."""
        stale = isinstance(presentation, Presentation) and not presentation.is_fresh(self.now)
        return "verdict_stale" if stale else ""

    def done(
        self, connection: Connection, opened: Opened, index: Index, found: Found, deed: Deed
    ) -> tuple[Entry, Decision, Result]:
        """Do what was allowed, if the person agreed to it: what to write down, and the answer."""
        assert opened.purpose is not None
        assert isinstance(opened.presentation, Presentation)
        if consent_missing(opened.purpose, found, opened.request):
            again = self.decide(replace(opened.request, consent=False))
            entry = replace(opened.entry, article=again.article)
            return entry, again, Result(Outcome.REFUSED, again.code, about=found.handle)
        here = Here(
            connection, self.policy, self.keys, opened.service, opened.purpose,
            opened.presentation, index, found, self.now,
        )  # fmt: skip
        return opened.entry, opened.decision, deed(here)

    def by_staff(
        self,
        connection: Connection,
        pseudonym: bytes,
        asker: Asker,
        request: Request,
        deed: StaffDeed,
    ) -> Resolution:
        """Decide, look up by pseudonym, do, write down, in this transaction."""
        decision = self.decide(request)
        service, purpose = self.named(decision)
        entry = self.entry(asker, request, decision, giver="staff", obtained="document")
        if not decision.allowed or purpose is None:
            return self.refused(connection, entry, decision, decision.code)
        found = records.find_pseudonym(connection, pseudonym, service)
        here = StaffHere(connection, service, plain(asker.document), found, self.now)
        return self.written(connection, entry, decision, deed(here))

    def written(
        self, connection: Connection, entry: Entry, decision: Decision, result: Result
    ) -> Resolution:
        """Put what came of it on the ledger, and make the answer."""
        self.ledger.append(connection, ended_so(entry, result), now=self.now, handle=result.about)
        return Resolution(result.outcome, decision, result.pseudonym, result.reason)

    def refused(
        self, connection: Connection, entry: Entry, decision: Decision, reason: str
    ) -> Resolution:
        """A refusal of which nobody is told more than the rule."""
        return self.written(connection, *refusal_of(entry, decision, reason))

    def ended(
        self,
        connection: Connection,
        rejected: Rejected,
        service: str,
        entry: Entry,
        decision: Decision,
    ) -> Resolution:
        """A genuine certificate that is no longer in force: the map takes note of it."""
        assert rejected.ref is not None
        assert rejected.cause is not None
        keys = self.keys.service(service)
        where = (service, decision.purpose or "")
        found = records.find(connection, keys, index_of(keys, rejected.ref), where, self.now)
        if found.handle is None or found.key is None:
            true = "suppressed" if found.hidden else ""
            unknown = Result(Outcome.REFUSED, rejected.reason, None, found.hidden, true)
            return self.written(connection, entry, decision, unknown)
        event, ending = event_of(rejected.cause, rejected.ref.family, rejected.ref.medium)
        records.set_certificate(connection, found.key, ending, self.now)
        state = after(found.state, event)
        if state is not None and state is not found.state:
            records.set_state(connection, found.handle, state, self.now)
        result = Result(Outcome.STALE, rejected.cause.value, about=found.handle)
        return self.written(connection, entry, decision, result)

    def named(self, decision: Decision) -> tuple[str, Purpose | None]:
        """The service and the purpose that were meant."""
        service = self.policy.service(decision.service or "")
        if service is None:
            return "", None
        return service.id, service.purpose(decision.purpose or "")

    def _entry(
        self,
        asker: Asker,
        request: Request,
        decision: Decision,
        presentation: Presentation | Rejected,
    ) -> Entry:
        ref = presentation.ref
        return self.entry(
            asker,
            request,
            decision,
            proof=presentation.proof.value,
            family="" if ref is None else ref.family.value,
            medium="" if ref is None else ref.medium.value,
            status=presentation.status.text,
            status_at=presentation.status.at,
            giver="holder",
            obtained="presentation",
        )

    def entry(self, asker: Asker, request: Request, decision: Decision, **more: Any) -> Entry:
        """The entry of a decision, before it is known what comes of it. ``more``: other columns."""
        service, purpose = decision.service or "", decision.purpose or ""
        role = (
            asker.role.value
            if asker.role is not None
            else ",".join(sorted(role.value for role in self.policy.organisation.roles))
        )
        return Entry(
            operation=request.operation.value,
            service=service,
            purpose=purpose,
            outcome="",
            reason="",
            role=role,
            actor=plain(asker.actor),
            policy=self.policy.digest,
            article=decision.article,
            receiver=plain(asker.receiver) or service,
            document=plain(asker.document),
            **more,
        )


def ended_so(entry: Entry, result: Result) -> Entry:
    """The entry, with what came of it."""
    reason = result.true_reason or result.reason or result.outcome.value
    return replace(entry, outcome=result.outcome.value, reason=reason)


def refusal_of(entry: Entry, decision: Decision, reason: str) -> tuple[Entry, Decision, Result]:
    """What to write down of a refusal, and the answer."""
    article = GROUNDS[reason][1] if reason in GROUNDS else decision.article
    return replace(entry, article=article), decision, Result(Outcome.REFUSED, reason)


def plain(text: str, limit: int = 200) -> str:
    """Text of a caller as the ledger takes it: printable, short, no number of a person.

    Twelve digits in a row are not written down: they could be a 個人番号 (番号法20条).
    """
    kept = "".join(char if char.isprintable() else "?" for char in text[:limit])
    if len(kept) < 12:
        return kept
    run, out = 0, list(kept)
    for place, char in enumerate(kept + "x"):
        if char.isdigit():
            run += 1
            continue
        if run >= 12:
            out[place - run : place] = "*" * run
        run = 0
    return "".join(out)


def consent_missing(purpose: Purpose, found: Found, request: Request) -> bool:
    """Whether a registered person never gave, or ended, the consent the purpose wants."""
    asks = purpose.consent and request.operation in WITH_CONSENT
    return asks and found.handle is not None and not found.consented


def nobody(found: Found) -> Result:
    """Unregistered, to all who ask; the ledger knows of the suppression."""
    true_reason = "suppressed" if found.hidden else ""
    return Result(Outcome.UNREGISTERED, about=found.hidden, true_reason=true_reason)


def closed(found: Found) -> Result | None:
    """What stands in the way of a registered person's entry, if anything."""
    reason = refusal(found.state, found.certificate)
    if reason is None:
        return None
    stale = reason in ("certificate_ended", "needs_relink")
    outcome = Outcome.STALE if stale else Outcome.REFUSED
    return Result(outcome, reason, about=found.about)
