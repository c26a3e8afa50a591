# SPDX-License-Identifier: Apache-2.0
"""The machine this process runs on."""

from __future__ import annotations

import contextlib
import errno
import getpass
import importlib.metadata
import json
import os
import platform
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jpki.doctor.host import PcscAnswer
from jpki_apdu.readers import ReaderState

_MOST_BYTES = 4 << 20
_PATIENCE = 5.0  # seconds for one program; PC/SC itself knows no time limit


@dataclass(frozen=True, slots=True)
class RealHost:
    """Reads, and changes nothing. ``encoding`` and ``language``: of the report."""

    env: Mapping[str, str]
    encoding: str
    language: str

    @property
    def platform(self) -> str:
        return sys.platform

    @property
    def machine(self) -> str:
        return platform.machine()

    @property
    def python(self) -> str:
        return platform.python_version()

    def read(self, path: str) -> bytes:
        with Path(path).open("rb") as file:
            return file.read(_MOST_BYTES)

    def names(self, folder: str) -> list[str]:
        return sorted(os.listdir(folder))

    def link(self, path: str) -> str:
        return os.readlink(path)

    def mode(self, path: str) -> int:
        return stat.S_IMODE(Path(path).stat().st_mode)

    def run(self, argv: Sequence[str]) -> str | None:
        done = _run(argv, self.env)
        return done.stdout.decode("utf-8", "replace") if done and not done.returncode else None

    def socket(self, path: str) -> str:
        family = getattr(socket, "AF_UNIX", None)
        if family is None:
            return "absent"
        with socket.socket(family) as client:
            client.settimeout(_PATIENCE)
            try:
                client.connect(path)
            except PermissionError:
                return "denied"
            except OSError as error:
                return "absent" if error.errno in (errno.ENOENT, errno.ENOTDIR) else "refused"
        return "open"

    def installed(self, distribution: str) -> str | None:
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    def requirements(self) -> Sequence[str]:
        try:
            return importlib.metadata.requires("jpki") or []
        except importlib.metadata.PackageNotFoundError:
            return []

    def openssl(self) -> str | None:
        try:
            from cryptography.hazmat.backends.openssl import backend
        except Exception:  # a broken shared library raises whatever it likes
            return None
        return backend.openssl_version_text()

    def pcsc(self) -> PcscAnswer:
        """Asked in a process of its own: a service that hangs, or a library that writes to
        stderr or dies, must not take the doctor with it."""
        done = _run([sys.executable, "-P", "-m", "jpki.doctor.look"], self.env)
        if done is None:
            return PcscAnswer(error="silent")
        try:
            said = json.loads(done.stdout)
            return PcscAnswer(
                tuple(
                    ReaderState(name, bool(card), bool(busy), bytes.fromhex(atr))
                    for name, card, busy, atr in said["readers"]
                ),
                said["error"],
            )
        except (ValueError, KeyError, TypeError):
            return PcscAnswer(error="failed")

    def private_names(self) -> Sequence[str]:
        found = {self.env.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "HOSTNAME")}
        found |= {self.env.get("COMPUTERNAME", ""), socket.gethostname(), platform.node()}
        found |= {name.partition(".")[0] for name in tuple(found)}
        found |= {
            Path(home).name for name in ("HOME", "USERPROFILE") if (home := self.env.get(name))
        }
        with contextlib.suppress(Exception):  # nobody's entry in the user database
            found.add(getpass.getuser())
        return sorted(found - {""})


def _run(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[bytes] | None:
    """The program's output; None if it could not be started or took too long."""
    try:
        return subprocess.run(  # noqa: S603 - fixed programs, nothing of the user's in argv
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            env=dict(env),
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
