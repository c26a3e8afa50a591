# SPDX-License-Identifier: Apache-2.0
"""What a terminal shows, and the page of a presentation asked by hand."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from jpki.kiosk.machine import State
from jpki.kiosk.terminal import View

ORIGIN = "http://127.0.0.1:9"
PATIENCE = 20.0


class Views:
    """What a terminal showed, in order. ``patience``: seconds for each state."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._changed = threading.Condition()
        self.all: list[View] = []

    def __call__(self, view: View) -> None:
        with self._changed:
            self.all.append(view)
            self._changed.notify_all()

    def until(self, *states: State) -> View:
        """Wait for these states to be shown in this order since the last call."""
        found = None
        with self._changed:
            for state in states:
                found = self._changed.wait_for(partial(self._take, state), self._patience)
                assert found, f"{state} never came: {self.all}"
        assert found is not None
        return found

    def _take(self, state: State) -> View | None:
        for place, view in enumerate(self.all):
            if view.state is state:
                del self.all[: place + 1]
                return view
        return None


def eventually(check: Callable[[], bool]) -> bool:
    """Whether it comes to that, with some patience."""
    until = time.monotonic() + PATIENCE
    while not (done := check()) and time.monotonic() < until:
        time.sleep(0.02)
    return done


class Shows(Protocol):
    """A terminal, or one in another process."""

    @property
    def view(self) -> View: ...


def ask(terminal: Shows, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    access = terminal.view.access
    assert access is not None
    asked = {"Origin": ORIGIN, "X-Presentation": access.token}
    asked |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", access.port, timeout=PATIENCE)
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, path, None if body is None else json.dumps(body), asked)
        reply = connection.getresponse()
        if reply.headers.get_content_type() == "text/event-stream":
            return reply.status, reply.readline()
        return reply.status, reply.read()
    finally:
        connection.close()


def screen(terminal: Shows) -> dict[str, Any]:
    """What the presentation shows now."""
    status, line = ask(terminal, "/screens")
    assert status == 200
    members: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
    return members


def answer(terminal: Shows, **members: Any) -> None:
    """Answer what is shown now."""
    assert ask(terminal, "/answer", {"number": screen(terminal)["number"], **members})[0] == 204
