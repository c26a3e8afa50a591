# SPDX-License-Identifier: Apache-2.0
"""Emulated cards in a real pcscd, for programs that talk PC/SC.

The clients find the daemon by PCSCLITE_CSOCK_NAME, which the library under them reads once
in the life of a process: whatever talks to this reader is a sub-process.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from jpki.testing.pcscd import READERS, PrivatePcscd, VirtualReaderError
from jpki_apdu.errors import CardError
from jpki_apdu.vpcd import VpcdCardSide

if TYPE_CHECKING:
    from jpki.emulator import EmulatedCard
    from jpki.testing.cards import PluggedCard

__all__ = ["VirtualReader", "VirtualReaderError"]

_HOST = "127.0.0.1"


@dataclass(slots=True)
class _Slot:
    """A card and the thread that is its link to the reader, while it is in."""

    card: EmulatedCard
    side: VpcdCardSide
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    error: CardError | None = None

    def serve(self) -> None:
        try:
            self.side.serve(self.stop)
        except CardError as error:
            self.error = error

    def leave(self, seconds: float) -> None:
        """Close the link, which frees whoever waits for an answer, then end the thread."""
        self.stop.set()
        self.side.eject()
        if self.thread is not None:
            self.thread.join(seconds)
            self.thread = None


class VirtualReader:
    """A private pcscd and its virtual reader with two slots; ready once it is made.

    Use it as a context manager. ``timeout``: limit of every wait (seconds). Raises
    VirtualReaderError, with the line that installs what is missing.
    """

    def __init__(
        self, *, timeout: float = 5.0, pcscd: str | None = None, driver: str | None = None
    ) -> None:
        self._daemon = PrivatePcscd(timeout=timeout, pcscd=pcscd, driver=driver)
        self._slots: dict[int, _Slot] = {}
        # A run that ends without its fixtures' teardown leaves no daemon behind.
        atexit.register(self.close)
        try:
            self._daemon.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<TEST VirtualReader port {self._daemon.port}>"

    @property
    def name(self) -> str:
        """PC/SC name of the first slot."""
        return READERS[0]

    @property
    def names(self) -> tuple[str, ...]:
        """PC/SC names of both slots; every program sees two readers."""
        return READERS

    @property
    def uri(self) -> str:
        """What ``--reader`` takes, in a process with these ``variables``."""
        return f"pcsc:{READERS[0]}"

    @property
    def port(self) -> int:
        """TCP port of the first slot; the second has the next."""
        return self._daemon.port

    @property
    def pid(self) -> int:
        """Process id of the daemon."""
        return self._daemon.pid

    @property
    def folder(self) -> Path:
        """Where :meth:`run` runs its programs; gone after ``close``."""
        return self._daemon.folder

    @property
    def variables(self) -> dict[str, str]:
        """What a client's environment needs."""
        return {"PCSCLITE_CSOCK_NAME": str(self._daemon.socket_path)}

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment with those variables, for ``subprocess``."""
        return {**os.environ, **self.variables}

    def log(self) -> str:
        """What pcscd has written: events, no commands."""
        return self._daemon.log()

    def sees_card(self, slot: int = 0) -> bool:
        """Whether pcscd holds that a card is in the slot."""
        held = self._slots.get(slot)
        # A card of another program may be there too, as far as we know.
        linked = held is None or held.side.connected
        return self._daemon.sees_card(slot, linked=linked)

    def wait_for_card(self, slot: int = 0) -> None:
        """Until a card that another program plugs in is seen. Raises VirtualReaderError."""
        self._daemon.wait(lambda: self.sees_card(slot), "virtual_reader_card", reader=READERS[slot])

    def plug(
        self,
        card: str | EmulatedCard | PluggedCard = "hanako",
        *,
        slot: int = 0,
        at: datetime | None = None,
        wait: bool = True,
    ) -> EmulatedCard:
        """Put a card in, by name, card file or itself, in place of what was there.

        ``wait``: until pcscd has noticed, which takes up to 0.4 s. Raises VirtualReaderError.
        """
        emulated = _emulated(card, at)
        if slot in self._slots:
            self.eject(slot, wait=wait)
        self._slots[slot] = _Slot(emulated, self._side(slot, emulated))
        self.insert(slot, wait=wait)
        return emulated

    def eject(self, slot: int = 0, *, wait: bool = True) -> None:
        """Take the card out; harmless if none is in. ``wait``: until pcscd has noticed."""
        held = self._slots.get(slot)
        if held is not None:
            held.leave(self._daemon.timeout)
        if held is not None and wait and self._daemon.running:
            self._daemon.wait(
                lambda: not self.sees_card(slot), "virtual_reader_eject", reader=READERS[slot]
            )

    def insert(self, slot: int = 0, *, wait: bool = True) -> None:
        """Put the card that was ejected back in. Raises VirtualReaderError if there was none.

        However soon: a program that still holds the card that left has a second to let go.
        Without ``wait``, right after ``eject(wait=False)``: out and in within one poll, where
        a client's next command fails and those after it meet a blank card.
        """
        held = self._slots.get(slot)
        if held is None:
            raise VirtualReaderError("virtual_reader_empty", reader=READERS[slot])
        if held.thread is not None and held.thread.is_alive():
            return
        if wait:
            self.eject(slot)
            self._daemon.wait_until_unused(slot)
        held.stop.clear()
        held.error, held.side = None, self._side(slot, held.card)
        held.thread = threading.Thread(target=held.serve, name=f"card {slot}", daemon=True)
        held.thread.start()
        if wait:
            self._wait_for_card(slot, held)
        else:
            self._wait_for_link(slot, held)

    def _side(self, slot: int, card: EmulatedCard) -> VpcdCardSide:
        return VpcdCardSide(_HOST, self.port + slot, card, connect_timeout=self._daemon.timeout)

    def _wait_for_card(self, slot: int, held: _Slot) -> None:
        try:
            self._daemon.wait(
                lambda: self.sees_card(slot) or held.error is not None,
                "virtual_reader_card",
                reader=READERS[slot],
            )
            if held.error is not None:
                raise held.error
        except CardError:
            held.leave(self._daemon.timeout)
            raise

    def _wait_for_link(self, slot: int, held: _Slot) -> None:
        self._daemon.wait(
            lambda: held.side.connected or held.error is not None,
            "virtual_reader_card",
            reader=READERS[slot],
        )

    def kill_daemon(self) -> None:
        """End pcscd as a crash would. Cards stay assigned to their slots, without a link."""
        self._daemon.kill()
        for held in self._slots.values():
            if held.thread is not None:
                held.thread.join(self._daemon.timeout)

    def restart_daemon(self) -> None:
        """Start pcscd again, on the same socket and ports, and put the cards back in."""
        inside = [slot for slot, held in self._slots.items() if held.thread is not None]
        self._daemon.stop()
        for slot in inside:
            self._slots[slot].leave(self._daemon.timeout)
        self._daemon.start()
        for slot in inside:
            self.insert(slot)

    def run(
        self,
        *argv: str,
        stdin: str = "",
        timeout: float = 60.0,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program against this reader; its output is captured as text.

        After ``timeout`` seconds the cards are taken out first, which frees a program that
        waits for one of them; then it is ended, and subprocess.TimeoutExpired is raised.
        """
        with subprocess.Popen(  # noqa: S603 - what the caller wants to run
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, **(env or {})},
            cwd=self.folder,
        ) as program:
            try:
                out, err = program.communicate(stdin, timeout)
            except BaseException:
                self.let_go()
                program.kill()
                program.communicate()
                raise
        return subprocess.CompletedProcess(argv, program.returncode, out, err)

    def let_go(self) -> None:
        """Close every card's link at once: nobody waits for an answer any more."""
        for held in self._slots.values():
            held.leave(self._daemon.timeout)

    def close(self) -> None:
        """Take the cards out, then end pcscd. Harmless when repeated."""
        atexit.unregister(self.close)
        self.let_go()
        self._daemon.close()


def _emulated(card: str | EmulatedCard | PluggedCard, at: datetime | None) -> EmulatedCard:
    from jpki.emulator import load_card
    from jpki.testing.cards import PluggedCard

    if isinstance(card, PluggedCard):
        return card.card
    return load_card(card, at=at) if isinstance(card, str) else card
