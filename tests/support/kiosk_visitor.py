# SPDX-License-Identifier: Apache-2.0
"""A person at a terminal's page, as a program: ``python kiosk_visitor.py URL PIN [CHOICE…]``.

Makes those choices, one after the other; without any the first of each. Says each screen as one
JSON line, and answers it when a line comes in. Ends with the ending and, if there is one, the
document (base64). Without a PIN: ends when nobody is at the terminal (any longer).
"""

from __future__ import annotations

import base64
import http.client
import json
import sys
from collections.abc import Generator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

_PATIENCE = 40.0  # seconds without a word


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)


def events(url: str, path: str, headers: dict[str, str]) -> Generator[dict[str, Any]]:
    """What a stream of the terminal's says, as it comes."""
    with closing(_connection(url)) as connection:
        connection.request("GET", f"{path}?lang=en", headers=headers)
        with connection.getresponse() as reply:
            assert reply.status == 200, reply.status
            while line := reply.readline():
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])


def _answer(screen: dict[str, Any], pin: str, choices: list[str]) -> dict[str, Any] | None:
    """What a person says to a screen who wants these, or a certificate of residence."""
    match screen["kind"]:
        case "question":
            offered = [option["id"] for option in screen["options"]]
            if choices:
                return {"choice": choices.pop(0)}
            return {"choice": "residence" if "residence" in offered else offered[0]}
        case "pin":
            return {"pin": pin}
        case "confirm" | "page":
            return {"yes": True}
    return None


def _say(**members: Any) -> None:
    print(json.dumps(members), flush=True)


def visit(page: str, pin: str, choices: list[str]) -> None:
    """One visit, from the card to the ending."""
    access = next(view["access"] for view in events(page, "/views", {}) if view["access"])
    headers = {"Origin": page, "X-Presentation": access["token"]}
    for screen in events(access["url"], "/screens", headers):
        answer = _answer(screen, pin, choices)
        if screen["kind"] == "ending":
            document = _get(access["url"], headers) if screen["document"] else b""
            _say(kind="ending", code=screen["code"], note=screen["note"],
                 document=base64.b64encode(document).decode())  # fmt: skip
            return
        if answer is None:
            continue
        _say(kind=screen["kind"], title=screen["title"], lines=screen.get("lines", []))
        sys.stdin.readline()
        connection = _connection(access["url"])
        body = json.dumps({"number": screen["number"], **answer})
        connection.request("POST", "/answer", body, headers)
        assert connection.getresponse().status == 204


def _get(url: str, headers: dict[str, str]) -> bytes:
    connection = _connection(url)
    connection.request("GET", "/document", headers=headers)
    return connection.getresponse().read()


def until_nobody(page: str) -> None:
    """Wait until the visit before is over: its process could still be asked."""
    with closing(events(page, "/views", {})) as views:
        next(view for view in views if view["access"] is None)


if __name__ == "__main__":
    url, *rest = sys.argv[1:]
    if rest:
        visit(url.rstrip("/"), rest[0], rest[1:])
    else:
        until_nobody(url.rstrip("/"))
