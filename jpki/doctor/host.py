# SPDX-License-Identifier: Apache-2.0
"""The machine that is looked at: everything the doctor touches of it goes through here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from jpki_apdu.readers import ReaderState


@dataclass(frozen=True, slots=True)
class PcscAnswer:
    """What PC/SC says of readers. ``error``: empty, or why there is no list.

    ``missing``: pyscard is not installed or cannot be loaded; ``no_service``;
    ``access_denied``; ``silent``: no answer in time; ``failed``: anything else.
    """

    readers: tuple[ReaderState, ...] = ()
    error: str = ""


class Host(Protocol):
    """One machine as a program on it sees it. Paths are absolute; OSError where it is one."""

    @property
    def platform(self) -> str:
        """As ``sys.platform``: linux, darwin, win32."""

    @property
    def machine(self) -> str:
        """The processor's kind: x86_64."""

    @property
    def python(self) -> str:
        """Version of this Python."""

    @property
    def env(self) -> Mapping[str, str]: ...

    @property
    def encoding(self) -> str:
        """Of the stream the report goes to."""

    @property
    def language(self) -> str:
        """``en`` or ``ja``: what the command line speaks here."""

    def read(self, path: str) -> bytes:
        """A file's bytes, at most 4 MB. Raises OSError."""

    def names(self, folder: str) -> list[str]:
        """What is in a folder. Raises OSError."""

    def link(self, path: str) -> str:
        """Where a symbolic link leads. Raises OSError."""

    def mode(self, path: str) -> int:
        """Permission bits of a file. Raises OSError."""

    def run(self, argv: Sequence[str]) -> str | None:
        """Output of a program; None if it is not there, fails or takes too long."""

    def socket(self, path: str) -> str:
        """``open``, ``absent``, ``refused`` (nobody listens) or ``denied``."""

    def installed(self, distribution: str) -> str | None:
        """Version of an installed Python distribution, or None."""

    def requirements(self) -> Sequence[str]:
        """What the distribution ``jpki`` requires, in its own metadata's words."""

    def openssl(self) -> str | None:
        """Version of the OpenSSL that cryptography uses; None if it cannot be loaded."""

    def pcsc(self) -> PcscAnswer:
        """The readers, none of them opened."""

    def private_names(self) -> Sequence[str]:
        """Names of the user, the machine and the home folder: to be kept out of the report."""
