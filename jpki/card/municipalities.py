# SPDX-License-Identifier: Apache-2.0
"""Names of municipality codes: those of the test cards, and whatever list a user supplies.

A card carries five digits and no name. There are some 1,900 of them and they change with every
merger, so no list is kept here: the Ministry of Internal Affairs publishes the current one
(全国地方公共団体コード), and :func:`load_municipalities` reads it as CSV, or a TOML file.
A code that is on no list is shown as it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from jpki.errors import ConfigurationError
from jpki.toml_text import read_toml

SCHEMA = "jpki.municipalities/1"
MAX_SIZE = 4 * 1024 * 1024  # bytes; the whole official list has about 200 KB

_COLUMNS = ("団体コード", "都道府県名", "市区町村名")
_KANJI = "漢字"  # the official list has every name twice: （漢字） and （カナ）
_WEIGHTS = (6, 5, 4, 3, 2)


@dataclass(frozen=True, slots=True)
class Municipality:
    """One place. ``code``: five digits. ``japanese``: prefecture and place; ``english`` or ""."""

    code: str
    japanese: str
    english: str = ""

    def name(self, lang: str) -> str:
        """The name in ``lang`` (ja, en), in Japanese where there is no other."""
        return self.english if lang == "en" and self.english else self.japanese


# What the test PKI issues for. The places and their codes are real.
_TEST_CARDS = (
    Municipality("01101", "北海道札幌市中央区", "Sapporo-shi Chuo-ku, Hokkaido"),
    Municipality("10201", "群馬県前橋市", "Maebashi-shi, Gunma-ken"),
    Municipality("13113", "東京都渋谷区", "Shibuya-ku, Tokyo-to"),
    Municipality("13221", "東京都清瀬市", "Kiyose-shi, Tokyo-to"),
    Municipality("14104", "神奈川県横浜市中区", "Yokohama-shi Naka-ku, Kanagawa-ken"),
    Municipality("27127", "大阪府大阪市北区", "Osaka-shi Kita-ku, Osaka-fu"),
)


@dataclass(frozen=True, slots=True)
class MunicipalityNames:
    """A table of names by code."""

    places: Mapping[str, Municipality] = field(repr=False)

    def find(self, code: str) -> Municipality | None:
        """The place with that five-digit code, or None."""
        return self.places.get(code)

    def joined(self, other: MunicipalityNames) -> MunicipalityNames:
        """Both tables; ``other`` counts where a code is in both."""
        return MunicipalityNames(MappingProxyType({**self.places, **other.places}))


BUILT_IN = MunicipalityNames(MappingProxyType({place.code: place for place in _TEST_CARDS}))
"""The municipalities of the emulated cards, and no others."""


def code_check_digit(code: str) -> str:
    """The sixth digit of a 全国地方公共団体コード, from the first five. Source: [GK]."""
    total = sum(int(digit) * weight for digit, weight in zip(code, _WEIGHTS, strict=True))
    return str((11 - total % 11) % 10)


def load_municipalities(path: Path) -> MunicipalityNames:
    """The list at ``path``: the official CSV, or TOML (``.toml``).

    CSV: a header with 団体コード, 都道府県名 and 市区町村名 (kanji columns), UTF-8 or
    Shift_JIS; codes of five digits, or six with the check digit. TOML: ``schema =
    "jpki.municipalities/1"`` and ``[municipality]`` with ``13221 = { ja = "…", en = "…" }``.
    Raises ConfigurationError with ``path``, ``place`` (a line or a key) and ``reason``.
    """
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise _wrong(path, "-", "not_readable") from exc
    if len(raw) > MAX_SIZE:
        raise _wrong(path, "-", "too_large")
    places = _toml(raw, path) if path.suffix == ".toml" else _csv(raw, path)
    if not places:
        raise _wrong(path, "-", "empty")
    return MunicipalityNames(MappingProxyType(places))


def _wrong(path: Path, place: str, reason: str) -> ConfigurationError:
    return ConfigurationError(path=str(path), place=place, reason=reason)


def _toml(raw: bytes, path: Path) -> dict[str, Municipality]:
    try:
        content = read_toml(raw)
    except ValueError as exc:
        raise _wrong(path, "-", "not_toml") from exc
    if content.pop("schema", None) != SCHEMA:
        raise _wrong(path, "schema", "bad_value")
    table = content.pop("municipality", None)
    for key in content:
        raise _wrong(path, key, "unknown_key")
    if not isinstance(table, dict):
        raise _wrong(path, "municipality", "missing" if table is None else "wrong_type")
    return dict(_toml_place(code, entry, path) for code, entry in table.items())


def _toml_place(code: str, entry: object, path: Path) -> tuple[str, Municipality]:
    where = f"municipality.{code}"
    short = _code(code, path, where)
    if not isinstance(entry, dict) or not set(entry) <= {"ja", "en"}:
        raise _wrong(path, where, "unknown_key" if isinstance(entry, dict) else "wrong_type")
    japanese, english = entry.get("ja"), entry.get("en", "")
    if not isinstance(japanese, str) or not isinstance(english, str):
        raise _wrong(path, where, "missing" if japanese is None else "wrong_type")
    return short, Municipality(
        short, _name(japanese, path, where), english and _name(english, path, where)
    )


def _csv(raw: bytes, path: Path) -> dict[str, Municipality]:
    lines = csv.reader(io.StringIO(_decoded(raw, path), newline=""))
    rows: list[tuple[str, str, str]] = []
    columns: tuple[int, int, int] | None = None
    try:
        for row in lines:
            if columns is None:
                columns = _columns(row)
            elif any(cell.strip() for cell in row):
                if len(row) <= max(columns):
                    raise _wrong(path, f"line {lines.line_num}", "missing")
                number, prefecture, place = (row[column].strip() for column in columns)
                rows.append((f"line {lines.line_num}", number, prefecture + place))
    except csv.Error as exc:
        raise _wrong(path, f"line {lines.line_num}", "not_csv") from exc
    if columns is None:
        raise _wrong(path, "-", "no_header")
    return _csv_places(rows, path)


def _csv_places(rows: list[tuple[str, str, str]], path: Path) -> dict[str, Municipality]:
    # A spreadsheet drops the leading zero of 011002. In a list with check digits it can be
    # put back, because the check digit tells whether that was right.
    size = max((len(number) for _, number, _ in rows), default=0)
    places: dict[str, Municipality] = {}
    for where, number, name in rows:
        code = _code(number.zfill(size) if size == 6 else number, path, where)
        if code in places:
            raise _wrong(path, where, "twice")
        places[code] = Municipality(code, _name(name, path, where))
    return places


def _columns(row: list[str]) -> tuple[int, int, int] | None:
    """Where code, prefecture and place stand, if ``row`` is the header; None before it."""
    found = []
    for wanted in _COLUMNS:
        fitting = [n for n, cell in enumerate(row) if "".join(cell.split()).startswith(wanted)]
        kanji = [n for n in fitting if _KANJI in row[n]]
        if not fitting:
            return None
        found.append((kanji or fitting)[0])
    return found[0], found[1], found[2]


def _code(text: str, path: Path, where: str) -> str:
    """Five digits from five, or from six whose check digit fits."""
    if not (text.isascii() and text.isdigit()) or len(text) not in (5, 6):
        raise _wrong(path, where, "bad_digits")
    if len(text) == 6 and code_check_digit(text[:5]) != text[5]:
        raise _wrong(path, where, "bad_check_digit")
    return text[:5]


def _name(text: str, path: Path, where: str) -> str:
    if not text.strip() or len(text) > 100 or not text.isprintable():
        raise _wrong(path, where, "bad_text")
    return text


def _decoded(raw: bytes, path: Path) -> str:
    for codec in ("utf-8-sig", "cp932"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    raise _wrong(path, "-", "bad_text")
