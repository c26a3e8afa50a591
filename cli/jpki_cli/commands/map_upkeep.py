# SPDX-License-Identifier: Apache-2.0
"""``jpki map init`` makes a map, test or production for life; ``rotate`` renews its index keys."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from jpki_cli.clicks import Moment, UsageFault, command, option
from jpki_cli.maps import (
    Place,
    evidence_option,
    map_options,
    named_environment,
    opened_store,
    upkeep_options,
)
from jpki_cli.policies import in_language
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.certificate.kinds import Environment
    from jpki.mapping.policy import Policy


@command("init")
@map_options
@evidence_option
@option("--extend", is_flag=True)
@option("--at", metavar="TIME", type=Moment())
def init(
    session: Session, evidence_db: str | None, extend: bool, at: datetime | None, **given: Any
) -> None:
    from jpki.certificate.kinds import Environment
    from jpki.mapping.opening import create_map, extend_map
    from jpki.mapping.store.store import Store

    environment = named_environment(session) or Environment.PRODUCTION
    if at is not None and environment is not Environment.TEST:
        raise UsageFault("usage_map_at")
    place = Place.from_options(session, given)
    policy = place.load_policy()
    if extend:
        new = extend_map(place.db, place.keys, policy, pin=place.pin, evidence_url=evidence_db)
        with Store.open(place.db) as store:
            environment = Environment(store.facts()["environment"])
    else:
        now = session.app.clock() if at is None else at
        create_map(
            place.db,
            place.keys,
            policy,
            environment,
            pin=place.pin,
            evidence_url=evidence_db,
            now=now,
        )
        new = tuple(service.id for service in policy.services)
    _say_made(session, place, policy, environment, new, extended=extend)


def _say_made(
    session: Session,
    place: Place,
    policy: Policy,
    environment: Environment,
    new: tuple[str, ...],
    *,
    extended: bool,
) -> None:
    if session.json:
        session.emit(
            {
                "schema": "jpki.map.init/1",
                "environment": environment.value,
                "policy": policy.name,
                "version": policy.version,
                "key_file": place.keys,
                "services": list(new),
            }
        )
        return
    screen = session.screen()
    screen.line((t("map.extended" if extended else "map.made"), "strong"))
    screen.line(t(f"map.environment.{environment.value}"))
    screen.table([(s.id, in_language(s.title)) for s in policy.services if s.id in new] or [("–",)])
    screen.paragraph(t("map.keep_apart", path=place.keys))


@command("rotate")
@upkeep_options
@option("--service", metavar="ID")
def rotate(session: Session, service: str | None, **given: Any) -> None:
    from jpki.mapping import rotation

    with opened_store(session, given) as (store, keys):
        if service is None:
            if len(keys.services) != 1:
                raise UsageFault("usage_missing", option="--service")
            (service,) = keys.services
        epoch = rotation.rotate(store, keys, service).service(service).epoch
    if session.json:
        session.emit({"schema": "jpki.map.rotation/1", "service": service, "epoch": epoch})
        return
    session.screen().paragraph(t("map.rotated", service=service, epoch=epoch))
