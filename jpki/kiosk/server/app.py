# SPDX-License-Identifier: Apache-2.0
"""The server half over HTTP (Starlette). It has no page and takes nothing from a browser."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from jpki.errors import IssuedDocumentError, JpkiError
from jpki.kiosk.server.arrivals import Arrivals
from jpki.kiosk.server.half import PromptHalf, ServerHalfError
from jpki.kiosk.server.terminals import Terminals
from jpki.kiosk.server.wire import (
    CHALLENGE,
    DOCUMENT,
    ERROR_SCHEMA,
    MAX_REQUEST,
    PRESENT,
    STATUS,
    RequestMalformedError,
    answer_object,
    read_document,
    read_errand,
    read_object,
    read_response,
)
from jpki.mapping.errors import ConflictError, KeyFileError, MapError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response as HttpResponse

_log = logging.getLogger(__name__)
BODY_TIME: Final = 10.0  # seconds for a request's body
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
# Starlette's own pool costs as much again as a request; whoever waits for the disk waits here.
_POOL: Final = ThreadPoolExecutor(64, "server-half")
HalfOf = Callable[[str], PromptHalf]
"""The server half for a terminal of that name."""


More = Callable[[str, dict[str, Any]], dict[str, object]]
"""Another path's work: the terminal's name and a request's members in, an answer's out."""


def server_app(
    half_of: HalfOf, terminals: Terminals, more: Mapping[str, More] = MappingProxyType({})
) -> Starlette:
    """The application. ``more``: further paths. Raises MissingExtraError without ``kiosk``."""
    try:
        from starlette.applications import Starlette
        from starlette.routing import Route
    except ImportError as exc:
        from jpki.errors import MissingExtraError

        raise MissingExtraError(extra="kiosk") from exc
    own = {CHALLENGE: _challenge, PRESENT: _present, DOCUMENT: _document}
    works: dict[str, Work] = {
        **{path: partial(_by_half, half_of, work) for path, work in own.items()},
        **{path: partial(_by_members, work) for path, work in more.items()},
    }
    prompt: dict[str, Prompt] = {
        CHALLENGE: partial(_challenge_at_hand, half_of),
        PRESENT: partial(_present_begun, half_of, Arrivals()),
    }
    routes = [
        Route(path, partial(_answer, work, prompt.get(path), terminals), methods=["POST"])
        for path, work in works.items()
    ]
    return Starlette(routes=routes)


Work = Callable[[str, dict[str, Any]], "HttpResponse"]
Prompt = Callable[[str, dict[str, Any]], Awaitable["HttpResponse | None"]]
"""A work that keeps nobody waiting, and so needs no thread; None: this time it would."""


def _by_half(
    half_of: HalfOf,
    work: Callable[[PromptHalf, dict[str, Any]], HttpResponse],
    terminal: str,
    raw: dict[str, Any],
) -> HttpResponse:
    return work(half_of(terminal), raw)


def _by_members(work: More, terminal: str, raw: dict[str, Any]) -> HttpResponse:
    return _json(work(terminal, raw))


async def _answer(
    work: Work, prompt: Prompt | None, terminals: Terminals, request: Request
) -> HttpResponse:
    """One request: who, how often, how large; then the work, in a thread if it may wait."""
    try:
        name = _terminal(request, terminals)
        raw = await _body(request)
        answered = None if prompt is None else await prompt(name, raw)
        if answered is not None:
            return answered
        return await asyncio.get_running_loop().run_in_executor(_POOL, work, name, raw)
    except ServerHalfError as error:
        return _error(error.code)
    except IssuedDocumentError as error:
        return _error(
            "not_registered" if error.values.get("reason") == "not_registered" else "server_fault"
        )
    except MapError:
        _log.warning("the map does not answer", exc_info=False)
        return _error("server_down")
    except JpkiError as error:
        _log.error("a request failed: %s", error.code)
        return _error("server_fault")


def _terminal(request: Request, terminals: Terminals) -> str:
    """Who asks. Raises ServerHalfError."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    name = terminals.name(token) if kind.lower() == "bearer" else None
    # A browser says where its page came from; no page has any business here.
    if name is None or "origin" in request.headers:
        raise ServerHalfError("server_refused")
    if not terminals.admit(name):
        raise ServerHalfError("server_busy")
    return name


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object sent, small and in time. Raises ServerHalfError."""
    try:
        async with asyncio.timeout(BODY_TIME):
            data = bytearray()
            async for part in request.stream():
                data += part
                if len(data) > MAX_REQUEST:
                    raise ServerHalfError("request_too_large")
    except TimeoutError:
        raise RequestMalformedError(member="body") from None
    try:
        return read_object(bytes(data))
    except ServerHalfError:
        raise RequestMalformedError(member="body") from None


async def _challenge_at_hand(
    half_of: HalfOf, terminal: str, raw: dict[str, Any]
) -> HttpResponse | None:
    challenge = half_of(terminal).challenge_at_hand(read_errand(raw))
    return None if challenge is None else _json(challenge.to_object())


def _challenge(half: PromptHalf, raw: dict[str, Any]) -> HttpResponse:
    return _json(half.challenge(read_errand(raw)).to_object())


def _present(half: PromptHalf, raw: dict[str, Any]) -> HttpResponse:
    return _json(answer_object(half.present(read_errand(raw), read_response(raw))))


async def _present_begun(
    half_of: HalfOf, arrivals: Arrivals, terminal: str, raw: dict[str, Any]
) -> HttpResponse | None:
    begun = half_of(terminal).present_begun(read_errand(raw), read_response(raw))
    if begun is None:
        return None
    try:
        resolution = await arrivals.of(begun.resolution)
    except (ConflictError, KeyFileError):  # to be tried again, by who may wait
        return None
    return _json(answer_object(begun.answer(resolution)))


def _document(half: PromptHalf, raw: dict[str, Any]) -> HttpResponse:
    from starlette.responses import Response

    pdf = half.document(*read_document(raw))
    return Response(pdf, media_type="application/pdf", headers=_HEADERS)


def _error(code: str) -> HttpResponse:
    return _json({"schema": ERROR_SCHEMA, "code": code}, STATUS.get(code, 500))


def _json(members: object, status: int = 200) -> HttpResponse:
    from starlette.responses import Response

    return Response(
        _COMPACT.encode(members).encode("utf-8"),
        status,
        headers=_HEADERS,
        media_type="application/json",
    )
