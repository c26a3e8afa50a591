# SPDX-License-Identifier: Apache-2.0
"""The page of a terminal: static files, and what the terminal shows as server-sent events.

It serves one machine, its own. It knows no PIN and nothing personal: the page asks the process
of the presentation for that.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jpki import messages
from jpki.kiosk.broadcast import Broadcast
from jpki.kiosk.machine import ANSWER_WANTED, CARD_GONE, PIN_UNKNOWN, State
from jpki.kiosk.screens import said
from jpki.kiosk.terminal import View
from jpki.kiosk.visit import FirstScreen

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

STATIC: Final = Path(__file__).parent / "static"
_WORDS: Final = (
    "cancel", "send", "back", "clear", "mix", "yes", "no", "on", "entered", "receipt",
    "step", "more", "more_note", "take",
)  # fmt: skip
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Front:
    """What the page says before a card is there. ``flows``: what can be done here; ``test``:
    whether every screen says TEST; ``idle``: seconds for an answer, of which it warns."""

    flows: Sequence[FirstScreen]
    test: bool = False
    idle: float = 60.0


@dataclass(slots=True)
class Pages:
    """The pages of one terminal. ``origin``: scheme, host and port as the browser has them."""

    front: Front
    origin: str
    views: Broadcast[View] = field(default_factory=lambda: Broadcast(View(State.WAITING, 0)))
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def app(self, more: Sequence[BaseRoute] = ()) -> Starlette:
        """The application; ``more``: routes of a bench. Raises MissingExtraError."""
        try:
            from starlette.applications import Starlette
            from starlette.middleware import Middleware
            from starlette.routing import Route
        except ImportError as exc:
            from jpki.errors import MissingExtraError

            raise MissingExtraError(extra="kiosk") from exc
        routes = [
            Route("/", self._index),
            Route("/favicon.ico", self._icon),
            Route("/views", self._views),
            Route("/static/{path:path}", self._static),
            *more,
        ]
        guard = Middleware(Guard, origin=self.origin, csrf=self.csrf)
        app = Starlette(routes=routes, middleware=[guard])
        # To send «/static» on to «/static/», Starlette reads a query that may be no text.
        app.router.redirect_slashes = False
        return app

    async def _index(self, request: Request) -> Response:
        return static_file("index.html")

    async def _icon(self, request: Request) -> Response:
        return static_file("pictures/icon.svg")

    async def _static(self, request: Request) -> Response:
        return static_file(request.path_params["path"])

    async def _views(self, request: Request) -> Response:
        from starlette.responses import Response, StreamingResponse

        language = request.query_params.get("lang", "ja")
        if language not in messages.SPOKEN:
            return Response(status_code=400)
        return StreamingResponse(self._stream(language), media_type="text/event-stream")

    async def _stream(self, language: str) -> AsyncIterator[str]:
        async for view in self.views.changes():
            if view is None:
                yield ": still here\n\n"
            else:
                yield event(view_object(view, self.front, language))


def event(members: object) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(members, ensure_ascii=False)}\n\n"


def view_object(view: View, front: Front, language: str) -> dict[str, Any]:
    """What the page shows, in words."""
    access = view.access
    return {
        "state": view.state.value,
        "title": messages.text(f"kiosk.state.{view.state.value}", language),
        "note": _note(view, language),
        "early": _early(view, language),
        "alarm": view.state is State.CARD_LEFT,
        "idle": front.idle if view.state in ANSWER_WANTED else 0,
        "mark": messages.text("kiosk.test_mark", language) if front.test else "",
        "flows": [_flow(first, language) for first in front.flows],
        "words": {name: messages.text(f"kiosk.words.{name}", language) for name in _WORDS},
        "access": None
        if access is None
        else {"url": f"http://127.0.0.1:{access.port}", "token": access.token},
    }


def _note(view: View, language: str) -> str:
    """Why it came so, where the presentation's own process is not there to say it."""
    ended = f"kiosk.ending.{view.code}"
    if view.state in (State.DONE, State.CARD_LEFT) and messages.has(ended, language):
        return "" if view.access else messages.text(ended, language)
    return messages.text(f"kiosk.state_note.{view.state.value}", language)


