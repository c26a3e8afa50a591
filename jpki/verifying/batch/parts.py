# SPDX-License-Identifier: Apache-2.0
"""Verdicts of one chunk as a part of the output; parts put together to the whole.

A part's name says which chunk it is and how its rows came out, so that a run that goes on
after a kill needs to read none of them. The form of the output is that of its ending.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jpki.verifying.batch import arrow
from jpki.verifying.batch.arrow import ID
from jpki.verifying.batch.inputs import Chunk, parse_lines
from jpki.verifying.batch.rows import RowVerdict, RowVerifier

FIELDS: Final = (ID, *RowVerdict._fields)
_OUTCOMES: Final = ("valid", "invalid", "cannot_tell")


@dataclass(frozen=True, slots=True)
class Part:
    """``counts``: rows valid, invalid, cannot_tell."""

    index: int
    counts: tuple[int, int, int]
    data: bytes = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.index:08d}-{'-'.join(map(str, self.counts))}.part"


def part_facts(name: str) -> tuple[int, tuple[int, int, int]] | None:
    """Index and counts from a part's name; None for another file."""
    stem, _, ending = name.partition(".")
    fields = stem.split("-")
    if ending != "part" or len(fields) != 4 or not all(field.isdecimal() for field in fields):
        return None
    index, valid, invalid, unknown = map(int, fields)
    return index, (valid, invalid, unknown)


def make_part(chunk: Chunk, verifier: RowVerifier, form: str) -> Part:
    """Judge the rows of a chunk and write their verdicts down in the form of the output."""
    if isinstance(chunk.payload, list | dict):
        columns = chunk.payload
        if isinstance(columns, list):
            columns = parse_lines(columns)
        found = verifier.verify(columns, chunk.count)
        ids = _ids(columns.get(ID), chunk)
        data = _as_arrow(ids, found) if form == "parquet" else _text(form, ids, found)
        counts = Counter(str(verdict.outcome) for verdict in found)
    else:
        batch = arrow.verify_batch(chunk.payload, verifier)
        if ID not in batch.schema.names:
            batch = arrow.numbered(batch, chunk.first)
        counts = Counter(batch.column("outcome").to_pylist())
        data = arrow.to_ipc(batch) if form == "parquet" else _rows_text(form, batch)
    valid, invalid, unknown = (counts[outcome] for outcome in _OUTCOMES)
    return Part(chunk.index, (valid, invalid, unknown), data)


def write_output(path: Path, form: str, parts: Iterable[Path]) -> None:
    """The whole output out of its parts, in their order; only one is in memory at a time."""
    if form == "parquet":
        arrow.write_parquet(path, (part.read_bytes() for part in parts), list(FIELDS))
        return
    with path.open("wb") as file:
        if form == "csv":
            file.write((",".join(FIELDS) + "\r\n").encode())
        for part in parts:
            file.write(part.read_bytes())


def _ids(given: Sequence[Any] | None, chunk: Chunk) -> list[Any]:
    """The caller's own ids; where there is none, the number of the row."""
    numbers = range(chunk.first, chunk.first + chunk.count)
    if given is None:
        return list(numbers)
    return [
        n if one is None or one == "" else _plain(one)
        for one, n in zip(given, numbers, strict=True)
    ]


def _plain(one: object) -> object:
    return one if isinstance(one, str | int) else json.dumps(one, ensure_ascii=False)


def _text(form: str, ids: Sequence[Any], found: Iterable[Sequence[str]]) -> bytes:
    rows = zip(ids, found, strict=True)
    if form == "csv":
        text = io.StringIO()
        csv.writer(text).writerows([one, *verdict] for one, verdict in rows)
        return text.getvalue().encode()
    lines = (
        json.dumps(dict(zip(FIELDS, (one, *verdict), strict=True)), ensure_ascii=False) + "\n"
        for one, verdict in rows
    )
    return "".join(lines).encode()


def _rows_text(form: str, batch: Any) -> bytes:
    columns = [batch.column(name).to_pylist() for name in FIELDS]
    ids = [_plain(one) if one is not None else "" for one in columns[0]]
    return _text(form, ids, zip(*columns[1:], strict=True))


def _as_arrow(ids: Sequence[Any], found: Sequence[RowVerdict]) -> bytes:
    return arrow.to_ipc(arrow.table([str(one) for one in ids], found))
