# SPDX-License-Identifier: Apache-2.0
"""What the commands of ``jpki map`` share: which map is opened, how, and who asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from jpki_cli.clicks import Moment, OneOf, UsageFault, option
from jpki_cli.options import together
from jpki_cli.prompts import read_lines
from jpki_cli.session import Session
from jpki_cli.texts import t
from jpki_cli.validation import Asked, material

if TYPE_CHECKING:
    from datetime import datetime

    from jpki.certificate.kinds import Environment
    from jpki.mapping.keys import KeyRing
    from jpki.mapping.policy import Policy
    from jpki.mapping.service import Map
    from jpki.mapping.sitting import Asker
    from jpki.mapping.store.store import Store

# Spelled with hyphens on the command line. A test compares them with the library's.
ROLES = (
    "signature-verifier", "authentication-verifier", "special-verifier", "platform-operator",
    "service-provider",
)  # fmt: skip
CHANNELS = ("terminal", "staff", "online")
LINKS = ("old-new", "sign-auth", "card-phone")

_place = (
    option("--db", metavar="URL"),
    option("--key-file", metavar="FILE|URI", required=True),
    option("--pin-fd", metavar="N", type=click.INT),
)

map_options = together(*_place, option("--policy", metavar="PRESET|FILE", required=True))
"""Of every command that does something under a policy."""

upkeep_options = together(*_place, option("--policy", metavar="PRESET|FILE"))
"""Of every command that looks after a map, whatever its policy."""

evidence_option = option("--evidence-db", metavar="URL")
"""The database of the evidence that a named law wants kept."""

purpose_options = together(
    option("--service", metavar="ID"),
    option("--purpose", metavar="ID"),
)

actor_options = together(
    option("--actor", metavar="NAME", required=True),
    option("--role", metavar="ROLE", type=OneOf(*ROLES)),
    option("--channel", metavar="KIND", type=OneOf(*CHANNELS)),
    option("--receiver", metavar="NAME", default=""),
)
"""Who asks. Facts that the policy weighs and the store cannot know."""

staff_options = together(
    option("--document", metavar="TEXT", default=""),
    map_options,
    purpose_options,
    actor_options,
    option("--at", metavar="TIME", type=Moment()),
)
"""Of every command of staff, which rests on a document."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a map is: its database, its keys (a file or ``pkcs11:…``), and its policy.

    ``pin``: asks for the PIN of a token, once.
    """

    db: str
    keys: str
    policy: str | None
    pin: Callable[[], bytearray] | None

    @classmethod
    def from_options(cls, session: Session, given: dict[str, Any]) -> Place:
        """Take ``map_options`` or ``upkeep_options`` out of ``given``; the database may stand
        in JPKI_MAP_DB. Raises UsageFault, MissingExtraError."""
        if find_spec("sqlalchemy") is None or find_spec("alembic") is None:
            from jpki.errors import MissingExtraError

            raise MissingExtraError(extra="map")
        from jpki.mapping.keys import is_token

        db = given.pop("db") or session.app.env.get("JPKI_MAP_DB")
        if not db:
            raise UsageFault("usage_map_db")
        keys, fd = given.pop("key_file"), given.pop("pin_fd")
        pin = _token_pin(session, fd) if is_token(keys) else None
        return cls(db, keys, given.pop("policy"), pin)

    def load_policy(self) -> Policy:
        """The policy, without an error in it. Raises ConfigurationError, PolicyWantingError."""
        from jpki.mapping.opening import check_policy
        from jpki.mapping.policy_file import load_policy

        assert self.policy is not None
        policy = load_policy(self.policy)
        check_policy(policy)
        return policy


def _token_pin(session: Session, fd: int | None) -> Callable[[], bytearray]:
    """Where a token's PIN comes from: the first line of ``--pin-fd``, else a person."""
    if fd is not None:
        (line,) = read_lines(fd, 1)
        return lambda: line
    if not session.app.has_terminal():
        raise UsageFault("usage_no_terminal")
    return lambda: session.app.ask_pin(t("map.ask_token_pin") + " ")


@contextmanager
def opened_map(
    session: Session, given: dict[str, Any], asked: Asked, *, lasting: bool = False
) -> Iterator[Map]:
    """The map that the options name, with trust and revocation data of its own.

    ``lasting``: for a server, whose «now» moves on. Takes ``map_options`` and
    ``evidence_option`` out of ``given``. Its trust stands on the command line, and its clock is
    the clock: only that of a test map may be set, with ``--at``.
    """
    from jpki.certificate.kinds import Environment
    from jpki.mapping.service import open_map

    session.trust_from_command_line()
    place = Place.from_options(session, given)
    policy, evidence_url = place.load_policy(), given.pop("evidence_db", None)
    trust, options = material(session, asked)
    if asked.at is not None and trust.store.environment is not Environment.TEST:
        raise UsageFault("usage_map_at")
    validator = (replace(options, at=None) if lasting else options).validator(trust)
    clock = session.app.clock if asked.at is None else partial(_same, asked.at)
    with open_map(
        place.db, place.keys, policy, validator, cv_keys=trust.cv_keys, clock=clock,
        pin=place.pin, evidence_url=evidence_url, grouped=lasting,
    ) as table:  # fmt: skip
        yield table


def _same(moment: datetime) -> datetime:
    """A clock that stands."""
    return moment


@contextmanager
def opened_store(session: Session, given: dict[str, Any]) -> Iterator[tuple[Store, KeyRing]]:
    """Store and keys for looking after a map, whatever its policy and roots.

    ``--trust`` and ``--policy`` need not be given; what is given must fit.
    """
    from jpki.mapping.keys import open_keys
    from jpki.mapping.opening import check_belonging
    from jpki.mapping.store.store import Store

    place = Place.from_options(session, given)
    if place.policy is not None:
        place.load_policy()
    keys = open_keys(place.keys, pin=place.pin)
    with Store.open(place.db) as store:
        check_belonging(store, keys, named_environment(session) or keys.environment)
        yield store, keys


def named_environment(session: Session) -> Environment | None:
    """The environment of ``--trust`` on the command line; None where it is not given."""
    from jpki.certificate.kinds import Environment

    named = session.given.get("trust")
    if named is None:
        return None
    return Environment(named) if named in set(Environment) else Environment.CUSTOM


def asker_of(given: dict[str, Any]) -> Asker:
    """Take who asks out of ``given``."""
    from jpki.mapping.policy import ActorKind, Role
    from jpki.mapping.sitting import Asker

    role, channel = given.pop("role"), given.pop("channel")
    guardian = given.pop("guardian", None)
    return Asker(
        actor=given.pop("actor"),
        service=given.pop("service"),
        purpose=given.pop("purpose"),
        role=None if role is None else Role(role.replace("-", "_")),
        channel=None if channel is None else ActorKind(channel),
        receiver=given.pop("receiver"),
        document=given.pop("document", ""),
        items=frozenset(given.pop("item", ())),
        minor=given.pop("child", False),
        guardian=None if guardian is None else guardian == "yes",
    )
