# SPDX-License-Identifier: Apache-2.0
"""A card for the virtual reader that answers with what it was sent, and a thread to serve it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from jpki_apdu.vpcd import VpcdCardSide, VpcdReaderSide

HOST = "127.0.0.1"
ATR = bytes.fromhex("3B8880010000000000000009")


class Card:
    """Answers with what it was sent, and notes what was done to its power."""

    def __init__(self) -> None:
        self.atr = ATR
        self.events: list[str] = []
        self.answer: bytes | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()

    def power_on(self) -> None:
        self.events.append("on")

    def power_off(self) -> None:
        self.events.append("off")

    def reset(self) -> None:
        self.events.append("reset")

    def transmit(self, apdu: bytes) -> bytes:
        self.events.append(apdu[:4].hex())
        self.asked.set()
        self.gate.wait(10)
        return apdu + b"\x90\x00" if self.answer is None else self.answer


class Serving:
    """A card side in a thread; ``error`` is what ended it."""

    def __init__(self, side: VpcdCardSide) -> None:
        self.side = side
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.side.serve(self.stop)
        except BaseException as error:
            self.error = error

    def end(self) -> None:
        self.stop.set()
        self.join()

    def join(self) -> None:
        self.thread.join(10)
        assert not self.thread.is_alive()


@contextmanager
def plugged(card: Card, timeout: float = 5.0) -> Iterator[tuple[VpcdReaderSide, Serving]]:
    with VpcdReaderSide(HOST, 0, timeout=timeout) as reader:
        serving = Serving(VpcdCardSide(HOST, reader.port, card))
        try:
            reader.accept(5)
            yield reader, serving
        finally:
            card.gate.set()
            serving.end()
