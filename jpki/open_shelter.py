# SPDX-License-Identifier: Apache-2.0
"""Composition root of shelters and gates: a desk's keys, its flows, a demonstration's office."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from jpki.certificate.kinds import Environment
from jpki.errors import ConfigurationError, JpkiError
from jpki.mapping.ledger import now_utc
from jpki.open import open_card
from jpki_apdu.errors import CardError

if TYPE_CHECKING:
    from jpki.card.authenticity import CvKeys
    from jpki.kiosk.shelter.client import HttpShelterHalf
    from jpki.kiosk.shelter.local import Shelters
    from jpki.kiosk.shelter.notices import GatePlan
    from jpki.kiosk.shelter.office import ShelterOffice
    from jpki.kiosk.shelter.queue import DeskKeys
    from jpki.kiosk.shelter.routes import ShelterRoutes
    from jpki.kiosk.shelter.watch import Gates
    from jpki.kiosk.visit import Flow
    from jpki.mapping.policy import Policy
    from jpki.mapping.service import Map

SHELTER_ACTORS: Final[Mapping[str, str]] = MappingProxyType(
    {"shelter": "shelter-01", "watch": "gate-01"}
)
"""Who asks in a demonstration, by flow, in the policies' words."""
KEY_FILE: Final = "desk.json"


def shelter_flow(
    flow: str,
    half: HttpShelterHalf,
    policy: Policy,
    settings: Mapping[str, Any],
    cv_keys: CvKeys,
) -> Flow:
    """A flow of SHELTER_ACTORS under ``policy``.

    Settings: ``desk`` (the desk's folder, with its key file), ``ahead`` (seconds).
    Raises ConfigurationError (``desk_keys``).
    """
    from jpki.kiosk.flows.shelter import Shelter
    from jpki.kiosk.flows.watch import Watch
    from jpki.kiosk.shelter.desk import ShelterDesk

    if flow == "watch":
        return Watch(half, policy)
    ahead, folder = timedelta(seconds=settings.get("ahead", 0)), Path(settings.get("desk", ""))
    desk = ShelterDesk(half, folder, read_keys(folder), lambda: datetime.now(UTC) + ahead)
    return Shelter(desk, policy, cv_keys)


@contextmanager
def open_routes(
    table: Map,
    office: ShelterOffice | None,
    plan: GatePlan | None,
    clock: Callable[[], datetime] = now_utc,
) -> Iterator[ShelterRoutes]:
    """The paths for the desks of ``office`` and the gates of ``plan``, which are looked after
    as long as the block lasts.

    Raises ConfigurationError (``flow_no_purpose``) where the map's policy has no such service.
    """
    from jpki.kiosk.shelter.notices import gates_kept
    from jpki.kiosk.shelter.routes import ShelterRoutes

    shelters = None if office is None else _shelters(table, office, clock)
    if plan is None:
        yield ShelterRoutes(shelters)
        return
    gates = _gates(table, plan, clock)
    with gates_kept(gates):
        yield ShelterRoutes(shelters, gates)


def _shelters(table: Map, office: ShelterOffice, clock: Callable[[], datetime]) -> Shelters:
    """All desks of an office, with their tables in the map's database."""
    from jpki.kiosk.flows.common import Place
    from jpki.kiosk.shelter.half import SERVICE
    from jpki.kiosk.shelter.local import CHECK_IN, Shelters

    Place(table.policy, SERVICE, CHECK_IN).found()
    places = {name: desk.place for name, desk in office.desks.items()}
    desks = {name: desk.signing for name, desk in office.desks.items()}
    shelters = Shelters(table, places, desks, office.key, "kiosk:shelter", clock)
    shelters.prepare()
    return shelters


def _gates(table: Map, plan: GatePlan, clock: Callable[[], datetime]) -> Gates:
    """All gates of a plan, with their tables in the map's database."""
    from jpki.kiosk.flows.common import Place
    from jpki.kiosk.shelter.watch import ARRIVAL, GUARDIAN, Gates
    from jpki.kiosk.shelter.watch_half import SERVICE

    for purpose in (ARRIVAL, GUARDIAN):
        Place(table.policy, SERVICE, purpose).found()
    gates = Gates(table, plan.places, plan.notifier, "kiosk:watch", clock)
    gates.prepare()
    return gates


