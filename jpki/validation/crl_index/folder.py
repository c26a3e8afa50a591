# SPDX-License-Identifier: Apache-2.0
"""The folder of a store: whose it is, whom it belongs to for life, and how files get there.

Lists and indexes are written beside their place, synced, and moved there in one step, so a
reader sees the old one or the new one. Only one process writes at a time.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from jpki.certificate.kinds import Environment
from jpki.errors import CrlStoreError
from jpki.folder_lock import LOCK, alone

MARKER: Final = "jpki-crl-store.json"
FORMAT: Final = "jpki-crl-store-1"
NEW: Final = ".new-"
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def is_store(path: Path) -> bool:
    """Whether ``path`` is the folder of a store: it has the marker file."""
    return (path / MARKER).is_file()


class Folder:
    """An existing store's folder. Raises CrlStoreError (``reason``: not_a_store, not_private,
    not_readable, other_version)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not is_store(path):
            raise CrlStoreError(path=str(path), reason="not_a_store")
        _require_private(path, os.stat(path))
        self.environment = self._marked()

    @classmethod
    def make(cls, path: Path, environment: Environment) -> Folder:
        """The folder, made where it is missing. One of another environment is refused."""
        try:
            path.mkdir(mode=0o700, exist_ok=True)
            _require_private(path, os.stat(path))
            if not is_store(path) and any(entry.name != LOCK for entry in path.iterdir()):
                raise CrlStoreError(path=str(path), reason="not_a_store")
            with alone(path):
                if not is_store(path):
                    content = {"format": FORMAT, "environment": environment.value}
                    write(path / MARKER, [json.dumps(content).encode() + b"\n"])
        except OSError as exc:
            raise unwritable(path, exc) from exc
        folder = cls(path)
        folder.require(environment)
        return folder

    def require(self, environment: Environment) -> None:
        """Raises CrlStoreError unless the store belongs to ``environment``."""
        if self.environment is not environment:
            raise CrlStoreError(
                "crl_store_environment",
                path=str(self.path),
                environment=self.environment.value,
                wanted=environment.value,
            )

    def _marked(self) -> Environment:
        try:
            content = json.loads(self.read(MARKER, 1 << 16))
            if content["format"] != FORMAT:
                raise CrlStoreError(path=str(self.path), reason="other_version")
            return Environment(content["environment"])
        except (ValueError, KeyError, TypeError, OSError, RecursionError) as exc:
            raise CrlStoreError(path=str(self.path), reason="not_readable") from exc

    def open(self, name: str) -> int:
        """A descriptor of a file of ours; FileNotFoundError if there is none. Raises
        CrlStoreError for one that cannot be opened, or that others can write."""
        try:
            descriptor = os.open(self.path / name, _READ)
        except FileNotFoundError:
            raise
        except OSError as exc:
            raise CrlStoreError(path=str(self.path / name), reason="not_readable") from exc
        try:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise CrlStoreError(path=str(self.path / name), reason="not_private")
            _require_private(self.path / name, about)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def read(self, name: str, limit: int) -> bytes:
        """The whole of a small file."""
        descriptor = self.open(name)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(limit)

    def write(self, name: str, pieces: Iterable[Any]) -> None:
        """A whole file in one step. Raises CrlStoreError."""
        try:
            write(self.path / name, pieces)
        except OSError as exc:
            raise unwritable(self.path, exc) from exc

    def load(self, name: str) -> Mapping[str, Any]:
        """A JSON object, empty if the file is not there. Raises CrlStoreError."""
        try:
            content = json.loads(self.read(name, 1 << 28))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as exc:
            raise CrlStoreError(path=str(self.path / name), reason="not_readable") from exc
        return content if isinstance(content, dict) else {}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Alone in writing, for this block: others wait. What a killed writer left is removed."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(alone(self.path))
            except OSError as exc:
                raise unwritable(self.path, exc) from exc
            for name in self.names(NEW):
                self.remove(name)
            yield

    def names(self, beginning: str = "", ending: str = "") -> list[str]:
        """Names of files, sorted."""
        with os.scandir(self.path) as entries:
            found = (entry.name for entry in entries)
            return sorted(n for n in found if n.startswith(beginning) and n.endswith(ending))

    def remove(self, name: str) -> None:
        """Takes a file away, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            (self.path / name).unlink()


def temporary(folder: Path) -> tuple[int, Path]:
    """A new private file in ``folder``, open for writing and reading."""
    path = folder / f"{NEW}{secrets.token_hex(8)}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), path


def write(path: Path, pieces: Iterable[Any]) -> None:
    """Writes a file beside its place, syncs it and moves it there. Raises OSError."""
    descriptor, beside = temporary(path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync(path.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()


def sync(folder: Path) -> None:
    """Makes moves inside ``folder`` last."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def unwritable(path: Path, error: OSError) -> CrlStoreError:
    """The error for what the system refused to write."""
    import errno

    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return CrlStoreError(path=str(path), reason="disk_full" if full else "not_writable")


def _require_private(path: Path, about: os.stat_result) -> None:
    """Ours or root's, and nobody else can write it."""
    if not hasattr(os, "geteuid"):
        return
    if about.st_uid not in (os.geteuid(), 0) or about.st_mode & _OTHERS_WRITE:
        raise CrlStoreError(path=str(path), reason="not_private")
