# SPDX-License-Identifier: Apache-2.0
"""PIN safety of processes: ours is killed, or pcscd is, at any command and at random moments."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from jpki.emulator import ApduTrace, EmulatedCard
from jpki.testing.virtual_reader import VirtualReader

ROUNDS = int(os.environ.get("PIN_KILLS", "3"))
CHECK = (sys.executable, "-m", "jpki_cli", "pin", "check", "auth", "--pin-fd", "0", "--json")
FULL = 3


class Victim:
    """A program that presents one PIN over pcscd, and an end that comes at a given command."""

    def __init__(self, reader: VirtualReader, card: EmulatedCard, pin: str) -> None:
        self._reader, self._card, self._pin = reader, card, pin
        self.presented = 0
        self._left = -1
        self._strike: Callable[[], None] = lambda: None

    def run(self, at_command: int | None, seconds: float | None, *, daemon: bool) -> int:
        """One run, ended at the nth command or after a time; the program's exit status."""
        self.presented, self._left = 0, -1 if at_command is None else at_command
        self._card.log = self._seen
        program = subprocess.Popen(
            CHECK, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=self._reader.environment,
        )  # fmt: skip
        victim = self._reader.pid if daemon else program.pid
        self._strike = lambda: os.kill(victim, signal.SIGKILL)
        timer = None if seconds is None else threading.Timer(seconds, self._strike)
        if timer is not None:
            timer.start()
        program.communicate(f"{self._pin}\n".encode(), timeout=60)
        if timer is not None:
            timer.cancel()
            timer.join()
        self._card.log = None
        return program.returncode

    def _seen(self, trace: ApduTrace) -> None:
        self.presented += trace.header[1] in (0x20, 0x24) and trace.lc > 0
        self._left -= 1
        if self._left == 0:
            self._strike()


@pytest.mark.parametrize("daemon", [False, True], ids=["our process", "pcscd"])
@pytest.mark.parametrize("pin", ["9999", "1234"], ids=["wrong", "right"])
def test_killed_at_every_command_and_at_any_time(
    reader: VirtualReader, pin: str, daemon: bool
) -> None:
    card = reader.plug("hanako")
    victim = Victim(reader, card, pin)
    assert victim.run(None, None, daemon=daemon) == (4 if pin == "9999" else 0)
    dice = random.Random(f"{pin} {daemon}")
    moments: list[tuple[int | None, float | None]] = [(command, None) for command in range(1, 7)]
    moments += [(None, dice.uniform(0.05, 0.6)) for _ in range(ROUNDS)]
    for command, seconds in moments:
        before = card.tries()["jpki/0018"]
        victim.run(command, seconds, daemon=daemon)
        if daemon:
            reader.restart_daemon()
            reader.wait_for_card()
        after = card.tries()["jpki/0018"]
        assert victim.presented <= 1
        assert before - after <= (1 if pin == "9999" else 0)
        assert after >= 1, "the floor, without --last-try"
        if after == 1:
            _restored(reader, card)


def _restored(reader: VirtualReader, card: EmulatedCard) -> None:
    """The holder enters the right PIN, and says that it may be the last try."""
    reader.run(*CHECK, "--last-try", stdin="1234\n")
    assert card.tries()["jpki/0018"] == FULL
