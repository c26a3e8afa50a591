# SPDX-License-Identifier: Apache-2.0
"""A stand-in for ``smartcard.scard``: readers, cards and the return codes of PC/SC."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

import pytest

PRESENT, EXCLUSIVE, CHANGED = 0x20, 0x80, 0x02
CONTEXT, CARD = 7001, 8001


@dataclass
class FakeScard:
    """``readers``: name to state bits and ATR. ``codes``: what a function is to return, once each.

    ``replies``: what SCardTransmit answers; an exception is raised. ``calls``: every call
    by name with its arguments, the context and card handles left out.
    """

    readers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    codes: dict[str, list[int]] = field(default_factory=dict)
    replies: list[list[int] | Exception] = field(default_factory=list)
    controls: dict[int, list[int]] = field(default_factory=dict)
    calls: list[tuple[object, ...]] = field(default_factory=list)
    on_wait: Callable[[], None] = lambda: None
    protocol: int = 2

    def _code(self, name: str, *arguments: object) -> int:
        self.calls.append((name, *arguments))
        queue = self.codes.get(name)
        code = queue.pop(0) if queue else 0
        if code < 0:  # pyscard, given a dead handle
            raise SystemError("error return without exception set")
        return code

    def called(self, name: str) -> list[tuple[object, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]

    def SCardEstablishContext(self, scope: int) -> tuple[int, int]:
        return self._code("EstablishContext", scope), CONTEXT

    def SCardReleaseContext(self, context: int) -> int:
        assert context == CONTEXT
        return self._code("ReleaseContext")

    def SCardListReaders(self, context: int, groups: list[str]) -> tuple[int, list[str]]:
        return self._code("ListReaders"), list(self.readers)

    def SCardGetStatusChange(
        self, context: int, milliseconds: int, states: list[tuple[str, int]]
    ) -> tuple[int, list[tuple[str, int, list[int]]]]:
        code = self._code("GetStatusChange", milliseconds, tuple(states))
        if milliseconds and not code:
            self.on_wait()
            time.sleep(0.001)
        now = [(n, self.readers[n][0] | CHANGED, list(self.readers[n][1])) for n, _ in states]
        return code, now

    def SCardConnect(
        self, context: int, reader: str, share: int, protocols: int
    ) -> tuple[int, int, int]:
        assert context == CONTEXT
        return self._code("Connect", reader, share, protocols), CARD, self.protocol

    def SCardReconnect(
        self, card: int, share: int, protocols: int, initialization: int
    ) -> tuple[int, int]:
        assert card == CARD
        return self._code("Reconnect", share, protocols, initialization), self.protocol

    def SCardDisconnect(self, card: int, disposition: int) -> int:
        return self._code("Disconnect", disposition)

    def SCardStatus(self, card: int) -> tuple[int, str, int, int, list[int]]:
        return self._code("Status"), "reader", 0, self.protocol, [0x3B, 0x00]

    def SCardTransmit(self, card: int, pci: int, apdu: list[int]) -> tuple[int, list[int]]:
        assert isinstance(apdu, list)
        code = self._code("Transmit", pci, bytes(apdu).hex())
        reply = self.replies.pop(0) if self.replies and not code else []
        if isinstance(reply, Exception):
            raise reply
        return code, reply

    def SCardControl(self, card: int, code: int, data: list[int]) -> tuple[int, list[int]]:
        result = self._code("Control", code)
        if code not in self.controls:
            return result or 0x8010001F, []
        return result, self.controls[code]

    def SCardBeginTransaction(self, card: int) -> int:
        return self._code("BeginTransaction")

    def SCardEndTransaction(self, card: int, disposition: int) -> int:
        return self._code("EndTransaction", disposition)

    def SCARD_CTL_CODE(self, code: int) -> int:
        return 0x42000000 + code


def install(monkeypatch: pytest.MonkeyPatch, fake: FakeScard) -> FakeScard:
    """Let ``from smartcard import scard`` find ``fake``."""
    package = ModuleType("smartcard")
    package.scard = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "smartcard", package)
    monkeypatch.setitem(sys.modules, "smartcard.scard", fake)
    return fake
