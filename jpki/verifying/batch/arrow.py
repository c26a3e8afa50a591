# SPDX-License-Identifier: Apache-2.0
"""Rows as Arrow has them (extra ``batch``). The one module that knows pyarrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jpki.errors import InputFileError, MissingExtraError
from jpki.verifying.batch.rows import COLUMNS, RowVerdict, RowVerifier

if TYPE_CHECKING:
    import pyarrow as pa

ID: Final = "id"


def load() -> Any:
    """The pyarrow package with its Parquet part. Raises MissingExtraError."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise MissingExtraError(extra="batch") from exc
    return pyarrow


def verify_batch(batch: pa.RecordBatch, verifier: RowVerifier) -> pa.RecordBatch:
    """A verdict for each row of ``batch``, in order: its id and what came of it.

    Columns: ``certificate`` or ``signer``, and where a signature is to be checked ``signature``
    with ``message`` or ``digest``; ``time``, the moment asked about. Others are ignored.
    """
    pyarrow = load()
    names = [name for name in COLUMNS if name in batch.schema.names]
    columns = {name: batch.column(name).to_pylist() for name in names}
    return _verdicts(pyarrow, batch, verifier.verify(columns, batch.num_rows))


def numbered(batch: pa.RecordBatch, first: int) -> Any:
    """The same batch with the numbers of its rows as ids."""
    pyarrow = load()
    ids = pyarrow.array(range(first, first + batch.num_rows), pyarrow.int64())
    columns = [ids, *batch.columns]
    return pyarrow.RecordBatch.from_arrays(columns, names=[ID, *batch.schema.names])


def table(ids: list[str], found: Sequence[RowVerdict]) -> Any:
    """Verdicts with their ids as a record batch."""
    pyarrow = load()
    columns = [pyarrow.array(ids, pyarrow.string())]
    columns += [
        pyarrow.array([str(v) for v in column], pyarrow.string())
        for column in zip(*found, strict=True)
    ]
    return pyarrow.RecordBatch.from_arrays(columns, names=[ID, *RowVerdict._fields])


def _verdicts(pyarrow: Any, batch: pa.RecordBatch, found: list[RowVerdict]) -> Any:
    """Few verdicts are different ones, so each column is its few words and where they stand."""
    kinds = {verdict: number for number, verdict in enumerate(dict.fromkeys(found))}
    indexes = pyarrow.array([kinds[verdict] for verdict in found], pyarrow.int32())
    columns = [
        pyarrow.DictionaryArray.from_arrays(
            indexes, pyarrow.array([str(getattr(kind, name)) for kind in kinds], pyarrow.string())
        ).cast(pyarrow.string())
        for name in RowVerdict._fields
    ]
    names = list(RowVerdict._fields)
    if ID in batch.schema.names:
        columns.insert(0, batch.column(ID))
        names.insert(0, ID)
    return pyarrow.RecordBatch.from_arrays(columns, names=names)


class ParquetRows:
    """A Parquet file, row by row. Raises InputFileError for one that cannot be used."""

    def __init__(self, path: Path) -> None:
        pyarrow = load()
        self._path = path
        try:
            # Read page by page, not a whole row group ahead: constant memory.
            self._file = pyarrow.parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
        except (OSError, pyarrow.ArrowException) as exc:
            raise InputFileError(path=str(path), reason="not_parquet") from exc
        names = self._file.schema_arrow.names
        self._columns = [name for name in (ID, *COLUMNS) if name in names]
        if not set(self._columns) & {"certificate", "signer"}:
            raise InputFileError(path=str(path), reason="no_columns")

    @property
    def count(self) -> int:
        """Rows in the file."""
        return int(self._file.metadata.num_rows)

    def batches(self, size: int) -> Iterator[pa.RecordBatch]:
        """Record batches of at most ``size`` rows; the same ones each time."""
        pyarrow = load()
        try:
            yield from self._file.iter_batches(size, columns=self._columns, use_threads=False)
        except (OSError, pyarrow.ArrowException) as exc:
            raise InputFileError(path=str(self._path), reason="not_parquet") from exc


def to_ipc(batch: pa.RecordBatch) -> bytes:
    """A record batch as bytes, with its schema."""
    pyarrow = load()
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def write_parquet(path: Path, parts: Iterable[bytes], empty: list[str]) -> None:
    """One Parquet file of parts as ``to_ipc`` made them; ``empty``: its columns without any."""
    pyarrow = load()
    writer = None
    try:
        for part in parts:
            for batch in pyarrow.ipc.open_stream(part):
                writer = writer or pyarrow.parquet.ParquetWriter(path, batch.schema)
                writer.write_batch(batch)
        if writer is None:
            schema = pyarrow.schema([(name, pyarrow.string()) for name in empty])
            writer = pyarrow.parquet.ParquetWriter(path, schema)
    finally:
        if writer is not None:
            writer.close()
