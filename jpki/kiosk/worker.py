# SPDX-License-Identifier: Apache-2.0
"""The process of one presentation, from inside: opens the card, runs the flow, ends.

Speaks JSON lines: settings and a beginning come in, a port, signals and codes go out. The end
of its input is the end of the process, whatever it is doing.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import IO, Any, Final

from jpki.card import Card
from jpki.kiosk.endings import ending_of
from jpki.kiosk.machine import Signal
from jpki.kiosk.page_desk import PageDesk
from jpki.kiosk.presentation_app import PresentationPages
from jpki.kiosk.serving import make_server
from jpki.kiosk.visit import Ending, Flow, Option, Question, Visit

_log = logging.getLogger(__name__)
_PATIENCE: Final = 1.5  # seconds in which the card may be let go of
HOST: Final = "127.0.0.1"

Opener = Callable[[str, Mapping[str, Any]], AbstractContextManager[Card]]
"""Opens the card behind a URI, for a terminal with these settings."""
Flows = Callable[[Mapping[str, Any]], Mapping[str, Flow]]
"""Makes the flows of a terminal from its settings, by id."""


def run(opener: Opener, flows: Flows, source: IO[bytes], sink: IO[bytes]) -> None:
    """Serve one presentation; does not return, but ends the process.

    ``source``, ``sink``: the pipe to the terminal. Settings: ``origin`` of the page,
    ``ahead`` (seconds a demonstration's clock was moved), and what ``flows`` and ``opener`` read.
    """
    worker = _Worker(opener, source, sink)
    try:
        worker.prepare(flows)
        worker.present()
    finally:
        os._exit(0)  # nothing of the presentation is flushed, saved or handed on


class _Worker:
    def __init__(self, opener: Opener, source: IO[bytes], sink: IO[bytes]) -> None:
        self._opener = opener
        self._source = source
        self._sink = sink
        self._over = threading.Event()
        self._desk = PageDesk(self._tell)
        self._settings: Mapping[str, Any] = {}
        self._flows: Mapping[str, Flow] = {}
        self._pages: PresentationPages | None = None
        self._ahead = timedelta(0)

    def prepare(self, flows: Flows) -> None:
        """Read the settings, load everything, serve the page's port."""
        settings = self._settings = self._read()
        self._flows = flows(settings)
        self._ahead = timedelta(seconds=settings.get("ahead", 0))
        self._pages = PresentationPages(self._desk, settings["origin"])
        self._say({"port": self._serve(self._pages)})

    def present(self) -> None:
        """Wait for the beginning, run the flow, show its ending until the terminal hangs up."""
        begin = self._read()
        assert self._pages is not None
        self._pages.begin(begin["token"])
        threading.Thread(target=self._await_end, daemon=True).start()
        ending = self._visit(begin["uri"])
        self._desk.finish(ending)
        self._say({"signal": Signal.FINISHED.value, "code": ending.code})
        self._over.wait()

    def _visit(self, uri: str) -> Ending:
        try:
            with self._opener(uri, self._settings) as card:
                flow = self._choose()
                return flow.run(Visit(card, self._desk, self._now))
        except Exception as error:
            ending = ending_of(error)
            if ending.code == "internal":
                _log.error("a flow failed: %s", type(error).__name__)  # its text may be personal
            return ending

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def _choose(self) -> Flow:
        """What the person came for; not asked where there is one thing only."""
        if len(self._flows) == 1:
            return next(iter(self._flows.values()))
        options = tuple(Option(flow, flow) for flow in self._flows)
        return self._flows[self._desk.choose(Question("flow", options))]

    def _await_end(self) -> None:
        while self._source.read(1):
            pass
        self._over.set()
        self._desk.cancel()
        # The card is powered off where the flow ends; a card that hangs is left behind.
        threading.Timer(_PATIENCE, os._exit, (1,)).start()

    def _serve(self, pages: PresentationPages) -> int:
        listener = socket.create_server((HOST, 0))
        server = make_server(pages.app(), most=20)
        threading.Thread(target=server.run, args=([listener],), daemon=True).start()
        return int(listener.getsockname()[1])

    def _tell(self, signal: Signal) -> None:
        self._say({"signal": signal.value})

    def _say(self, members: Mapping[str, Any]) -> None:
        self._sink.write(json.dumps(members).encode("utf-8") + b"\n")
        self._sink.flush()

    def _read(self) -> dict[str, Any]:
        line = self._source.readline(1 << 16)
        if not line:
            os._exit(0)  # the terminal closed before anything began
        members = json.loads(line)
        assert isinstance(members, dict)
        return members
