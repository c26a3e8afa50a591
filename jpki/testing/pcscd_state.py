# SPDX-License-Identifier: Apache-2.0
"""What pcscd tells its clients of a reader, asked without the clients' library.

That library finds the daemon once in the life of a process, and this process may have found
another. Source: [PCSC src/winscard_msg.h, src/eventhandler.h], the same in pcscd 1.8.24 to 2.5.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

_READERS_STATE = struct.pack("=II", 0, 0x12)  # length of what follows, command
_READERS = 16
_READER = struct.Struct("=128sIIi33s3xII")  # name, events, state, handles, ATR, its length, T=


class PcscdState:
    """One client's connection, to be closed. Every call may raise OSError."""

    def __init__(self, path: Path, timeout: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._answers = self._socket.makefile("rb")
        try:
            self._socket.connect(str(path))
        except OSError:
            self.close()
            raise

    def in_use(self, reader: str) -> bool:
        """Whether a program has a handle on the reader, be it of a card that left."""
        self._socket.sendall(_READERS_STATE)
        data = self._answers.read(_READERS * _READER.size)
        if len(data) < _READERS * _READER.size:
            raise ConnectionResetError
        return any(
            handles != 0 and name.rstrip(b"\0") == reader.encode("ascii")
            for name, _, _, handles, *_ in _READER.iter_unpack(data)
        )

    def close(self) -> None:
        """Hang up."""
        self._answers.close()
        self._socket.close()
