# SPDX-License-Identifier: Apache-2.0
"""A folder that one process writes at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOCK: Final = "lock"  # the file's name; it stays there, empty


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds the lock of an existing folder; others wait. It goes with the process, however that
    ends. Raises OSError."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with contextlib.suppress(ImportError):  # a system without POSIX locks
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
