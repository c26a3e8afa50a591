# SPDX-License-Identifier: Apache-2.0
"""The registry file of free-area applications (TOML), read strictly::

schema = "jpki.applications/1"

[[application]]
id = "sample-library"                   # small letters, digits, hyphens
aid = "F0 4A 50 4B 49 2D 54 45 53 54"   # 5-16 bytes, hexadecimal
name = { ja = "見本図書館", en = "Sample library" }

[[application.pin]]                     # none, if everything is free to read
id = "reader"
fid = "0011"
name = { ja = "図書館用暗証番号", en = "library PIN" }
length = [4, 8]                         # characters, 1-16
letters = false                         # capital letters too; optional

[[application.file]]
id = "card-code"
fid = "0001"
name = { ja = "貸出券番号", en = "reader's code" }
kind = "transparent"                    # or record; optional
record = 1                              # with record; optional
content = "text"                        # or digits, bytes; optional
size = 16                               # bytes to read; optional, else all there is
opened_by = ["reader"]                  # ids of PINs; optional, else free to read
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from jpki.card.free_area import ContentKind, FreeAreaApplication, FreeAreaFile, FreeAreaPin
from jpki.card_map import APPLICATIONS, ISD_AID, FileKind
from jpki.errors import ConfigurationError
from jpki.toml_text import read_toml

_T = TypeVar("_T")

SCHEMA = "jpki.applications/1"
MAX_SIZE = 262144  # bytes
MAX_APPLICATIONS = 32  # each costs a SELECT on every card

_ID = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TAKEN_NAMES = frozenset(application.name for application in APPLICATIONS) | {"mf", "isd"}
_TAKEN_AIDS = (*(application.aid for application in APPLICATIONS), ISD_AID)
_NO_FILES = frozenset((0x0000, 0x3F00, 0x3FFF, 0xFFFF))  # reserved [ISO4 7.2]
_KINDS = {kind.value: kind for kind in (FileKind.TRANSPARENT, FileKind.RECORD)}


def load_applications(path: Path) -> tuple[FreeAreaApplication, ...]:
    """The applications of the registry file at ``path``.

    Raises ConfigurationError with ``path``, ``place`` (``application[2].file[1].fid``) and
    ``reason``.
    """
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise ConfigurationError(path=str(path), place="-", reason="not_readable") from exc
    return parse_applications(raw, str(path))


def parse_applications(raw: bytes, path: str) -> tuple[FreeAreaApplication, ...]:
    """The bytes of a registry file. Raises ConfigurationError."""
    if len(raw) > MAX_SIZE:
        raise ConfigurationError(path=path, place="-", reason="too_large")
    try:
        content = read_toml(raw)
    except ValueError as exc:
        raise ConfigurationError(path=path, place="-", reason="not_toml") from exc
    top = _Table(content, path, "")
    if top.text("schema") != SCHEMA:
        top.fail("schema", "bad_value")
    tables = top.tables("application")
    top.done()
    if len(tables) > MAX_APPLICATIONS:
        top.fail("application", "too_many")
    found: list[FreeAreaApplication] = []
    for table in tables:
        found.append(_application(table, found))
    return tuple(found)


def _application(table: _Table, others: Iterable[FreeAreaApplication]) -> FreeAreaApplication:
    id = table.id(_TAKEN_NAMES | {other.id for other in others})
    aid = _aid(table, [other.aid for other in others])
    ja, en = table.names()
    pins: list[FreeAreaPin] = []
    files: list[FreeAreaFile] = []
    for inner in table.tables("pin"):
        pins.append(_pin(inner, pins))
    for inner in table.tables("file"):
        files.append(_file(inner, files, pins))
    table.done()
    return FreeAreaApplication(id, aid, ja, en, tuple(files), tuple(pins))


def _aid(table: _Table, others: list[bytes]) -> bytes:
    text = table.text("aid")
    try:
        aid = bytes.fromhex(text)
    except ValueError:
        table.fail("aid", "bad_value")
    if not 5 <= len(aid) <= 16:
        table.fail("aid", "bad_value")
    # A card may take the beginning of an AID for the whole of it [JICSAP]: one that begins
    # like another could select that one instead.
    if any(_one_begins_the_other(aid, known) for known in _TAKEN_AIDS):
        table.fail("aid", "known_application")
    if any(_one_begins_the_other(aid, other) for other in others):
        table.fail("aid", "twice")
    return aid


def _one_begins_the_other(one: bytes, other: bytes) -> bool:
    return one.startswith(other) or other.startswith(one)


def _pin(table: _Table, others: list[FreeAreaPin]) -> FreeAreaPin:
    id = table.id(frozenset(other.id for other in others))
    fid = table.fid({other.fid for other in others})
    ja, en = table.names()
    low, high = table.length()
    letters = table.flag("letters")
    table.done()
    return FreeAreaPin(id, fid, ja, en, low, high, letters)


def _file(table: _Table, others: list[FreeAreaFile], pins: list[FreeAreaPin]) -> FreeAreaFile:
    id = table.id(frozenset(other.id for other in others))
    kind = table.choice("kind", _KINDS, FileKind.TRANSPARENT.value)
    size, record = table.number("size", 1, 0x7FFF), table.number("record", 1, 254)
    if kind is FileKind.RECORD and size is not None:
        table.fail("size", "contradiction")
    if kind is not FileKind.RECORD and record is not None:
        table.fail("record", "contradiction")
    # Several records of one file are several entries with the same file id.
    taken = {other.fid for other in others if other.kind is not kind or record is None}
    fid = table.fid(taken | {pin.fid for pin in pins})
    if any(other.fid == fid and other.record == (record or 1) for other in others):
        table.fail("record", "twice")
    content = table.choice("content", {c.value: c for c in ContentKind}, ContentKind.TEXT.value)
    opened_by = table.texts("opened_by")
    if not opened_by <= {pin.id for pin in pins}:
        table.fail("opened_by", "unknown_pin")
    ja, en = table.names()
    table.done()
    return FreeAreaFile(id, fid, ja, en, kind, content, size, record or 1, opened_by)


@dataclass(frozen=True, slots=True)
class _Table:
    """One table; every key is taken once, and ``done`` refuses what is left."""

    values: dict[str, object]
    path: str
    place: str

    def fail(self, key: str, reason: str) -> NoReturn:
        place = f"{self.place}.{key}" if self.place else key
        raise ConfigurationError(path=self.path, place=place, reason=reason)

    def done(self) -> None:
        for key in self.values:
            self.fail(key, "unknown_key")

    def tables(self, key: str) -> list[_Table]:
        items = self.values.pop(key, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            self.fail(key, "wrong_type")
        place = f"{self.place}.{key}" if self.place else key
        return [_Table(item, self.path, f"{place}[{n}]") for n, item in enumerate(items, 1)]

    def text(self, key: str) -> str:
        value = self.values.pop(key, None)
        if value is None:
            self.fail(key, "missing")
        if not isinstance(value, str):
            self.fail(key, "wrong_type")
        return value

    def texts(self, key: str) -> frozenset[str]:
        value = self.values.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(key, "wrong_type")
        return frozenset(value)

    def flag(self, key: str) -> bool:
        value = self.values.pop(key, False)
        if not isinstance(value, bool):
            self.fail(key, "wrong_type")
        return value

    def number(self, key: str, low: int, high: int) -> int | None:
        value = self.values.pop(key, None)
        if value is None:
            return None
        if type(value) is not int:
            self.fail(key, "wrong_type")
        if not low <= value <= high:
            self.fail(key, "bad_value")
        return value

    def choice(self, key: str, allowed: dict[str, _T], default: str) -> _T:
        value = self.values.pop(key, default)
        if not isinstance(value, str):
            self.fail(key, "wrong_type")
        if value not in allowed:
            self.fail(key, "bad_value")
        return allowed[value]

    def id(self, taken: frozenset[str]) -> str:
        value = self.text("id")
        if not _ID.fullmatch(value):
            self.fail("id", "bad_value")
        if value in taken:
            self.fail("id", "twice")
        return value

    def fid(self, taken: set[int]) -> int:
        value = self.text("fid")
        if not re.fullmatch(r"[0-9A-Fa-f]{4}", value) or int(value, 16) in _NO_FILES:
            self.fail("fid", "bad_value")
        if int(value, 16) in taken:
            self.fail("fid", "twice")
        return int(value, 16)

    def length(self) -> tuple[int, int]:
        value = self.values.pop("length", None)
        if value is None:
            self.fail("length", "missing")
        if not isinstance(value, list) or [type(item) for item in value] != [int, int]:
            self.fail("length", "wrong_type")
        low, high = value
        if not 1 <= low <= high <= 16:
            self.fail("length", "bad_value")
        return low, high

    def names(self) -> tuple[str, str]:
        """Both names; harmless on a terminal."""
        value = self.values.pop("name", None)
        if value is None:
            self.fail("name", "missing")
        if not isinstance(value, dict):
            self.fail("name", "wrong_type")
        both = _Table(value, self.path, f"{self.place}.name")
        ja, en = both.text("ja"), both.text("en")
        both.done()
        for key, name in (("ja", ja), ("en", en)):
            if not name.strip() or len(name) > 80 or not name.isprintable():
                both.fail(key, "bad_text")
        return ja, en
