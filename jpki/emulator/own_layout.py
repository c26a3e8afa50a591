# SPDX-License-Identifier: Apache-2.0
"""The ``[layout]`` of a card file: a card whose applications are not those of the card map.

For cards nobody has described yet. Everything comes from the file: identifiers, files, PIN
rules, and how a P-384 key is used. The reader side has a layout of its own and reads it by
itself; a card that differs from it is not understood, as with any other card. In a file::

    [layout]
    certificate_years = 10              # birthdays until a certificate ends
    signature = { p1 = 0, form = "raw" }

    [layout.pins]
    auth = { min = 4, max = 4, tries = 3, digits = true }

    [[layout.applications]]
    name = "jpki"                       # holds certificates; any other name holds random bytes
    aid = "F04A504B494E47415554"
    files = [ { fid = "2010", name = "auth-certificate", kind = "transparent" } ]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jpki.card_map import PIN_RULES, Application, FileEntry, FileKind, PinKind, PinRule
from jpki.emulator.toml_table import Table

FORMS = ("raw", "der")
_KINDS = [kind.value for kind in PinKind]


@dataclass(frozen=True, slots=True)
class OwnLayout:
    """``p1``, ``form``: COMPUTE DIGITAL SIGNATURE with a P-384 key, an invention of ours."""

    applications: tuple[Application, ...]
    rules: Mapping[PinKind, PinRule]
    p1: int
    form: str
    certificate_years: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the applications."""
        return tuple(application.name for application in self.applications)


def own_layout(table: Table) -> OwnLayout:
    """Read the table. Raises CardFileError."""
    signature = table.table("signature", required=True)
    p1, form = signature.number("p1", 0, 5), signature.choice("form", FORMS)
    signature.done()
    pins = table.table("pins")
    rules = dict(PIN_RULES)
    for kind in PinKind:
        if pins.has(kind.value):
            rules[kind] = _rule(kind, pins.table(kind.value))
    pins.done()
    years = table.number("certificate_years", 1, 20, 5)
    applications = tuple(_application(item) for item in table.tables("applications"))
    names, aids = {a.name for a in applications}, {a.aid for a in applications}
    if not len(names) == len(aids) == len(applications):
        table.fail("applications", "contradiction")
    table.done()
    return OwnLayout(applications, rules, p1, form, years)


def _rule(kind: PinKind, table: Table) -> PinRule:
    least = table.number("min", 1, 16)
    rule = PinRule(
        kind,
        least,
        table.number("max", least, 16),
        table.number("tries", 1, 15),
        digits=table.flag("digits", True),
    )
    table.done()
    return rule


def _application(table: Table) -> Application:
    name = table.text("name")
    aid = _hex(table, "aid", 5, 16)
    files = [_file(item) for item in table.tables("files")]
    table.done()
    by_fid = {entry.fid: entry for entry in files}
    if not len(by_fid) == len({entry.name for entry in files}) == len(files):
        table.fail("files", "contradiction")
    return Application(name, aid, "C", "invented", by_fid)


def _file(table: Table) -> FileEntry:
    kind = FileKind(table.choice("kind", [kind.value for kind in FileKind]))
    pin = PinKind(table.choice("pin", _KINDS)) if kind is FileKind.PIN else None
    entry = FileEntry(
        fid=int.from_bytes(_hex(table, "fid", 2, 2), "big"),
        name=table.text("name"),
        kind=kind,
        grade="C",
        source="invented",
        opened_by=frozenset(PinKind(word) for word in table.texts("opened_by", _KINDS, ())),
        pin=pin,
        readable=kind is FileKind.TRANSPARENT,
    )
    table.done()
    return entry


def _hex(table: Table, key: str, low: int, high: int) -> bytes:
    try:
        value = bytes.fromhex(table.text(key))
    except ValueError:
        value = b""
    if not low <= len(value) <= high:
        table.fail(key, "bad_value")
    return value
