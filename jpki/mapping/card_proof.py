# SPDX-License-Identifier: Apache-2.0
"""Tap and Recheck: what a card proves without a PIN, accepted only where a purpose names it.

Tap: the card that was bound to this entry is here now. Recheck (38条の4): the same, its auth
certificate was read now and is in force, and the person was confirmed by a Presentation before.
Neither says who holds the card: neither opens disclosure, linking, consent or erasure. A tap
asks no revocation: a card that was reported lost elsewhere still taps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NoReturn, final

from sqlalchemy import Connection, select

from jpki.card.records import RsaNumbers
from jpki.certificate.kinds import Family, Medium
from jpki.mapping import binding, challenges, records
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.card_answer import RereadEvidence, TapEvidence, answered
from jpki.mapping.challenges import Aim
from jpki.mapping.decision import Decision
from jpki.mapping.index import Index, card_index_of, index_of
from jpki.mapping.ledger import Entry
from jpki.mapping.policy import Operation, Proof, Purpose
from jpki.mapping.presentation import Judged, Rejected, Status, judge
from jpki.mapping.records import Found
from jpki.mapping.request import Request
from jpki.mapping.sitting import Asker, Result, Sitting, closed, consent_missing, nobody
from jpki.mapping.store.schema import LEDGER, LEDGER_PERSON
from jpki.verdict import Verdict
from jpki.verifying.challenge import Challenge

if TYPE_CHECKING:
    from jpki.mapping.service import Map

_KEY: Final = object()


class _CardProof:
    """Made by this module's verification and nowhere else; neither copied nor stored."""

    __slots__ = ("challenge",)
    challenge: Challenge

    def __init__(self, key: object, challenge: Challenge) -> None:
        if key is not _KEY:
            raise TypeError(f"a {type(self).__name__} comes from its verification")
        object.__setattr__(self, "challenge", challenge)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is neither copied nor pickled")


@final
class Tap(_CardProof):
    """The bound card is here. No PIN, no revocation."""

    __slots__ = ()


@final
class Recheck(_CardProof):
    """The bound card is here, and its auth certificate is in force. No PIN."""

    __slots__ = ()


def verify_tap(evidence: TapEvidence, key: RsaNumbers) -> Tap | None:
    """A Tap, if the bound card's ``key`` answered the challenge."""
    return Tap(_KEY, evidence.challenge) if answered(key, evidence) else None


