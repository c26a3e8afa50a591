# SPDX-License-Identifier: Apache-2.0
"""Composition root of a demonstration: a whole town of invented people in one process.

A map with every built-in card enrolled, an office that issues documents, a terminal with a
virtual reader, and a bench to put cards down with. Everything is TEST and says so.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jpki.card_map import PinKind
from jpki.certificate.kinds import Environment
from jpki.errors import JpkiError
from jpki.kiosk.broadcast import Broadcast
from jpki.kiosk.documents.contents import DocumentKind
from jpki.kiosk.documents.issuing import Issuer
from jpki.kiosk.records import MemoryRecords, ResidentRecord, SealRecord, TaxRecord
from jpki.kiosk.scripted import ScriptedDesk
from jpki.kiosk.server.half import Answer, Errand, ServerHalf, ServerHalfError
from jpki.kiosk.server.local import PURPOSES, LocalServer, Office
from jpki.kiosk.server.tickets import TicketDesk
from jpki.kiosk.serving import served
from jpki.kiosk.slot import VirtualSlot
from jpki.kiosk.visit import Visit
from jpki.kiosk.web.bench import BenchCard, BenchState
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.opening import create_map
from jpki.mapping.policy import Operation
from jpki.mapping.policy_file import load_policy
from jpki.mapping.report import latest
from jpki.mapping.service import Map, open_map
from jpki.open import TEST_ISSUER, VIRTUAL, emulated_card, load_trust, open_card, plug, unplug
from jpki.open_flows import ACTORS, town_policy
from jpki.open_kiosk import listening, reader_port, serve_terminal
from jpki.open_shelter import SHELTER_ACTORS, demo_routes
from jpki.validation.validator import Validator
from jpki.verdict import Verdict
from jpki_apdu.errors import CardError

if TYPE_CHECKING:
    from jpki.emulator import EmulatedCard
    from jpki.kiosk.machine import Limits
    from jpki.kiosk.server.app import More
    from jpki.kiosk.terminal import Terminal
    from jpki.verifying.challenge import Challenge, Response

TERMINAL: Final = "kiosk-01"
FLOWS: Final = ("konbini",)
UNKNOWN: Final = ("forged", "copied")  # nobody at a counter would have enrolled these
FAULTS: Final = (
    "pull:before@6",
    "pull:during@verify",
    "pull:during@12",
    "reply:cut=3@any",
    "reply:never@8",
    "sw=6F00@sign",
    "wrong:answer",
)
FEES: Final = {DocumentKind.RESIDENCE: 200, DocumentKind.SEAL: 200, DocumentKind.TAX: 300}
CONTRACT: Final = timedelta(days=365)  # how long a contract of a demonstration lasts
_SHOWN: Final = 12  # entries of the ledger on the bench
_FARTHEST: Final = 20 * 365 * 86400  # seconds the clock may be moved, to and fro


class DemoClock:
    """The present, or as far ahead of it as somebody moved it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(slots=True)
class Town:
    """The server side of a demonstration: map, register, office."""

    table: Map
    clock: DemoClock
    watcher: Callable[[Verdict, Resolution], None]
    records: MemoryRecords = field(default_factory=MemoryRecords)
    tickets: TicketDesk = field(default_factory=TicketDesk)
    reachable: bool = True

    def half(self, terminal: str = TERMINAL) -> ServerHalf:
        """The server half for a terminal."""
        office = Office(_issuer(), self.records, FEES)
        return _Reachable(
            self,
            LocalServer(
                self.table, office, terminal=terminal, origin=f"demo:{terminal}",
                tickets=self.tickets, clock=self.clock, watcher=self.watcher,
                contract_end=lambda reference: self.clock() + CONTRACT,
            ),
        )  # fmt: skip

    def enrol(self, names: Iterable[str]) -> None:
        """Register the holders of these built-in cards, as a counter would have done."""
        for name in names:
            self._enrol(emulated_card(name, at=self.clock()))

    def _enrol(self, card: EmulatedCard) -> None:
        half = LocalServer(
            self.table, terminal=TERMINAL, origin="demo:counter", tickets=self.tickets,
            clock=self.clock,
        )  # fmt: skip
        uri, pin = plug(card), card.pins().get("auth", "")
        try:
            self._present(half, uri, pin, Operation.ENROL)
            answer = self._present(half, uri, pin, Operation.RESOLVE)
        except (JpkiError, CardError):
            return  # blocked, without a certificate, no longer good: unknown to this town
        finally:
            unplug(uri)
        pseudonym = half.pseudonym(answer.ticket)
        if answer.outcome is Outcome.RESOLVED and pseudonym is not None:
            self.records.put(pseudonym, _record(card))

    def _present(self, half: LocalServer, uri: str, pin: str, operation: Operation) -> Answer:
        from jpki.kiosk.flows.common import login

        errand = Errand("konbini", PURPOSES[DocumentKind.RESIDENCE], operation)
        with open_card(uri, trust=Environment.TEST).card as opened:
            desk = ScriptedDesk(pins={PinKind.AUTH: pin} if pin else {})
            return login(Visit(opened, desk, self.clock), half, errand)


