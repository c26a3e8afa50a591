# SPDX-License-Identifier: Apache-2.0
"""The certificates that rows call by a name, so that none has to carry its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jpki.errors import InputFileError
from jpki.verifying.batch.arrow import ID
from jpki.verifying.batch.inputs import open_input, parse_lines
from jpki.verifying.batch.rows import octets

_CHUNK = 1024


def read_signers(path: Path) -> dict[str, bytes]:
    """Certificates by name: a Parquet, CSV or NDJSON file with ``signer`` and ``certificate``,
    or a folder of certificates, each called by its file's name without the ending.

    Raises InputFileError (a name twice or left out, a certificate left out), MissingExtraError.
    """
    found: dict[str, bytes] = {}
    column = ID if path.is_dir() else "signer"
    for names, certificates in _columns(path, column):
        for name, given in zip(names, certificates, strict=True):
            try:
                certificate = octets(given)
            except (TypeError, ValueError):
                certificate = b""
            if name in (None, "") or str(name) in found or not certificate:
                raise InputFileError(path=str(path), reason="bad_signer")
            found[str(name)] = certificate
    return found


def _columns(path: Path, column: str) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
    for chunk in open_input(path).chunks(_CHUNK):
        columns = chunk.payload
        if isinstance(columns, list):
            columns = parse_lines(columns)
        elif not isinstance(columns, dict):
            columns = columns.to_pydict()
        none = [None] * chunk.count
        yield columns.get(column, none), columns.get("certificate", none)
