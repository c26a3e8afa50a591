# SPDX-License-Identifier: Apache-2.0
"""What the servers of the test PKI share: HTTP on loopback, bounded requests, lies, a log."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
MAX_REQUEST = 64 * 1024
OVERSIZE = 64 * 1024 * 1024
_CHUNK = 64 * 1024
_LOGGED = 10_000
# Seconds a client may be silent in the middle of its request.
_PATIENCE = 10.0
_HTML = b"<!DOCTYPE html><title>TEST</title><p>Please sign in to use this network.</p>\n"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came. ``path`` begins with a slash and is not unquoted."""

    method: str
    path: str = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back. ``shown``: the path as the log may hold it (no serial is in it)."""

    body: bytes = field(default=b"", repr=False)
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    shown: str = "/"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request in the log: sizes in bytes, the mode it met, and the HTTP status it got."""

    method: str
    path: str
    size: int
    mode: str
    status: int


ModeT = TypeVar("ModeT", bound=StrEnum)


class LocalServer(ABC, Generic[ModeT]):
    """A server of the test PKI on loopback, at a free port, for the time of a ``with`` block.

    ``mode`` may be changed at any time, by a member or its value; the next request meets it.
    ``delay``: seconds that mode ``slow`` waits. The clock starts at the day of the PKI and
    ticks, unless ``clock`` is given.
    """

    modes: type[ModeT]

    def __init__(
        self,
        at: datetime,
        mode: ModeT | str,
        *,
        delay: float = 2.0,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        started = monotonic()
        self._clock = clock or (lambda: at + timedelta(seconds=monotonic() - started))
        self._mode = self.modes(mode)
        self.delay = delay
        self._seen: deque[Seen] = deque(maxlen=_LOGGED)
        self._count = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Listen, and answer in a thread. Harmless when repeated."""
        if self._server is not None:
            return
        self._closing.clear()
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name=type(self).__name__, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; a slow answer under way is given up. Harmless when repeated."""
        server, self._server = self._server, None
        if server is not None and self._thread is not None:
            self._closing.set()
            server.shutdown()
            server.server_close()
            self._thread.join(5)

    @property
    def url(self) -> str:
        """Where it listens, with a slash at the end. Raises RuntimeError before the start."""
        if self._server is None:
            raise RuntimeError("the server has not been started")
        return f"http://{HOST}:{self._server.server_port}/"

    @property
    def mode(self) -> ModeT:
        """What the next request meets."""
        return self._mode

    @mode.setter
    def mode(self, value: ModeT | str) -> None:
        self._mode = self.modes(value)

    @property
    def count(self) -> int:
        """Requests so far (count)."""
        return self._count

    @property
    def requests(self) -> tuple[Seen, ...]:
        """The last ten thousand requests, oldest first. No serial is kept."""
        with self._lock:
            return tuple(self._seen)

    def now(self) -> datetime:
        """The server's idea of the time, UTC."""
        return self._clock().astimezone(UTC)

    @abstractmethod
    def respond(self, request: Request, mode: ModeT) -> Answer:
        """The answer to a request; transport lies are told by the caller."""

    def handle(self, request: Request) -> tuple[Answer, str]:
        """The answer, and the mode it was given in; both are in the log afterwards."""
        mode = self._mode
        try:
            answer = _mangled(self.respond(request, mode), mode, request)
        except Exception as exc:
            # A defect of ours: the client gets a plain 500, the log no data of the request.
            log.error("%s failed: %s", type(self).__name__, type(exc).__name__)
            answer = Answer(b"internal error\n", status=500)
        if mode == "slow":
            self._closing.wait(self.delay)
        self.note(Seen(request.method, answer.shown, len(request.body), mode, answer.status))
        return answer, mode

    def note(self, seen: Seen) -> None:
        """Add a line to the log."""
        with self._lock:
            self._count += 1
            self._seen.append(seen)
        log.debug("%s %s, %d bytes: %d", seen.method, seen.path, seen.size, seen.status)

    def oversize(self) -> Iterator[bytes]:
        """Zeros for a client that reads without a bound; ends when the server does."""
        for _ in range(OVERSIZE // _CHUNK):
            if self._closing.is_set():
                return
            yield bytes(_CHUNK)

    def __repr__(self) -> str:
        where = f"port {self._server.server_port}" if self._server else "not started"
        return f"<TEST {type(self).__name__} {self._mode}, {where}>"


def _mangled(answer: Answer, mode: str, request: Request) -> Answer:
    """The lies that are the same for every server."""
    if mode == "html":
        return replace(answer, body=_HTML, content_type="text/html; charset=utf-8", status=200)
    if mode == "redirect":
        # Back to where it came from: who follows it goes round and is counted each time.
        return replace(answer, body=b"", status=302, headers=(("Location", request.path),))
    if mode == "unavailable":
        return Answer(
            b"try again\n", status=503, headers=(("Retry-After", "1"),), shown=answer.shown
        )
    return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A second server on a port somebody holds is an error, not a silent sharing.
    allow_reuse_address = False

    def __init__(self, owner: LocalServer[Any]) -> None:
        self.owner = owner
        super().__init__((HOST, 0), _Handler)

    def server_bind(self) -> None:
        """Without the look-up of the host's name that http.server does; it can take seconds."""
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = HOST, self.socket.getsockname()[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no event: it is what clients of a lying server do."""
        log.debug("a client left before its answer was sent")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "jpki-test"
    sys_version = ""
    timeout = _PATIENCE

    def do_GET(self) -> None:
        self._serve(b"")

    def do_HEAD(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        body = self._body()
        if body is not None:
            self._serve(body)

    def _owner(self) -> LocalServer[Any]:
        assert isinstance(self.server, _Server)
        return self.server.owner

    def _body(self) -> bytes | None:
        """The body of a POST; None after a refusal (411, 413, 400)."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            self._refuse(411)
        elif int(length[:12]) > MAX_REQUEST:
            self._refuse(413)
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                return body
            self._refuse(400)
        return None

    def _refuse(self, status: int) -> None:
        owner = self._owner()
        owner.note(Seen("POST", "/", 0, owner.mode, status))
        self._send(Answer(b"not accepted\n", status=status), "")

    def _serve(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, body, headers)
        self._send(*self._owner().handle(request))

    def _send(self, answer: Answer, mode: str) -> None:
        self.send_response(answer.status)
        bare = answer.status == 304 or self.command == "HEAD"
        if answer.status != 304:
            self.send_header("Content-Type", answer.content_type)
        if mode != "oversize" and answer.status != 304:
            self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if bare:
            return
        body = answer.body
        self.wfile.write(body[: len(body) // 2] if mode == "truncated" else body)
        if mode == "oversize":
            with suppress(OSError):
                for chunk in self._owner().oversize():
                    self.wfile.write(chunk)

    def log_message(self, format: str, *arguments: object) -> None:
        """http.server would write the request line, which may hold a serial, to stderr."""
