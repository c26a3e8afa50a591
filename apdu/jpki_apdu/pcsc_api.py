# SPDX-License-Identifier: Apache-2.0
"""The part of PC/SC that is used, as pyscard offers it, and the line that installs that."""

from __future__ import annotations

import platform
import sys
from typing import Protocol

SCOPE_USER = 0
SHARED, DIRECT = 2, 3
T0_OR_T1 = 3
LEAVE_CARD, UNPOWER_CARD = 0, 2
CHANGED, PRESENT, EXCLUSIVE, IN_USE = 0x02, 0x20, 0x80, 0x100


class Scard(Protocol):
    """The part of ``smartcard.scard`` that is used. Every call returns its code first."""

    def SCardEstablishContext(self, scope: int) -> tuple[int, int]: ...
    def SCardReleaseContext(self, context: int) -> int: ...
    def SCardListReaders(self, context: int, groups: list[str]) -> tuple[int, list[str]]: ...
    def SCardGetStatusChange(
        self, context: int, milliseconds: int, states: list[tuple[str, int]]
    ) -> tuple[int, list[tuple[str, int, list[int]]]]: ...
    def SCardConnect(
        self, context: int, reader: str, share: int, protocols: int
    ) -> tuple[int, int, int]: ...
    def SCardReconnect(
        self, card: int, share: int, protocols: int, initialization: int
    ) -> tuple[int, int]: ...
    def SCardDisconnect(self, card: int, disposition: int) -> int: ...
    def SCardStatus(self, card: int) -> tuple[int, str, int, int, list[int]]: ...
    def SCardTransmit(self, card: int, pci: int, apdu: list[int]) -> tuple[int, list[int]]: ...
    def SCardControl(self, card: int, code: int, data: list[int]) -> tuple[int, list[int]]: ...
    def SCardBeginTransaction(self, card: int) -> int: ...
    def SCardEndTransaction(self, card: int, disposition: int) -> int: ...
    def SCARD_CTL_CODE(self, code: int) -> int: ...


def install_line() -> str:
    """The shell line that brings the ``pcsc`` extra to this system."""
    pip = "pip install 'jpki[pcsc]'"
    if sys.platform != "linux":
        return pip
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return pip
    family = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    if family & {"debian", "ubuntu"}:
        return f"sudo apt-get install pcscd libpcsclite-dev gcc python3-dev && {pip}"
    if family & {"fedora", "rhel"}:
        return f"sudo dnf install pcsc-lite pcsc-lite-devel gcc python3-devel && {pip}"
    if "arch" in family:
        return f"sudo pacman -S pcsclite ccid gcc && {pip}"
    return pip
