# SPDX-License-Identifier: Apache-2.0
"""The process of one presentation, as the terminal holds it.

Over the pipe go settings, signals and codes. No PIN and nothing personal: those pass between
the page and the process itself. When the process ends, so does all it knew.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from jpki.kiosk.machine import Signal

_log = logging.getLogger(__name__)
_FAREWELL: Final = 2.0  # seconds in which it may let go of its card by itself


@dataclass(frozen=True, slots=True)
class Report:
    """What the process says: a signal, and how the presentation ended."""

    signal: Signal
    code: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the page of a presentation asks: a port on loopback, and the token it wants."""

    port: int
    token: str = field(repr=False)


Listener = Callable[[Report | Access], None]


class Child(Protocol):
    """One process, good for one presentation."""

    def begin(self, uri: str, token: str, listener: Listener) -> None:
        """Begin with the card behind ``uri``, and do not wait for it.

        ``listener`` is called from another thread: with an Access as soon as the page can ask,
        with what the process reports, at its end with WORKER_LOST. Raises OSError if it is
        gone already.
        """
        ...

    def end(self) -> None:
        """End it and all it knows. Harmless when repeated."""
        ...


class ChildProcess:
    """A Python process that runs ``module``; it gets ``settings`` on its standard input."""

    def __init__(self, module: str, settings: Mapping[str, Any]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C reaches the terminal, which ends its process
        )
        self._lock = threading.Lock()
        self._port: int | None = None
        self._token = ""
        self._listener: Listener | None = None
        self._silent = False  # nothing more will be heard of it
        self._reader = threading.Thread(target=self._listen, name="kiosk-child", daemon=True)
        self._reader.start()
        try:
            self._send(settings)
        except OSError:
            self.end()
            raise

    def begin(self, uri: str, token: str, listener: Listener) -> None:
        """As the Protocol has it."""
        with self._lock:
            if self._silent:
                raise BrokenPipeError
            self._send({"uri": uri, "token": token})
            self._listener, self._token = listener, token
            if self._port is not None:
                listener(Access(self._port, token))

    def end(self) -> None:
        """As the Protocol has it."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()  # the process takes that as its end
        if self._listener is None or self._port is None:  # it has no card to let go of yet
            process.kill()
        try:
            process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            _log.warning("the process of a presentation did not end and was killed")
            process.kill()
            process.wait()
        self._reader.join()
        process.stdout.close()

    def _send(self, members: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(members).encode("utf-8") + b"\n")

    def _listen(self) -> None:
        while (members := self._read_line()) is not None:
            with self._lock:
                self._take(members)
        with self._lock:
            self._silent = True
            self._tell(Report(Signal.WORKER_LOST))

    def _take(self, members: dict[str, Any]) -> None:
        port, report = members.get("port"), _report(members)
        if isinstance(port, int):
            self._port = port
            self._tell(Access(port, self._token))
        elif report is not None:
            self._tell(report)

    def _tell(self, report: Report | Access) -> None:
        if self._listener is not None:
            self._listener(report)

    def _read_line(self) -> dict[str, Any] | None:
        """The next line of the process; None at its end, or if it does not speak our way."""
        assert self._process.stdout is not None
        line = bytearray()
        while not line.endswith(b"\n"):
            part = self._process.stdout.read(1) if len(line) < 4096 else b""
            if not part:
                return None
            line += part
        try:
            members = json.loads(line)
        except ValueError:
            return None
        return members if isinstance(members, dict) else None


def _report(members: dict[str, Any]) -> Report | None:
    try:
        signal = Signal(members["signal"])
    except (KeyError, ValueError):
        return None
    return Report(signal, str(members.get("code", "")))
