# SPDX-License-Identifier: Apache-2.0
"""A desk's queue: check-ins taken while the line is down, sealed for the server.

What was queued is on the disk when ``append`` returns. The desk cannot read it again. A file
beside the queue says how far it goes, so that a queue cut short is noticed; a thief who puts
back both files as they were earlier is not.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from jpki.kiosk.shelter.entries import entry_bytes
from jpki.kiosk.shelter.files import alone, append_line, remove, write_whole
from jpki.kiosk.shelter.half import CheckIn
from jpki.kiosk.shelter.queue_format import (
    LIFETIME,
    Header,
    QueueError,
    check_chain,
    head_line,
    header_line,
    line_digest,
    read_head,
    read_header,
    read_record,
    record_line,
)
from jpki.kiosk.shelter.sealing import seal

MOST: Final = 2000  # records of one file
_QUEUE, _HEAD = ".queue", ".head"


@dataclass(frozen=True, slots=True)
class DeskKeys:
    """What a desk has: its name, what it signs with, and for whom it seals.

    ``server``: the server half. ``city``: who opens the list of those without registration.
    """

    name: str
    signing: Ed25519PrivateKey = field(repr=False)
    server: X25519PublicKey = field(repr=False)
    city: X25519PublicKey | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Queued:
    """One queue as it lies there, without what a power cut left of a line. ``end``: bytes."""

    path: Path
    lines: tuple[bytes, ...] = field(repr=False)
    end: int

    @property
    def header(self) -> bytes:
        return self.lines[0]

    @property
    def records(self) -> tuple[bytes, ...]:
        return self.lines[1:]


class DeskQueue:
    """The queues of one desk, in a folder of their own. ``clock``: the desk's (aware)."""

    def __init__(self, folder: Path, keys: DeskKeys, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._keys = keys
        self._clock = clock

    def append(self, entry: CheckIn) -> None:
        """Queue one check-in; it is on the disk when this returns. Raises OSError."""
        with alone(self._folder):
            queued = self._current()
            header = read_header(queued.header, self._keys.signing.public_key())
            number, before = len(queued.lines), line_digest(queued.lines[-1])
            sealed = seal(self._keys.server, entry_bytes(entry), entry.id.encode("utf-8"))
            line = record_line(header.id, number, entry.id, before, sealed, self._keys.signing)
            append_line(queued.path, queued.end, line)
            self._write_head(queued.path, header.id, number, line_digest(line))

    def waiting(self) -> Iterator[Queued]:
        """The queues to be synced, oldest first. Raises QueueError at one that was touched."""
        for path in self._paths():
            queued = _read(path)
            self._check(queued)
            yield queued

    def count(self) -> int:
        """How many check-ins wait."""
        return sum(len(_read(path).records) for path in self._paths())

    def done(self, queued: Queued) -> bool:
        """Remove a queue of which every record was decided; False if more came meanwhile."""
        with alone(self._folder):
            if _read(queued.path).lines != queued.lines:
                return False
            remove(queued.path)
            remove(queued.path.with_suffix(_HEAD))
            return True

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{_QUEUE}"), key=lambda path: path.name)

    def _current(self) -> Queued:
        """The queue to write to: the newest, or a new one where that is full, old or touched."""
        paths = self._paths()
        if paths:
            queued = _read(paths[-1])
            try:
                header = read_header(queued.header, self._keys.signing.public_key())
                self._check_head(queued)
                if len(queued.records) < MOST and self._clock() < header.expires:
                    return queued
            except QueueError:
                pass
        return self._begin(len(paths) and int(paths[-1].name[:8]))

    def _begin(self, last: int) -> Queued:
        now = self._clock()
        header = Header(secrets.token_urlsafe(16), self._keys.name, now, now + LIFETIME)
        line = header_line(header, self._keys.signing)
        path = self._folder / f"{last + 1:08d}-{header.id}{_QUEUE}"
        self._write_head(path, header.id, 0, line_digest(line))
        write_whole(path, line + b"\n")
        return _read(path)

    def _write_head(self, path: Path, queue: str, number: int, digest: str) -> None:
        head = head_line(queue, number, digest, self._keys.signing)
        write_whole(path.with_suffix(_HEAD), head)

    def _check(self, queued: Queued) -> None:
        """Every signature, the chain, and how far it goes. Raises QueueError."""
        key = self._keys.signing.public_key()
        header = read_header(queued.header, key)
        records = tuple(read_record(line, key) for line in queued.records)
        if records and records[0].number != 1:
            raise QueueError
        check_chain(header, queued.header, records)
        self._check_head(queued)

    def _check_head(self, queued: Queued) -> None:
        try:
            line = queued.path.with_suffix(_HEAD).read_bytes()
        except OSError:
            raise QueueError("queue_truncated") from None
        _, number, digest = read_head(line, self._keys.signing.public_key())
        if number >= len(queued.lines) or line_digest(queued.lines[number]) != digest:
            raise QueueError("queue_truncated")


def _read(path: Path) -> Queued:
    """A queue's whole lines. Raises QueueError where there is none."""
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if not end:
        raise QueueError("queue_truncated")
    return Queued(path, tuple(data[: end - 1].split(b"\n")), end)
