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
from jpki.mapping.keys import KeyFile, new_keys, read_keys, write_keys
from jpki.mapping.ledger import Ledger, now_utc
from jpki.mapping.policy import Policy
from jpki.mapping.store import schema
from jpki.mapping.store.store import PARTITIONS, Store

MAP_ENVIRONMENTS = frozenset({Environment.PRODUCTION, Environment.TEST})


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

    Raises PolicyWantingError, KeyFileError (``exists``), StoreStateError (``exists``); then
    nothing was made.
    """
    check_policy(policy)
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


def extend_map(url: str, key_file: Path, policy: Policy) -> tuple[str, ...]:
    """Give keys to services that the policy has and the map has not; returns their ids."""
    check_policy(policy)
    keys = read_keys(key_file)
    with Store.open(url) as store:
        check_belonging(store, keys, keys.environment)
        with store.reading() as connection:
            there = set(connection.execute(select(schema.SERVICE_KEY.c.service)).scalars())
        new = tuple(service.id for service in policy.services if service.id not in there)
        for service in new:
            keys = keys.with_service(service)
        # The file first: a database that names keys nobody has would be lost.
        write_keys(keys, key_file, overwrite=True)

        def work(connection: Connection) -> None:
            for service in new:
                add_service(connection, keys, service)

        store.change(work)
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
