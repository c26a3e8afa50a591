# SPDX-License-Identifier: Apache-2.0
"""A reader of a terminal into which virtual cards are put: for demonstrations and tests.

The card lives in this process and dials the process of the presentation, as a card of pcscd's
virtual reader would.
"""

from __future__ import annotations

import logging
import socket
import threading
from typing import Final

from jpki.kiosk.reader import Seen, Sight
from jpki_apdu.errors import CardError
from jpki_apdu.vpcd import VpcdCard, VpcdCardSide

_log = logging.getLogger(__name__)
_HOST: Final = "127.0.0.1"
_DIAL: Final = 60.0  # seconds: a process that is only just being started opens its port late


class VirtualSlot:
    """A ReaderPort. ``insert``, ``pull`` and ``lose`` are called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._card: VpcdCard | None = None
        self._seen = Seen(Sight.EMPTY)
        self._mark = 0
        self._stop = threading.Event()
        self._sides: list[tuple[VpcdCardSide, threading.Thread]] = []
        self._closed = False

    def insert(self, card: VpcdCard, *, also: bool = False) -> None:
        """Put a card down, in place of the one that lies there. ``also``: beside it."""
        with self._changed:
            second = also and self._card is not None
            self._hang_up()
            self._card = card
            self._mark += 1
            self._show(Seen(Sight.SEVERAL if second else Sight.CARD, self._mark))

    def pull(self) -> None:
        """Take away what lies there."""
        with self._changed:
            self._hang_up()
            self._card = None
            self._show(Seen(Sight.EMPTY))

    def lose(self) -> None:
        """Unplug the reader itself; ``pull`` plugs it in again, empty."""
        with self._changed:
            self._hang_up()
            self._card = None
            self._show(Seen(Sight.LOST))

    def wait(self, known: Seen | None, timeout: float) -> Seen:
        """As the Protocol has it."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._seen != known, timeout)
            return self._seen

    def uri(self) -> str:
        """As the Protocol has it: a port that the card dials."""
        with socket.create_server((_HOST, 0)) as free:
            port = int(free.getsockname()[1])
        with self._changed:
            if self._card is not None:
                self._dial(self._card, port)
        return f"vpcd:{_HOST}:{port}"

    def close(self) -> None:
        """As the Protocol has it."""
        with self._changed:
            self._closed = True
            self._hang_up()
            self._changed.notify_all()

    def _show(self, seen: Seen) -> None:
        self._seen = seen
        self._changed.notify_all()

    def _dial(self, card: VpcdCard, port: int) -> None:
        side = VpcdCardSide(_HOST, port, card, connect_timeout=_DIAL)
        thread = threading.Thread(target=_serve, args=(side, self._stop), daemon=True)
        self._sides.append((side, thread))
        thread.start()

    def _hang_up(self) -> None:
        """The card leaves: every link to it ends."""
        self._stop.set()
        for side, thread in self._sides:
            side.close()
            thread.join()
        self._sides.clear()
        self._stop = threading.Event()


def _serve(side: VpcdCardSide, stop: threading.Event) -> None:
    try:
        side.serve(stop)
    except CardError as error:  # the process that should have listened is gone
        _log.debug("a virtual card could not be served: %s", error.code)
    finally:
        side.close()
