# SPDX-License-Identifier: Apache-2.0
"""Values that are held and never shown: no str, repr, order, hash or serialisation."""

from __future__ import annotations

from typing import Final, NoReturn


class Opaque:
    """A string that leaves only through :meth:`reveal`.

    Printing, formatting, comparing, hashing, copying and pickling do not let it out, so
    that it cannot become a key or reach a log by accident.
    """

    __slots__ = ("_value",)
    _value: Final[str]  # type: ignore[misc]  # set once, through object.__setattr__

    def __init__(self, value: str) -> None:
        object.__setattr__(self, "_value", value)

    def reveal(self) -> str:
        """The value itself. Every call is a decision to let it out."""
        return self._value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(hidden)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is not compared")

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is not serialised")


class CardSerial(Opaque):
    """A serial of the chip or token (製造番号): the equal of an identifier of its holder."""

    __slots__ = ()
