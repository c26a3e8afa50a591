# SPDX-License-Identifier: Apache-2.0
"""Asks an OCSP responder over HTTP. What it answers is believed no more than a file is.

No answer is «cannot tell», never «good». Source: [RFC6960 A.1], [RFC9654] for the nonce.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from jpki.errors import ConfigurationError, JpkiError
from jpki.validation.ocsp import MAX_SIZE
from jpki.validation.ocsp_request import OcspQuestion, RequestSigner, encode_request
from jpki.validation.ocsp_store import OcspAnswer

if TYPE_CHECKING:
    import http.client

_log = logging.getLogger(__name__)
_REQUEST, _RESPONSE = "application/ocsp-request", "application/ocsp-response"
_NONCE_BYTES: Final = 32
_CHUNK: Final = 16 * 1024
# Worth a second try: the connection, and what a server says about itself.
_PASSING: Final = frozenset({"unreachable", "timeout", "http_server_error"})


class OcspUnavailableError(JpkiError):
    """No answer of a responder. ``reason``: unreachable, timeout, http_status,
    http_server_error, redirect, not_ocsp, too_large, circuit_open, offline."""

    default_code = "ocsp_unavailable"


@dataclass(frozen=True, slots=True)
class OcspTimes:
    """Seconds and counts. ``timeout``: for one question with its retries, all in all.

    After ``failures`` questions in a row without an answer none is sent for ``pause``.
    """

    timeout: float = 10.0
    retries: int = 2
    wait: float = 0.2
    failures: int = 5
    pause: float = 30.0


@dataclass
class _Breaker:
    """Keeps away from a responder that does not answer."""

    times: OcspTimes
    clock: Callable[[], float]
    failed: int = 0
    closed_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self) -> None:
        with self.lock:
            if self.clock() < self.closed_until:
                raise OcspUnavailableError(reason="circuit_open")

    def note(self, answered: bool) -> None:
        with self.lock:
            self.failed = 0 if answered else self.failed + 1
            if self.failed >= self.times.failures:
                self.closed_until = self.clock() + self.times.pause


class OcspClient:
    """One responder. Thread-safe; sends nothing before it is asked to.

    ``url``: http or https, without user and password. ``nonce``: send one and demand it back.
    ``offline``: send nothing, and say so.
    ``cache``: how many believed answers to keep, each for its own lifetime and its own CertID.
    ``clock``, ``sleep``: seconds. Raises ConfigurationError.
    """

    def __init__(
        self,
        url: str,
        *,
        signer: RequestSigner | None = None,
        nonce: bool = True,
        offline: bool = False,
        times: OcspTimes | None = None,
        cache: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._scheme, self._host, self._port, self._path = _parse(url)
        self._signer = signer
        self._nonce = nonce
        self._offline = offline
        self._times = times or OcspTimes()
        self._clock, self._sleep = clock, sleep
        self._breaker = _Breaker(self._times, clock)
        self._room = cache
        self._kept: OrderedDict[bytes, tuple[OcspAnswer, datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, question: OcspQuestion, now: datetime) -> OcspAnswer:
        """An answer that was kept and still holds at ``now``, else a new one. Raises
        OcspUnavailableError."""
        kept = self._remembered(question.cert_id(), now)
        if kept is not None:
            return kept
        if self._offline:
            raise OcspUnavailableError(reason="offline")
        self._breaker.admit()
        nonce = secrets.token_bytes(_NONCE_BYTES) if self._nonce else None
        request = encode_request(question, nonce, self._signer)
        try:
            answer = self._persist(request)
        except OcspUnavailableError as error:
            self._breaker.note(False)
            _log.info("OCSP: no answer: %s", error.values["reason"])
            raise
        self._breaker.note(True)
        _log.debug("OCSP: request of %d bytes, answer of %d", len(request), len(answer))
        return OcspAnswer(answer, nonce)

    def keep(self, question: OcspQuestion, answer: OcspAnswer, until: datetime) -> None:
        """Remember an answer that was believed, until it ends."""
        if self._room <= 0:
            return
        with self._lock:
            self._kept[question.cert_id()] = (answer, until)
            self._kept.move_to_end(question.cert_id())
            while len(self._kept) > self._room:
                self._kept.popitem(last=False)

    def _remembered(self, cert_id: bytes, now: datetime) -> OcspAnswer | None:
        with self._lock:
            answer, until = self._kept.get(cert_id, (None, now))
            if answer is not None and now >= until:
                del self._kept[cert_id]
                return None
            return answer

    def _persist(self, request: bytes) -> bytes:
        """The answer's bytes, after retries within the time allowed."""
        end = self._clock() + self._times.timeout
        for attempt in range(self._times.retries + 1):
            try:
                return self._send(request, end)
            except OcspUnavailableError as error:
                wait = self._times.wait * 2**attempt
                last = attempt == self._times.retries or self._clock() + wait >= end
                if last or error.values["reason"] not in _PASSING:
                    raise
            self._sleep(wait)
        raise OcspUnavailableError(reason="timeout")

    def _send(self, request: bytes, end: float) -> bytes:
        import http.client

        connection = self._connection(self._left(end))
        try:
            connection.request(
                "POST",
                self._path,
                body=request,
                headers={"Content-Type": _REQUEST, "Accept": _RESPONSE},
            )
            return self._read(connection, connection.getresponse(), end)
        except TimeoutError:
            raise OcspUnavailableError(reason="timeout") from None
        except (OSError, http.client.HTTPException):
            # Not chained: the texts below may hold the address and more.
            raise OcspUnavailableError(reason="unreachable") from None
        finally:
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        import http.client

        if self._scheme == "https":
            return http.client.HTTPSConnection(self._host, self._port, timeout=timeout)
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout)

    def _read(
        self,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        end: float,
    ) -> bytes:
        if 300 <= response.status < 400:
            raise OcspUnavailableError(reason="redirect")
        if response.status >= 500:
            raise OcspUnavailableError(reason="http_server_error")
        if response.status != 200:
            raise OcspUnavailableError(reason="http_status")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != _RESPONSE:
            raise OcspUnavailableError(reason="not_ocsp")
        found = bytearray()
        while chunk := response.read1(_CHUNK):
            found += chunk
            if len(found) > MAX_SIZE:
                raise OcspUnavailableError(reason="too_large")
            if connection.sock is not None:
                connection.sock.settimeout(self._left(end))
        return bytes(found)

    def _left(self, end: float) -> float:
        """Seconds that are left: one slow byte after the other does not add up."""
        left = end - self._clock()
        if left <= 0:
            raise OcspUnavailableError(reason="timeout")
        return left


def _parse(url: str) -> tuple[str, str, int | None, str]:
    """Scheme, host, port and path. Raises ConfigurationError; the address is not repeated."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(path="ocsp", reason="bad_value", place="ocsp") from None
    fits = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
    if not fits or any(ord(c) <= 0x20 or ord(c) > 0x7E for c in url) or parts.fragment:
        raise ConfigurationError(path="ocsp", reason="bad_value", place="ocsp")
    assert parts.hostname is not None
    query = f"?{parts.query}" if parts.query else ""
    return parts.scheme, parts.hostname, port, (parts.path or "/") + query
