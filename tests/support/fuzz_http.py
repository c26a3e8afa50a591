# SPDX-License-Identifier: Apache-2.0
"""Fuzzed: HTTP requests of the kiosk and of the server half, straight into their applications.

The bytes are a request as it stands on the wire: a line, headers, an empty line, a body.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fuzz_targets import FindingError, scratch
from issued import AT as ISSUED_AT
from issued import ISSUER
from jpki.kiosk.page_desk import PageDesk
from jpki.kiosk.presentation_app import PresentationPages
from jpki.kiosk.screens import Confirmation, Content, PinEntry, Screen
from jpki.kiosk.server.app import server_app
from jpki.kiosk.server.terminals import Terminals, token_digest
from jpki.kiosk.shelter.routes import ShelterRoutes
from jpki.kiosk.slot import VirtualSlot
from jpki.kiosk.visit import Close, Ending, FirstScreen, Option, Page, Question
from jpki.kiosk.web.app import Front, Pages
from jpki.kiosk.web.bench import BenchPages
from jpki.kiosk.web.check import CheckPages
from jpki.open_bench import DemoBench
from jpki.open_town import DemoClock
from server_half import TERMINAL, TOKEN, town
from shelter_bench import DESK, GATE, City, city, school

if TYPE_CHECKING:
    from starlette.applications import Starlette

ORIGIN = "http://127.0.0.1:8080"
DESK_TOKEN, GATE_TOKEN = "d" * 40, "g" * 40
NAMED = {b"TOKEN": TOKEN, b"DESK": DESK_TOKEN, b"GATE": GATE_TOKEN}


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def request_of(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Scope and body of a request that stands as on the wire."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    method, _, rest = line.partition(b" ")
    target = rest.rpartition(b" ")[0] if b" " in rest else rest  # HTTP/1.1 at its end
    path, _, query = target.partition(b"?")
    text = path.decode("latin-1")
    headers = [
        (name.strip().lower(), value.strip())
        for name, colon, value in (one.partition(b":") for one in lines)
        if colon
    ]
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1",
        "method": method.decode("latin-1").upper() or "GET", "scheme": "http",
        "path": unquote(text) or "/", "raw_path": path, "query_string": query, "root_path": "",
        "headers": headers, "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8080),
    }, body  # fmt: skip


async def _status(app: Callable[..., Any], scope: dict[str, Any], body: bytes) -> int:
    """Of the answer; who asked hangs up then, which ends what would go on for ever."""
    sent: list[int] = []
    answered = asyncio.Event()
    parts = [
        {"type": "http.request", "body": body[:7], "more_body": True},
        {"type": "http.request", "body": body[7:], "more_body": False},
    ]

    async def receive() -> dict[str, Any]:
        if parts:
            return parts.pop(0)
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])
            answered.set()

    await app(scope, receive, send)
    return sent[0]


def ask(app: Callable[..., Any], data: bytes) -> int:
    """The status of the answer to a request, in which tokens stand by their names."""
    for name, token in NAMED.items():
        data = data.replace(name, token.encode())
    scope, body = request_of(data)
    return _loop().run_until_complete(_status(app, scope, body))


def _answered(app: Callable[..., Any], data: bytes) -> None:
    status = ask(app, data)
    if status >= 500 or status < 200:
        raise FindingError(f"status {status}")


@functools.cache
def shelters() -> City:
    """A city with two desks, where nobody is registered."""
    folder = scratch() / "city"
    folder.mkdir()
    return city(f"sqlite:///{folder}/map.db", folder)


@functools.cache
def half() -> Starlette:
    """The server half of an office, of a city's shelters and of a school's gate."""
    place, folder = town(f"sqlite:///{scratch()}/map.db", scratch()), scratch() / "school"
    folder.mkdir()
    gates = school(f"sqlite:///{folder}/map.db", folder)
    tokens = {TOKEN: TERMINAL, DESK_TOKEN: DESK, GATE_TOKEN: GATE}
    names = {token_digest(token): name for token, name in tokens.items()}
    routes = ShelterRoutes(shelters().shelters, gates.gates)
    return server_app(place.half, Terminals(names, rate=1e9, burst=1e9), routes.works())


def server_half(data: bytes) -> None:
    _answered(half(), data)


@functools.cache
def pages() -> Starlette:
    """The page of a terminal, with the bench of a demonstration and the check of documents."""
    first = FirstScreen("konbini", {"en": "residence"}, "article", {"en": "the counter"})
    made = Pages(Front((first,), test=True), ORIGIN, csrf=TOKEN)
    bench = BenchPages(DemoBench(VirtualSlot(), DemoClock()), TOKEN)
    check = CheckPages([ISSUER.public()], lambda: ISSUED_AT, TOKEN)
    return made.app([*bench.routes(), *check.routes()])


def page(data: bytes) -> None:
    _answered(pages(), data)


ASKED: tuple[Content, ...] = (
    Question("document", (Option("residence"), Option("seal"))),
    PinEntry("auth", 3, 4, 4, digits=True),
    Confirmation(Page("form_filled")),
    Page("form_filled"),
    Ending(Close.DONE, "issued", {}, b"%PDF-1.7\n", "application/pdf"),
)
"""What a presentation may show; each is screen 1."""


@functools.cache
def presentations() -> tuple[tuple[PageDesk, Starlette], ...]:
    """One presentation for each thing that may be asked."""
    found = []
    for content in ASKED:
        desk = PageDesk(lambda signal: None)
        desk.screens.publish(Screen(1, content))
        one = PresentationPages(desk, ORIGIN)
        one.begin(TOKEN)
        found.append((desk, one.app()))
    return tuple(found)


def presentation(data: bytes) -> None:
    """To each screen, as if it had just been shown."""
    for content, (desk, app) in zip(ASKED, presentations(), strict=True):
        desk.screens.publish(Screen(1, content))
        desk._answered.clear()
        _answered(app, data)


APPS: dict[str, Callable[[], Starlette]] = {
    "http-half": half, "http-page": pages,
    "http-presentation": lambda: presentations()[-1][1],
}  # fmt: skip
"""The application behind each target."""
