# SPDX-License-Identifier: Apache-2.0
"""What readers have been measured to carry, kept per reader name in a small file of the user.

The file holds names of readers and sizes, nothing of a card. It is a memory, not
configuration: one that is missing, damaged or not ours to read is as good as empty.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jpki_apdu.connection import ReplyLimits

log = logging.getLogger(__name__)

VERSION = 1
_MOST_BYTES = 1 << 20
_MOST_READERS = 256


class DamagedMemoryError(ValueError):
    """The file is there and is not what we write."""


def default_path(env: Mapping[str, str]) -> Path | None:
    """``$XDG_STATE_HOME/jpki/readers.json`` or its like on this system; None without a home."""
    if state := env.get("XDG_STATE_HOME"):
        return Path(state, "jpki", "readers.json")
    if sys.platform == "win32" and (local := env.get("LOCALAPPDATA")):
        return Path(local, "jpki", "readers.json")
    home = env.get("HOME") or env.get("USERPROFILE")
    return Path(home, ".local", "state", "jpki", "readers.json") if home else None


@dataclass(frozen=True, slots=True)
class ReaderMemory:
    """The file at ``path``; None = nowhere to keep anything."""

    path: Path | None

    @classmethod
    def of_user(cls, env: Mapping[str, str] | None = None) -> ReaderMemory:
        """The memory of the user whose environment this is."""
        return cls(default_path(os.environ if env is None else env))

    def limits(self, reader: str) -> ReplyLimits | None:
        """What ``reader`` carries, if it was measured. Never raises."""
        try:
            return self._load().get(reader)
        except (OSError, DamagedMemoryError) as error:
            log.debug("no reader memory: %s", type(error).__name__)
            return None

    def remember(self, reader: str, limits: ReplyLimits) -> None:
        """Keep ``limits`` for ``reader``; a damaged file is begun anew. Raises OSError."""
        if self.path is None:
            raise FileNotFoundError("no home folder to remember in")
        try:
            known = self._load()
        except (FileNotFoundError, DamagedMemoryError):
            known = {}
        known.pop(reader, None)
        kept = dict([*known.items(), (reader, limits)][-_MOST_READERS:])
        self._store(self.path, kept)

    def _load(self) -> dict[str, ReplyLimits]:
        if self.path is None:
            return {}
        with self.path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        return parse(data)

    @staticmethod
    def _store(path: Path, known: Mapping[str, ReplyLimits]) -> None:
        """Whole or not at all, readable by nobody else: a name may end with a serial number."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        try:
            with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
                file.write(_written(known))
            beside.replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()


def parse(data: bytes) -> dict[str, ReplyLimits]:
    """Limits by reader name from the file's bytes. Raises DamagedMemoryError."""
    if len(data) > _MOST_BYTES:
        raise DamagedMemoryError("too large")
    try:
        content = json.loads(data)
        if content["version"] != VERSION:
            raise DamagedMemoryError("another version")
        return {
            str(name): ReplyLimits(_count(kept["short"]), _count(kept["extended"]))
            for name, kept in content["readers"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise DamagedMemoryError("not a reader memory") from exc


def _count(value: object) -> int:
    if type(value) is not int:
        raise DamagedMemoryError("not a count")
    return value


def _written(known: Mapping[str, ReplyLimits]) -> bytes:
    readers = {name: {"short": of.short, "extended": of.extended} for name, of in known.items()}
    text = json.dumps({"version": VERSION, "readers": readers}, ensure_ascii=False, indent=1)
    return text.encode("utf-8", "backslashreplace") + b"\n"
