# SPDX-License-Identifier: Apache-2.0
"""Where rows come from: Parquet, CSV, NDJSON or a folder, in chunks of the same rows each time.

A chunk is small and travels to another process; what costs time (base64, JSON) is undone there.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from jpki.errors import InputFileError
from jpki.verifying.batch.arrow import ID, ParquetRows
from jpki.verifying.batch.rows import COLUMNS, FAULT

# A row with a certificate, a signature and a message of a few pages.
MAX_LINE: Final = 1 << 20
_MAX_PART: Final = 1 << 20
_SUFFIXES: Final = {".parquet": "parquet", ".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
# Files of a folder: one row for each name, its parts by their ending.
_ENDINGS: Final = {
    ".cer": "certificate",
    ".crt": "certificate",
    ".der": "certificate",
    ".pem": "certificate",
    ".sig": "signature",
    ".msg": "message",
    ".dgst": "digest",
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows. ``first``: number of the first one, from 1. ``payload``: columns by name, the
    lines of NDJSON, or an Arrow batch. ``done``: the part of the input read by then (0 to 1)."""

    index: int
    first: int
    count: int
    payload: Any = field(repr=False)
    done: float


class BatchInput(Protocol):
    """``total``: rows, where it is known without reading them. ``name``: of errors."""

    path: Path
    total: int | None

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Chunks of at most ``size`` rows; the same rows in the same chunks each time."""
        ...

    def fingerprint(self) -> str:
        """Another one when the input was changed."""
        ...


def open_input(path: Path) -> BatchInput:
    """The input behind ``path``: a folder, or a file by its ending (.parquet, .csv, .ndjson,
    .jsonl). Raises InputFileError, MissingExtraError."""
    if path.is_dir():
        return _Folder(path)
    form = input_format(path)
    if not path.is_file():
        raise InputFileError(path=str(path), reason="not_found")
    if form == "parquet":
        return _Parquet(path)
    return _Csv(path) if form == "csv" else _Ndjson(path)


def input_format(path: Path) -> str:
    """parquet, csv or ndjson. Raises InputFileError for another ending."""
    form = _SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise InputFileError(path=str(path), reason="unknown_format")
    return form


@dataclass(slots=True)
class _File:
    path: Path
    total: int | None = None

    def fingerprint(self) -> str:
        stat = self.path.stat()
        return f"{stat.st_size}-{stat.st_mtime_ns}"


class _Parquet(_File):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._rows = ParquetRows(path)
        self.total = self._rows.count

    def chunks(self, size: int) -> Iterator[Chunk]:
        first = 1
        for index, batch in enumerate(self._rows.batches(size)):
            count = batch.num_rows
            done = (first - 1 + count) / (self.total or 1)
            yield Chunk(index, first, count, batch, done)
            first += count


class _Ndjson(_File):
    def chunks(self, size: int) -> Iterator[Chunk]:
        whole = self.path.stat().st_size or 1
        lines: list[bytes] = []
        index, first = 0, 1
        with self.path.open("rb") as file:
            while line := file.readline(MAX_LINE + 1):
                if len(line) > MAX_LINE:
                    while not line.endswith(b"\n") and (line := file.readline(MAX_LINE)):
                        pass
                    line = b""
                elif not line.strip():
                    continue
                lines.append(line)
                if len(lines) == size:
                    yield Chunk(index, first, size, lines, file.tell() / whole)
                    index, first, lines = index + 1, first + size, []
            if lines:
                yield Chunk(index, first, len(lines), lines, 1.0)


class _Csv(_File):
    def chunks(self, size: int) -> Iterator[Chunk]:
        whole = self.path.stat().st_size or 1
        try:
            with self.path.open("rb") as raw:
                rows = csv.reader(_texts(raw), strict=True)
                names = next(rows, [])
                if not set(names) & {"certificate", "signer"} or len(set(names)) != len(names):
                    raise InputFileError(path=str(self.path), reason="no_columns")
                index, first = 0, 1
                while found := list(itertools.islice(rows, size)):
                    columns = _columns(names, found)
                    yield Chunk(index, first, len(found), columns, min(raw.tell() / whole, 1.0))
                    index, first = index + 1, first + len(found)
        except (csv.Error, UnicodeDecodeError) as exc:
            raise InputFileError(path=str(self.path), reason="not_csv") from exc


def _texts(raw: BinaryIO) -> Iterator[str]:
    """Lines as text. Raises csv.Error for one without end, UnicodeDecodeError."""
    while line := raw.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise csv.Error
        yield line.decode("utf-8-sig")


class _Folder:
    """One row for each name: NAME.cer, .crt, .der or .pem, NAME.sig, NAME.msg or NAME.dgst."""

    def __init__(self, path: Path) -> None:
        self.path = path
        found: dict[str, list[str]] = {}
        for file in sorted(path.iterdir()):
            if file.suffix.lower() in _ENDINGS and not file.name.startswith("."):
                found.setdefault(file.stem, []).append(file.name)
        self._names = found
        self.total: int | None = len(found)
        if not found:
            raise InputFileError(path=str(path), reason="no_columns")

    def fingerprint(self) -> str:
        stats = [(n, (self.path / n).stat()) for files in self._names.values() for n in files]
        facts = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def chunks(self, size: int) -> Iterator[Chunk]:
        names = list(self._names)
        for index, start in enumerate(range(0, len(names), size)):
            part = names[start : start + size]
            columns: dict[str, list[Any]] = {ID: list(part)}
            for name in set(_ENDINGS.values()):
                columns[name] = [None] * len(part)
            columns[FAULT] = [None] * len(part)
            for row, stem in enumerate(part):
                for file in self._names[stem]:
                    data = self._read(file)
                    columns[_ENDINGS[Path(file).suffix.lower()]][row] = data
                    columns[FAULT][row] = "record_too_large" if data is None else None
            done = (start + len(part)) / len(names)
            yield Chunk(index, start + 1, len(part), columns, done)

    def _read(self, name: str) -> bytes | None:
        """The file's bytes; None for one that is far too large."""
        try:
            with (self.path / name).open("rb") as file:
                data = file.read(_MAX_PART + 1)
        except OSError as exc:
            raise InputFileError(path=str(self.path / name), reason="unreadable") from exc
        return data if len(data) <= _MAX_PART else None


def _columns(names: Sequence[str], rows: list[list[str]]) -> dict[str, list[Any]]:
    """Columns of CSV rows; a row with too few or too many fields is marked."""
    width = len(names)
    whole = [row if len(row) == width else [""] * width for row in rows]
    columns: dict[str, list[Any]] = {
        name: [row[n] for row in whole] for n, name in enumerate(names) if name in (ID, *COLUMNS)
    }
    columns[FAULT] = [None if len(row) == width else "record_bad_line" for row in rows]
    return columns


def parse_lines(lines: list[bytes]) -> dict[str, list[Any]]:
    """Columns of NDJSON lines; a line that is no object is marked."""
    columns: dict[str, list[Any]] = {name: [] for name in (ID, *COLUMNS, FAULT)}
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        known = row if isinstance(row, dict) else {}
        for name in (ID, *COLUMNS):
            columns[name].append(known.get(name))
        columns[FAULT].append(None if isinstance(row, dict) else "record_bad_line")
    return columns