class _Reachable:
    """A ServerHalf that a switch of the bench cuts off."""

    def __init__(self, town: Town, half: ServerHalf) -> None:
        self._town = town
        self._half = half

    def challenge(self, errand: Errand) -> Challenge:
        """As the Protocol has it."""
        return self._there().challenge(errand)

    def present(self, errand: Errand, response: Response) -> Answer:
        """As the Protocol has it."""
        return self._there().present(errand, response)

    def document(self, ticket: str, kind: DocumentKind) -> bytes:
        """As the Protocol has it."""
        return self._there().document(ticket, kind)

    def _there(self) -> ServerHalf:
        if not self._town.reachable:
            raise ServerHalfError("server_down")
        return self._half


def _issuer() -> Issuer:
    from jpki.synth.keystore import stored_ec_key

    key = stored_ec_key("document-issuer")
    return Issuer("清瀬市", "清瀬市長", TEST_ISSUER, key, Environment.TEST)


def _record(card: EmulatedCard) -> ResidentRecord:
    """An invented register entry of an invented holder."""
    from jpki.emulator.population import built_in

    holder = built_in(card.name).holder
    return ResidentRecord(
        name=holder.name,
        kana="",
        birth=holder.birth,
        sex={"1": "男", "2": "女"}.get(holder.sex, ""),
        address=holder.address,
        resident_since=date(2010, 4, 1),
        head=holder.name,
        relation="世帯主",
        seal=SealRecord(date(2012, 5, 6), holder.name[:2]),
        tax=TaxRecord(2026, 3_456_000, 2_345_000, 234_500),
    )


class DemoBench:
    """The Bench of a demonstration. ``renew`` is told when the clock was moved."""

    def __init__(self, slot: VirtualSlot, clock: DemoClock) -> None:
        from jpki.emulator.population import BUILT_IN

        self._slot = slot
        self._clock = clock
        self._lock = threading.Lock()
        # One card each, for as long as the demonstration lasts: tries that are gone stay gone.
        self._cards = {name: emulated_card(name, at=clock()) for name in BUILT_IN}
        self.cards: Sequence[BenchCard] = tuple(
            BenchCard(name, card.pins()) for name, card in self._cards.items()
        )
        self.faults: Sequence[str] = FAULTS
        self.states: Broadcast[BenchState] = Broadcast(BenchState())
        self.town: Town | None = None
        self.renew: Callable[[], None] = lambda: None

    def insert(self, name: str, *, also: bool = False) -> None:
        """As the Protocol has it."""
        card = self._cards.get(name)
        if card is None:
            raise JpkiError("bench_unknown")
        fault = self.states.value.fault
        if not also:
            self._slot.pull()  # nobody uses a card whose faults change
        card.faults = [fault] if fault else []
        self._slot.insert(card, also=also)
        self._change(card=name)

    def pull(self) -> None:
        """As the Protocol has it."""
        self._slot.pull()
        self._change(card="")

    def lose_reader(self) -> None:
        """As the Protocol has it."""
        self._slot.lose()
        self._change(card="")

    def set_fault(self, fault: str) -> None:
        """As the Protocol has it: of the cards that are put down from now on."""
        if fault and fault not in FAULTS:
            raise JpkiError("bench_unknown")
        self._change(fault=fault)

    def move_clock(self, seconds: float) -> None:
        """As the Protocol has it."""
        ahead = self._clock.ahead.total_seconds() + seconds
        if not abs(ahead) <= _FARTHEST:
            raise JpkiError("bench_unknown")
        self._clock.ahead = timedelta(seconds=ahead)
        self._change(ahead=self._clock.ahead.total_seconds())
        self.renew()

    def set_server(self, *, reachable: bool) -> None:
        """As the Protocol has it."""
        if self.town is not None:
            self.town.reachable = reachable
        self._change(server=reachable)

    def watch(self, verdict: Verdict, resolution: Resolution) -> None:
        """Show what came of a presentation, and the end of the ledger."""
        assert self.town is not None
        with self.town.table.store.reading() as connection:
            ledger = latest(connection, _SHOWN)
        self._change(
            verdict=tuple((c.name, c.outcome.value, c.code) for c in verdict.checks),
            decision=(
                resolution.outcome.value, resolution.reason, resolution.rule, resolution.article,
            ),
            ledger=ledger,
        )  # fmt: skip

    def _change(self, **changed: Any) -> None:
        with self._lock:
            self.states.publish(replace(self.states.value, **changed))


