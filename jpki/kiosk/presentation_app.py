# SPDX-License-Identifier: Apache-2.0
"""What the process of a presentation serves to its page: screens, answers, the document.

On loopback only, for one token and one origin, as long as the presentation lasts. PINs and
personal content pass here and nowhere else.
"""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

from jpki import messages
from jpki.kiosk.page_desk import PageDesk
from jpki.kiosk.screens import screen_object
from jpki.kiosk.serving import TooLargeError, read_body
from jpki.kiosk.visit import Ending

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

MAX_ANSWER: Final = 4096
_BEGIN: Final = 2.0  # seconds in which a presentation that was announced begins
_PRIVATE: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",  # the page has another port
}


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class PresentationPages:
    """Serves one desk. Before ``begin`` everybody waits, and for long nobody."""

    def __init__(self, desk: PageDesk, origin: str) -> None:
        self._desk = desk
        self._origin = origin
        self._token = ""
        self._begun = threading.Event()

    def begin(self, token: str) -> None:
        """The presentation begins: from now on who has the token is served."""
        self._token = token
        self._begun.set()

    def app(self) -> Starlette:
        """The application: ``/screens``, ``/answer``, ``/document``."""
        from starlette.applications import Starlette
        from starlette.routing import Route

        routes = [
            Route("/screens", self._guarded(self._screens), methods=["GET", "OPTIONS"]),
            Route("/answer", self._guarded(self._answer), methods=["POST", "OPTIONS"]),
            Route("/document", self._guarded(self._document), methods=["GET", "OPTIONS"]),
        ]
        return Starlette(routes=routes)

    def _guarded(self, work: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def guarded(request: Request) -> Response:
            from starlette.responses import Response

            try:
                self._check(request)
            except _Refused as refused:
                return Response(status_code=refused.status, headers=_PRIVATE)
            if request.method == "OPTIONS":
                return Response(status_code=204, headers=self._headers())
            try:
                await self._check_token(request)
                response: Response = await work(request)
            except _Refused as refused:
                response = Response(status_code=refused.status)
            response.headers.update(self._headers())
            return response

        return guarded

    def _headers(self) -> dict[str, str]:
        return {
            **_PRIVATE,
            "Access-Control-Allow-Origin": self._origin,
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "content-type, x-presentation",
            "Access-Control-Max-Age": "600",
            "Vary": "Origin",
        }

    def _check(self, request: Request) -> None:
        """The page's own origin and our own address: nobody else's page asks here."""
        host = request.headers.get("host", "").rpartition(":")[0]
        if host not in ("127.0.0.1", "localhost", "[::1]"):
            raise _Refused(421)
        if request.headers.get("origin") != self._origin:
            raise _Refused(403)

    async def _check_token(self, request: Request) -> None:
        """The page may be faster than the pipe on which the token comes."""
        from starlette.concurrency import run_in_threadpool

        begun = self._begun.is_set() or await run_in_threadpool(self._begun.wait, _BEGIN)
        given = request.headers.get("x-presentation", "")
        if not begun or not hmac.compare_digest(given.encode(), self._token.encode()):
            raise _Refused(403)

    async def _screens(self, request: Request) -> Response:
        from starlette.responses import StreamingResponse

        language = request.query_params.get("lang", "ja")
        if language not in messages.SPOKEN:
            raise _Refused(400)
        return StreamingResponse(self._stream(language), media_type="text/event-stream")

    async def _stream(self, language: str) -> AsyncIterator[str]:
        async for screen in self._desk.screens.changes():
            if screen is None:
                yield ": still here\n\n"
                continue
            members = json.dumps(screen_object(screen, language), ensure_ascii=False)
            yield f"data: {members}\n\n"

    async def _answer(self, request: Request) -> Response:
        from starlette.responses import Response

        try:
            data = await read_body(request, MAX_ANSWER)
        except TooLargeError:
            raise _Refused(413) from None
        except TimeoutError:
            raise _Refused(408) from None
        try:
            members = json.loads(data)
            number = members["number"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _Refused(400) from None
        finally:
            data[:] = bytes(len(data))  # there may have been a PIN in it
        taken = type(number) is int and self._desk.answer(number, members)  # True is none
        return Response(status_code=204 if taken else 409)

    async def _document(self, request: Request) -> Response:
        from starlette.responses import Response

        content = self._desk.screens.value.content
        if not isinstance(content, Ending) or content.document is None:
            raise _Refused(404)
        return Response(content.document, media_type=content.media_type)
