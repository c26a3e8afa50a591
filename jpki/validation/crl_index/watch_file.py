# SPDX-License-Identifier: Apache-2.0
"""Watch lists: one JSON object a line, with the caller's own key and what stands for a
certificate.

``{"key": "a-17", "certificate": "BASE64 OF DER"}`` or ``{"key": "a-17", "handle": "…",
"status": "good"}``; the second is what the watcher writes, to be given to it the next time.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

from jpki.errors import WatchRowError
from jpki.input_file import reading
from jpki.validation.crl_index.watching import Status, Watched, WatchRow

MAX_LINE: Final = 1 << 17
MAX_KEY: Final = 200
_MEMBERS: Final = frozenset({"key", "certificate", "handle", "status"})


def read_rows(path: Path) -> Iterator[WatchRow]:
    """The rows of a file, read as they are asked for. Raises InputFileError, WatchRowError."""
    with reading(path):
        file = path.open("rb")
    with file:
        for number in count(1):
            with reading(path):
                line = file.readline(MAX_LINE + 1)
            if not line:
                return
            if line.strip():
                yield _row(line, number)


def row_line(watched: Watched) -> bytes:
    """The line to give to the watcher the next time."""
    content = {"key": watched.key, "handle": watched.handle, "status": watched.status.value}
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"


def _row(line: bytes, number: int) -> WatchRow:
    if len(line) > MAX_LINE:
        raise WatchRowError(row=number, reason="too_large")
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        raise WatchRowError(row=number, reason="not_json") from None
    if not isinstance(content, dict) or not content.keys() <= _MEMBERS:
        raise WatchRowError(row=number, reason="bad_row")
    return _filled(content, number)


def _filled(content: dict[str, Any], number: int) -> WatchRow:
    key, handle, status = content.get("key"), content.get("handle"), content.get("status")
    encoded = content.get("certificate")
    texts = [value for value in (handle, encoded, status) if value is not None]
    if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY:
        raise WatchRowError(row=number, reason="bad_row")
    if (handle is None) is (encoded is None):
        raise WatchRowError(row=number, reason="bad_row")
    try:
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("not a text")
        der = None if encoded is None else base64.b64decode(encoded, validate=True)
        before = None if status is None else Status(status)
    except (ValueError, binascii.Error):
        raise WatchRowError(row=number, reason="bad_row") from None
    return WatchRow(key, der, handle, before)
