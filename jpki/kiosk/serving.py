# SPDX-License-Identifier: Apache-2.0
"""An application on a port, as every part of a terminal serves it: patient with nobody."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jpki.errors import ConfigurationError

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.types import Receive

REQUEST_TIME: Final = 10.0  # seconds for a request's head, and as many for its body
TURN: Final = 0.001  # seconds
YOUNG: Final = 10_000  # objects, of which a request makes some hundred


class TooLargeError(ValueError):
    """A body that is longer than it may be."""


def make_server(
    app: Starlette, *, tls: tuple[Path, Path] | None = None, most: int = 50
) -> uvicorn.Server:
    """A server for one application; it does not run yet.

    ``tls``: certificate and key (PEM). ``most``: connections at once. Raises
    ConfigurationError (``tls``).
    """
    import uvicorn

    config = uvicorn.Config(
        app, http=_patient_protocol(), log_config=None, access_log=False, lifespan="off",
        ws="none", server_header=False, timeout_graceful_shutdown=1, timeout_keep_alive=10,
        limit_concurrency=most,
        ssl_certfile=None if tls is None else str(tls[0]),
        ssl_keyfile=None if tls is None else str(tls[1]),
    )  # fmt: skip
    try:
        config.load()
    except (OSError, ssl.SSLError) as exc:
        raise ConfigurationError("tls", path=str(tls[0] if tls else "")) from exc
    return uvicorn.Server(config)


@contextmanager
def served(
    app: Starlette,
    listener: socket.socket,
    *,
    tls: tuple[Path, Path] | None = None,
    most: int = 50,
) -> Iterator[threading.Thread]:
    """Serve an application as long as the block lasts, from the thread that comes back.

    Raises as ``make_server``.
    """
    server = make_server(app, tls=tls, most=most)
    ended = threading.Event()

    def run() -> None:
        try:
            server.run([listener])
        finally:
            ended.set()

    # Not in the main thread: there uvicorn would take the signals, and send them once more.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        server.should_exit = True
        # Not join(): before Python 3.13 a thread whose join() was interrupted counts as ended.
        ended.wait(5)


@contextmanager
def taking_turns() -> Iterator[None]:
    """For a program whose threads all serve: they take short turns, on one processor (Linux).

    Threads that share the interpreter run one at a time. On several processors each of them
    first fetches what they share from where the last one ran, which costs more than its work;
    and one that comes back from the disk would wait five milliseconds for its turn. What was
    loaded before is not looked through for garbage any more, and what requests leave less often.
    """
    gc.collect()
    gc.freeze()
    young = gc.get_threshold()
    gc.set_threshold(YOUNG, *young[1:])
    turn = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if allowed is not None:
        os.sched_setaffinity(0, {sorted(allowed)[os.getpid() % len(allowed)]})
    try:
        yield
    finally:
        sys.setswitchinterval(turn)
        gc.unfreeze()
        gc.set_threshold(*young)
        if allowed is not None:
            os.sched_setaffinity(0, allowed)


async def read_body(request: Request, most: int) -> bytearray:
    """A request's body. Raises TooLargeError, TimeoutError (too slow, or given up)."""
    try:
        async with asyncio.timeout(REQUEST_TIME):
            return await whole_body(request.receive, most)
    except ConnectionAbortedError:
        raise TimeoutError from None


async def whole_body(receive: Receive, most: int) -> bytearray:
    """A body, to be wiped by who finds a PIN in it.

    Raises TooLargeError, ConnectionAbortedError (given up).
    """
    data, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionAbortedError
        data += message.get("body", b"")
        if len(data) > most:
            raise TooLargeError
        more = message.get("more_body", False)
    return data


@cache
def _patient_protocol() -> type[asyncio.Protocol]:
    """uvicorn's protocol, but whoever connects and says nothing is cut off."""
    from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

    class PatientProtocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            # Head and body of an answer go out in two parts; asyncio lets the second wait for
            # the peer (40 ms) on sockets that socket.create_server made.
            own = transport.get_extra_info("socket")
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.loop.call_later(REQUEST_TIME, self._look)

        def _look(self) -> None:
            if self.transport.is_closing():
                return
            cycle: RequestResponseCycle | None = self.cycle  # None before the first request
            if cycle is None or (cycle.response_complete and self.conn.trailing_data[0]):
                self.transport.close()
            else:
                self.loop.call_later(REQUEST_TIME, self._look)

    return PatientProtocol
