# SPDX-License-Identifier: Apache-2.0
"""What an emulated card holds: applications, elementary files, PINs, keys, data objects.

A card image is built once and never changes; what changes (counters, selection,
verifications) lives in :mod:`jpki.emulator.pins` and :mod:`jpki.emulator.chip`.
Contents are made when they are first read: a card must be ready at once, and most
sessions read a few files only.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from jpki.card_map import JPKI_AP, FileKind, PinKind
from jpki.emulator import words
from jpki.emulator.ecdsa import EcKey
from jpki.emulator.refusal import refuse
from jpki.emulator.rsa import SigningKey

_T = TypeVar("_T")


class Once(Generic[_T]):
    """A value made at its first use and kept."""

    __slots__ = ("_make", "_value")

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make: Callable[[], _T] | None = make
        self._value: _T | None = None

    def __call__(self) -> _T:
        if self._make is not None:
            self._value = self._make()
            self._make = None
        return self._value  # type: ignore[return-value]


def content(make: Callable[[], bytes]) -> Once[bytes]:
    """Lazy file content that passes the refusal of forged material, always."""

    def checked() -> bytes:
        data = make()
        refuse(data)
        return data

    return Once(checked)


class KeyUse(StrEnum):
    """What a private key on the card answers to."""

    SIGN = "sign"  # COMPUTE DIGITAL SIGNATURE
    INTERNAL_AUTHENTICATE = "internal-authenticate"
    NONE = "none"


class ChangeCommand(StrEnum):
    """Which command changes a PIN in its application."""

    ISO = "0024"  # JPKI and text
    JICSAP = "8032"  # common and juki
    NONE = "none"  # never changed on the card


@dataclass(frozen=True, slots=True)
class PinReference:
    """A PIN or key that VERIFY compares with. ``value`` empty: nothing ever matches.

    ``key`` names it in a state file; ``tries`` is the counter at personalisation (count).
    """

    key: str
    max_tries: int
    tries: int
    value: bytes = field(default=b"", repr=False)
    kind: PinKind | None = None
    change: ChangeCommand = ChangeCommand.NONE
    min_length: int = 1
    max_length: int = 16


@dataclass(frozen=True, slots=True)
class ElementaryFile:
    """One EF. ``opened_by``: file ids of the PINs any of which opens it; empty = free."""

    fid: int
    kind: FileKind
    opened_by: frozenset[int] = frozenset()
    content: Once[bytes] | None = field(default=None, repr=False)
    records: tuple[Once[bytes], ...] = field(default=(), repr=False)
    pin: PinReference | None = None
    key: Once[SigningKey] | None = field(default=None, repr=False)
    ec_key: Once[EcKey] | None = field(default=None, repr=False)
    use: KeyUse = KeyUse.NONE
    hidden: bool = False
    """A working file that no known PIN opens: reading it gives 6982 rather than 6981."""

    @property
    def sfi(self) -> int:
        """Short EF identifier: the low five bits of the file id [MC]."""
        return self.fid & 0x1F


class ApplicationImage:
    """One application as personalised.

    ``default_key``: file id of the key that P2=00 means. ``session_key``, ``session_pin``:
    key that opens a secure-messaging session and the PIN it wants; without one, SET
    SESSION KEY answers ``session_refusal``.
    """

    __slots__ = (
        "aid",
        "by_fid",
        "by_sfi",
        "default_key",
        "name",
        "session_key",
        "session_pin",
        "session_refusal",
    )

    def __init__(
        self,
        name: str,
        aid: bytes,
        files: Iterable[ElementaryFile],
        *,
        default_key: int | None = None,
        session_key: Once[SigningKey] | None = None,
        session_pin: int = 0,
        session_refusal: bytes = words.SM_NOT_CONFIGURED,
    ) -> None:
        self.name = name
        self.aid = aid
        self.by_fid: Mapping[int, ElementaryFile] = {file.fid: file for file in files}
        self.by_sfi: Mapping[int, ElementaryFile] = {f.sfi: f for f in self.by_fid.values()}
        self.default_key = self.by_fid[default_key] if default_key is not None else None
        self.session_key = session_key
        self.session_pin = session_pin
        self.session_refusal = session_refusal

    def with_contents(self, contents: Mapping[int, Once[bytes]]) -> ApplicationImage:
        """The same with other contents of some files, by file id."""
        made = copy.copy(self)
        files = [
            dataclasses.replace(file, content=contents[fid]) if fid in contents else file
            for fid, file in self.by_fid.items()
        ]
        made.by_fid = {file.fid: file for file in files}
        made.by_sfi = {file.sfi: file for file in files}
        return made


@dataclass(frozen=True, slots=True)
class CardImage:
    """A whole card. ``objects``: GET DATA by tag; ``identity``: what a state file is bound to."""

    name: str
    atr: bytes
    applications: tuple[ApplicationImage, ...]
    objects: Mapping[int, Once[bytes]]
    master_files: Mapping[int, ElementaryFile]
    identity: str = field(repr=False)
    last_command_indicator: bool = False

    def pins(self) -> list[PinReference]:
        """Every PIN reference on the card."""
        found = [f.pin for app in self.applications for f in app.by_fid.values() if f.pin]
        return found + [f.pin for f in self.master_files.values() if f.pin]

    def with_contents(self, contents: Mapping[int, Once[bytes]]) -> CardImage:
        """The same with other contents of some files of the JPKI application, by file id."""
        applications = tuple(
            app.with_contents(contents) if app.aid == JPKI_AP.aid else app
            for app in self.applications
        )
        return dataclasses.replace(self, applications=applications)
