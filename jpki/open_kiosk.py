# SPDX-License-Identifier: Apache-2.0
"""Composition root of a terminal: its reader, its flows, its page, its processes.

``python -m jpki.open_kiosk`` is the process of one presentation. It is started by a terminal
and by nobody else.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from jpki.card import Card
from jpki.open import open_card

if TYPE_CHECKING:
    from jpki.kiosk.machine import Limits
    from jpki.kiosk.reader import ReaderPort
    from jpki.kiosk.terminal import Terminal
    from jpki.kiosk.visit import Flow
    from jpki.kiosk.web.bench import Bench

MODULE: Final = "jpki.open_kiosk"


def flows_of(settings: Mapping[str, Any]) -> dict[str, Flow]:
    """The flows of a terminal, by id.

    Settings: ``server`` (url), ``token``, ``ca`` (PEM file or None), ``policy`` (preset or
    file), ``flows`` (ids).
    """
    import ssl

    from jpki.kiosk.flows.konbini import Konbini, StubCoins
    from jpki.kiosk.server.client import HttpServerHalf
    from jpki.mapping.policy_file import load_policy

    ca = settings.get("ca")
    context = ssl.create_default_context(cafile=ca) if ca else None
    server = HttpServerHalf(settings["server"], settings["token"], context=context)
    policy = load_policy(settings["policy"])
    made: dict[str, Flow] = {}
    if "konbini" in settings["flows"]:
        made["konbini"] = Konbini(server, policy, StubCoins())
    return made


def serve_terminal(
    reader: ReaderPort,
    settings: Callable[[], Mapping[str, Any]],
    listener: socket.socket,
    *,
    test: bool,
    bench: Bench | None = None,
    limits: Limits | None = None,
) -> Iterator[Terminal]:
    """Run a terminal and its page until it is told to stop (SIGINT, SIGTERM).

    ``settings``: as for ``flows_of``, asked for each presentation. ``listener``: a socket on
    loopback that listens. ``bench``: of a demonstration. Yields once, when it runs.
    """
    import uvicorn

    from jpki.kiosk.child import ChildProcess
    from jpki.kiosk.terminal import Terminal
    from jpki.kiosk.web.app import Front, Pages
    from jpki.kiosk.web.bench import BenchPages

    origin = f"http://{listener.getsockname()[0]}:{listener.getsockname()[1]}"
    first = [flow.first_screen for flow in flows_of(settings()).values()]
    pages = Pages(Front(first, test), origin)
    terminal = Terminal(
        reader,
        lambda: ChildProcess(MODULE, {**settings(), "origin": origin}),
        pages.views.publish,
        limits=limits,
    )
    config = uvicorn.Config(
        pages.app(BenchPages(bench, pages.csrf).routes() if bench is not None else ()),
        log_config=None, access_log=False, lifespan="off", ws="none", server_header=False,
        timeout_graceful_shutdown=1, limit_concurrency=50,
    )  # fmt: skip
    terminal.start()
    try:
        yield terminal
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        terminal.close()


@contextmanager
def _opened(uri: str) -> Iterator[Card]:
    # As long as it takes a card to be put down properly; a ``vpcd:`` card has to dial in.
    with open_card(uri, wait=5.0).card as card:
        yield card


def main() -> None:
    """Be the process of one presentation."""
    from jpki.kiosk.worker import run

    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whoever prints does not reach the pipe
    run(_opened, flows_of, sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