def _early(view: View, language: str) -> str:
    """What to say to somebody who took the card before the end; "" where nobody did."""
    if view.state is not State.WAITING or view.code not in (CARD_GONE, PIN_UNKNOWN):
        return ""
    return messages.text(f"kiosk.ending.{view.code}", language)


def _flow(first: FirstScreen, language: str) -> dict[str, str]:
    return {
        "id": first.flow,
        "picture": first.flow,
        "title": messages.text(f"kiosk.option.{first.flow}", language),
        "purpose": said(first.title, language),
        "article": messages.text("kiosk.article", language, article=first.article),
        "alternative": messages.text(
            "kiosk.alternative", language, path=said(first.alternative_path, language)
        ),
    }


def static_file(path: str) -> Response:
    """A file of the page; what is not one of ours is not found."""
    from starlette.responses import Response

    kind = _TYPES.get(Path(path).suffix)
    try:
        file = (STATIC / path).resolve()
        if kind is None or not file.is_relative_to(STATIC) or not file.is_file():
            return Response(status_code=404)
    except (OSError, ValueError):  # a name that no file can have
        return Response(status_code=404)
    return Response(file.read_bytes(), media_type=kind)


_MISDIRECTED: Final = 421
_PAGES: Final = ("/", "/bench", "/check")
Scope = dict[str, Any]
App = Callable[..., Any]


class Guard:
    """Around every request: our own address and origin only, strict headers, no framing.

    What changes something (POST) wants the token that the page got from us.
    """

    def __init__(self, app: App, origin: str, csrf: str) -> None:
        self._app = app
        self._origin = origin
        self._host = origin.partition("://")[2]
        self._csrf = csrf
        self._headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in security_headers().items()
        ]

    async def __call__(self, scope: Scope, receive: App, send: App) -> None:
        if scope["type"] != "http":
            return
        status = self._refusal(scope)
        own: list[tuple[bytes, bytes]] = []
        if status == _MISDIRECTED and self._is_typed(scope):
            status, own = 307, [(b"location", f"{self._origin}{scope['path']}".encode("ascii"))]

        async def guarded(message: Scope) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        if status is None:
            await self._app(scope, receive, guarded)
            return
        await guarded({"type": "http.response.start", "status": status, "headers": own})
        await guarded({"type": "http.response.body", "body": b""})

    def _is_typed(self, scope: Scope) -> bool:
        """Whether somebody typed «localhost» for one of our pages: they are sent on to it."""
        typed = f"localhost:{self._host.rpartition(':')[2]}".encode("ascii")
        return (
            (b"host", typed) in scope["headers"]
            and scope["method"] == "GET"
            and scope["path"] in _PAGES
        )

    def _refusal(self, scope: Scope) -> int | None:
        headers = {name.decode("latin-1"): value.decode("latin-1")
                   for name, value in scope["headers"]}  # fmt: skip
        if headers.get("host") != self._host:
            return _MISDIRECTED  # another name of our address: a page elsewhere may be behind it
        if headers.get("origin", self._origin) != self._origin:
            return 403
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403
        if scope["method"] in ("GET", "HEAD"):
            return None
        given = headers.get("x-csrf", "")
        good = headers.get("origin") == self._origin and secrets.compare_digest(
            given.encode(), self._csrf.encode()
        )
        return None if good else 403


def security_headers() -> dict[str, str]:
    """Headers of every answer. Scripts, styles and pictures are our own files; the processes
    of presentations are on loopback, each on a port of its own."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self' http://127.0.0.1:*",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), usb=(), serial=()",
        "Cache-Control": "no-store",
    }
