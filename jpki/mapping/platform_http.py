# SPDX-License-Identifier: Apache-2.0
"""A platform operator over HTTPS: what the map asks, and a service provider's three calls.

The shapes are of our own making; paths and status codes follow what is publicly known of such
interfaces (registration, login, replacement; 401, 404, 409, 410). [inferred] A real operator's
contract differs: write an adapter for it beside this one. Certificates and references go out
encrypted for the operator (JWE), and nothing of an answer is logged.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from jpki.errors import ConfigurationError
from jpki.mapping.index import CertificateRef, reference_from, reference_object
from jpki.mapping.jwe import encrypt
from jpki.mapping.platform import LinkAnswer, PlatformError, StatusAnswer, Validity
from jpki.mapping.policy import LinkKind
from jpki.mapping.presentation import Evidence

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

TIMEOUT: Final = 10.0  # seconds for one enquiry as a whole
MAX_ANSWER: Final = 64 * 1024
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_CODES: Final = {
    401: "platform_refused",
    403: "platform_refused",
    404: "platform_unknown",
    409: "platform_duplicate",
    410: "platform_sign_stale",
}


@dataclass(frozen=True, slots=True)
class PlatformUser:
    """A user as the operator names them to this service provider alone."""

    id: str = field(repr=False)
    reference: str


class HttpPlatform:
    """A PlatformAdapter over HTTP. Every call raises PlatformError, none repeats itself.

    ``url``: https, or http on this machine (the stand-in). ``key``: the operator's RSA key,
    DER SubjectPublicKeyInfo. ``token``: names the service provider. ``timeout``: seconds for
    a whole enquiry. Raises ConfigurationError for a URL or key that is not taken.
    """

    def __init__(
        self,
        url: str,
        key: bytes,
        *,
        token: str = "",
        timeout: float = TIMEOUT,
        context: ssl.SSLContext | None = None,
    ) -> None:
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:  # a port or an address that is none
            raise ConfigurationError("platform_settings", reason="platform_url") from None
        here = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not self._host or not (parts.scheme == "https" or here) or parts.username:
            raise ConfigurationError("platform_settings", reason="platform_url")
        self._secure = parts.scheme == "https"
        self._base = parts.path.rstrip("/")
        self._key = _rsa_key(key)
        self._token = token
        self._timeout = timeout
        self._context = context

    def __repr__(self) -> str:
        return f"<HttpPlatform {self._host}>"

    # --- what the map asks ---------------------------------------------------------------

    def status(self, ref: CertificateRef) -> StatusAnswer:
        """有効性確認 and 現況確認."""
        return _read(self._ask("status", {"reference": self._reference(ref)}), _status_answer)

    def linked(self, ref: CertificateRef, kind: LinkKind) -> LinkAnswer | None:
        """The counterpart of ``ref`` (新旧, 対応番号), or None where the operator knows none."""
        body = {"kind": kind.value, "reference": self._reference(ref)}
        try:
            found = self._ask("link", body)
        except PlatformError as exc:
            if exc.code == "platform_unknown":
                return None
            raise
        return _read(found, _link_answer)

    def latest_info(self, ref: CertificateRef, items: frozenset[str]) -> Mapping[str, str]:
        """4情報提供: what the holder consented to, and nothing that was not asked for."""
        body = {"items": sorted(items), "reference": self._reference(ref)}
        given = _read(self._ask("latest-info", body), _items)
        if not set(given) <= items:
            raise PlatformError("platform_answer", status=200)
        return given

    # --- what a service provider asks ----------------------------------------------------

    def register(self, evidence: Evidence) -> PlatformUser:
        """A new user, by the sign certificate. 409: there already. 401: not valid."""
        return self._user("verify/registration", evidence)

    def login(self, evidence: Evidence) -> PlatformUser:
        """The user, by the auth certificate. 404: not registered. 410: sign anew first."""
        return self._user("verify/login", evidence)

    def replace(self, evidence: Evidence) -> PlatformUser:
        """The same user with a new sign certificate. 404: the operator finds no older one."""
        return self._user("verify/replacement", evidence)

    def _user(self, path: str, evidence: Evidence) -> PlatformUser:
        response = evidence.response
        body = {
            "data": base64.b64encode(response.challenge.signed_text()).decode("ascii"),
            "signature": base64.b64encode(response.signature).decode("ascii"),
            "certificate": encrypt(response.certificate, self._key),
        }
        return _read(self._ask(path, body), lambda r: PlatformUser(_name(r["user"]), _ref(r)))

    def _reference(self, ref: CertificateRef) -> str:
        return encrypt(json.dumps(reference_object(ref)).encode("ascii"), self._key)

    # --- transport -----------------------------------------------------------------------

    def _ask(self, path: str, body: Mapping[str, object]) -> Any:
        """POST, and the JSON of a good answer; everything else is a PlatformError."""
        connection = self._connection()
        try:
            connection.connect()
            with _within(self._timeout, connection.sock):
                connection.request(
                    "POST", f"{self._base}/{path}", json.dumps(body).encode("utf-8"),
                    self._headers(),
                )  # fmt: skip
                with connection.getresponse() as answer:
                    status, kind, data = _bounded(answer)
        except (OSError, http.client.HTTPException) as exc:
            # The cause is named by its type alone: its text could hold what was asked.
            _log.debug("platform %s: %s", path, type(exc).__name__)
            raise PlatformError(status=0) from None
        finally:
            connection.close()
        _log.debug("platform %s: %d, %d bytes", path, status, len(data))
        if status not in (200, 201):
            raise PlatformError(_CODES.get(status, "platform_down"), status=status)
        if kind != "application/json":
            raise PlatformError("platform_answer", status=status)
        try:
            return json.loads(data.decode("utf-8"))
        except (UnicodeDecodeError, ValueError, RecursionError):
            raise PlatformError("platform_answer", status=status) from None

    def _connection(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout, context=self._context
        )

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers


@contextmanager
def _within(seconds: float, line: socket.socket) -> Iterator[None]:
    """Hang up when the time is over, however busily the other side drips."""

    def hang_up() -> None:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _bounded(answer: http.client.HTTPResponse) -> tuple[int, str, bytes]:
    """Status, media type and the whole body. Raises PlatformError for a long or a cut one."""
    data = answer.read(MAX_ANSWER + 1)
    if len(data) > MAX_ANSWER or answer.length:
        raise PlatformError("platform_answer", status=answer.status)
    return answer.status, answer.headers.get_content_type(), data


def _read(raw: Any, read: Callable[[Any], _T]) -> _T:
    try:
        return read(raw)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise PlatformError("platform_answer", status=200) from None


def _status_answer(raw: Any) -> StatusAnswer:
    return StatusAnswer(Validity(raw["validity"]), _time(raw), _reason(raw["reason"]), _ref(raw))


def _link_answer(raw: Any) -> LinkAnswer:
    return LinkAnswer(LinkKind(raw["kind"]), reference_from(raw["other"]), _time(raw), _ref(raw))


def _items(raw: Any) -> Mapping[str, str]:
    items = raw["items"]
    if not all(isinstance(value, str) for value in items.values()):
        raise ValueError
    return dict(items)


def _time(raw: Any) -> datetime:
    found = datetime.fromisoformat(raw["at"])
    if found.tzinfo is None:
        raise ValueError
    return found


def _reason(text: object) -> str:
    if not isinstance(text, str) or len(text) > 40 or not (text == "" or text.isidentifier()):
        raise ValueError
    return text


def _ref(raw: Any) -> str:
    """The operator's reference, as the ledger can take it."""
    return _name(raw["reference"])


def _name(text: object) -> str:
    if not isinstance(text, str) or not 1 <= len(text) <= 64 or not text.isascii():
        raise ValueError
    if not text.isprintable():
        raise ValueError
    return text


def _rsa_key(der: bytes) -> RSAPublicKey:
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey) or key.key_size < 2048:
        raise ConfigurationError("platform_settings", reason="platform_key")
    return key
