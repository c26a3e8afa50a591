# SPDX-License-Identifier: Apache-2.0
"""Two hosts on one machine: network namespaces joined by a cable, with nothing else to reach.

As root the namespaces are made directly; without root in a user namespace of their own, which
Debian 12 lets everybody have. Neither has a route to the machine's own network.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

LEFT, RIGHT = "10.77.0.1", "10.77.0.2"
_ROOT = os.geteuid() == 0


@dataclass
class Host:
    """One namespace, held by a process that sleeps."""

    holder: subprocess.Popen[bytes]
    device: str

    def command(self, *argv: str) -> list[str]:
        """``argv``, to be run on this host."""
        return [*_entering(self.holder.pid), "--net", "--", *argv]

    def run(self, *argv: str) -> str:
        """Run a program on this host; what it said. Raises CalledProcessError."""
        done = subprocess.run(self.command(*argv), check=True, capture_output=True, text=True)
        return done.stdout


class TwoHosts:
    """``left`` (10.77.0.1) and ``right`` (10.77.0.2), as long as the block lasts."""

    def __init__(self) -> None:
        own = [] if _ROOT else ["--user", "--map-root-user"]
        self.left = Host(_hold(["unshare", *own, "--net", "--"]), "cable0")
        inside = [] if _ROOT else [*_entering(self.left.holder.pid), "--"]
        self.right = Host(_hold([*inside, "unshare", "--net", "--"]), "cable1")
        peer = ("peer", "name", "cable1", "netns", str(self.right.holder.pid))
        self.left.run("ip", "link", "add", "cable0", "type", "veth", *peer)
        for host, address in ((self.left, LEFT), (self.right, RIGHT)):
            host.run("ip", "address", "add", f"{address}/24", "dev", host.device)
            host.run("ip", "link", "set", "lo", "up")
        self.plug()

    def plug(self) -> None:
        """Put the cable in."""
        for host in (self.left, self.right):
            host.run("ip", "link", "set", host.device, "up")

    def unplug(self) -> None:
        """Pull the cable out of the right host."""
        self.right.run("ip", "link", "set", self.right.device, "down")

    def __enter__(self) -> TwoHosts:
        return self

    def __exit__(self, *_: object) -> None:
        for host in (self.right, self.left):
            host.holder.kill()
            host.holder.communicate()


def _entering(pid: int) -> list[str]:
    user = [] if _ROOT else ["--user", "--preserve-credentials"]
    return ["nsenter", "--target", str(pid), *user]


def _hold(making: list[str]) -> subprocess.Popen[bytes]:
    """A process in the new namespace. A machine that forbids that fails the test."""
    holder = subprocess.Popen([*making, "sleep", "infinity"], stderr=subprocess.PIPE)
    end = time.monotonic() + 10
    program = Path(f"/proc/{holder.pid}/cmdline")
    while program.read_bytes() != b"sleep\0infinity\0":
        if holder.poll() is not None:
            assert holder.stderr is not None
            raise AssertionError(f"no namespace can be made: {holder.stderr.read().decode()}")
        assert time.monotonic() < end
        time.sleep(0.01)
    return holder
