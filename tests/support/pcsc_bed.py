# SPDX-License-Identifier: Apache-2.0
"""A bed: a pcscd of our own with the virtual reader, and an emulated card plugged into it.

Each bed has its own socket, reader configuration and port pair, so any number run at once
and none touches the system's pcscd. Used by ``tests/system`` and ``benchmarks``.

pcscd takes its socket by socket activation (fd 3, LISTEN_FDS, LISTEN_PID): its own path is
compiled in. Clients find it by PCSCLITE_CSOCK_NAME, which they read once per process, so
whatever talks to a bed is a sub-process.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

POWERED = "Card ATR:"  # what pcscd logs when it has powered a card
DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
PCSCD = "/usr/sbin/pcscd"
READER_CONF = """FRIENDLYNAME "Virtual PCD"
DEVICENAME   /dev/null:{port}
LIBPATH      {driver}
CHANNELID    {port}
"""
# fd 3 is where a daemon looks for its activated socket; LISTEN_PID must be its own pid.
ACTIVATE = 'exec 3<&"$1"; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$2" -f -i -c "$3"'


class BedError(Exception):
    """The bed could not be made, or a program in it did not do what was asked."""


def free_port_pair() -> int:
    """A port such that it and the next are free now; the driver binds both."""
    for _ in range(200):
        port = random.randrange(20000, 32000, 2)
        try:
            with socket.socket() as first, socket.socket() as second:
                first.bind(("0.0.0.0", port))
                second.bind(("0.0.0.0", port + 1))
        except OSError:
            continue
        return port
    raise BedError("no free pair of ports")


class PcscBed:
    """One private pcscd. ``plug_in`` puts an emulated card into its reader."""

    def __init__(self) -> None:
        # A socket's path has at most 107 bytes: pytest's tmp_path can be too long.
        self.folder = Path(tempfile.mkdtemp(prefix="jpki-bed-", dir="/tmp"))
        self.port = free_port_pair()
        self.environment = self._environment()
        self._programs: list[subprocess.Popen[bytes]] = []
        self._logs: list[IO[bytes]] = []
        try:
            self._start_daemon()
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

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("JPKI_", "OPENSC_"))}
        return kept | {
            "PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', '/usr/bin:/bin')}",
            "HOME": str(self.folder),
            "PCSCLITE_CSOCK_NAME": str(self.folder / "comm"),
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        }

    def _start_daemon(self) -> None:
        if not DRIVER.exists() or not Path(PCSCD).exists():
            raise BedError("pcscd or its virtual reader is missing: make test installs them")
        conf = self.folder / "reader.conf.d"
        conf.mkdir()
        (conf / "vpcd").write_text(READER_CONF.format(port=self.port, driver=DRIVER))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder / "comm"))
            listener.listen(16)
            fd = listener.fileno()
            self._start(
                ["bash", "-c", ACTIVATE, "pcscd", str(fd), PCSCD, str(conf)],
                "pcscd.log",
                pass_fds=(fd,),
            )
        self._wait_for_log("pcscd.log", "Virtual PCD", "pcscd has no virtual reader")

    def _start(self, argv: Sequence[str], log: str, pass_fds: tuple[int, ...] = ()) -> None:
        out = (self.folder / log).open("wb")
        self._logs.append(out)
        program = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=self.environment,
            pass_fds=pass_fds,
        )
        self._programs.append(program)

    def log(self, name: str) -> str:
        """What a program of this bed has written so far (pcscd.log, card0.log)."""
        return (self.folder / name).read_text(errors="replace")

    def _wait_for_log(self, name: str, words: str, complaint: str, times: int = 1) -> None:
        """Until ``words`` are in the log so often; pcscd polls for cards every 0.4 s."""
        deadline = time.monotonic() + 15
        while self.log(name).count(words) < times:
            if time.monotonic() > deadline or self._programs[-1].poll() is not None:
                logs = "\n".join(f"--- {p.name}\n{p.read_text()}" for p in self._log_files())
                raise BedError(f"{complaint}\n{logs}")
            time.sleep(0.005)

    def _log_files(self) -> list[Path]:
        return sorted(self.folder.glob("*.log"))

    def plug_in(self, card: str = "hanako", *options: str, slot: int = 0) -> None:
        """Plug an emulated card into the reader with ``jpki emulate``; wait until it is seen."""
        link = f"127.0.0.1:{self.port + slot}"
        self._start(
            ["jpki", "emulate", "--card", card, "--vpcd", link, *options], f"card{slot}.log"
        )
        self.wait_for_cards(self.log("pcscd.log").count(POWERED) + 1)

    def wait_for_cards(self, count: int = 1) -> None:
        """Until pcscd has powered a card ``count`` times."""
        self._wait_for_log("pcscd.log", POWERED, "the card did not show up in pcscd", count)

    def run(
        self,
        *argv: str,
        status: int | None = 0,
        stdin: str = "",
        timeout: float = 60,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program against this bed. Raises BedError unless it ends with ``status``."""
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.environment | dict(env or {}),
            cwd=self.folder,
            check=False,
        )
        if status is not None and done.returncode != status:
            raise BedError(
                f"{' '.join(argv)}: exit {done.returncode}, not {status}\n"
                f"{done.stdout}\n{done.stderr}"
            )
        return done

    def close(self) -> None:
        """End what this bed started, card first, by process id."""
        for program in reversed(self._programs):
            if program.poll() is None:
                program.terminate()
            try:
                program.wait(5)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait(5)
        for log in self._logs:
            log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
