# SPDX-License-Identifier: Apache-2.0
"""How names of the library go away: they work on, and say at the call what takes their place.

What is promised about it: docs/en/versions.md.
"""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def moved(module: str, names: Mapping[str, str], *, since: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of ``module`` for names that moved or were renamed in version ``since``.

    ``names``: the old name, and where it is now, as ``package.module:name``. In the module:
    ``__getattr__ = moved(__name__, {"Old": "jpki.card:New"}, since="0.2")``. Each use of an old
    name warns (DeprecationWarning); any other name is an AttributeError as ever.
    """

    def look_up(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        place, _, now = names[name].partition(":")
        _warn(f"{module}.{name}", f"{place}.{now}", since, 3)
        return getattr(importlib.import_module(place), now)

    return look_up


def deprecated(instead: str, *, since: str) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Decorates a function or method that goes away; each call warns (DeprecationWarning).

    ``instead``: what takes its place, as it would be written. ``since``: the version.
    """

    def mark(function: Callable[_P, _T]) -> Callable[_P, _T]:
        @functools.wraps(function)
        def warned(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            _warn(f"{function.__module__}.{function.__qualname__}", instead, since, 3)
            return function(*args, **kwargs)

        return warned

    return mark


def _warn(old: str, instead: str, since: str, depth: int) -> None:
    """``depth``: frames up to the line that used the old name."""
    warnings.warn(
        f"{old} is deprecated since jpki {since}: use {instead}", DeprecationWarning, depth
    )
