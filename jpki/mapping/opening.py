# SPDX-License-Identifier: Apache-2.0
"""Maps are made once, for one environment for life, and opened with what belongs to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, insert, select

from jpki.certificate.kinds import Environment
from jpki.mapping.check import Level, check
from jpki.mapping.errors import EnvironmentMixedError, KeyFileError, PolicyWantingError
from jpki.mapping.evidence import EvidenceStore
from jpki.mapping.keys import KeyRing, Pin, create_keys, open_keys
from jpki.mapping.ledger import Ledger, now_utc
from jpki.mapping.policy import Policy
from jpki.mapping.store import schema
from jpki.mapping.store.store import PARTITIONS, Store

MAP_ENVIRONMENTS = frozenset({Environment.PRODUCTION, Environment.TEST})


def create_map(
    url: str,
    key_file: Path | str,
    policy: Policy,
    environment: Environment,
    *,
    pin: Pin | None = None,
    evidence_url: str | None = None,
    partitions: int = PARTITIONS,
    now: datetime | None = None,
) -> None:
    """Make a store and its keys, for one environment for life.

    ``key_file``: a path, or the address of a token (``pkcs11:…``), whose ``pin`` is asked once.
    ``evidence_url``: another database, for the evidence that a named law wants kept.

    Raises PolicyWantingError, KeyFileError (``exists``), StoreStateError (``exists``),
    StoreUrlError; then nothing was made.
    """
    check_policy(policy)
    if environment not in MAP_ENVIRONMENTS:
        raise EnvironmentMixedError(map=environment.value, given=environment.value)
    at = now_utc() if now is None else now
    services = tuple(service.id for service in policy.services)
    keys = create_keys(key_file, environment, services, pin=pin)
    facts = {
        "map": keys.map_id,
        "environment": environment.value,
        "created": at.isoformat(timespec="seconds"),
        "ledger_public_key": keys.public_key().hex(),
    }
    evidence: EvidenceStore | None = None
    try:
        if evidence_url is not None:
            evidence = EvidenceStore.create(evidence_url, keys, beside=url, now=at)
        Store.create(url, facts, partitions=partitions, first=_first(keys, at)).close()
    except BaseException:
        keys.discard()
        if evidence is not None:
            evidence.store.discard()
        raise
    if evidence is not None:
        evidence.close()


def _first(keys: KeyRing, at: datetime) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        Ledger(keys).begin(connection, at)
        for service in keys.services:
            add_service(connection, keys, service)

    return work


def add_service(connection: Connection, keys: KeyRing, service: str) -> None:
    """Write down which keys a service has."""
    own = keys.service(service)
    connection.execute(
        insert(schema.SERVICE_KEY).values(service=service, epoch=own.epoch, fingerprint=own.check())
    )


def extend_map(
    url: str,
    key_file: Path | str,
    policy: Policy,
    *,
    pin: Pin | None = None,
    evidence_url: str | None = None,
) -> tuple[str, ...]:
    """Give keys to services that the policy has and the map has not; returns their ids.

    ``evidence_url``: of an evidence store that is made now.
    """
    check_policy(policy)
    keys = open_keys(key_file, pin=pin)
    with Store.open(url) as store:
        check_belonging(store, keys, keys.environment)
        with store.reading() as connection:
            there = set(connection.execute(select(schema.SERVICE_KEY.c.service)).scalars())
        new = tuple(service.id for service in policy.services if service.id not in there)
        # The keys first: a database that names keys nobody has would be lost.
        keys = keys.extended(new)

        def work(connection: Connection) -> None:
            for service in new:
                add_service(connection, keys, service)

        store.change(work)
    if evidence_url is not None:
        EvidenceStore.create(evidence_url, keys, beside=url, now=now_utc()).close()
    return new


def check_policy(policy: Policy) -> None:
    """Raises PolicyWantingError where an auditor would find an error (R16 among them)."""
    wrong = [finding for finding in check(policy) if finding.level is Level.ERROR]
    if wrong:
        first = wrong[0]
        raise PolicyWantingError(
            findings=len(wrong), place=first.place, rule=first.rule, article=first.article,
            finding=first.code,
        )  # fmt: skip


def check_belonging(store: Store, keys: KeyRing, environment: Environment) -> Environment:
    """The environment that store, keys and trust share. Raises as :class:`Map` does."""
    facts = store.facts()
    if facts.get("map") != keys.map_id or facts.get("ledger_public_key") != (
        keys.public_key().hex()
    ):
        raise KeyFileError(reason="other_map", path=keys.location)
    if facts.get("environment") != keys.environment.value:
        raise EnvironmentMixedError(map=facts.get("environment"), given=keys.environment.value)
    if environment is not keys.environment:
        raise EnvironmentMixedError(map=keys.environment.value, given=environment.value)
    return keys.environment
