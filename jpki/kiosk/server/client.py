# SPDX-License-Identifier: Apache-2.0
"""The server half as a terminal reaches it: over TLS, with time limits, believing nothing."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from typing import Final
from urllib.parse import urlsplit

from jpki.errors import ConfigurationError
from jpki.kiosk.documents.contents import DocumentKind
from jpki.kiosk.server.half import Answer, Errand, ServerHalfError
from jpki.kiosk.server.wire import (
    CHALLENGE,
    DOCUMENT,
    MAX_REPLY,
    PRESENT,
    STATUS,
    errand_object,
    read_answer,
    read_challenge,
    read_object,
)
from jpki.verifying.challenge import Challenge, Response

TIMEOUT: Final = 10.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class HttpServerHalf:
    """A ServerHalf behind ``url``. Safe for several threads: one request at a time.

    ``token``: the terminal's. ``context``: whom to believe; None = the system's CAs. Plain
    ``http:`` is taken on loopback only. Raises ConfigurationError (``server_url``).
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        context: ssl.SSLContext | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:  # a port or an address that is none
            raise ConfigurationError("server_url", path=url.partition("@")[2] or url) from None
        secure = parts.scheme == "https"
        plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not self._host or not (secure or plain) or parts.username or parts.password:
            raise ConfigurationError("server_url", path=url.partition("@")[2] or url)
        self._context = (context or ssl.create_default_context()) if secure else None
        self._token = token
        self._timeout = timeout
        self._lock = threading.Lock()

    def challenge(self, errand: Errand) -> Challenge:
        """As the Protocol has it."""
        return read_challenge(self._ask(CHALLENGE, errand_object(errand)))

    def present(self, errand: Errand, response: Response) -> Answer:
        """As the Protocol has it."""
        body = {**errand_object(errand), "response": response.to_object()}
        return read_answer(self._ask(PRESENT, body))

    def document(self, ticket: str, kind: DocumentKind) -> bytes:
        """As the Protocol has it."""
        data = self._ask(DOCUMENT, {"ticket": ticket, "kind": kind.value}, "application/pdf")
        if not data.startswith(b"%PDF-"):
            raise ServerHalfError("server_nonsense")
        return data

    def _ask(self, path: str, body: object, expected: str = "application/json") -> bytes:
        with self._lock:
            connection = self._connection()
            try:
                connection.request(
                    "POST",
                    path,
                    json.dumps(body).encode("utf-8"),
                    {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
                )
                reply = connection.getresponse()
                data = _read(reply, time.monotonic() + self._timeout)
            except TimeoutError:
                raise ServerHalfError("server_slow") from None
            except (OSError, http.client.HTTPException):
                raise ServerHalfError("server_down") from None
            finally:
                connection.close()
        if len(data) > MAX_REPLY:
            raise ServerHalfError("server_nonsense")
        if reply.status != 200:
            raise ServerHalfError(_code(reply.status, data))
        if reply.headers.get_content_type() != expected:
            raise ServerHalfError("server_nonsense")
        return data

    def _connection(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout, context=self._context
        )


def _read(reply: http.client.HTTPResponse, until: float) -> bytes:
    """The body, as long as it comes in time: a trickle does not hold the terminal."""
    data = bytearray()
    while len(data) <= MAX_REPLY and (part := reply.read1(1 << 16)):
        data += part
        if time.monotonic() > until:
            raise TimeoutError
    if len(data) <= MAX_REPLY and reply.length:  # hung up before all of it had come
        raise http.client.IncompleteRead(bytes(data), reply.length)
    return bytes(data)


def _code(status: int, data: bytes) -> str:
    """The code of an error answer; only codes we know are repeated."""
    code = read_object(data).get("code")
    return code if isinstance(code, str) and STATUS.get(code) == status else "server_nonsense"
