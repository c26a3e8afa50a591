# SPDX-License-Identifier: Apache-2.0
"""A server half under load: in a process of its own, with answers signed beforehand."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from http_load import request
from issued import HANAKO, ISSUER
from jpki.kiosk.documents.contents import DocumentKind
from jpki.kiosk.records import MemoryRecords
from jpki.kiosk.server.app import server_app
from jpki.kiosk.server.local import LocalServer, Office
from jpki.kiosk.server.terminals import Terminals, token_digest
from jpki.kiosk.server.tickets import TicketDesk
from jpki.kiosk.server.wire import CHALLENGE, PRESENT, errand_object
from jpki.kiosk.serving import served, taking_turns
from jpki.mapping.policy_file import load_policy
from jpki.mapping.service import open_map
from jpki.open_kiosk import listening
from map_bench import ORIGIN, Clock, holder, new_bench, validator
from server_half import ENROL, RESIDENCE, TERMINAL, TOKEN, present


@dataclass(frozen=True)
class Town:
    """A map on disk whose people are enrolled, and their pseudonyms in the service."""

    url: str
    key_file: Path
    pseudonyms: tuple[bytes, ...]


def prepare(url: str, folder: Path, answers: int, people: int = 50) -> tuple[Town, list[bytes]]:
    """A town, and ``answers`` requests that present, each to a challenge of its own."""
    bench = new_bench(url, folder, "konbini", "konbini")
    half = LocalServer(bench.map, terminal=TERMINAL, origin=ORIGIN, clock=bench.clock)
    holders = [holder(slot=number % 15) for number in range(people)]
    pseudonyms = []
    for who in holders:
        present(half, who, ENROL)
        found = half.pseudonym(present(half, who).ticket)
        assert found is not None
        pseudonyms.append(found)
    requests = []
    for number in range(answers):
        response = holders[number % people].answer(half.challenge(RESIDENCE)).response
        body = {**errand_object(RESIDENCE), "response": response.to_object()}
        requests.append(request(PRESENT, json.dumps(body).encode(), TOKEN))
    bench.close()
    return Town(url, bench.key_file, tuple(pseudonyms)), requests


def asking() -> bytes:
    """The request for a challenge."""
    return request(CHALLENGE, json.dumps(errand_object(RESIDENCE)).encode(), TOKEN)


def serve_town(town: Town, pipe: Connection) -> None:
    """Be the server half of a town, until the pipe ends."""
    clock = Clock()
    policy = load_policy("konbini")
    records, tickets = MemoryRecords(), TicketDesk()
    for pseudonym in town.pseudonyms:
        records.put(pseudonym, HANAKO)
    office = Office(ISSUER, records, {DocumentKind.RESIDENCE: 200})
    with open_map(
        town.url, town.key_file, policy, validator(clock), clock=clock, grouped=True
    ) as table:

        def half(terminal: str) -> LocalServer:
            return LocalServer(
                table, office, terminal=terminal, origin=ORIGIN, tickets=tickets, clock=clock
            )

        terminals = Terminals({token_digest(TOKEN): TERMINAL}, rate=1e9, burst=1e9)
        _serve(server_app(half, terminals), pipe)


def serve_bare(_: None, pipe: Connection) -> None:
    """Be the least that Starlette can be: one route that answers a POST."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def answer(request: Request) -> Response:
        return Response(b"{}", media_type="application/json")

    _serve(Starlette(routes=[Route(CHALLENGE, answer, methods=["POST"])]), pipe)


def _serve(app: object, pipe: Connection) -> None:
    with (
        taking_turns(),
        listening("127.0.0.1", 0) as listener,
        served(app, listener, most=1000),  # type: ignore[arg-type]
    ):
        pipe.send(f"http://127.0.0.1:{listener.getsockname()[1]}")
        try:
            pipe.recv()
        except EOFError:
            return


@contextmanager
def process(main: Callable[..., None], what: object) -> Iterator[str]:
    """One of the servers above in a process of its own, as long as the block lasts; its URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    running = context.Process(target=main, args=(what, theirs), daemon=True)
    running.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        running.join(10)
