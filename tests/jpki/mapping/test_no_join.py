# SPDX-License-Identifier: Apache-2.0
"""Who holds everything that is stored, said and logged cannot join two services by it.

Each of two persons does the same in both services: enrols with their card, taps, is read again,
links a phone through a platform, consents, is checked again. What stands with both services of
the one and with no service of the other would join them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import map_cards
from jpki.certificate.kinds import Family, Medium
from jpki.mapping import consent as consents
from jpki.mapping import platform_http
from jpki.mapping.card_proof import CardSitting
from jpki.mapping.platform_http import HttpPlatform
from jpki.mapping.policy import LinkKind, Operation, Policy
from jpki.mapping.presentation import Status
from jpki.mapping.records import parse_pseudonym
from jpki.mapping.store.schema import LEDGER, LEDGER_PERSON, METADATA, PSEUDONYM
from jpki.synth import SynthPki
from jpki.testing.platform_server import PlatformServer
from jpki.verifying.challenge import Challenge
from map_bench import NOW, ORIGIN, Bench, Holder, holder
from map_cards import AtTheReader, certificate_of, weak_policy

SERVICES = ("library", "pool")
WINDOW = 12  # bytes in a row that two values share: too many for chance
# Times are compared as they are stored; sizes and short counts are nobody's.
_NOISE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\b\d{1,4}\b")


@dataclass
class Person:
    """A card at the reader, a phone, a sign certificate."""

    card: str
    phone: Holder = field(default_factory=lambda: holder(medium=Medium.PHONE))
    sign: Holder = field(default_factory=lambda: holder(Family.SIGN))


def both(policy: Policy) -> Policy:
    """The same purpose for the second service as for the first."""
    own = policy.services[0].purposes[0]
    first, second = policy.services
    other = replace(own, id="pool-use", legal_basis=second.purposes[0].legal_basis)
    return replace(policy, services=(first, replace(second, purposes=(other,))))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    url = f"sqlite:///{tmp_path / 'map.db'}"
    made = map_cards.card_bench(url, tmp_path, both(weak_policy(data_items=frozenset({"name"}))))
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer(SynthPki(NOW), clock=lambda: NOW) as running:
        yield running


def use(bench: Bench, who: Person, service: str, platform: HttpPlatform) -> list[Any]:
    """Everything a person can do in a service; what the service was told, as JSON objects."""
    told: list[Any] = []
    table, card, asker = bench.map, AtTheReader(who.card), bench.asker(service)

    def issue(operation: Operation, **facts: Any) -> Any:
        bench.clock.forward(seconds=7)  # nobody does two things in one microsecond
        return table.issue_challenge(operation, origin=ORIGIN, service=service, **facts)

    def keep(answer: Any) -> None:
        told.append(answer.to_object())

    def linked(other: Holder, kind: LinkKind) -> None:
        challenge = issue(Operation.LINK, detail=kind.value)
        answer = table.link(table.verify(other.answer(challenge)), asker, kind, platform=platform)
        assert answer.done, answer.reason
        keep(answer)

    challenge = issue(Operation.ENROL, binds_card=True)
    enrolled = table.enrol(
        table.verify(card.present(challenge)), asker, card=card.binding(challenge)
    )
    assert enrolled.done, enrolled.reason
    keep(enrolled)
    keep(table.tap(card.tap(issue(Operation.RESOLVE)), asker))
    keep(table.reread(card.again(issue(Operation.RECHECK)), asker))
    linked(who.phone, LinkKind.CARD_PHONE)
    linked(who.sign, LinkKind.SIGN_AUTH)
    items = frozenset({"name"})
    challenge = issue(Operation.CONSENT, detail=consents.detail(items, "1"))
    given = table.consent(
        table.verify(who.sign.answer(challenge)), bench.asker(service, items=items), notice="1"
    )
    assert given.done, given.reason
    keep(table.disclose(table.verify(card.present(issue(Operation.DISCLOSE))), asker))
    return told


def leaves(told: object) -> Iterator[str]:
    """Every single value of a JSON object.

    Each by itself: a piece that holds the end of what is always there and the first letter of
    something random is the same for two services by chance, a dozen random letters are not.
    """
    if isinstance(told, dict):
        told = list(told.values())
    if isinstance(told, list):
        for one in told:
            yield from leaves(one)
    else:
        yield str(told)


def logged(record: logging.LogRecord) -> list[str]:
    """The text of a log line and each value in it."""
    assert record.exc_info is None
    values = record.args if isinstance(record.args, tuple) else (record.args,)
    return [record.msg, *map(str, values or ())]


def stored(bench: Bench, pseudonym: str) -> list[bytes]:
    """Every value of every row that belongs to a person of a service."""
    code = parse_pseudonym(pseudonym)
    with bench.map.store.reading() as connection:
        handle = connection.execute(
            select(PSEUDONYM.c.handle).where(PSEUDONYM.c.pseudonym == code)
        ).scalar_one()
        queries = [
            select(table).where(table.c.handle == handle)
            for table in METADATA.sorted_tables
            if "handle" in table.c
        ]
        queries.append(
            select(LEDGER)
            .join(LEDGER_PERSON, LEDGER_PERSON.c.ledger_id == LEDGER.c.ledger_id)
            .where(LEDGER_PERSON.c.handle == handle)
        )
        rows = [row for query in queries for row in connection.execute(query)]
    return [bytes(v) if isinstance(v, bytes) else str(v).encode() for row in rows for v in row]


def windows(values: list[bytes]) -> set[bytes]:
    """Every piece of ``WINDOW`` bytes; a shorter value as a whole."""
    return {
        value[at : at + WINDOW] for value in values for at in range(max(1, len(value) - WINDOW + 1))
    }


def joins(seen: Mapping[tuple[int, str], list[bytes]]) -> set[bytes]:
    """What stands with both services of the first person and never with the second."""
    first, second = ([windows(seen[person, service]) for service in SERVICES] for person in (0, 1))
    return (first[0] & first[1]) - second[0] - second[1]


def everything(
    bench: Bench,
    server: PlatformServer,
    caplog: pytest.LogCaptureFixture,
    here: list[Person],
) -> dict[tuple[int, str], list[bytes]]:
    """Values by person and service. ``here``: who is at the reader comes to its end."""
    people = [Person("hanako"), Person("driver")]
    platform = HttpPlatform(server.url, server.key)
    seen = {}
    for who in people:
        server.know(certificate_of(who.card), who.sign.certificate, who.phone.certificate)
    for number, who in enumerate(people):
        here.append(who)
        for service in SERVICES:
            caplog.clear()
            with caplog.at_level(logging.DEBUG, "jpki"):
                told = use(bench, who, service, platform)
                code = told[0]["pseudonym"]
                checked = bench.map.recheck_all(bench.asker(service), platform, only=code)
            # Neighbours on the chain are known to be neighbours (see the guide): here somebody
            # else comes in between.
            bench.ask(holder(), Operation.RESOLVE, service)
            assert checked.checked == 3
            texts = [*leaves([*told, checked.to_object()])]
            texts += [text for record in caplog.records for text in logged(record)]
            values = [_NOISE.sub("#", text).encode() for text in texts]
            seen[number, service] = stored(bench, code) + values
    return seen


def test_nothing_joins_two_services(
    bench: Bench, server: PlatformServer, caplog: pytest.LogCaptureFixture
) -> None:
    seen = everything(bench, server, caplog, [])
    assert all(len(windows(values)) > 3000 for values in seen.values())
    assert joins(seen) == set()


Plant = Callable[[pytest.MonkeyPatch, list[Person]], None]


def in_references(patch: pytest.MonkeyPatch, here: list[Person]) -> None:
    """A platform that names the person in its references."""
    patch.setattr(platform_http, "_ref", lambda raw: f"{here[-1].card}-for-life")


def in_status(patch: pytest.MonkeyPatch, here: list[Person]) -> None:
    """Something of the card in the ledger's column on its status."""
    plain = CardSitting._open

    def opened(self: CardSitting, challenge: Challenge, _: Status) -> Any:
        return plain(self, challenge, Status(f"{here[-1].card}-for-life", None))

    patch.setattr(CardSitting, "_open", opened)


@pytest.mark.parametrize("plant", [in_references, in_status])
def test_a_join_would_be_found(
    bench: Bench,
    server: PlatformServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    plant: Plant,
) -> None:
    """The test above can fail: each of these puts one value into both services."""
    here: list[Person] = []
    plant(monkeypatch, here)
    planted = windows([b"hanako-for-life"]) - windows([b"driver-for-life"])
    assert joins(everything(bench, server, caplog, here)) == planted
