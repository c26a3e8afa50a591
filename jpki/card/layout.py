# SPDX-License-Identifier: Apache-2.0
"""Which applications, files and PIN rules a card is read by: today's, or a layout from data.

Today's is the card map. The next card regroups its applications and takes P-384 keys
[TF2024], but nobody has published an AID, a file or a command of it, so a layout for it
is a file that anybody can write anew. The one in ``layouts/nextgen.toml`` is invented, for
the emulated card of that name; invented layouts serve tests only.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any, Final, TypeVar

from jpki.card_map import (
    APPLICATIONS,
    JPKI_AP,
    PIN_HOME,
    PIN_RULES,
    Application,
    FileEntry,
    FileKind,
    PinKind,
    PinRule,
    TokenKind,
)
from jpki.errors import CardLayoutError
from jpki.toml_text import read_toml

SCHEMA: Final = "jpki.card-layout/1"
MAX_SIZE: Final = 65536  # bytes; the one that comes with the toolkit has about 2000

_E = TypeVar("_E", bound=StrEnum)


class EcdsaForm(StrEnum):
    """How a card writes an ECDSA signature. Which one a real card will take is not known."""

    RAW = "raw"  # r then s, each as long as the curve's order
    DER = "der"  # SEQUENCE of two INTEGERs [RFC3279 2.2.3]


@dataclass(frozen=True, slots=True)
class EcdsaRule:
    """How a P-384 key on the card is used: P1 of COMPUTE DIGITAL SIGNATURE, form of the answer.

    The command data are the SHA-384 hash (48 bytes).
    """

    p1: int
    form: EcdsaForm


@dataclass(frozen=True, slots=True)
class CardLayout:
    """What is where on a kind of card. ``ecdsa`` None: RSA-2048 keys, as on today's cards.

    ``applications``: the one called ``jpki`` has certificates and keys. ``tokens``: labels of
    EF 0006 that go with it. ``invented``: nobody has published it; for tests only.
    """

    name: str
    applications: tuple[Application, ...]
    pin_rules: Mapping[PinKind, PinRule]
    homes: Mapping[PinKind, Application]
    tokens: frozenset[TokenKind]
    ecdsa: EcdsaRule | None = None
    invented: bool = False

    @property
    def jpki(self) -> Application:
        """The application with the certificates."""
        return next(a for a in self.applications if a.name == JPKI_AP.name)

    def application(self, name: str) -> Application | None:
        """The application of that name, if this kind of card has one."""
        return next((a for a in self.applications if a.name == name), None)

    def holds(self, name: str, kind: PinKind) -> Application | None:
        """The application of that name, if it has that PIN."""
        found = self.application(name)
        if found is None or all(entry.pin is not kind for entry in found.files.values()):
            return None
        return found


TODAY: Final = CardLayout(
    name="today",
    applications=APPLICATIONS,
    pin_rules=PIN_RULES,
    homes=PIN_HOME,
    tokens=frozenset(TokenKind) - {TokenKind.NEXTGEN},
)


@functools.cache
def invented_layouts() -> tuple[CardLayout, ...]:
    """The layouts that come with the toolkit besides today's. All are invented."""
    folder = resources.files("jpki.card") / "layouts"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(parse_layout(file.read_bytes()) for file in files)


def parse_layout(raw: bytes) -> CardLayout:
    """A layout file (TOML). Raises CardLayoutError with the ``place`` that is wrong.

    A layout that does not call itself invented is refused: there is no other kind yet.
    """
    if len(raw) > MAX_SIZE:
        raise CardLayoutError(place="file", reason="too_large")
    try:
        top = read_toml(raw)
    except ValueError as exc:
        raise CardLayoutError(place="file", reason="not_toml") from exc
    _table(top, "", {"schema", "name", "invented", "tokens", "signature", "applications", "pins"})
    if _need(top, "schema", str) != SCHEMA or _need(top, "invented", bool) is not True:
        raise CardLayoutError(place="schema", reason="bad_value")
    rules = {**PIN_RULES, **_rules(_need(top, "pins", dict))}
    applications = tuple(_application(a) for a in _need(top, "applications", list))
    names = [a.name for a in applications]
    if JPKI_AP.name not in names or len(set(names)) != len(names):
        raise CardLayoutError(place="applications", reason="contradiction")
    pins = [(e.pin, a) for a in applications for e in a.files.values() if e.pin is not None]
    return CardLayout(
        name=_need(top, "name", str),
        applications=applications,
        pin_rules=rules,
        homes=dict(reversed(pins)),
        tokens=frozenset(_enum(TokenKind, t, "tokens") for t in _need(top, "tokens", list)),
        ecdsa=_ecdsa(_need(top, "signature", dict)),
        invented=True,
    )


