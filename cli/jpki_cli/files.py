# SPDX-License-Identifier: Apache-2.0
"""Files we write: whole or not at all, private where they hold personal data, never over others."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from jpki_cli.clicks import UsageFault


def check_target(path: Path, *, force: bool) -> None:
    """Refuse a place we could not write to, before a card is opened or a PIN is spent.

    Raises UsageFault, and InputFileError without permission.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise UsageFault("usage_out_place", path=str(path))
    if path.exists() and not force:
        raise UsageFault("usage_out_exists", path=str(path))
    with written(path):
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError


def write_whole(path: Path, data: bytes, *, private: bool, force: bool) -> None:
    """Write ``data`` to a new file beside ``path`` and move it there in one step.

    ``private``: mode 0600. Raises UsageFault if it exists and not ``force``, InputFileError if
    it cannot be written.
    """
    with new_file(path, private=private, force=force) as file:
        file.write(data)


@contextlib.contextmanager
def written(path: Path) -> Iterator[None]:
    """Raises InputFileError where what is done to write ``path`` fails."""
    try:
        yield
    except OSError as exc:
        from jpki.errors import InputFileError

        raise InputFileError("output_file", path=str(path), reason=_why(exc)) from exc


@contextlib.contextmanager
def new_file(path: Path, *, private: bool, force: bool) -> Iterator[BinaryIO]:
    """A file that is written beside ``path`` and moved there when the block ends well.

    If it does not, nothing is left. Raises as :func:`write_whole`.
    """
    check_target(path, force=force)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
    try:
        with written(path):
            with os.fdopen(os.open(beside, flags, 0o600 if private else 0o666), "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _move(beside, path, force=force)
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()


def write_all(contents: Mapping[Path, tuple[bytes, bool]], *, force: bool) -> None:
    """Write several files (bytes, and whether private); if one fails the new ones go again."""
    new: list[Path] = []
    try:
        for path, (data, private) in contents.items():
            existed = path.exists()
            write_whole(path, data, private=private, force=force)
            if not existed:
                new.append(path)
    except BaseException:
        for path in new:
            path.unlink(missing_ok=True)
        raise


def _move(beside: Path, path: Path, *, force: bool) -> None:
    if force:
        beside.replace(path)
        return
    try:
        os.link(beside, path)  # unlike a rename, this fails if somebody was faster
    except FileExistsError:
        raise UsageFault("usage_out_exists", path=str(path)) from None
    except OSError:  # a file system without links
        beside.rename(path)


def read_input(path: Path, *, limit: int = 1 << 26) -> bytes:
    """The bytes of an input file (at most ``limit``). Raises InputFileError."""
    from jpki.errors import InputFileError

    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as exc:
        raise InputFileError(path=str(path), reason=_why(exc)) from exc
    if len(data) > limit:
        raise InputFileError(path=str(path), reason="too_large")
    return data


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "not_found"
    if isinstance(error, PermissionError):
        return "no_permission"
    if isinstance(error, IsADirectoryError):
        return "is_a_folder"
    return "io"
