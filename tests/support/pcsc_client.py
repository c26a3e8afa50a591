# SPDX-License-Identifier: Apache-2.0
"""A PC/SC client in a process of its own that does as it is told, one thing after the other.

PC/SC looks for its socket once in the life of a process, so a test that plugs cards in
talks to the reader through one of these. Run as a program, this file is the client: it
reads one request a line (JSON) and prints what came of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from jpki.testing.virtual_reader import VirtualReader

LIMIT = 15.0


class RefusedError(Exception):
    """An error of ours in the client. ``kind``: its class; ``code``; ``values`` as text."""

    def __init__(self, kind: str, code: str, values: dict[str, str]) -> None:
        self.kind = kind
        self.code = code
        self.values = values
        super().__init__(f"{kind}: {code} {values}")


class Client:
    """Starts the program on a reader; ``ask`` does a thing, ``start`` and ``answer`` in two."""

    def __init__(self, reader: VirtualReader) -> None:
        self._program = subprocess.Popen(
            [sys.executable, "-P", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=reader.environment,
            bufsize=0,
        )
        self._read = b""

    def ask(self, what: str, *arguments: object, within: float = LIMIT) -> Any:
        """What came of it. Raises RefusedError; AssertionError if it takes too long."""
        self.start(what, *arguments)
        return self.answer(within)

    def start(self, what: str, *arguments: object) -> None:
        """Let it begin, and do not wait."""
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps([what, *arguments]).encode() + b"\n")

    def answer(self, within: float = LIMIT) -> Any:
        """What came of what was started."""
        assert self._program.stdout is not None
        until = time.monotonic() + within
        while b"\n" not in self._read:
            left = max(0.0, until - time.monotonic())
            ready = select.select([self._program.stdout], [], [], left)[0]
            assert ready, f"no answer from the client within {within} s"
            part = os.read(self._program.stdout.fileno(), 65536)
            assert part, "the client died"
            self._read += part
        line, _, self._read = self._read.partition(b"\n")
        told = json.loads(line)
        if "value" in told:
            return told["value"]
        raise RefusedError(told["kind"], told["code"], told["values"])

    def silent(self, seconds: float) -> bool:
        """Whether it is still at it after so long."""
        assert self._program.stdout is not None
        return not select.select([self._program.stdout], [], [], seconds)[0]

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._program.send_signal(2)

    def close(self) -> None:
        """End it, however busy it is."""
        self._program.kill()
        self._program.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Program:
    """What the client can do. One connection of ours at a time, ``card`` on top of it."""

    def __init__(self) -> None:
        from smartcard import scard

        self.scard = scard
        self.connection: Any = None
        self.card: Any = None
        self.held: Any = None
        self.others: list[Any] = []
        self.context: Any = None
        self.handle: Any = None
        self.protocol = 0
        self.known: Any = None

    # Ours.

    def open(self, part: str = "00 00", timeout: float | None = None) -> list[object]:
        """Open a reader; name, ATR."""
        from jpki.card import Card
        from jpki_apdu.readers import open_reader

        if self.connection is not None:
            self.others.append(self.connection)
        self.connection = open_reader(f"pcsc:{part}", timeout=timeout)
        self.card = Card(self.connection)
        return [self.connection.name, self.connection.atr.hex()]

    def send(self, apdu: str) -> list[object]:
        """Length of the answer's data, and the status word."""
        data, sw = self.connection.transmit(bytes.fromhex(apdu))
        return [len(data), f"{sw:04X}"]

    def send_zeros(self, head: str, count: int) -> list[object]:
        """As ``send``, with so many bytes of nothing behind."""
        return self.send(head + "00" * count)

    def former(self, apdu: str) -> list[object]:
        """``send`` over the connection before this one."""
        data, sw = self.others[-1].transmit(bytes.fromhex(apdu))
        return [len(data), f"{sw:04X}"]

    def verify(self, pin: str) -> int:
        """Present the PIN for login; tries left."""
        from jpki.card_map import PinKind

        return int(self.card.pins.verify(PinKind.AUTH, bytearray(pin.encode())).attempts_left)

    def read(self, which: str = "auth") -> str:
        """A certificate, in hex."""
        return str(self.card.jpki.certificate(which).hex())

    def hold(self) -> None:
        self.held = contextlib.ExitStack()
        self.held.enter_context(self.connection.exclusive())

    def free(self) -> None:
        self.held.close()

    def power_off(self) -> None:
        self.connection.power_off()

    def close(self) -> None:
        self.connection.close()

    def readers(self) -> list[object]:
        """Name, card, busy of each reader."""
        from jpki_apdu.readers import list_readers

        self.known = list_readers()
        return [[state.name, state.card_present, state.busy] for state in self.known]

    def change(self, timeout: float) -> list[object]:
        """The readers when something is no longer as it was last told."""
        from jpki_apdu.readers import wait_for_change

        self.known = wait_for_change(self.known, timeout)
        return [[state.name, state.card_present, state.busy] for state in self.known]

    def doze(self) -> str:
        """Open the card and wait for an answer until interrupted."""
        try:
            return str(self.connection.transmit(bytes.fromhex("00840000 08")))
        except KeyboardInterrupt:
            self.connection.close()
            return "interrupted"

    def visit(self, timeout: float | None) -> int:
        """Open the card, ask for what is free, close it; number of commands."""
        from jpki.card import Card
        from jpki_apdu.readers import open_reader

        with open_reader("pcsc:00 00", timeout=timeout) as connection, Card(connection) as card:
            card.detect()
            return card.channel.apdus

    # A program that is not ours.

    def other_open(self, part: str = "00 00", share: str = "shared", protocols: int = 3) -> str:
        """Connect as another program would; the code of PC/SC."""
        api = self.scard
        if self.context is None:
            _, self.context = api.SCardEstablishContext(api.SCARD_SCOPE_USER)
        mode = {"shared": api.SCARD_SHARE_SHARED, "exclusive": api.SCARD_SHARE_EXCLUSIVE}[share]
        name = f"Virtual PCD {part}"
        code, self.handle, self.protocol = api.SCardConnect(self.context, name, mode, protocols)
        return f"{code & 0xFFFFFFFF:08X}"

    def other_begin(self) -> str:
        return f"{self.scard.SCardBeginTransaction(self.handle) & 0xFFFFFFFF:08X}"

    def other_end(self) -> str:
        return f"{self.scard.SCardEndTransaction(self.handle, 0) & 0xFFFFFFFF:08X}"

    def other_send(self, apdu: str) -> list[object]:
        """Code of PC/SC, and the whole answer in hex."""
        code, reply = self.scard.SCardTransmit(
            self.handle, self.protocol, list(bytes.fromhex(apdu))
        )
        return [f"{code & 0xFFFFFFFF:08X}", bytes(reply).hex().upper()]

    def other_leave(self, disposition: int) -> str:
        """Disconnect: 0 leaves the card as it is, 1 resets it, 2 cuts its power."""
        return f"{self.scard.SCardDisconnect(self.handle, disposition) & 0xFFFFFFFF:08X}"

    # The process itself.

    def figures(self) -> list[int]:
        """Open files, threads (Python's and all), resident memory (kB)."""
        status = Path("/proc/self/status").read_text()
        resident = next(line.split()[1] for line in status.splitlines() if "VmRSS" in line)
        tasks = len(os.listdir("/proc/self/task"))
        files = len(os.listdir("/proc/self/fd"))
        return [files, threading.active_count(), tasks, int(resident)]

    def do(self, what: str, *arguments: Any) -> object:
        work: Callable[..., object] = getattr(self, what)
        return work(*arguments)


def main() -> None:
    """The client: one request a line until there are no more."""
    from jpki_apdu.errors import Coded

    program = Program()
    for line in sys.stdin:
        try:
            told: dict[str, object] = {"value": program.do(*json.loads(line))}
        except ValueError as error:
            told = {"kind": "ValueError", "code": str(error), "values": {}}
        except Coded as error:
            values = {name: str(value) for name, value in error.values.items()}
            told = {"kind": type(error).__name__, "code": error.code, "values": values}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
