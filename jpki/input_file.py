# SPDX-License-Identifier: Apache-2.0
"""Reading a person's files: what goes wrong is told in one way, and nothing has no limit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jpki.errors import InputFileError


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around nothing but reading ``path``: OSError becomes InputFileError.

    ``reason``: not_found, unreadable.
    """
    try:
        yield
    except FileNotFoundError as exc:
        raise InputFileError(path=str(path), reason="not_found") from exc
    except OSError as exc:
        raise InputFileError(path=str(path), reason="unreadable") from exc


def read_limited(path: Path, limit: int) -> bytes:
    """The content, at most ``limit`` bytes. Raises InputFileError, also ``too_large``."""
    with reading(path), path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InputFileError(path=str(path), reason="too_large")
    return data


def read_head(path: Path, size: int) -> bytes:
    """The first ``size`` bytes, or all there are. Raises InputFileError."""
    with reading(path), path.open("rb") as file:
        return file.read(size)


def pieces(path: Path, size: int) -> Iterator[memoryview]:
    """The content of any length in pieces of up to ``size`` bytes. Raises InputFileError.

    A piece is good until the next is asked for: all lie in one buffer.
    """
    buffer = memoryview(bytearray(size))
    with reading(path):
        file = path.open("rb", buffering=0)
    with file:
        while True:
            with reading(path):
                count = file.readinto(buffer)
            if not count:
                return
            yield buffer[:count]
