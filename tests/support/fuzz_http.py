# SPDX-License-Identifier: Apache-2.0
"""Fuzzed: HTTP requests of the kiosk and of the server half, straight into their applications.

The bytes are a request as it stands on the wire: a line, headers, an empty line, a body.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from fuzz_targets import FindingError, scratch
from jpki.kiosk.page_desk import PageDesk
from jpki.kiosk.presentation_app import PresentationPages
from jpki.kiosk.server.app import server_app
from jpki.kiosk.visit import FirstScreen
from jpki.kiosk.web.app import Front, Pages
from server_half import TOKEN, town

ORIGIN = "http://127.0.0.1:8080"
STREAMS = ("/views", "/screens")
"""Events that never end: only their refusals are of interest."""


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _scope(data: bytes) -> tuple[dict[str, Any], bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    method, _, target = line.partition(b" ")
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
    sent: list[int] = []
    parts = [
        {"type": "http.request", "body": body[:7], "more_body": True},
        {"type": "http.request", "body": body[7:], "more_body": False},
    ]

    async def receive() -> dict[str, Any]:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    await app(scope, receive, send)
    return sent[0]


def _ask(app: Callable[..., Any], data: bytes) -> None:
    scope, body = _scope(data)
    if scope["path"] in STREAMS and scope["method"] in ("GET", "HEAD"):
        return
    status = _loop().run_until_complete(_status(app, scope, body))
    if status >= 500 or status < 200:
        raise FindingError(f"status {status}")


@functools.cache
def _half() -> Callable[..., Any]:
    folder = scratch()
    place = town(f"sqlite:///{folder}/map.db", folder)
    return server_app(place.half, place.terminals(rate=1e9, burst=1e9))


def server_half(data: bytes) -> None:
    _ask(_half(), data.replace(b"TOKEN", TOKEN.encode()))


@functools.cache
def _pages() -> Callable[..., Any]:
    first = FirstScreen("konbini", {"en": "residence"}, "article", {"en": "the counter"})
    return Pages(Front((first,), test=True), ORIGIN).app()


def page(data: bytes) -> None:
    _ask(_pages(), data)


@functools.cache
def _presentation() -> Callable[..., Any]:
    pages = PresentationPages(PageDesk(lambda signal: None), ORIGIN)
    pages.begin(TOKEN)
    return pages.app()


def presentation(data: bytes) -> None:
    _ask(_presentation(), data.replace(b"TOKEN", TOKEN.encode()))