class Demonstration:
    """A town, its bench and its terminal; a context manager.

    ``reader``: ``virtual:NAME`` puts that card down to begin with, ``virtual:`` none;
    ``pcsc:…`` watches a real reader. ``folder``: private, for keys and, without ``url``, the
    map. ``flows``: ids; several are chosen from. Raises MapError, ConfigurationError,
    ReaderUriError.
    """

    def __init__(
        self,
        reader: str,
        folder: Path,
        policy: str,
        *,
        url: str | None = None,
        limits: Limits | None = None,
        flows: Sequence[str] = FLOWS,
    ) -> None:
        self._clock = DemoClock()
        self._slot = VirtualSlot()
        self._bench = DemoBench(self._slot, self._clock)
        self._limits = limits
        self._policy = policy
        self._flows = tuple(flows)
        self._desk = folder / "desk"
        scheme, _, self._card = reader.partition(":")
        self._port = self._slot if scheme == VIRTUAL else reader_port(reader)
        self._opened = ExitStack()
        self.town = self._open_town(url or f"sqlite:///{folder / 'demo.db'}", folder)

    def run(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        """Serve the terminal's page and the bench on ``listener`` until told to stop."""
        # One terminal stands for many: each flow has the actor that its policy knows.
        tokens = {
            actor: secrets.token_urlsafe(32)
            for actor in (TERMINAL, *ACTORS.values(), *SHELTER_ACTORS.values())
        }
        server = self._serve_half(tokens)

        def settings() -> dict[str, Any]:
            return {
                "server": server, "token": tokens[TERMINAL], "tokens": tokens,
                "policy": self._policy, "flows": self._flows, "trust": Environment.TEST.value,
                "ahead": self._clock.ahead.total_seconds(), "desk": str(self._desk),
            }  # fmt: skip

        def begin(terminal: Terminal) -> None:
            self._bench.renew = terminal.renew
            if self._card and self._port is self._slot:
                self._bench.insert(self._card)
            ready()

        serve_terminal(
            self._port, settings, listener, test=True, bench=self._bench,
            issuers=[_issuer().public()], clock=self._clock, limits=self._limits, ready=begin,
        )  # fmt: skip

    def _serve_half(self, tokens: Mapping[str, str]) -> str:
        """The town's server half, on loopback, for the terminal's own tokens (by actor)."""
        from jpki.kiosk.server.app import server_app
        from jpki.kiosk.server.terminals import Terminals, token_digest

        names = {token_digest(token): actor for actor, token in tokens.items()}
        listener = self._opened.enter_context(listening("127.0.0.1", 0))
        app = server_app(self.town.half, Terminals(names), self._shelter_works())
        self._opened.enter_context(served(app, listener))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    def _shelter_works(self) -> Mapping[str, More]:
        """The paths of a shelter and a gate, if a flow asks for them."""
        if not set(self._flows) & set(SHELTER_ACTORS):
            return {}
        cards = (card.name for card in self._bench.cards if card.name not in UNKNOWN)
        return demo_routes(self.town.table, self._desk, self._clock, cards).works()

    def _open_town(self, url: str, folder: Path) -> Town:
        """Make the map, or open the one that is there, and enrol everybody."""
        key_file, policy = folder / "demo.keys", town_policy(load_policy(self._policy))
        evidence = f"sqlite:///{folder / 'evidence.db'}"
        create_map(
            url, key_file, policy, Environment.TEST, now=self._clock(), evidence_url=evidence
        )
        trust = load_trust(Environment.TEST, at=self._clock())
        validator = Validator(
            trust.store, crls=trust.crls, unverified_policies=True, clock=self._clock
        )
        table = open_map(
            url, key_file, policy, validator, cv_keys=trust.cv_keys, clock=self._clock,
            evidence_url=evidence, grouped=True,
        )  # fmt: skip
        self._opened.callback(table.close)
        town = Town(table, self._clock, self._bench.watch)
        self._bench.town = town
        town.enrol(card.name for card in self._bench.cards if card.name not in UNKNOWN)
        return town

    def __enter__(self) -> Demonstration:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()
