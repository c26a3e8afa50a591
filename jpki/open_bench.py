# SPDX-License-Identifier: Apache-2.0
"""Composition root of a demonstration: a whole town of invented people in one process.

A map with every built-in card enrolled, an office that issues documents, a terminal with a
virtual reader, and a bench to put cards down with. Everything is TEST and says so.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jpki.certificate.kinds import Environment
from jpki.errors import JpkiError
from jpki.kiosk.broadcast import Broadcast
from jpki.kiosk.serving import served
from jpki.kiosk.shelter.keeping import Told, nobody
from jpki.kiosk.shelter.office import ShelterOffice
from jpki.kiosk.slot import VirtualSlot
from jpki.kiosk.web.bench import BenchCard, BenchState, ServerLine
from jpki.mapping.answers import Resolution
from jpki.mapping.opening import create_map
from jpki.mapping.policy_file import load_policy
from jpki.mapping.report import latest
from jpki.mapping.service import open_map
from jpki.open import VIRTUAL, emulated_card, load_trust
from jpki.open_flows import ACTORS, SHOWCASE, town_policy
from jpki.open_kiosk import listening, reader_port, serve_terminal
from jpki.open_shelter import SHELTER_ACTORS, demo_office, demo_plan, open_routes, register
from jpki.open_town import TERMINAL, DemoClock, Town, town_issuer
from jpki.validation.validator import Validator
from jpki.verdict import Verdict

if TYPE_CHECKING:
    from jpki.kiosk.machine import Limits
    from jpki.kiosk.server.app import More
    from jpki.kiosk.shelter.notices import GatePlan
    from jpki.kiosk.terminal import Terminal

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
_SHOWN: Final = 8  # entries of the ledger on the bench
_FARTHEST: Final = 20 * 365 * 86400  # seconds the clock may be moved, to and fro


class DemoBench:
    """The Bench of a demonstration. ``renew`` is told when the clock was moved.

    ``card``: one that lies on it besides the built-in ones (a card file), or one of those.
    Raises what a card file that cannot be used raises.
    """

    def __init__(self, slot: VirtualSlot, clock: DemoClock, card: str = "") -> None:
        from jpki.emulator.population import BUILT_IN

        self._slot = slot
        self._clock = clock
        self._lock = threading.Lock()
        # One card each, for as long as the demonstration lasts: tries that are gone stay gone.
        names = dict.fromkeys((*BUILT_IN, card) if card else BUILT_IN)
        self._cards = {name: emulated_card(name, at=clock()) for name in names}
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
        before = self.states.value.card if also else ""
        self._change(card=f"{before} + {name}" if before else name, verdict=(), decision=())

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

    def set_server(self, line: ServerLine) -> None:
        """As the Protocol has it."""
        if self.town is not None:
            self.town.line = line
        self._change(server=line)

    def watch(self, verdict: Verdict, resolution: Resolution) -> None:
        """Show what came of a login."""
        self._change(
            verdict=tuple((c.name, c.outcome.value, c.code) for c in verdict.checks),
            decision=(
                resolution.outcome.value, resolution.reason, resolution.rule, resolution.article,
            ),
        )  # fmt: skip

    def show_ledger(self) -> None:
        """Show the end of the ledger as it is now."""
        assert self.town is not None
        with self.town.table.store.reading() as connection:
            ledger = latest(connection, _SHOWN)
        self._change(ledger=ledger)

    def _change(self, **changed: Any) -> None:
        with self._lock:
            self.states.publish(replace(self.states.value, **changed))


class Demonstration:
    """A town, its bench and its terminal; a context manager.

    ``reader``: ``virtual:NAME`` puts that card down to begin with, ``virtual:`` none;
    ``pcsc:…`` watches a real reader. ``folder``: private, for keys and, without ``url``, the
    map. ``flows``: ids; several are chosen from. ``synced``: told what came of check-ins that
    waited for the line. Raises MapError, ConfigurationError, ReaderUriError.
    """

    def __init__(
        self,
        reader: str,
        folder: Path,
        policy: str,
        *,
        url: str | None = None,
        limits: Limits | None = None,
        flows: Sequence[str] = SHOWCASE,
        synced: Told = nobody,
    ) -> None:
        self._clock = DemoClock()
        self._slot = VirtualSlot()
        scheme, _, card = reader.partition(":")
        self._card = card if scheme == VIRTUAL else ""
        self._own_cards = [self._card] if self._card else []
        self._bench = DemoBench(self._slot, self._clock, self._card)
        self._limits = limits
        self._policy = policy
        self._flows = tuple(flows)
        self._synced = synced
        self._desk = folder / "desk"
        self._port = self._slot if scheme == VIRTUAL else reader_port(reader)
        self._opened = ExitStack()
        self.town = self._open_town(url or f"sqlite:///{folder / 'demo.db'}", folder)

    def run(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        """Serve the terminal's page and the bench on ``listener`` until told to stop."""
        # One terminal stands for many: each flow has the actor that its policy knows.
        actors = (TERMINAL, *ACTORS.values(), *SHELTER_ACTORS.values())
        tokens = {actor: secrets.token_urlsafe(32) for actor in actors}
        server = self._serve_half(tokens)

        def settings() -> dict[str, Any]:
            return {
                "server": server, "token": tokens[TERMINAL], "tokens": tokens,
                "policy": self._policy, "flows": self._flows, "trust": Environment.TEST.value,
                "ahead": self._clock.ahead.total_seconds(), "desk": str(self._desk),
                "cards": self._own_cards,
            }  # fmt: skip

        def begin(terminal: Terminal) -> None:
            self._bench.renew = terminal.renew
            if self._card:
                self._bench.insert(self._card)
            self._bench.show_ledger()
            ready()

        serve_terminal(
            self._port, settings, listener, test=True, bench=self._bench,
            issuers=[town_issuer().public()], clock=self._clock, limits=self._limits,
            synced=self._synced, ready=begin,
        )  # fmt: skip

    def _serve_half(self, tokens: Mapping[str, str]) -> str:
        """The town's server half, on loopback, for the terminal's own tokens (by actor)."""
        from jpki.kiosk.server.app import server_app
        from jpki.kiosk.server.terminals import Terminals, token_digest

        names = {token_digest(token): actor for actor, token in tokens.items()}
        listener = self._opened.enter_context(listening("127.0.0.1", 0))
        app = server_app(self.town.half, Terminals(names), self._own_shelter())
        self._opened.enter_context(served(app, listener))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    def _own_shelter(self) -> Mapping[str, More]:
        """The paths of a shelter and a gate, if a flow asks for them."""
        if not set(self._flows) & set(SHELTER_ACTORS):
            return {}
        return self.shelter_works(demo_office(self._desk), demo_plan())

    def shelter_works(
        self, office: ShelterOffice | None, plan: GatePlan | None
    ) -> Mapping[str, More]:
        """What is done under the paths of a shelter's desks and a school's gates."""
        if office is not None:
            register(self.town.table, self._known(), self._clock)
        opened = open_routes(self.town.table, office, plan, self._clock)
        works = self._opened.enter_context(opened).works()
        return {path: self.town.behind_line(work) for path, work in works.items()}

    def _known(self) -> list[str]:
        """Cards whose holders are registered in this town."""
        return [card.name for card in self._bench.cards if card.name not in UNKNOWN]

    def _open_town(self, url: str, folder: Path) -> Town:
        """Make the map, or open the one that is there, and enrol everybody."""
        key_file, policy = folder / "demo.keys", town_policy(load_policy(self._policy))
        evidence = f"sqlite:///{folder / 'evidence.db'}"
        create_map(
            url, key_file, policy, Environment.TEST, now=self._clock(), evidence_url=evidence
        )
        trust = load_trust(Environment.TEST, at=self._clock(), cards=self._own_cards)
        validator = Validator(
            trust.store, crls=trust.crls, unverified_policies=True, clock=self._clock
        )
        table = open_map(
            url, key_file, policy, validator, cv_keys=trust.cv_keys, clock=self._clock,
            evidence_url=evidence, grouped=True,
        )  # fmt: skip
        self._opened.callback(table.close)
        town = Town(table, self._clock, self._bench.watch, self._bench.show_ledger)
        self._bench.town = town
        town.enrol(self._known())
        return town

    def __enter__(self) -> Demonstration:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()
