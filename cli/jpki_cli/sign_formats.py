# SPDX-License-Identifier: Apache-2.0
"""What ``jpki sign`` knows of each format: how its files are called, which options it has.

A format with options of its own adds its decorator to ``format_options`` and its reader to
``_SPECIAL``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from jpki_cli.options import Decorator

_SUFFIXES: Final = {"cms": ".p7m", "pdf": ".signed.pdf", "xml": ".signed.xml", "raw": ".sig"}
_SPECIAL: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = {}
FORMATS: Final = tuple(_SUFFIXES)


def format_options(*decorators: Decorator) -> Decorator:
    """The options that belong to single formats."""

    def apply(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def special(name: str, given: Mapping[str, Any]) -> object | None:
    """What only that format knows, from the options given."""
    reader = _SPECIAL.get(name)
    return reader(given) if reader else None


def target(source: Path, name: str, *, detached: bool) -> Path:
    """Where the signed file goes when nobody says: beside its source."""
    if name == "cms" and detached:
        return source.with_name(source.name + ".p7s")
    if name in ("pdf", "xml"):
        return source.with_name(source.stem + _SUFFIXES[name])
    return source.with_name(source.name + _SUFFIXES[name])
