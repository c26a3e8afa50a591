# SPDX-License-Identifier: Apache-2.0
"""A terminal on a private pcscd, in a process of its own, with a clock that is driven.

Run as a program, this file is that terminal: settings and limits come in as one JSON line, then
seconds by which its clock moves; every view goes out as one line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

from jpki.kiosk.child import Access, ChildProcess
from jpki.kiosk.machine import Limits, State
from jpki.kiosk.reader import PcscPort
from jpki.kiosk.terminal import Terminal, View
from jpki.open_kiosk import MODULE
from jpki.testing.virtual_reader import VirtualReader
from terminal_views import ORIGIN, PATIENCE, Views, answer, screen

LIMITS = {"idle": 60.0, "total": 300.0, "left": 0.5}


class PcscTerminal:
    """The program, running; what a person and a clock do at it."""

    def __init__(self, reader: VirtualReader, settings: Mapping[str, Any]) -> None:
        self.views = Views()
        self.view = View(State.WAITING, 0)
        self._program = subprocess.Popen(
            [sys.executable, "-P", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**reader.environment, "PYTHONPATH": str(Path(__file__).parent)},
            text=True,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self._say({"limits": LIMITS, "settings": {**settings, "origin": ORIGIN}})

    @property
    def pid(self) -> int:
        return self._program.pid

    def pass_time(self, seconds: float) -> None:
        """Move the clock ahead."""
        self._say({"ahead": seconds})

    def screen(self) -> dict[str, Any]:
        """What the presentation shows now."""
        return screen(self)

    def answer(self, **members: Any) -> None:
        """Answer what is shown now."""
        answer(self, **members)

    def up_to_pin(self) -> View:
        """The card is there already."""
        self.views.until(State.CHOOSING)
        self.answer(choice="residence")
        return self.views.until(State.PIN)

    def up_to_document(self) -> View:
        """As ``up_to_pin``, with the PIN and the fee."""
        self.up_to_pin()
        self.answer(pin="1234")
        self.views.until(State.CHOOSING)
        self.answer(yes=True)
        return self.views.until(State.DONE)

    def close(self) -> None:
        """End it, however it is."""
        assert self._program.stdin is not None
        self._program.stdin.close()
        try:
            self._program.wait(PATIENCE)
        finally:
            self._program.kill()
            self._program.wait()
            self._thread.join()

    def _say(self, members: object) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps(members) + "\n")
        self._program.stdin.flush()

    def _read(self) -> None:
        assert self._program.stdout is not None
        with self._program.stdout as out:
            for line in out:
                state, presentation, code, access = json.loads(line)
                view = View(State(state), presentation, code, access and Access(*access))
                self.view = view
                self.views(view)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Clock:
    ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def _show(view: View) -> None:
    access = view.access and (view.access.port, view.access.token)
    print(json.dumps([view.state, view.presentation, view.code, access]), flush=True)


def main() -> None:
    """Be the terminal until the standard input ends."""
    given = json.loads(sys.stdin.readline())
    clock = _Clock()
    terminal = Terminal(
        PcscPort(),
        partial(ChildProcess, MODULE, given["settings"]),
        _show,
        limits=Limits(**given["limits"]),
        clock=clock,
    )
    terminal.start()
    for line in sys.stdin:
        clock.ahead += json.loads(line)["ahead"]
        terminal.renew()  # which has it look at its clock
    terminal.close()


if __name__ == "__main__":
    main()
