# SPDX-License-Identifier: Apache-2.0
"""The bench panel of a demonstration: put invented cards down, break things, look inside.

On a page of its own, absent unless a bench is given.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

from jpki import messages
from jpki.errors import JpkiError
from jpki.kiosk.broadcast import Broadcast
from jpki.kiosk.serving import TooLargeError, read_body
from jpki.kiosk.web.app import event, static_file
from jpki.mapping.report import LedgerLine

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

MAX_ORDER = 2048
_WORDS: Final = (
    "title", "terminal", "check", "card", "put_down", "second", "take_away", "unplug", "now",
    "nothing", "pins", "faults", "fault", "next_card", "line", "line_on", "line_slow", "line_off",
    "clock", "back_day", "on_day", "on_year", "present", "ahead", "verdict", "no_verdict",
    "decision", "name", "outcome", "code", "ledger", "no_ledger", "number", "at", "operation",
    "purpose", "article", "actor", "reason", "failed",
)  # fmt: skip


class ServerLine(StrEnum):
    """The line between the terminal and its server half."""

    ON = "on"
    SLOW = "slow"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class BenchCard:
    """An invented card. Its PINs are shown: it belongs to nobody."""

    name: str
    pins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BenchState:
    """What lies on the bench. ``ahead``: seconds that the clock was moved; ``verdict``: checks
    of the last login (name, outcome, code); ``decision``: outcome, reason, rule, article."""

    card: str = ""
    fault: str = ""
    ahead: float = 0
    server: ServerLine = ServerLine.ON
    verdict: tuple[tuple[str, str, str], ...] = ()
    decision: tuple[str, ...] = ()
    ledger: tuple[LedgerLine, ...] = ()


class Bench(Protocol):
    """What a demonstration lets one do. Each raises JpkiError for what it cannot do."""

    @property
    def cards(self) -> Sequence[BenchCard]: ...
    @property
    def faults(self) -> Sequence[str]: ...
    @property
    def states(self) -> Broadcast[BenchState]: ...
    def insert(self, name: str, *, also: bool = False) -> None: ...
    def pull(self) -> None: ...
    def lose_reader(self) -> None: ...
    def set_fault(self, fault: str) -> None: ...
    def move_clock(self, seconds: float) -> None: ...
    def set_server(self, line: ServerLine) -> None: ...


@dataclass(frozen=True, slots=True)
class BenchPages:
    """The routes of the panel. ``csrf``: the token that its page hands back."""

    bench: Bench
    csrf: str = field(repr=False)

    def routes(self) -> list[BaseRoute]:
        """``/bench``, its events, and the orders of its buttons."""
        from starlette.routing import Route

        return [
            Route("/bench", self._index),
            Route("/bench/events", self._events),
            Route("/bench/order", self._order, methods=["POST"]),
        ]

    async def _index(self, request: Request) -> Response:
        return static_file("bench.html")

    async def _events(self, request: Request) -> Response:
        from starlette.responses import StreamingResponse

        language = request.query_params.get("lang", "ja")
        if language not in messages.LANGUAGES:
            language = "ja"
        return StreamingResponse(self._stream(language), media_type="text/event-stream")

    async def _stream(self, language: str) -> AsyncIterator[str]:
        async for state in self.bench.states.changes():
            yield ": still here\n\n" if state is None else event(self._object(state, language))

    def _object(self, state: BenchState, language: str) -> dict[str, Any]:
        return {
            "csrf": self.csrf,
            "words": {name: messages.text(f"bench.{name}", language) for name in _WORDS},
            "cards": [self._card(card, language) for card in self.bench.cards],
            "faults": [
                {"id": fault, "words": messages.text(f"bench.fault.{fault or 'none'}", language)}
                for fault in ("", *self.bench.faults)
            ],
            "card": state.card,
            "fault": state.fault,
            "ahead": state.ahead,
            "server": state.server.value,
            "verdict": [
                {"name": messages.text(f"check.{name}", language),
                 "outcome": messages.text(f"value.outcome.{outcome}", language), "code": code}
                for name, outcome, code in state.verdict
            ],
            "decision": _decision(state.decision, language),
            "ledger": [_line(line) for line in state.ledger],
        }  # fmt: skip

    def _card(self, card: BenchCard, language: str) -> dict[str, Any]:
        pins = [
            {"label": messages.text(f"value.kind.{kind.replace('_', '-')}", language), "value": pin}
            for kind, pin in card.pins.items()
        ]
        said = f"bench.card.{card.name}"
        words = messages.text(said, language) if messages.has(said, language) else ""
        return {"name": card.name, "words": words, "pins": pins}

    async def _order(self, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import Response

        try:
            order = json.loads(await read_body(request, MAX_ORDER))
            work = self._work(str(order["do"]), order.get("with"))
        except TooLargeError:
            return Response(status_code=413)
        except TimeoutError:
            return Response(status_code=408)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return Response(status_code=400)
        try:
            await run_in_threadpool(work)
        except JpkiError as error:
            return Response(error.code, status_code=409)
        return Response(status_code=204)

    def _work(self, do: str, value: object) -> Callable[[], None]:
        """What an order means. Raises KeyError, ValueError for an unknown one."""
        bench, text = self.bench, str(value)
        line = ServerLine(text) if do == "server" else ServerLine.ON
        seconds = float(text) if do == "clock" else 0.0
        works: dict[str, Callable[[], None]] = {
            "insert": lambda: bench.insert(text),
            "also": lambda: bench.insert(text, also=True),
            "pull": bench.pull,
            "lose": bench.lose_reader,
            "fault": lambda: bench.set_fault("" if value is None else text),
            "clock": lambda: bench.move_clock(seconds),
            "server": lambda: bench.set_server(line),
        }
        return works[do]


def _decision(decision: tuple[str, ...], language: str) -> list[str]:
    """Outcome in words; reason, rule and article as they stand in the ledger."""
    if not decision:
        return []
    outcome, *rest = decision
    return [messages.text(f"map.outcome.{outcome}", language), *filter(None, rest)]


def _line(line: LedgerLine) -> dict[str, object]:
    shown: dict[str, object] = {name: getattr(line, name) for name in LedgerLine.__slots__}
    return {**shown, "at": f"{line.at:%Y-%m-%d %H:%M:%S}"}
