# SPDX-License-Identifier: Apache-2.0
"""The map: the one door to what is stored about persons and certificates.

Nothing here takes or returns a serial. A person is opened by a Presentation, or, for staff, by
a pseudonym with a document; what goes out is a pseudonym of one service.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from jpki.certificate.kinds import Environment
from jpki.mapping import challenges, records
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.challenges import TTL, Aim
from jpki.mapping.errors import EnvironmentMixedError, KeyFileError, StoreStateError
from jpki.mapping.keys import KeyFile, new_keys, read_keys, write_keys
from jpki.mapping.ledger import Checkpoint, Ledger, LedgerReport, now_utc
from jpki.mapping.policy import LinkEvidence, LinkKind, Operation, Policy
from jpki.mapping.presentation import Evidence, Presentation, Rejected, verify_presentation
from jpki.mapping.request import Request
from jpki.mapping.sitting import Asker, Deed, Here, Result, Sitting, closed, nobody
from jpki.mapping.store import schema
from jpki.mapping.store.store import PARTITIONS, Store
from jpki.validation.validator import Validator
from jpki.verifying.challenge import Challenge

MAP_ENVIRONMENTS = frozenset({Environment.PRODUCTION, Environment.TEST})


class Map:
    """A store with its keys, a policy, and the map's own validator.

    ``clock``: the map's clock (aware). Raises EnvironmentMixedError unless store, keys and
    trust are of one environment, KeyFileError unless the keys belong to the store.
    """

    def __init__(
        self,
        store: Store,
        keys: KeyFile,
        policy: Policy,
        validator: Validator,
        *,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self.store = store
        self.policy = policy
        self.validator = validator
        self.environment = check_belonging(store, keys, validator.trust.environment)
        self._clock = clock
        self._use(keys)

    def _use(self, keys: KeyFile) -> None:
        self._keys = keys
        self._ledger = Ledger(keys)

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
        ttl: timedelta = TTL,
    ) -> Challenge:
        """A challenge for one operation of one purpose, written down to be used once.

        Raises StoreStateError (``purpose_unknown``) where the policy does not know what is meant.
        """
        named = self.policy.find(service, purpose, operation)
        if named[0] is None or named[1] is None:
            raise StoreStateError(reason="purpose_unknown")
        aim = Aim(named[0].id, named[1].id, operation, detail)
        now = self._clock()

        def work(connection: Connection) -> Challenge:
            challenges.purge(connection, now)
            return challenges.issue(connection, aim, origin=origin, now=now, ttl=ttl)

        return self.store.change(work)

    def resolve(self, presentation: Presentation | Rejected, asker: Asker) -> Resolution:
        """The pseudonym of who presented, in the asker's service."""
        return self._presented(Operation.RESOLVE, presentation, asker, _resolve)

    def enrol(self, presentation: Presentation | Rejected, asker: Asker) -> Resolution:
        """Register who presented: a new handle and pseudonym, or ``duplicate``."""
        return self._presented(Operation.ENROL, presentation, asker, _enrol)

    def erase(self, presentation: Presentation | Rejected, asker: Asker) -> Resolution:
        """Erase who presented. Kept: the ledger without its link, and what a named law keeps."""
        return self._presented(Operation.ERASE, presentation, asker, _erase)

    def _presented(
        self,
        operation: Operation,
        presentation: Presentation | Rejected,
        asker: Asker,
        deed: Deed,
        *,
        detail: str = "",
        consent: bool | None = None,
        link: tuple[LinkKind, LinkEvidence] | None = None,
    ) -> Resolution:
        presentation = self._own(presentation)
        request = self.request(
            operation, asker, presentation=presentation, consent=consent, link=link
        )

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
        consent: bool | None = None,
        link: tuple[LinkKind, LinkEvidence] | None = None,
    ) -> Request:
        """The request that the policy decides on."""
        ref = None if presentation is None else presentation.ref
        return Request(
            operation=operation,
            actor=asker.actor,
            at=self._clock(),
            service=asker.service,
            purpose=asker.purpose,
            role=asker.role,
            proof=None if presentation is None else presentation.proof,
            medium=None if ref is None else ref.medium,
            items=asker.items,
            consent=consent,
            link=None if link is None else link[0],
            link_evidence=None if link is None else link[1],
            document=asker.document,
            receiver=asker.receiver,
            channel=asker.channel,
            environment=None if presentation is None else presentation.environment,
            map_environment=self.environment,
            minor=asker.minor,
            guardian=asker.guardian,
        )

    def sitting(self) -> Sitting:
        """The moment: one time and one set of keys for a whole transaction."""
        return Sitting(self.policy, self._keys, self._ledger, self.environment, self._clock())

    def change(self, work: Callable[[Connection], Resolution]) -> Resolution:
        """One transaction; once more if another writer or a rotation came in between."""
        for attempt in (1, 2, 3):
            try:
                return self.store.change(work)
            except IntegrityError:
                if attempt == 3:
                    raise StoreStateError(reason="conflict") from None
            except KeyFileError as exc:
                if attempt == 3 or exc.values.get("reason") != "rotated" or not self._reload():
                    raise
        raise AssertionError("unreachable")

    def _reload(self) -> bool:
        """Read the key file again after somebody rotated it."""
        if self._keys.path is None:
            return False
        keys = read_keys(self._keys.path)
        check_belonging(self.store, keys, self.environment)
        self._use(keys)
        return True

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

    def __enter__(self) -> Map:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create_map(
    url: str,
    key_file: Path,
    policy: Policy,
    environment: Environment,
    *,
    partitions: int = PARTITIONS,
    now: datetime | None = None,
) -> None:
    """Make a store and its key file, for one environment for life.

    Raises KeyFileError (``exists``), StoreStateError (``exists``); then nothing was made.
    """
    if environment not in MAP_ENVIRONMENTS:
        raise EnvironmentMixedError(map=environment.value, given=environment.value)
    keys = new_keys(environment, tuple(service.id for service in policy.services))
    at = now_utc() if now is None else now
    keys = write_keys(keys, key_file)
    facts = {
        "map": keys.map_id,
        "environment": environment.value,
        "created": at.isoformat(timespec="seconds"),
        "ledger_public_key": keys.public_key().hex(),
    }
    try:
        with Store.create(url, facts, partitions=partitions, first=_first(keys, at)):
            return
    except BaseException:
        key_file.unlink(missing_ok=True)
        raise


