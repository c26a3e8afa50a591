# SPDX-License-Identifier: Apache-2.0
"""A scripted card: exact commands in, given answers out, every event noted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from jpki_apdu.connection import CardConnection
from jpki_apdu.status import StatusWord

Answer = bytes | Exception


def line(command: str, answer: str | Exception) -> tuple[bytes, Answer]:
    """One exchange, as hex; an exception is raised instead of an answer."""
    reply = answer if isinstance(answer, Exception) else bytes.fromhex(answer)
    return bytes.fromhex(command), reply


class ScriptedConnection(CardConnection):
    """Answers the lines of a script in their order; any other command is a test failure.

    ``events``: the commands (bytes) and ``exclusive``, ``shared``, ``power_off``, ``close``.
    """

    def __init__(self, script: Iterable[tuple[bytes, Answer]], atr: bytes = b"") -> None:
        self._script = list(script)
        self._atr = atr
        self.events: list[bytes | str] = []

    @property
    def name(self) -> str:
        return "scripted"

    @property
    def atr(self) -> bytes:
        return self._atr

    @property
    def sent(self) -> list[bytes]:
        return [event for event in self.events if isinstance(event, bytes)]

    @property
    def presented(self) -> int:
        """VERIFY and CHANGE commands with data, whatever their class (count)."""
        return sum(len(apdu) > 5 and apdu[1] in (0x20, 0x24, 0x32) for apdu in self.sent)

    @property
    def used_up(self) -> bool:
        return not self._script

    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        assert self._script, f"nothing more was expected, got {bytes(apdu).hex()}"
        expected, answer = self._script.pop(0)
        assert bytes(apdu).hex() == expected.hex()
        self.events.append(bytes(apdu))
        if isinstance(answer, Exception):
            raise answer
        return answer[:-2], StatusWord.from_bytes(answer[-2:])

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        self.events.append("exclusive")
        try:
            yield
        finally:
            self.events.append("shared")

    def power_off(self) -> None:
        self.events.append("power_off")

    def close(self) -> None:
        self.events.append("close")
