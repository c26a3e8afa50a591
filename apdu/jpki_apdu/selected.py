# SPDX-License-Identifier: Apache-2.0
"""What is selected on a card, and work that must not meet what somebody else selected."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from jpki_apdu.connection import CardConnection
from jpki_apdu.errors import TransportError
from jpki_apdu.status import StatusWord

# «No such short identifier here», where a file selected by name may still answer.
NOT_BY_SFI = frozenset((0x6A81, 0x6A82, 0x6A86, 0x6A88, 0x6B00, 0x6985, 0x6986, 0x6700))

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Selection:
    """What is selected now, as far as this channel knows."""

    aid: bytes | None = None
    fid: int | None = None


class TakesTurns(Protocol):
    """Something with a ``turn``: a block in which nobody else's commands reach the card."""

    def turn(self) -> AbstractContextManager[None]: ...


_C = TypeVar("_C", bound=TakesTurns)


def in_turn(
    method: Callable[Concatenate[_C, _P], _T],
) -> Callable[Concatenate[_C, _P], _T]:
    """A method whose commands are not to be mixed with those of another program."""

    @functools.wraps(method)
    def whole(self: _C, /, *arguments: _P.args, **named: _P.kwargs) -> _T:
        with self.turn():
            return method(self, *arguments, **named)

    return whole


@contextmanager
def held(connection: CardConnection, on_lost: Callable[[TransportError], None]) -> Iterator[None]:
    """Exclusive access; ``on_lost`` is told if there is none to be had. Raises TransportError."""
    with ExitStack() as stack:
        try:
            stack.enter_context(connection.exclusive())
        except TransportError as error:
            on_lost(error)
            raise
        yield


def is_counter(sw: StatusWord) -> bool:
    """An answer to the query itself, so the reference was found."""
    return sw.sw1 == 0x63 or sw in (0x6983, 0x6984, 0x9000)