def _first(keys: KeyFile, at: datetime) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        Ledger(keys).begin(connection, at)
        for service in keys.services:
            add_service(connection, keys, service)

    return work


def add_service(connection: Connection, keys: KeyFile, service: str) -> None:
    """Write down which keys a service has."""
    own = keys.service(service)
    connection.execute(
        insert(schema.SERVICE_KEY).values(service=service, epoch=own.epoch, fingerprint=own.check())
    )


def open_map(
    url: str,
    key_file: Path,
    policy: Policy,
    validator: Validator,
    *,
    clock: Callable[[], datetime] = now_utc,
) -> Map:
    """Open a map that is there. Raises MapError by cause."""
    keys = read_keys(key_file)
    store = Store.open(url)
    try:
        return Map(store, keys, policy, validator, clock=clock)
    except BaseException:
        store.close()
        raise


def check_belonging(store: Store, keys: KeyFile, environment: Environment) -> Environment:
    """The environment that store, keys and trust share. Raises as :class:`Map` does."""
    facts = store.facts()
    path = str(keys.path or "")
    if facts.get("map") != keys.map_id or facts.get("ledger_public_key") != (
        keys.public_key().hex()
    ):
        raise KeyFileError(reason="other_map", path=path)
    if facts.get("environment") != keys.environment.value:
        raise EnvironmentMixedError(map=facts.get("environment"), given=keys.environment.value)
    if environment is not keys.environment:
        raise EnvironmentMixedError(map=keys.environment.value, given=environment.value)
    return keys.environment


def _resolve(here: Here) -> Result:
    if here.found.handle is None:
        return nobody(here.found)
    shut = closed(here.found)
    if shut is not None:
        return shut
    return Result(Outcome.RESOLVED, pseudonym=here.found.pseudonym, about=here.found.handle)


def _enrol(here: Here) -> Result:
    if here.found.handle is not None:
        return Result(Outcome.DUPLICATE, about=here.found.handle)
    handle, pseudonym = records.register(here.connection, here.service, here.now)
    kind = (here.presentation.family, here.presentation.medium)
    records.add_certificate(here.connection, here.service, handle, here.index, kind, here.now)
    if here.purpose.stores_serial:
        keys = here.keys.service(here.service)
        records.keep_serial(here.connection, here.service, handle, keys, here.presentation.ref)
    secret = "enrolled_beside_suppressed" if here.found.hidden else ""
    return Result(Outcome.RESOLVED, pseudonym=pseudonym, about=handle, secret=secret)


def _erase(here: Here) -> Result:
    if here.found.handle is None:
        return nobody(here.found)
    records.remove(here.connection, here.found.handle)
    return Result(Outcome.DONE, about=None)
