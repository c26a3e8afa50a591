# SPDX-License-Identifier: Apache-2.0
"""TOML from files that people hand over: read, or refused before it costs anything."""

from __future__ import annotations

import tomllib
from typing import Any, Final

MOST_DOTS: Final = 100
"""In one line. The standard reader's work grows with the square of a dotted key's parts."""


def read_toml(raw: bytes) -> dict[str, Any]:
    """The document. Raises tomllib.TOMLDecodeError, a ValueError, for whatever is none."""
    try:
        text = raw.decode("utf-8")
        if any(line.count(".") > MOST_DOTS for line in text.split("\n")):
            raise tomllib.TOMLDecodeError("a line of too many dots")
        return tomllib.loads(text)
    except (UnicodeDecodeError, RecursionError) as exc:
        raise tomllib.TOMLDecodeError("no text, or nested too deep") from exc