def write_keys(folder: Path, keys: DeskKeys) -> None:
    """Put a desk's keys into its folder, readable for its owner alone."""
    from jpki.kiosk.shelter.files import write_whole

    city = None if keys.city is None else _text(keys.city.public_bytes_raw())
    members = {
        "name": keys.name, "signing": _text(keys.signing.private_bytes_raw()),
        "server": _text(keys.server.public_bytes_raw()), "city": city,
    }  # fmt: skip
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(folder / KEY_FILE, json.dumps(members).encode("utf-8"))


def read_keys(folder: Path) -> DeskKeys:
    """A desk's keys. Raises ConfigurationError (``desk_keys``)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    from jpki.kiosk.shelter.queue import DeskKeys

    path = folder / KEY_FILE
    try:
        raw = json.loads(path.read_bytes())
        city = raw["city"] and X25519PublicKey.from_public_bytes(base64.b64decode(raw["city"]))
        return DeskKeys(
            str(raw["name"]),
            Ed25519PrivateKey.from_private_bytes(base64.b64decode(raw["signing"])),
            X25519PublicKey.from_public_bytes(base64.b64decode(raw["server"])),
            city or None,
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ConfigurationError("desk_keys", path=str(path)) from None


def demo_office(desk: Path) -> ShelterOffice:
    """An office with one desk, with keys of this one run. ``desk``: the desk's folder."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    from jpki.kiosk.shelter.office import ShelterOffice

    city = X25519PrivateKey.generate().public_key()  # nobody opens the list of a demonstration
    office, keys = ShelterOffice.new().with_desk(SHELTER_ACTORS["shelter"], "中里小学校", city)
    write_keys(desk, keys)
    return office


def demo_plan() -> GatePlan:
    """The one gate of a demonstration. Its notices go nowhere."""
    from jpki.kiosk.shelter.notices import GatePlan

    return GatePlan({SHELTER_ACTORS["watch"]: "中里小学校 正門"}, lambda *_: None)


def register(table: Map, cards: Iterable[str], clock: Callable[[], datetime]) -> None:
    """Register the holders of these built-in cards for shelters, as a counter would have done."""
    for name in cards:
        _register(table, name, clock)


def _register(table: Map, name: str, clock: Callable[[], datetime]) -> None:
    """Register one holder, and bind the card."""
    from jpki.card_map import TEXT_AP, PinKind
    from jpki.kiosk.shelter.half import SERVICE
    from jpki.kiosk.shelter.local import CHECK_IN
    from jpki.mapping.card_answer import read_binding
    from jpki.mapping.policy import Operation
    from jpki.mapping.presentation import Evidence
    from jpki.mapping.sitting import Asker
    from jpki.open import emulated_card, plug, unplug
    from jpki.verifying.login import respond

    emulated = emulated_card(name, at=clock())
    pins, uri = emulated.pins(), plug(emulated)
    challenge = table.issue_challenge(
        Operation.ENROL, origin="demo:counter", service=SERVICE, purpose=CHECK_IN, binds_card=True
    )
    try:
        with open_card(uri, trust=Environment.TEST).card as card:
            answer = respond(card, challenge, bytearray(pins["auth"].encode()), now=clock())
            text = bytearray(pins["text"].encode())
            card.pins.verify(PinKind.TEXT, text, application=TEXT_AP)
            bound = read_binding(card, challenge, now=clock())
    except (JpkiError, CardError, KeyError):
        return  # blocked, a phone, no longer good: not registered in this town
    finally:
        unplug(uri)
    asker = Asker(actor=SHELTER_ACTORS["shelter"], service=SERVICE, purpose=CHECK_IN)
    table.enrol(table.verify(Evidence(answer)), asker, card=bound)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
