# SPDX-License-Identifier: Apache-2.0
"""Frames of the virtual smart card reader's wire (vpcd): two bytes of length, and as many bytes.

The high byte of the length comes first. Source: [vsmartcard virtualsmartcard/src/vpcd].
"""

from __future__ import annotations

import contextlib
import socket
import time

from jpki_apdu.errors import MalformedResponseError

MAX_FRAME = 0xFFFF
_SEND_TIMEOUT = 30.0
_ACK_AT_ONCE = getattr(socket, "TCP_QUICKACK", None)


class PeerClosedError(Exception):
    """The peer hung up between two frames."""


class Frames:
    """Frames over one TCP connection. Each message is one write and is sent at once."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._buffer = bytearray()

    def send(self, payload: bytes | bytearray) -> None:
        """Raises MalformedResponseError for what fits no frame, OSError."""
        if not 1 <= len(payload) <= MAX_FRAME:
            raise MalformedResponseError(reason="frame_length", received=len(payload))
        self._socket.settimeout(_SEND_TIMEOUT)
        self._socket.sendall(len(payload).to_bytes(2, "big") + payload)

    def receive(self, timeout: float) -> bytes:
        """The next frame. Raises TimeoutError (nothing is lost), PeerClosedError, OSError.

        A frame without bytes or one cut off by a hang-up is a MalformedResponseError.
        """
        until = time.monotonic() + timeout
        buffer = self._buffer
        while True:
            if len(buffer) >= 2:
                end = 2 + (buffer[0] << 8 | buffer[1])
                if end == 2:
                    raise MalformedResponseError(reason="frame_length", received=0)
                if len(buffer) >= end:
                    frame = bytes(buffer[2:end])
                    del buffer[:end]
                    return frame
            self._fill(until)

    def _fill(self, until: float) -> None:
        self._acknowledge_at_once()
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        data = self._socket.recv(MAX_FRAME + 2)
        if data:
            self._buffer += data
        elif self._buffer:
            raise MalformedResponseError(reason="frame_cut_off", received=len(self._buffer))
        else:
            raise PeerClosedError

    def _acknowledge_at_once(self) -> None:
        # vpcd sends length and payload apart and without TCP_NODELAY; unless told again
        # before every read, the kernel sits on the acknowledgement for 40 ms.
        if _ACK_AT_ONCE is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _ACK_AT_ONCE, 1)

    def close(self) -> None:
        """Hang up. Never raises."""
        # Shut down first: only that wakes a thread that is blocked in recv.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._socket.close()