def _need(table: dict[str, Any], key: str, kind: type, place: str = "") -> Any:
    if key not in table:
        raise CardLayoutError(place=place + key, reason="missing")
    if type(table[key]) is not kind:
        raise CardLayoutError(place=place + key, reason="wrong_type")
    return table[key]


def _table(value: object, place: str, known: set[str]) -> dict[str, Any]:
    """``value`` as a table that has no other keys than ``known``."""
    if not isinstance(value, dict):
        raise CardLayoutError(place=place.rstrip("."), reason="wrong_type")
    for key in value:
        if key not in known:
            raise CardLayoutError(place=f"{place}{key}", reason="unknown_key")
    return value


def _number(table: dict[str, Any], key: str, low: int, high: int, place: str) -> int:
    value: int = _need(table, key, int, place)
    if not low <= value <= high:
        raise CardLayoutError(place=place + key, reason="bad_value")
    return value


def _enum(kinds: type[_E], value: object, place: str) -> _E:
    found = next((member for member in kinds if member == value), None)
    if found is None:
        raise CardLayoutError(place=place, reason="bad_value")
    return found


def _hex(table: dict[str, Any], key: str, low: int, high: int, place: str) -> bytes:
    """Bytes written in hexadecimal, ``low`` to ``high`` of them."""
    try:
        value = bytes.fromhex(_need(table, key, str, place))
    except ValueError:
        value = b""
    if not low <= len(value) <= high:
        raise CardLayoutError(place=place + key, reason="bad_value")
    return value


def _ecdsa(value: object) -> EcdsaRule:
    table = _table(value, "signature.", {"p1", "form"})
    form = _enum(EcdsaForm, _need(table, "form", str, "signature."), "signature.form")
    return EcdsaRule(_number(table, "p1", 0, 5, "signature."), form)


def _rules(table: dict[str, Any]) -> dict[PinKind, PinRule]:
    rules = {}
    for name, value in table.items():
        place = f"pins.{name}."
        kind = _enum(PinKind, name, f"pins.{name}")
        rule = _table(value, place, {"min", "max", "tries", "digits"})
        least = _number(rule, "min", 1, 16, place)
        rules[kind] = PinRule(
            kind,
            least,
            _number(rule, "max", least, 16, place),
            _number(rule, "tries", 1, 15, place),
            digits=_need(rule, "digits", bool, place),
        )
    return rules


def _application(value: object) -> Application:
    place = "applications."
    table = _table(value, place, {"name", "aid", "files"})
    name = _need(table, "name", str, place)
    files = [_file(f) for f in _need(table, "files", list, place)]
    by_fid = {entry.fid: entry for entry in files}
    if len({entry.name for entry in files}) != len(files) or len(by_fid) != len(files):
        raise CardLayoutError(place="applications.files", reason="contradiction")
    aid = _hex(table, "aid", 5, 16, place)
    return Application(name, aid, "C", "[inferred] invented", by_fid)


def _file(value: object) -> FileEntry:
    place = "applications.files."
    table = _table(value, place, {"fid", "name", "kind", "opened_by", "pin"})
    name = _need(table, "name", str, place)
    kind = _enum(FileKind, _need(table, "kind", str, place), place + "kind")
    opened = _need(table, "opened_by", list, place) if "opened_by" in table else []
    pin = _enum(PinKind, table["pin"], place + "pin") if "pin" in table else None
    if (pin is None) == (kind is FileKind.PIN):
        raise CardLayoutError(place=place + "pin", reason="contradiction")
    return FileEntry(
        fid=int.from_bytes(_hex(table, "fid", 2, 2, place), "big"),
        name=name,
        kind=kind,
        grade="C",
        source="[inferred] invented",
        opened_by=frozenset(_enum(PinKind, p, place + "opened_by") for p in opened),
        pin=pin,
        readable=kind in (FileKind.TRANSPARENT, FileKind.RECORD),
    )
