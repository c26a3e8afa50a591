# SPDX-License-Identifier: Apache-2.0
"""PINs: from a terminal with echo off, or from a file descriptor, into buffers that are wiped.

Never from the command line or the environment, where other programs can see them.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator

from jpki_cli.clicks import UsageFault

_LONGEST = 256  # bytes of one line; far above any PIN


def wipe(buffer: bytearray) -> None:
    """Overwrite with zeros."""
    for index in range(len(buffer)):
        buffer[index] = 0


def read_lines(descriptor: int, count: int) -> list[bytearray]:
    """``count`` lines from a file descriptor, each in its own buffer, without line ends.

    Read byte by byte, so that nothing is left in a buffer of Python's and nothing after the
    last line is consumed. Raises UsageFault for too few lines, an empty line or a bad descriptor.
    """
    lines: list[bytearray] = []
    try:
        with io.FileIO(descriptor, "rb", closefd=False) as source:
            for _ in range(count):
                line = _line(source)
                lines.append(line)
                if not line:
                    raise UsageFault("usage_pin_fd_short", wanted=count)
    except (OSError, ValueError) as exc:
        _wipe_all(lines)
        raise UsageFault("usage_pin_fd", fd=descriptor) from exc
    except UsageFault:
        _wipe_all(lines)
        raise
    return lines


def _wipe_all(lines: list[bytearray]) -> None:
    for line in lines:
        wipe(line)


def _line(source: io.FileIO) -> bytearray:
    """Up to the next line feed or the end."""
    one = bytearray(1)
    line = bytearray()
    while source.readinto(one) and one != b"\n":
        if len(line) >= _LONGEST:
            wipe(line)
            raise UsageFault("usage_pin_fd_short", wanted=1)
        line += one
    wipe(one)
    if line.endswith(b"\r"):
        line.pop()
    return line


def ask_terminal(question: str) -> bytearray:
    """Ask on stderr, read from the terminal with echo off. Raises KeyboardInterrupt, EOFError."""
    sys.stderr.write(question)
    sys.stderr.flush()
    try:
        if sys.platform == "win32":
            return _ask_windows()
        return _ask_unix()
    finally:
        sys.stderr.write("\n")
        sys.stderr.flush()


def ask_yes(question: str) -> bool:
    """Ask on stderr; yes is ``y``, ``yes`` or ``はい``, anything else is no."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes", "はい")


def _ask_unix() -> bytearray:
    with _echo_off(sys.stdin.fileno()), io.FileIO(0, "rb", closefd=False) as source:
        return _line(source)


@contextlib.contextmanager
def _echo_off(descriptor: int) -> Iterator[None]:
    """Put back what was there, also after Ctrl-C."""
    import termios

    before = termios.tcgetattr(descriptor)
    silent = termios.tcgetattr(descriptor)
    silent[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, silent)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def _ask_windows() -> bytearray:  # pragma: no cover - no Windows here
    import msvcrt

    line = bytearray()
    while True:
        char: str = msvcrt.getwch()  # type: ignore[attr-defined,unused-ignore]
        if char in "\r\n":
            return line
        if char == "\x03":
            raise KeyboardInterrupt
        if char == "\b":
            del line[-1:]
        else:
            line += char.encode()
