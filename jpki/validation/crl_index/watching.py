# SPDX-License-Identifier: Apache-2.0
"""Which of the certificates somebody keeps are revoked by now (現況確認).

The caller's own keys go in and come out. For a certificate stands its handle, which only the
store that made it can open: so a caller need not keep serials to ask about them.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import secrets
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jpki.certificate.certificate import Certificate, parse_certificate
from jpki.certificate.kinds import Family
from jpki.certificate.names import issuer_facts, parse_name
from jpki.errors import CertificateError, RevocationDataError, WatchRowError
from jpki.validation.crl_index.partition import Entry, Partition
from jpki.validation.crl_index.store import CrlIndexStore, partition_id

_BODY: Final = struct.Struct(">20sq")
_NAME: Final = 16
_NONCE: Final = 12
_LABEL: Final = b"jpki crl watch handle 1"
# Rows that are asked about together.
_ROWS: Final = 1 << 16


class Status(StrEnum):
    """What the store can say of a certificate now."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"  # no list of its point, or an outdated one
    EXPIRED = "expired"  # lists do not name expired ones


@dataclass(frozen=True, slots=True)
class WatchRow:
    """One certificate that somebody keeps: DER, or a handle. ``status``: as of the last time."""

    key: str
    certificate: bytes | None = field(default=None, repr=False)
    handle: str | None = field(default=None, repr=False)
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of a row. ``entry``: of a revoked one."""

    key: str
    handle: str = field(repr=False)
    before: Status | None
    status: Status
    entry: Entry | None = None

    @property
    def changed(self) -> bool:
        """Whether the caller has to hear of it: another status, or a bad one at first sight."""
        return self.status is not (self.before or Status.GOOD)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A row that was read: the lists that may name it, and its serial."""

    row: WatchRow
    number: int
    handle: str = field(repr=False)
    lists: tuple[str, ...]
    serial: int = field(repr=False)
    not_after: datetime


class Watcher:
    """Asks a store about many certificates. ``now``: lists and dates are judged by it.

    ``secret``: what handles are sealed with (32 octets). ``covers``: whether revocation data
    of a family may be used; what it refuses is unknown.
    """

    def __init__(
        self,
        store: CrlIndexStore,
        secret: bytes,
        *,
        now: datetime,
        covers: Callable[[Family | None], bool] = lambda family: True,
    ) -> None:
        self._store = store
        self._cipher = AESGCM(secret)
        self._now = now
        self._covers = covers

    def compare(self, rows: Iterable[WatchRow]) -> Iterator[Watched]:
        """What is known of each row now, in order. Raises WatchRowError with the number of a
        row that cannot be read."""
        numbered = enumerate(rows, 1)
        while some := [self._read(row, n) for n, row in itertools.islice(numbered, _ROWS)]:
            yield from self._statuses(some)

    def handle(self, certificate: Certificate) -> str:
        """A handle for a certificate. Two of one certificate differ."""
        key_id = certificate.aki.key_id if certificate.aki is not None else None
        if key_id is None:
            raise CertificateError(reason="no_key_id", field="authority_key_id")
        points = (*certificate.crl_distribution_point_names, None)
        names = b"".join(bytes.fromhex(partition_id(key_id, point)) for point in points)
        serial = certificate.serial.reveal().rjust(20, b"\0")[-20:]
        body = _BODY.pack(serial, int(certificate.not_after.timestamp())) + names
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, body, _LABEL)
        return base64.urlsafe_b64encode(sealed).decode("ascii").rstrip("=")

    def _read(self, row: WatchRow, number: int) -> _Asked:
        try:
            if row.handle is None:
                handle = self.handle(parse_certificate(row.certificate or b""))
            else:
                handle = row.handle
            return self._opened(row, number, handle)
        except CertificateError as error:
            raise WatchRowError(row=number, reason=str(error.values["reason"])) from None
        except (InvalidTag, ValueError, binascii.Error, struct.error, OverflowError):
            raise WatchRowError(row=number, reason="bad_handle") from None

    def _opened(self, row: WatchRow, number: int, handle: str) -> _Asked:
        sealed = base64.urlsafe_b64decode(handle + "=" * (-len(handle) % 4))
        body = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _LABEL)
        serial, not_after = _BODY.unpack_from(body)
        names = body[_BODY.size :]
        lists = tuple(names[i : i + _NAME].hex() for i in range(0, len(names), _NAME))
        end = datetime.fromtimestamp(not_after, UTC)
        return _Asked(row, number, handle, lists, int.from_bytes(serial, "big"), end)

    def _statuses(self, asked: list[_Asked]) -> Iterator[Watched]:
        """Each list is asked once, about all the serials it may name."""
        wanted: dict[str, list[_Asked]] = defaultdict(list)
        for one in asked:
            for name in one.lists:
                wanted[name].append(one)
        told: set[int] = set()
        entries: dict[int, Entry] = {}
        for name, some in wanted.items():
            partition = self._usable(name)
            if partition is None:
                continue
            current = partition.next_update >= self._now
            for one, hit in zip(some, partition.listed([o.serial for o in some]), strict=True):
                if current:
                    told.add(one.number)
                if hit and (entry := self._store.entry_of(name, one.serial)) is not None:
                    entries[one.number] = entry
        for one in asked:
            status = self._status(one, one.number in told, entries.get(one.number))
            entry = entries.get(one.number)
            yield Watched(one.row.key, one.handle, one.row.status, status, entry)

    def _status(self, one: _Asked, told: bool, entry: Entry | None) -> Status:
        if entry is not None:
            return Status.REVOKED
        if one.row.status is Status.REVOKED:
            return Status.REVOKED  # never taken back, even when the lists forget it
        if one.not_after < self._now:
            return Status.EXPIRED
        return Status.GOOD if told else Status.UNKNOWN

    def _usable(self, name: str) -> Partition | None:
        """The list of that name, if there is one that may be used and is not of the future."""
        try:
            partition = self._store.named(name)
        except RevocationDataError:
            return None
        if partition is None or partition.this_update > self._now:
            return None
        family = issuer_facts(parse_name(partition.facts.issuer_der)).family
        return partition if self._covers(family) else None
