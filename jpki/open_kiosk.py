# SPDX-License-Identifier: Apache-2.0
"""Composition root of a terminal: its reader, its flows, its page, its processes.

``python -m jpki.open_kiosk`` is the process of one presentation. It is started by a terminal
and by nobody else.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from jpki.card import Card
from jpki.certificate.kinds import Environment
from jpki.errors import ConfigurationError, MissingExtraError
from jpki.kiosk.serving import served, taking_turns
from jpki.kiosk.shelter.keeping import Told, kept, nobody
from jpki.mapping.ledger import now_utc
from jpki.open import open_card
from jpki_apdu.errors import ReaderUriError

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.routing import BaseRoute

    from jpki.kiosk.machine import Limits
    from jpki.kiosk.reader import ReaderPort
    from jpki.kiosk.server.app import HalfOf, More
    from jpki.kiosk.terminal import Terminal
    from jpki.kiosk.visit import Flow
    from jpki.kiosk.web.bench import Bench
    from jpki.verifying.issued import IssuerKey

MODULE: Final = "jpki.open_kiosk"


def flows_of(settings: Mapping[str, Any]) -> dict[str, Flow]:
    """The flows of a terminal, by id; ``settings`` as for ``open_flows.make_flows``."""
    from jpki.open_flows import make_flows

    return make_flows(settings)


def serve_terminal(
    reader: ReaderPort,
    settings: Callable[[], Mapping[str, Any]],
    listener: socket.socket,
    *,
    test: bool,
    bench: Bench | None = None,
    issuers: Sequence[IssuerKey] = (),
    clock: Callable[[], datetime] = now_utc,
    limits: Limits | None = None,
    synced: Told = nobody,
    ready: Callable[[Terminal], None] = lambda _: None,
) -> None:
    """Run a terminal and its page until a signal's exception ends it.

    ``settings``: as for ``flows_of``, asked for each presentation. ``listener``: a socket on
    loopback that listens. ``bench``: of a demonstration. ``issuers``: whose documents the page
    ``/check`` believes, at ``clock``; without any there is no such page. ``synced``: told what
    came of check-ins that waited for the line. ``ready``: called when it runs.
    """
    from jpki.kiosk.child import ChildProcess
    from jpki.kiosk.machine import Limits
    from jpki.kiosk.terminal import Terminal
    from jpki.kiosk.web.app import Front, Pages

    origin = f"http://{listener.getsockname()[0]}:{listener.getsockname()[1]}"
    first = [flow.first_screen for flow in flows_of(settings()).values()]
    limits = limits or Limits()
    pages = Pages(Front(first, test, limits.idle), origin)
    terminal = Terminal(
        reader,
        lambda: ChildProcess(MODULE, {**settings(), "origin": origin}),
        pages.views.publish,
        limits=limits,
    )
    app = pages.app(_more(pages.csrf, bench, issuers, clock))
    with served(app, listener) as thread, _desk_kept(settings(), clock, synced):
        terminal.start()
        try:
            ready(terminal)
            thread.join()
        finally:
            pages.views.close()
            if bench is not None:
                bench.states.close()
            terminal.close()


def _desk_kept(
    settings: Mapping[str, Any], clock: Callable[[], datetime], synced: Told
) -> AbstractContextManager[None]:
    """Looks after the desk of a shelter, where this terminal is one."""
    from jpki.open_flows import desk_of

    desk = desk_of(settings, clock)
    return nullcontext() if desk is None else kept(desk, synced)


def _more(
    csrf: str,
    bench: Bench | None,
    issuers: Sequence[IssuerKey],
    clock: Callable[[], datetime],
) -> list[BaseRoute]:
    """What a terminal's page may have besides: a bench, and a page that checks documents."""
    from jpki.kiosk.web.bench import BenchPages
    from jpki.kiosk.web.check import CheckPages

    more = [] if bench is None else BenchPages(bench, csrf).routes()
    return [*more, *(CheckPages(issuers, clock, csrf).routes() if issuers else ())]


def serve_half(
    half_of: HalfOf,
    terminals: Mapping[str, str],
    address: tuple[str, int],
    tls: tuple[Path, Path] | None,
    ready: Callable[[str], None],
    more: Mapping[str, More] = MappingProxyType({}),
) -> None:
    """Run a server half until a signal's exception ends it.

    ``terminals``: token to actor. ``tls``: certificate and key (PEM). ``ready``: called with
    the URL. ``more``: what is done under further paths. Raises ConfigurationError
    (``port_taken``, ``tls``).
    """
    from jpki.kiosk.server.app import server_app
    from jpki.kiosk.server.terminals import Terminals, token_digest

    names = {token_digest(token): name for token, name in terminals.items()}
    app = server_app(half_of, Terminals(names), more)
    with (
        taking_turns(),
        listening(*address) as listener,
        served(app, listener, tls=tls, most=500) as thread,
    ):
        scheme = "http" if tls is None else "https"
        ready(f"{scheme}://{address[0]}:{listener.getsockname()[1]}")
        thread.join()


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens; port 0 = any free one. Raises ConfigurationError (``port_taken``)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as exc:
        raise ConfigurationError("port_taken", path=f"{host}:{port}") from exc
    with listener:
        yield listener


def reader_port(uri: str) -> ReaderPort:
    """The reader of a terminal. Raises ReaderUriError: only PC/SC readers can be watched."""
    from jpki.kiosk.reader import PcscPort

    scheme, _, part = uri.partition(":")
    if scheme != "pcsc":
        raise ReaderUriError(uri=uri, reason="no_name")
    return PcscPort(part)


def demand_extra() -> None:
    """Raise MissingExtraError unless the extra ``kiosk`` is there; loads nothing."""
    if any(find_spec(name) is None for name in ("starlette", "uvicorn", "reportlab")):
        raise MissingExtraError(extra="kiosk")


@contextmanager
def _opened(uri: str, settings: Mapping[str, Any]) -> Iterator[Card]:
    trust = settings.get("trust", Environment.PRODUCTION)
    # As long as it takes a card to be put down properly; a ``vpcd:`` card has to dial in.
    with open_card(uri, wait=5.0, trust=trust).card as card:
        yield card


def main() -> None:
    """Be the process of one presentation."""
    from jpki.kiosk.worker import run

    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whoever prints does not reach the pipe
    run(_opened, flows_of, sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
