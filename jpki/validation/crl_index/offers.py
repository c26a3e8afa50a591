# SPDX-License-Identifier: Apache-2.0
"""Lists from files, folders and HTTP(S) addresses, one after the other into a store.

An address is fetched as it is named and not otherwise: no redirect is followed, and a page of
words is no list. One list that is refused does not keep the others out.
"""

from __future__ import annotations

import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, Protocol, cast
from urllib.parse import urlsplit, urlunsplit

from jpki.certificate.files import load_crls
from jpki.errors import InputFileError, RevocationDataError
from jpki.validation.crl_index.layout import Facts
from jpki.validation.crl_index.writer import MAX_SIZE, StoreWriter

_log = logging.getLogger(__name__)
MAX_PEM: Final = 1 << 28
_SEQUENCE: Final = b"\x30"


@dataclass(frozen=True, slots=True)
class FetchTimes:
    """Seconds: for the server to answer, and for a whole list."""

    answer: float = 30.0
    whole: float = 900.0


@dataclass(frozen=True, slots=True)
class Offered:
    """What became of one list. ``placed``: added, same or refused; ``reason``: why refused."""

    source: str
    placed: str
    reason: str | None = None
    facts: Facts | None = field(default=None, repr=False)


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


def put_in(
    writer: StoreWriter,
    sources: Iterable[str],
    *,
    times: FetchTimes | None = None,
    step: Callable[[str], None] = lambda source: None,
) -> Iterator[Offered]:
    """Puts every list in, and says of each what became of it. ``step``: told the source before
    it is read. Raises CrlStoreError when the store takes no more, InputFileError for a folder
    or file that is not there."""
    for source, opened in _sources(sources, times or FetchTimes()):
        step(source)
        try:
            with opened() as stream:
                yield from _put(writer, source, stream)
        except (RevocationDataError, InputFileError) as error:
            reason = str(error.values["reason"])
            _log.info("CRL refused: %s", reason)
            yield Offered(source, "refused", reason)


def _put(writer: StoreWriter, source: str, stream: _Checked) -> Iterator[Offered]:
    first = stream.peek()
    if first == _SEQUENCE:
        done = writer.add(cast(BinaryIO, stream))
        yield Offered(source, done.placed.value, facts=done.facts)
        return
    armoured = stream.read(MAX_PEM + 1)
    if len(armoured) > MAX_PEM:
        raise RevocationDataError(reason="too_large", source="crl")
    for data in load_crls(armoured):
        done = writer.add(data)
        yield Offered(source, done.placed.value, facts=done.facts)


def _sources(sources: Iterable[str], times: FetchTimes) -> Iterator[tuple[str, Any]]:
    for source in sources:
        if "://" in source:
            yield _shown(source), lambda source=source: _fetched(source, times)
            continue
        path = Path(source)
        try:
            inside = sorted(path.iterdir()) if path.is_dir() else [path]
        except OSError as exc:
            raise InputFileError(path=source, reason="unreadable") from exc
        if not path.exists():
            raise InputFileError(path=source, reason="not_found")
        for file in inside:
            if file == path or (file.is_file() and not file.name.startswith(".")):
                yield str(file), lambda file=file: _read(file)


class _Checked:
    """A stream whose failures are not those of the store it goes into."""

    def __init__(self, source: _Source, until: float | None = None) -> None:
        self._source = source
        self._until = until
        self._first = b""

    def peek(self) -> bytes:
        """The first octet; it stays to be read."""
        self._first = self.read(1)
        return self._first

    def read(self, size: int) -> bytes:
        """Up to ``size`` octets. Raises RevocationDataError when the source breaks off."""
        if self._until is not None and time.monotonic() > self._until:
            raise RevocationDataError(reason="timeout", source="crl")
        first, self._first = self._first, b""
        try:
            return first + self._source.read(size - len(first))
        except TimeoutError:
            raise RevocationDataError(reason="timeout", source="crl") from None
        except (OSError, http.client.HTTPException):
            raise RevocationDataError(reason="broken_off", source="crl") from None


@contextmanager
def _read(path: Path) -> Iterator[_Checked]:
    try:
        file = path.open("rb")
    except OSError as exc:
        raise InputFileError(path=str(path), reason="unreadable") from exc
    with file:
        yield _Checked(file)


@contextmanager
def _fetched(address: str, times: FetchTimes) -> Iterator[_Checked]:
    """The body of an answer, read as it comes. Raises RevocationDataError."""
    _require_plain(address)
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        response = opener.open(address, timeout=times.answer)
    except urllib.error.HTTPError as error:
        reason = "redirect" if 300 <= error.code < 400 else "http_status"
        error.close()
        raise RevocationDataError(reason=reason, source="crl") from None
    except TimeoutError:
        raise RevocationDataError(reason="timeout", source="crl") from None
    except (OSError, ValueError, http.client.HTTPException):
        # Not chained: the texts below may hold the address with a password in it.
        raise RevocationDataError(reason="unreachable", source="crl") from None
    with response:
        _require_list(response.headers)
        yield _Checked(_Whole(response), time.monotonic() + times.whole)


def _require_plain(address: str) -> None:
    """Refuses what is no web address, and one that would put a password on the wire."""
    try:
        parts = urlsplit(address)
    except ValueError:
        raise RevocationDataError(reason="not_http", source="crl") from None
    if parts.scheme not in ("http", "https"):
        raise RevocationDataError(reason="not_http", source="crl")
    if parts.username is not None or parts.password is not None:
        raise RevocationDataError(reason="has_password", source="crl")


def _require_list(headers: Message) -> None:
    """Refuses an answer that says itself that it is a page, or too large."""
    if headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise RevocationDataError(reason="is_a_page", source="crl")
    length = headers.get("Content-Length", "")
    if length.isdigit() and int(length) > MAX_SIZE:
        raise RevocationDataError(reason="too_large", source="crl")


class _Whole:
    """An HTTP answer that is read bit by bit, so that a slow one is noticed, to its end."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def read(self, size: int) -> bytes:
        data: bytes = self._response.read1(size) if size else b""
        if not data and size and self._response.length:
            raise OSError("fewer octets than were announced")
        return data


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves a redirect to be reported."""

    def redirect_request(
        self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


def _shown(address: str) -> str:
    """An address without user, password and query."""
    try:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "?"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
