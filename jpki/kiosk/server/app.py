# SPDX-License-Identifier: Apache-2.0
"""The server half over HTTP (Starlette). It has no page and takes nothing from a browser."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jpki.errors import IssuedDocumentError, JpkiError
from jpki.kiosk.server.arrivals import Arrivals
from jpki.kiosk.server.bodies import Bodies
from jpki.kiosk.server.half import PromptHalf, ServerHalfError
from jpki.kiosk.server.terminals import Terminals
from jpki.kiosk.server.turns import in_its_turn
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
from jpki.kiosk.serving import REQUEST_TIME, TooLargeError
from jpki.mapping.errors import ClockError, ConflictError, KeyFileError, MapError
from jpki.mapping.store.grouped import Turn

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import Receive, Scope, Send

_log = logging.getLogger(__name__)
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_HEADERS: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
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
    paths = {path: _Path(work, prompt.get(path), terminals) for path, work in works.items()}

    class Straight(Starlette):
        """What is asked as it should be goes straight to its path."""

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            path = paths.get(scope["path"]) if scope.get("method") == "POST" else None
            await (super().__call__ if path is None else path)(scope, receive, send)

    return Straight(routes=[Route(path, each, methods=["POST"]) for path, each in paths.items()])


class Reply(NamedTuple):
    """An answer as it goes out."""

    body: bytes
    status: int = 200
    media_type: bytes = b"application/json"


Work = Callable[[str, dict[str, Any]], Reply]
Prompt = Callable[[str, dict[str, Any]], Awaitable[Reply | None]]
"""A work that keeps nobody waiting, and so needs no thread; None: this time it would."""


def _by_half(
    half_of: HalfOf,
    work: Callable[[PromptHalf, dict[str, Any]], Reply],
    terminal: str,
    raw: dict[str, Any],
) -> Reply:
    return work(half_of(terminal), raw)


def _by_members(work: More, terminal: str, raw: dict[str, Any]) -> Reply:
    return _json(work(terminal, raw))


class _Path:
    """What one path does, straight on ASGI: Starlette's requests and responses take as long as
    all that is done here with one."""

    def __init__(self, work: Work, prompt: Prompt | None, terminals: Terminals) -> None:
        self._work = work
        self._prompt = prompt
        self._terminals = terminals
        self._bodies = Bodies(MAX_REQUEST, REQUEST_TIME)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body, status, media_type = await self._reply(scope, receive)
        except ConnectionAbortedError:
            return  # nobody is there to be answered
        headers = [
            (b"content-length", b"%d" % len(body)), (b"content-type", media_type), *_HEADERS,
        ]  # fmt: skip
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        """One request: who, how often, how large; then the work, in a thread if it may wait."""
        try:
            name = _terminal(scope["headers"], self._terminals)
            raw = await self._object(receive)
            answered = None if self._prompt is None else await self._prompt(name, raw)
            if answered is not None:
                return answered
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(_POOL, self._work, name, raw)
        except ServerHalfError as error:
            return _error(error.code)
        except IssuedDocumentError as error:
            unknown = error.values.get("reason") == "not_registered"
            return _error("not_registered" if unknown else "server_fault")
        except ClockError:
            return _error("server_clock")
        except MapError:
            _log.warning("the map does not answer", exc_info=False)
            return _error("server_down")
        except JpkiError as error:
            _log.error("a request failed: %s", error.code)
            return _error("server_fault")

    async def _object(self, receive: Receive) -> dict[str, Any]:
        """The JSON object sent, small and in time.

        Raises ServerHalfError, ConnectionAbortedError where whoever sent it is gone.
        """
        try:
            return read_object(bytes(await self._bodies.read(receive)))
        except TooLargeError:
            raise ServerHalfError("request_too_large") from None
        except (TimeoutError, ServerHalfError):
            raise RequestMalformedError(member="body") from None


def _terminal(headers: Iterable[tuple[bytes, bytes]], terminals: Terminals) -> str:
    """Who asks. Raises ServerHalfError."""
    given = b""
    for name, value in headers:
        if name == b"origin":  # a browser says where its page came from; none has business here
            raise ServerHalfError("server_refused")
        if name == b"authorization":
            given = value
    kind, _, token = given.decode("latin-1").partition(" ")
    terminal = terminals.name(token) if kind.lower() == "bearer" else None
    if terminal is None:
        raise ServerHalfError("server_refused")
    if not terminals.admit(terminal):
        raise ServerHalfError("server_busy")
    return terminal


async def _challenge_at_hand(half_of: HalfOf, terminal: str, raw: dict[str, Any]) -> Reply | None:
    challenge = half_of(terminal).challenge_at_hand(read_errand(raw), _turn())
    return None if challenge is None else _json(challenge.to_object())


def _turn() -> Turn:
    """Has a work of another thread done in this one."""
    return partial(in_its_turn, asyncio.get_running_loop())


def _challenge(half: PromptHalf, raw: dict[str, Any]) -> Reply:
    return _json(half.challenge(read_errand(raw)).to_object())


def _present(half: PromptHalf, raw: dict[str, Any]) -> Reply:
    return _json(answer_object(half.present(read_errand(raw), read_response(raw))))


async def _present_begun(
    half_of: HalfOf, arrivals: Arrivals, terminal: str, raw: dict[str, Any]
) -> Reply | None:
    begun = half_of(terminal).present_begun(read_errand(raw), read_response(raw), _turn())
    if begun is None:
        return None
    try:
        resolution = await arrivals.of(begun.resolution)
    except (ConflictError, KeyFileError):  # to be tried again, by who may wait
        return None
    return _json(answer_object(begun.answer(resolution)))


def _document(half: PromptHalf, raw: dict[str, Any]) -> Reply:
    return Reply(half.document(*read_document(raw)), media_type=b"application/pdf")


def _error(code: str) -> Reply:
    return _json({"schema": ERROR_SCHEMA, "code": code}, STATUS.get(code, 500))


def _json(members: object, status: int = 200) -> Reply:
    return Reply(_COMPACT.encode(members).encode("utf-8"), status)
