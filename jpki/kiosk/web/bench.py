# SPDX-License-Identifier: Apache-2.0
"""The bench panel of a demonstration: put invented cards down, break things, look inside.

On a page of its own, absent unless a bench is given.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

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


@dataclass(frozen=True, slots=True)
class BenchCard:
    """An invented card. Its PINs are shown: it belongs to nobody."""

    name: str
    pins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BenchState:
    """What lies on the bench. ``ahead``: seconds that the clock was moved; ``verdict``: checks
    of the last presentation (name, outcome, code); ``decision``: outcome, rule and article."""

    card: str = ""
    fault: str = ""
    ahead: float = 0
    server: bool = True
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
    def set_server(self, *, reachable: bool) -> None: ...


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
        if language not in messages.SPOKEN:
            language = "ja"
        return StreamingResponse(self._stream(language), media_type="text/event-stream")

    async def _stream(self, language: str) -> AsyncIterator[str]:
        async for state in self.bench.states.changes():
            yield ": still here\n\n" if state is None else event(self._object(state, language))

    def _object(self, state: BenchState, language: str) -> dict[str, Any]:
        return {
            "csrf": self.csrf,
            "cards": [{"name": card.name, "pins": dict(card.pins)} for card in self.bench.cards],
            "faults": list(self.bench.faults),
            "card": state.card,
            "fault": state.fault,
            "ahead": state.ahead,
            "server": state.server,
            "verdict": [
                {"name": messages.text(f"check.{name}", language), "outcome": outcome,
                 "code": code}
                for name, outcome, code in state.verdict
            ],
            "decision": list(state.decision),
            "ledger": [_line(line) for line in state.ledger],
        }  # fmt: skip

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
        """What an order means. Raises KeyError for an unknown one."""
        bench, text = self.bench, str(value)
        works: dict[str, Callable[[], None]] = {
            "insert": lambda: bench.insert(text),
            "also": lambda: bench.insert(text, also=True),
            "pull": bench.pull,
            "lose": bench.lose_reader,
            "fault": lambda: bench.set_fault("" if value is None else text),
            "clock": lambda: bench.move_clock(float(text)),
            "server": lambda: bench.set_server(reachable=value is True),
        }
        return works[do]


def _line(line: LedgerLine) -> dict[str, object]:
    shown: dict[str, object] = {name: getattr(line, name) for name in LedgerLine.__slots__}
    return {**shown, "at": line.at.isoformat(timespec="seconds")}
