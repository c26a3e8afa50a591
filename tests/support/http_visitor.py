# SPDX-License-Identifier: Apache-2.0
"""Somebody at a terminal's page, over its own HTTP and without a browser."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from kiosk_page import PATIENCE, Kiosk

T = TypeVar("T")
CLOSES: Final = ("done", "refused", "failed")


class HttpVisitor:
    """Reads what the page would show, and answers as it would."""

    def __init__(self, kiosk: Kiosk) -> None:
        self._kiosk = kiosk

    def view(self, language: str = "en") -> dict[str, Any]:
        """What the terminal shows."""
        return _first(self._kiosk.url, f"/views?lang={language}", {})

    def screen(self, language: str = "en") -> dict[str, Any] | None:
        """What the presentation shows; None where there is none."""
        access = self.view()["access"]
        if access is None:
            return None
        try:
            return _first(access["url"], f"/screens?lang={language}", self._headers(access))
        except (OSError, http.client.HTTPException):  # it has just ended
            return None

    def until(self, *wanted: str) -> dict[str, Any]:
        """Wait for one of these screens (``kind``, or how an ending closes); what it shows."""

        def shown() -> dict[str, Any] | None:
            screen = self.screen()
            kind = screen and screen.get("close", screen["kind"])
            return screen if kind in wanted else None

        return until(shown)

    def until_state(self, state: str) -> dict[str, Any]:
        """Wait until the terminal is in that state; what it shows."""

        def shown() -> dict[str, Any] | None:
            view = self.view()
            return view if view["state"] == state else None

        return until(shown)

    def answer(self, **members: Any) -> int:
        """Answer what is shown now; the status."""
        screen = self.screen()
        assert screen is not None
        return self.post({"number": screen["number"], **members})

    def post(self, members: dict[str, Any]) -> int:
        """An answer as it stands; the status."""
        access = self.view()["access"]
        with closing(_connection(access["url"])) as connection:
            body = json.dumps(members)
            connection.request("POST", "/answer", body, self._headers(access))
            return connection.getresponse().status

    def bench(self) -> dict[str, Any]:
        """What the bench shows."""
        return _first(self._kiosk.url, "/bench/events?lang=en", {})

    def document(self) -> bytes:
        """What is handed over."""
        access = self.view()["access"]
        with closing(_connection(access["url"])) as connection:
            connection.request("GET", "/document", headers=self._headers(access))
            reply = connection.getresponse()
            assert reply.status == 200
            return reply.read()

    def choose(self, *options: str) -> None:
        """One option after the other, each as soon as it is offered."""
        for option in options:
            screen = until(partial(self._offers, option))
            assert self.post({"number": screen["number"], "choice": option}) == 204

    def _offers(self, option: str) -> dict[str, Any] | None:
        screen = self.screen() or {}
        offered = [each["id"] for each in screen.get("options", ())]
        return screen if option in offered else None

    def _headers(self, access: dict[str, Any]) -> dict[str, str]:
        return {"Origin": self._kiosk.origin, "X-Presentation": access["token"]}


def until(found: Callable[[], T | None]) -> T:
    """Ask until there is something, with some patience. The answer."""
    ends = time.monotonic() + PATIENCE
    while not (answer := found()):
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.03)
    return answer


def _connection(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)


def _first(url: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    """The first event of a stream."""
    with closing(_connection(url)) as connection:
        connection.request("GET", path, headers=headers)
        line = connection.getresponse().readline()
    if not line.startswith(b"data: "):
        raise http.client.HTTPException("no event")
    members: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
    return members
