# SPDX-License-Identifier: Apache-2.0
"""Flows for tests: one town with every service, a desk that knows a card's PINs, any flow by id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from issued import ISSUER
from jpki.card_map import PinKind
from jpki.certificate.kinds import Environment
from jpki.emulator import EmulatedCard
from jpki.emulator.card import ApduTrace
from jpki.kiosk.documents.form import FilledForm
from jpki.kiosk.endings import ending_of
from jpki.kiosk.flows.age_check import AgeCheck
from jpki.kiosk.flows.application import Application
from jpki.kiosk.flows.eligibility import Eligibility
from jpki.kiosk.flows.face_check import FaceCheck
from jpki.kiosk.flows.form_filling import Form, FormFilling
from jpki.kiosk.flows.identity_proofing import IdentityProofing
from jpki.kiosk.flows.number_giving import NumberGiving
from jpki.kiosk.flows.pseudonym import SERVICES, PseudonymService
from jpki.kiosk.records import MemoryRecords
from jpki.kiosk.scripted import ScriptedDesk
from jpki.kiosk.server.half import ServerHalf, ServerHalfError
from jpki.kiosk.server.local import LocalServer, Office
from jpki.kiosk.server.tickets import TicketDesk
from jpki.kiosk.visit import CancelledError, Close, Ending, Flow, Page, Visit
from jpki.mapping.evidence import EvidenceStore
from jpki.mapping.key_file import read_keys
from jpki.mapping.opening import create_map
from jpki.mapping.policy_file import load_policy
from jpki.mapping.service import Map, open_map
from jpki.open import emulated_card, load_trust, open_card, plug, unplug
from jpki.open_flows import ACTORS, town_policy
from jpki.verifying.judge import Judge
from jpki.verifying.material import TrustMaterial, ValidationOptions
from map_bench import NOW, ORIGIN, Clock

VERIFY = 0x20
CHOICES = {"whose_card": "own_card", "confirm_by": "with_pin", "application": "nursery"}
YES = frozenset(
    {"form_filled", "face", "give_number", "guardian", "sign_certificate", "consent", "register",
     "will_sign"}
)  # fmt: skip
FORM = Form("転居届", ("name", "birth"))
NURSERY = FilledForm("保育所等利用申込書", "○○市長 様", (("希望する保育所", "中里保育園"),))


@dataclass
class Bureau:
    """A map with every service, and what flows handed over."""

    map: Map
    clock: Clock
    trust: TrustMaterial
    evidence: EvidenceStore
    tickets: TicketDesk = field(default_factory=TicketDesk)
    handed: list[Any] = field(default_factory=list)

    def half(self, actor: str) -> LocalServer:
        """The server half for an actor. Contracts end in a year."""
        return LocalServer(
            self.map, Office(ISSUER, MemoryRecords()), terminal=actor, origin=ORIGIN,
            tickets=self.tickets, clock=self.clock,
            contract_end=lambda reference: NOW + timedelta(days=365),
        )  # fmt: skip

    def flow(self, id: str, half: ServerHalf | None = None, **more: Any) -> Flow:
        """A flow; what it hands over is put down in ``handed``."""
        actor, put = ACTORS[id], self.handed.append
        server = half or self.half(actor)
        keys, counter = self.trust.cv_keys, load_policy("counter")
        made: Mapping[str, Callable[[], Flow]] = {
            "form_filling": lambda: FormFilling(
                counter, keys, FORM, lambda form, values: put(dict(values)), actor=actor, **more
            ),
            "age_check": lambda: AgeCheck(load_policy("age"), keys, actor=actor, **more),
            "face_check": lambda: FaceCheck(counter, keys, actor=actor, **more),
            "number_giving": lambda: NumberGiving(
                counter, keys, put, role="個人番号利用事務実施者", actor=actor, **more
            ),
            "application": lambda: Application(
                counter, self.judge, {"nursery": NURSERY}, put, actor=actor, **more
            ),
            "identity_proofing": lambda: IdentityProofing(
                server, load_policy("kyc"), lambda: "contract 9"
            ),
            "eligibility": lambda: Eligibility(server, load_policy(id), hand_over=put),
        }
        if id in made:
            return made[id]()
        preset, service, purpose = SERVICES[id]
        return PseudonymService(id, server, load_policy(preset), service, purpose, hand_over=put)

    def close(self) -> None:
        self.evidence.close()
        self.map.close()

    def judge(self, at: datetime) -> Judge:
        return Judge(self.trust, ValidationOptions(at=at))


def bureau(folder: Path) -> Bureau:
    """A new town whose map has every service of the presets, and a store for evidence."""
    clock, trust = Clock(), load_trust("test", at=NOW)
    url, key_file = f"sqlite:///{folder}/map.db", folder / "map.keys"
    policy = town_policy(load_policy("konbini"))
    evidence_url = f"sqlite:///{folder}/evidence.db"
    create_map(url, key_file, policy, Environment.TEST, now=NOW, evidence_url=evidence_url)
    opened = open_map(
        url, key_file, policy, ValidationOptions(at=NOW).validator(trust),
        cv_keys=trust.cv_keys, clock=clock, evidence_url=evidence_url,
    )  # fmt: skip
    evidence = EvidenceStore.open(evidence_url, read_keys(key_file))
    return Bureau(opened, clock, trust, evidence)


def desk_for(card: EmulatedCard, *, kind: type[Any] = ScriptedDesk, **more: Any) -> Any:
    """A person who knows every PIN of the card and says yes to everything."""
    pins = {PinKind(kind.replace("_", "-")): pin for kind, pin in card.pins().items()}
    return kind(**{"choices": CHOICES, "pins": pins, "yes": YES, **more})


@dataclass
class Visited:
    """What came of a visit. ``tries``: VERIFY commands with data (count); ``apdus``: count."""

    ending: Ending
    tries: int
    apdus: int


class Clocked(Protocol):
    """Whatever has a clock that flows go by."""

    @property
    def clock(self) -> Clock: ...


def visit(place: Clocked, flow: Flow, card: EmulatedCard, desk: Any) -> Visited:
    """One visit with the card on the reader."""
    seen: list[ApduTrace] = []
    card.log = seen.append
    uri = plug(card)
    try:
        with open_card(uri, at=NOW, trust="test").card as opened:
            ending = flow.run(Visit(opened, desk, clock=place.clock))
    except Exception as error:
        ending = ending_of(error)
    finally:
        unplug(uri)
    tries = sum(trace.header[1] == VERIFY and trace.lc > 0 for trace in seen)
    return Visited(ending, tries, len(seen))


def a_card(name: str, faults: Iterable[str] = ()) -> EmulatedCard:
    return emulated_card(name, at=NOW, faults=faults)


GONE = {"card_gone", "pin_unknown"}


def pull_everywhere(
    place: Clocked, flow: Flow, desk: Callable[[EmulatedCard], Any], name: str = "hanako"
) -> int:
    """Pull the card at every command of a visit that would be done: at most one VERIFY, no try
    lost, no document. How many commands there were."""
    whole = visit(place, flow, a_card(name), desk(a_card(name)))
    assert whole.ending.close is Close.DONE, whole.ending
    for number in range(1, whole.apdus):  # the last one powers nothing: all has been read
        card = a_card(name, [f"pull:during@{number}"])
        visited = visit(place, flow, card, desk(card))
        assert visited.ending.code in GONE, number
        assert visited.tries <= 1
        assert visited.ending.document is None
        assert card.tries() == a_card(name).tries()
    return whole.apdus


class Failing:
    """A server half of which one call fails, the ``number``-th (from 1) of its kind."""

    def __init__(self, half: ServerHalf, call: str, number: int = 1) -> None:
        self._half, self._call, self._left = half, call, number

    def __getattr__(self, name: str) -> Any:
        def run(*arguments: Any) -> Any:
            if name == self._call:
                self._left -= 1
                if self._left == 0:
                    raise ServerHalfError("server_slow")
            return getattr(self._half, name)(*arguments)

        return run


class Stopping(ScriptedDesk):
    """A person who stops at the ``number``-th thing that is asked (from 1)."""

    number = 0

    def _ask(self) -> None:
        if len(self.asked) + 1 == self.number:
            raise CancelledError

    def choose(self, question: Any) -> str:
        self._ask()
        return super().choose(question)

    def pin(self, counter: Any) -> bytearray:
        self._ask()
        return super().pin(counter)

    def confirm(self, page: Page) -> bool:
        self._ask()
        return super().confirm(page)
