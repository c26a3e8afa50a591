# SPDX-License-Identifier: Apache-2.0
"""A page on which an issued document is checked. The file is looked at and not kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from jpki import messages
from jpki.kiosk.receipt import statement_lines
from jpki.kiosk.serving import TooLargeError, read_body
from jpki.kiosk.web.app import static_file
from jpki.verdict import Check
from jpki.verifying.issued import MAX_FILE, IssuerKey, verify_issued

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

_WORDS: Final = ("title", "note", "file", "go", "checks", "too_large", "failed", "back")


@dataclass(frozen=True, slots=True)
class CheckPages:
    """The routes of the page. ``keys``: issuers that are believed; ``csrf``: the token that
    the page hands back."""

    keys: Sequence[IssuerKey]
    clock: Callable[[], datetime]
    csrf: str = field(repr=False)

    def routes(self) -> list[BaseRoute]:
        """``/check``, its words, and the check itself."""
        from starlette.routing import Route

        return [
            Route("/check", self._index),
            Route("/check/words", self._words),
            Route("/check/file", self._file, methods=["POST"]),
        ]

    async def _index(self, request: Request) -> Response:
        return static_file("check.html")

    async def _words(self, request: Request) -> Response:
        language = _language(request)
        words = {name: messages.text(f"kiosk.check.{name}", language) for name in _WORDS}
        return _json({"csrf": self.csrf, "words": words})

    async def _file(self, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import Response

        try:
            data = await read_body(request, MAX_FILE)
        except TooLargeError:
            return Response(status_code=413)
        except TimeoutError:
            return Response(status_code=408)
        return _json(await run_in_threadpool(self._checked, bytes(data), _language(request)))

    def _checked(self, data: bytes, language: str) -> dict[str, Any]:
        """The verdict in words. Of the statement only what names nobody is repeated."""
        verdict, statement = verify_issued(data, self.keys, now=self.clock())
        outcome = verdict.outcome.value
        return {
            "outcome": outcome,
            "title": messages.text(f"kiosk.check.outcome.{outcome}", language),
            "lines": [] if statement is None else statement_lines(statement, language),
            "checks": [_check(check, language) for check in verdict.checks],
        }


def _check(check: Check, language: str) -> dict[str, str]:
    return {
        "name": messages.text(f"check.{check.name}", language),
        "outcome": check.outcome.value,
        "words": messages.text(f"reason.{check.code}", language, **check.values),
    }


def _language(request: Request) -> str:
    given = request.query_params.get("lang", "ja")
    return given if given in messages.SPOKEN else "ja"


def _json(members: object) -> Response:
    from starlette.responses import Response

    body = json.dumps(members, ensure_ascii=False).encode("utf-8")
    return Response(body, media_type="application/json")
