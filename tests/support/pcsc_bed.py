# SPDX-License-Identifier: Apache-2.0
"""A virtual reader for our own tests: cards plugged in by ``jpki emulate``, a clean environment.

Used by ``tests/system`` and ``benchmarks``. Each bed has its own socket, configuration and
ports, so any number run at once and none touches the system's pcscd.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from jpki.testing.virtual_reader import VirtualReader, VirtualReaderError


class BedError(Exception):
    """A program in the bed did not do what was asked."""


class PcscBed(VirtualReader):
    """One private pcscd. ``plug_in`` puts a card into it as a user does; ``plug`` in process."""

    def __init__(self) -> None:
        self._programs: dict[int, subprocess.Popen[bytes]] = {}
        self._outputs: list[IO[bytes]] = []
        super().__init__(timeout=15)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("JPKI_", "OPENSC_"))}
        self._environment = {
            **kept,
            **self.variables,
            "PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', '/usr/bin:/bin')}",
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        }

    @property
    def environment(self) -> dict[str, str]:
        """Of every program that runs here; nothing of ours or OpenSC's is set. May be changed."""
        return self._environment

    def log(self, name: str = "pcscd.log") -> str:
        """What a program of this bed has written so far (pcscd.log, card0.log)."""
        return (self.folder / name).read_text(errors="replace")

    def plug_in(self, card: str = "hanako", *options: str, slot: int = 0) -> None:
        """Plug an emulated card in with ``jpki emulate``; wait until it is seen."""
        out = (self.folder / f"card{slot}.log").open("wb")
        self._outputs.append(out)
        link = f"127.0.0.1:{self.port + slot}"
        self._programs[slot] = subprocess.Popen(
            ["jpki", "emulate", "--card", card, "--vpcd", link, *options],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=self.environment,
            cwd=self.folder,
        )
        try:
            self.wait_for_card(slot)
        except VirtualReaderError as error:
            said = self.log(f"card{slot}.log")
            raise BedError(f"{error}\n--- jpki emulate\n{said}\n--- pcscd\n{self.log()}") from error

    def run(
        self,
        *argv: str,
        status: int | None = 0,
        stdin: str = "",
        timeout: float = 60,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program against this bed. Raises BedError unless it ends with ``status``."""
        done = super().run(*argv, stdin=stdin, timeout=timeout, env=env)
        if status is not None and done.returncode != status:
            raise BedError(
                f"{' '.join(argv)}: exit {done.returncode}, not {status}\n"
                f"{done.stdout}\n{done.stderr}"
            )
        return done

    def let_go(self) -> None:
        """Take all cards out, those of other programs too."""
        for program in self._programs.values():
            if program.poll() is None:
                program.terminate()
            try:
                program.wait(5)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait(5)
        super().let_go()

    def close(self) -> None:
        """End what this bed started, cards first."""
        super().close()
        for out in self._outputs:
            out.close()
