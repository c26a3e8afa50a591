# SPDX-License-Identifier: Apache-2.0
"""Applications of a card file's own: whatever is put into the card's free area (条例利用).

::

    [[free_area]]
    id = "sample-library"               # small letters, digits, hyphens
    aid = "F04A504B49"                  # 5-16 bytes; begins with F, as no registered one does

    [[free_area.pin]]
    fid = "0011"
    value = "4649"
    tries = 5                           # 1-15

    [[free_area.file]]
    fid = "0001"
    text = "…"                          # or hex = "…", or records = ["…", "…"] (texts)
    opened_by = ["0011"]                # file ids of PINs; optional, else free to read
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from jpki.card_map import APPLICATIONS, FileKind
from jpki.emulator.files import ApplicationImage, ElementaryFile, PinReference, content
from jpki.emulator.toml_table import Table

MAX_CONTENT = 0x7FFF  # bytes that READ BINARY can address


@dataclass(frozen=True, slots=True)
class PinProfile:
    """A PIN. ``tries``: count."""

    fid: int
    value: str = field(repr=False)
    tries: int


@dataclass(frozen=True, slots=True)
class FileProfile:
    """A file: ``data`` of a transparent one, or ``records``."""

    fid: int
    data: bytes | None = field(repr=False)
    records: tuple[bytes, ...] = field(default=(), repr=False)
    opened_by: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ApplicationProfile:
    """One invented application."""

    id: str
    aid: bytes
    pins: tuple[PinProfile, ...]
    files: tuple[FileProfile, ...]


def parse_free_area(tables: list[Table]) -> tuple[ApplicationProfile, ...]:
    """The ``[[free_area]]`` tables of a card file. Raises CardFileError."""
    found: list[ApplicationProfile] = []
    for table in tables:
        one = _application(table)
        if any(other.id == one.id for other in found):
            table.fail("id", "bad_value")
        if any(a.aid.startswith(b.aid) for o in found for a, b in ((o, one), (one, o))):
            table.fail("aid", "contradiction")
        found.append(one)
    return tuple(found)


def _application(table: Table) -> ApplicationProfile:
    id = table.text("id")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", id) or id in {a.name for a in APPLICATIONS}:
        table.fail("id", "bad_value")
    aid = _hex(table, "aid")
    # «F» is the category of AIDs that nobody registers [ISO4 12.2.3]: no real card's can be met.
    if not 5 <= len(aid) <= 16 or aid[0] >> 4 != 0xF:
        table.fail("aid", "bad_value")
    pins = tuple(_pin(inner) for inner in table.tables("pin"))
    files = tuple(_file(inner, {pin.fid for pin in pins}) for inner in table.tables("file"))
    fids = [pin.fid for pin in pins] + [file.fid for file in files]
    if len(set(fids)) != len(fids):
        table.fail("file", "contradiction")
    table.done()
    return ApplicationProfile(id, aid, pins, files)


def _pin(table: Table) -> PinProfile:
    fid, value, tries = _fid(table, "fid"), table.text("value"), table.number("tries", 1, 15, 3)
    if not re.fullmatch(r"[0-9A-Z]{1,16}", value):
        table.fail("value", "bad_pin")
    table.done()
    return PinProfile(fid, value, tries)


def _file(table: Table, pins: set[int]) -> FileProfile:
    fid = _fid(table, "fid")
    given = [key for key in ("text", "hex", "records") if table.has(key)]
    if len(given) != 1:
        table.fail("text", "contradiction" if given else "missing")
    data: bytes | None = None
    records: tuple[bytes, ...] = ()
    if given == ["records"]:
        records = tuple(text.encode("utf-8") for text in table.strings("records"))
    elif given == ["hex"]:
        data = _hex(table, "hex")
    else:
        data = table.text("text").encode("utf-8")
    if any(len(part) > 255 for part in records) or len(data or b"") > MAX_CONTENT:
        table.fail(given[0], "too_large")
    opened_by = frozenset(_number(table, "opened_by", text) for text in table.strings("opened_by"))
    if not opened_by <= pins:
        table.fail("opened_by", "bad_value")
    table.done()
    return FileProfile(fid, data, records, opened_by)


def _fid(table: Table, key: str) -> int:
    return _number(table, key, table.text(key))


def _number(table: Table, key: str, text: str) -> int:
    if not re.fullmatch(r"[0-9A-Fa-f]{4}", text) or text.upper() in ("0000", "3F00", "FFFF"):
        table.fail(key, "bad_value")
    return int(text, 16)


def _hex(table: Table, key: str) -> bytes:
    try:
        return bytes.fromhex(table.text(key))
    except ValueError:
        table.fail(key, "bad_value")


def free_area_application(profile: ApplicationProfile) -> ApplicationImage:
    """The application as the emulated card holds it."""
    pins = [
        ElementaryFile(
            pin.fid,
            FileKind.PIN,
            pin=PinReference(
                f"{profile.id}/{pin.fid:04x}", pin.tries, pin.tries, pin.value.encode("ascii")
            ),
        )
        for pin in profile.pins
    ]
    files = [
        ElementaryFile(
            file.fid,
            FileKind.RECORD if file.data is None else FileKind.TRANSPARENT,
            opened_by=file.opened_by,
            content=None if file.data is None else content(_constant(file.data)),
            records=tuple(content(_constant(record)) for record in file.records),
        )
        for file in profile.files
    ]
    return ApplicationImage(profile.id, profile.aid, [*pins, *files])


def _constant(data: bytes) -> Callable[[], bytes]:
    return functools.partial(bytes, data)