def verify_recheck(evidence: RereadEvidence, key: RsaNumbers, judged: Judged) -> Recheck | None:
    """A Recheck, if the bound card's ``key`` answered and the certificate is in force."""
    if judged.stored is None or judged.reason or not answered(key, evidence):
        return None
    return Recheck(_KEY, evidence.challenge)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What stands after challenge and decision."""

    service: str
    purpose: Purpose
    decision: Decision
    entry: Entry


@dataclass(frozen=True, slots=True)
class CardSitting:
    """One tap or re-read in one transaction: consume, decide, look up, verify, write down."""

    sitting: Sitting
    connection: Connection
    asker: Asker
    request: Request

    def tap(self, evidence: TapEvidence) -> Resolution:
        """Whose card was tapped."""
        opened = self._open(evidence.challenge, Status("", None))
        if isinstance(opened, Resolution):
            return opened
        keys = self.sitting.keys.service(opened.service)
        index = card_index_of(keys, evidence.number, self.sitting.environment)
        found, key = self._look_up(opened, index)
        proof = None if key is None else verify_tap(evidence, key)
        return self._resolve(opened, found, proof)

    def reread(self, evidence: RereadEvidence, verdict: Verdict, judged: Judged) -> Resolution:
        """Whose card it is whose certificate was read again."""
        opened = self._open(evidence.challenge, judged.status)
        if isinstance(opened, Resolution):
            return opened
        if judged.stored is None:
            return self._refused(opened, judged.reason)
        ref = judged.stored.ref
        found, key = self._look_up(opened, index_of(self.sitting.keys.service(opened.service), ref))
        confirmed = self._confirmed(found)
        if found.handle is not None and key is None:
            return self._written(
                opened, Result(Outcome.REFUSED, "card_not_bound", about=found.handle)
            )
        if key is not None and not answered(key, evidence):
            return self._resolve(opened, found, None)
        if judged.cause is not None:
            ended = Rejected(
                evidence.challenge, judged.reason, verdict, self.sitting.environment,
                Proof.RECHECK, judged.status, judged.cause, ref,
            )  # fmt: skip
            return self.sitting.ended(
                self.connection, ended, opened.service, opened.entry, opened.decision
            )
        if judged.reason:
            return self._refused(opened, judged.reason)
        if found.handle is not None and not confirmed:
            return self._again(opened, found, replace(self.request, confirmed_before=False))
        proof = None if key is None else verify_recheck(evidence, key, judged)
        return self._resolve(opened, found, proof)

    def _open(self, challenge: Challenge, status: Status) -> _Opened | Resolution:
        decision = self.sitting.decide(self.request)
        service, purpose = self.sitting.named(decision)
        aim = Aim(decision.service or "", decision.purpose or "", self.request.operation)
        used = challenges.consume(self.connection, challenge, aim, self.sitting.now)
        assert self.request.proof is not None
        family = self.request.proof.family
        entry = replace(
            self.sitting.entry(self.asker, self.request, decision),
            proof=self.request.proof.value, family="" if family is None else family.value,
            medium=Medium.CARD.value, status=status.text, status_at=status.at, giver="holder",
            obtained=self.request.proof.value,
        )  # fmt: skip
        if used is not None or not decision.allowed or purpose is None:
            return self.sitting.refused(self.connection, entry, decision, used or decision.code)
        return _Opened(service, purpose, decision, entry)

    def _look_up(self, opened: _Opened, index: Index) -> tuple[Found, RsaNumbers | None]:
        """Whose it is, and the key of their card: the same statements for everybody."""
        keys = self.sitting.keys.service(opened.service)
        where = (opened.service, opened.purpose.id)
        found = records.find(self.connection, keys, index, where, self.sitting.now)
        return found, binding.key_of(self.connection, keys, found.handle)

    def _confirmed(self, found: Found) -> bool:
        """Whether the ledger has an earlier Presentation of this person (38条の4)."""
        row = self.connection.execute(
            select(LEDGER.c.seq)
            .select_from(
                LEDGER_PERSON.join(LEDGER, LEDGER.c.ledger_id == LEDGER_PERSON.c.ledger_id)
            )
            .where(
                LEDGER_PERSON.c.handle == (found.handle or b""),
                LEDGER.c.proof.in_([Proof.AUTH.value, Proof.SIGN.value]),
                LEDGER.c.outcome.in_([Outcome.RESOLVED.value, Outcome.DONE.value]),
            )
            .limit(1)
        ).first()
        return row is not None

    def _resolve(self, opened: _Opened, found: Found, proof: Tap | Recheck | None) -> Resolution:
        if found.handle is None:
            return self._written(opened, nobody(found))
        if proof is None:
            wrong = Result(Outcome.REFUSED, "card_answer_wrong", about=found.handle)
            return self._written(opened, wrong)
        if consent_missing(opened.purpose, found, self.request):
            return self._again(opened, found, replace(self.request, consent=False))
        shut = closed(found)
        resolved = Result(Outcome.RESOLVED, pseudonym=found.pseudonym, about=found.handle)
        return self._written(opened, shut or resolved)

    def _again(self, opened: _Opened, found: Found, request: Request) -> Resolution:
        """The decision once more, with what the look-up brought: it refuses."""
        decision = self.sitting.decide(request)
        entry = replace(opened.entry, article=decision.article)
        refused = Result(Outcome.REFUSED, decision.code, about=found.handle)
        return self.sitting.written(self.connection, entry, decision, refused)

    def _written(self, opened: _Opened, result: Result) -> Resolution:
        return self.sitting.written(self.connection, opened.entry, opened.decision, result)

    def _refused(self, opened: _Opened, reason: str) -> Resolution:
        return self.sitting.refused(self.connection, opened.entry, opened.decision, reason)


def tap(table: Map, evidence: TapEvidence, asker: Asker) -> Resolution:
    """One tap, in one transaction of ``table``."""
    request = tap_request(table, asker)
    return table.change(
        lambda connection: CardSitting(table.sitting(), connection, asker, request).tap(evidence)
    )


def tap_request(table: Map, asker: Asker) -> Request:
    """The request of a tap, for the policy to decide on."""
    return _request(table.request(Operation.RESOLVE, asker), Proof.TAP)


def reread(table: Map, evidence: RereadEvidence, asker: Asker) -> Resolution:
    """One re-read: the certificate is verified first, the rest is one transaction."""
    request = _request(table.request(Operation.RECHECK, asker), Proof.RECHECK)
    verdict = table.validator.validate(evidence.certificate, family=Family.AUTH)
    judged = judge(evidence.certificate, verdict, table.validator)
    return table.change(
        lambda connection: CardSitting(table.sitting(), connection, asker, request).reread(
            evidence, verdict, judged
        )
    )


def _request(request: Request, proof: Proof) -> Request:
    """What the policy decides on; that a Presentation was there before is looked up later."""
    environment = request.map_environment
    return replace(
        request, proof=proof, medium=Medium.CARD, environment=environment, confirmed_before=True
    )
