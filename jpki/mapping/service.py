# SPDX-License-Identifier: Apache-2.0
"""The map: the one door to what is stored about persons and certificates.

Nothing here takes or returns a serial. A person is opened by a Presentation, or, for staff, by
a pseudonym with a document; what goes out is a pseudonym of one service.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from sqlalchemy import Connection

from jpki.card.authenticity import CvKeys
from jpki.certificate.kinds import Medium
from jpki.mapping import (
    binding,
    card_proof,
    deeds,
    links,
    recheck,
    records,
    rotation,
    suppression,
)
from jpki.mapping import consent as consents
from jpki.mapping.answers import Resolution
from jpki.mapping.card_answer import BindingEvidence, RereadEvidence, TapEvidence
from jpki.mapping.challenge_stock import MOST, ChallengeStock, More, Order, aim_of
from jpki.mapping.challenges import TTL
from jpki.mapping.checkpoint import Checkpoint
from jpki.mapping.decision import Decider
from jpki.mapping.disclosure import Disclosure, View, Viewer
from jpki.mapping.errors import ConflictError, EnvironmentMixedError, KeyFileError
from jpki.mapping.evidence import EvidenceStore, Keeping
from jpki.mapping.keys import KeyRing, Pin, open_keys
from jpki.mapping.ledger import Ledger, LedgerReport, now_utc
from jpki.mapping.opening import check_belonging
from jpki.mapping.platform import PlatformAdapter
from jpki.mapping.policy import LinkEvidence, LinkKind, Operation, Policy
from jpki.mapping.presentation import Evidence, Presentation, Rejected, verify_presentation
from jpki.mapping.recheck import RecheckReport
from jpki.mapping.request import Request
from jpki.mapping.sitting import Asker, Deed, Sitting, StaffDeed, plain
from jpki.mapping.store.grouped import GroupedStore
from jpki.mapping.store.store import Store
from jpki.validation.validator import Validator
from jpki.verifying.challenge import Challenge

_T = TypeVar("_T")


class Map:
    """A store with its keys, a policy, and the map's own validator.

    ``cv_keys``: CA keys of 券面 data, for cards that are bound. ``clock``: the map's (aware).
    Raises EnvironmentMixedError unless store, keys and trust are of one environment,
    KeyFileError unless the keys belong to the store.
    """

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        policy: Policy,
        validator: Validator,
        *,
        evidence: EvidenceStore | None = None,
        cv_keys: CvKeys = MappingProxyType({}),
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self.store = store
        self._decide = Decider(policy)
        self.validator = validator
        self.environment = check_belonging(store, keys, validator.trust.environment)
        self.evidence = evidence
        self._cv_keys = cv_keys
        self._clock = clock
        self._stock = ChallengeStock(store, MOST if isinstance(store, GroupedStore) else 1)
        self._use(keys)

    def _use(self, keys: KeyRing) -> None:
        self._keys = keys
        self._ledger = Ledger(keys)

    @property
    def policy(self) -> Policy:
        """The policy that decides; another one counts from the next operation on."""
        return self._decide.policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self._decide = Decider(policy)

    def verify(self, evidence: Evidence) -> Presentation | Rejected:
        """Verify evidence with the map's own trust and revocation data."""
        return verify_presentation(evidence, self.validator, now=self._clock())

    def issue_challenge(
        self,
        operation: Operation,
        *,
        origin: str,
        service: str | None = None,
        purpose: str | None = None,
        detail: str = "",
        binds_card: bool = False,
        ttl: timedelta = TTL,
    ) -> Challenge:
        """A challenge for one operation of one purpose, written down to be used once.

        ``binds_card``: an enrolment that also binds the card, for taps and re-reads. Raises
        StoreStateError (``purpose_unknown``) where the policy does not know what is meant.
        """
        aim = aim_of(self.policy, operation, (service, purpose), detail, binds_card)
        return self._stock.give(Order(aim, origin, ttl), self._clock())

    def challenge_at_hand(
        self, operation: Operation, *, origin: str, service: str, purpose: str,
        more: More | None = None,
    ) -> Challenge | None:  # fmt: skip
        """As :meth:`issue_challenge`, if one is written down already: it never waits.

        ``more``: begins to write more before the last one is given out.
        """
        aim = aim_of(self.policy, operation, (service, purpose))
        return self._stock.at_hand(Order(aim, origin, TTL), self._clock(), more)

    def resolve(self, presentation: Presentation | Rejected, asker: Asker) -> Resolution:
        """The pseudonym of who presented, in the asker's service."""
        return self._presented(Operation.RESOLVE, presentation, asker, deeds.resolve)

    def enrol(
        self, presentation: Presentation | Rejected, asker: Asker, *,
        card: BindingEvidence | None = None,
    ) -> Resolution:  # fmt: skip
        """Register who presented: a new handle and pseudonym, or ``duplicate``.

        ``card`` answered the same challenge and is bound, for taps and re-reads.
        """
        if card is None:
            return self._presented(Operation.ENROL, presentation, asker, deeds.enrol)
        return self._presented(
            Operation.ENROL, presentation, asker,
            lambda here: binding.enrol_with_card(here, card, self._cv_keys), binds_card=True,
        )  # fmt: skip

    def tap(self, evidence: TapEvidence, asker: Asker) -> Resolution:
        """The pseudonym of whose bound card was tapped, where the purpose accepts taps."""
        return card_proof.tap(self, evidence, asker)

    def reread(self, evidence: RereadEvidence, asker: Asker) -> Resolution:
        """The pseudonym of whose bound card was read again (38条の4), where that is accepted."""
        return card_proof.reread(self, evidence, asker)

    def recheck_all(
        self, asker: Asker, platform: PlatformAdapter | None = None, *, only: str | None = None
    ) -> RecheckReport:
        """Ask again about the stored certificates of the service (現況確認), or of one pseudonym.

        ``platform``: who is asked; None: our own revocation data. Raises PlatformError; what was
        found is kept.
        """
        return recheck.run(self, asker, platform, only)

    def erase(self, presentation: Presentation | Rejected, asker: Asker) -> Resolution:
        """Erase who presented. Kept: the ledger without its link, and what a named law keeps."""
        return self._presented(Operation.ERASE, presentation, asker, deeds.erase)

    def disclose(self, presentation: Presentation | Rejected, asker: Asker) -> Disclosure:
        """The person's own view of what is held about them in this service."""
        viewer = Viewer(self.policy)
        resolution = self._presented(Operation.DISCLOSE, presentation, asker, viewer)
        return Disclosure(resolution, viewer.view if resolution.done else View())

    def consent(
        self, presentation: Presentation | Rejected, asker: Asker, *, notice: str
    ) -> Resolution:
        """A consent to ``asker.items`` under a version of the notice, as the challenge says."""
        return self._presented(
            Operation.CONSENT, presentation, asker,
            lambda here: consents.give(here, asker.items, notice),
            detail=consents.detail(asker.items, notice),
        )  # fmt: skip

    def withdraw(self, presentation: Presentation | Rejected, asker: Asker) -> Resolution:
        """End every consent to the purpose."""
        return self._presented(Operation.WITHDRAW, presentation, asker, consents.withdraw)

    def keep_evidence(
        self,
        presentation: Presentation | Rejected,
        asker: Asker,
        *,
        evidence: Evidence,
        reference: str,
        ends: datetime,
    ) -> Resolution:
        """Keep a sign presentation where a named law wants it, under the organisation's own
        ``reference``; the years count from when the contract ``ends``. Raises StoreStateError."""
        with Keeping(self.evidence, evidence, plain(reference), ends) as keeping:
            return self._presented(Operation.KEEP_EVIDENCE, presentation, asker, keeping)

    def link(
        self, presentation: Presentation | Rejected, asker: Asker, kind: LinkKind, *,
        known: Presentation | Rejected | None = None, platform: PlatformAdapter | None = None,
    ) -> Resolution:  # fmt: skip
        """Put a second certificate to the entry of a first.

        ``presentation``: the new one. ``known``: the other, which answered the same challenge
        (one sitting); else ``platform`` is asked. Neither: refused. Raises PlatformError.
        """
        return self._linked(Operation.LINK, presentation, asker, kind, known, platform)

    def refresh(
        self, presentation: Presentation | Rejected, asker: Asker, *,
        known: Presentation | Rejected | None = None, platform: PlatformAdapter | None = None,
    ) -> Resolution:  # fmt: skip
        """Put a new sign certificate in the place of one that ended (moved, renamed, expired).

        As :meth:`link`; ``known`` is the auth certificate of the same holder, or the old sign
        certificate while it is good. Raises PlatformError.
        """
        kind = links.refreshed_by(known)
        return self._linked(Operation.REFRESH, presentation, asker, kind, known, platform)

    def _linked(
        self, operation: Operation, presentation: Presentation | Rejected, asker: Asker,
        kind: LinkKind, known: Presentation | Rejected | None, platform: PlatformAdapter | None,
    ) -> Resolution:  # fmt: skip
        own = None if known is None else self._own(known)
        found = links.counterpart(presentation, kind, own, platform, self._clock())
        refreshes = operation is Operation.REFRESH
        deed = links.refresh if refreshes else links.attach
        return self._presented(
            operation, presentation, asker, lambda here: deed(here, found, kind),
            detail="" if refreshes else kind.value,
            link=(kind, None if found is None else found.evidence),
        )  # fmt: skip

    def suspend(self, pseudonym: str, asker: Asker, *, medium: Medium | None = None) -> Resolution:
        """Shut a person out, by staff; with ``medium`` only a lost phone's certificates."""
        return self.by_staff(
            Operation.SUSPEND, pseudonym, asker, lambda here: suppression.suspend(here, medium)
        )

    def suppress(self, pseudonym: str, asker: Asker, *, lift: bool = False) -> Resolution:
        """Make a person unknown to all who ask (非開示), or ``lift`` that again."""
        deed = suppression.lift if lift else suppression.suppress
        return self.by_staff(Operation.SUPPRESS, pseudonym, asker, deed)

    def close_account(self, pseudonym: str, asker: Asker) -> Resolution:
        """End a person's entry on a document (death, end of the contract)."""
        return self.by_staff(Operation.CLOSE, pseudonym, asker, suppression.close)

    def rotate(self, service: str) -> None:
        """New index keys for a service, while it runs; what was cut short goes on."""
        self._use(rotation.rotate(self.store, self._keys, service))

    def by_staff(
        self, operation: Operation, pseudonym: str, asker: Asker, deed: StaffDeed
    ) -> Resolution:
        """Do ``deed`` for whom a pseudonym names, if the policy lets staff do it."""
        request = self.request(operation, asker)
        # What cannot be a pseudonym is looked up like one that nobody has.
        code = records.parse_pseudonym(pseudonym) or secrets.token_bytes(records.CODE_SIZE)
        return self.change(
            lambda connection: self.sitting().by_staff(connection, code, asker, request, deed)
        )

    def _presented(
        self,
        operation: Operation,
        presentation: Presentation | Rejected,
        asker: Asker,
        deed: Deed,
        *,
        detail: str = "",
        binds_card: bool = False,
        link: tuple[LinkKind, LinkEvidence | None] | None = None,
    ) -> Resolution:
        presentation = self._own(presentation)
        request = self.request(operation, asker, presentation=presentation, link=link)
        purpose = self.policy.find(asker.service, asker.purpose, operation)[1]
        if operation is Operation.ENROL and purpose is not None:
            detail = binding.enrolment_detail(purpose, binds_card=binds_card)

        def work(connection: Connection) -> Resolution:
            return self.sitting().presented(connection, presentation, asker, request, deed, detail)

        return self.change(work)

    def _own(self, presentation: Presentation | Rejected) -> Presentation | Rejected:
        """A Presentation that another validator made is no proof to this map."""
        if isinstance(presentation, Presentation) and presentation.verifier is not self.validator:
            raise EnvironmentMixedError(reason="other_validator")
        return presentation

    def request(
        self,
        operation: Operation,
        asker: Asker,
        *,
        presentation: Presentation | Rejected | None = None,
        link: tuple[LinkKind, LinkEvidence | None] | None = None,
    ) -> Request:
        """The request that the policy decides on."""
        return asker.request(operation, self.environment, self._clock(), presentation, link)

    def sitting(self) -> Sitting:
        """The moment: one time and one set of keys for a whole transaction."""
        return Sitting(
            self.policy, self._keys, self._ledger, self.environment, self._clock(), self._decide
        )

    def change(self, work: Callable[[Connection], Resolution]) -> Resolution:
        """One transaction; once more if another writer or a rotation came in between."""
        return self._current(lambda: self.store.change(work))

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """One transaction that changes nothing; once more if a rotation came in between."""

        def look() -> _T:
            with self.store.reading() as connection:
                return work(connection)

        return self._current(look)

    def _current(self, attempted: Callable[[], _T]) -> _T:
        """With the keys that count now, also when another process rotated them."""
        for attempt in (1, 2, 3):
            try:
                return attempted()
            except ConflictError:
                if attempt == 3:
                    raise
            except KeyFileError as exc:
                if attempt == 3 or exc.values.get("reason") != "rotated":
                    raise
                keys = self._keys.again()
                check_belonging(self.store, keys, self.environment)
                self._use(keys)
        raise AssertionError("unreachable")

    def checkpoint(self) -> Checkpoint:
        """Sign where the ledger stands; keep the answer elsewhere."""
        now = self._clock()
        return self.store.change(lambda connection: self._ledger.checkpoint(connection, now))

    def verify_ledger(self, *kept: Checkpoint) -> LedgerReport:
        """Compare every entry with what was hashed; ``kept``: checkpoints kept elsewhere."""
        with self.store.reading() as connection:
            return self._ledger.verify(connection, kept=kept)

    def close(self) -> None:
        self.store.close()
        if self.evidence is not None:
            self.evidence.close()

    def __enter__(self) -> Map:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_map(
    url: str,
    key_file: Path | str,
    policy: Policy,
    validator: Validator,
    *,
    cv_keys: CvKeys = MappingProxyType({}),
    clock: Callable[[], datetime] = now_utc,
    pin: Pin | None = None,
    evidence_url: str | None = None,
    grouped: bool = False,
) -> Map:
    """Open a map that is there. Raises MapError by cause.

    ``key_file``: a path, or the address of a token (``pkcs11:…``), whose ``pin`` is asked once.
    ``evidence_url``: the database of the evidence, where the policy wants some kept.
    ``grouped``: for a server, whose operations come at the same time and share commits.
    """
    keys = open_keys(key_file, pin=pin)
    with ExitStack() as opened:
        store = opened.enter_context((GroupedStore if grouped else Store).open(url))
        evidence = None
        if evidence_url is not None:
            evidence = opened.enter_context(EvidenceStore.open(evidence_url, keys))
        made = Map(store, keys, policy, validator, evidence=evidence, cv_keys=cv_keys, clock=clock)
        opened.pop_all()
        return made
