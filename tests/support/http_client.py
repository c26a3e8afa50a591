# SPDX-License-Identifier: Apache-2.0
"""One HTTP exchange with a server on this machine; proxies and redirects are not followed."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    """``headers`` by their names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


def request(
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    method: str | None = None,
    timeout: float = 10.0,
    most: int | None = None,
) -> Reply:
    """GET, or POST with a body. ``most``: bytes after which the client has enough."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    try:
        method = method or ("GET" if body is None else "POST")
        connection.request(method, parts.path or "/", body, dict(headers or {}))
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, found, answer.read(most))
    finally:
        connection.close()
