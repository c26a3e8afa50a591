# SPDX-License-Identifier: Apache-2.0
"""Files of a desk: written whole, on the disk when a call returns, one process at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jpki import folder_lock


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds the lock of a desk's folder, which is made where it is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with folder_lock.alone(folder):
        yield


def write_whole(path: Path, data: bytes) -> None:
    """The whole file or the one before: no reader sees a part, whenever the power goes."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync_folder(path.parent)


def append_line(path: Path, end: int, line: bytes) -> None:
    """Put ``line`` after the first ``end`` bytes: what a power cut left beyond them goes."""
    with path.open("r+b") as file:
        file.truncate(end)
        file.seek(end)
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())


def remove(path: Path) -> None:
    """Remove a file, if it is there; on the disk when this returns."""
    path.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # a system that opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
