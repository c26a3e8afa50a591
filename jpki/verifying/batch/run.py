# SPDX-License-Identifier: Apache-2.0
"""A run over many rows: bounded memory, and a kill at any moment loses and repeats nothing.

Beside the output stands a folder with its finished parts until the whole is put in place by
one rename. The same command, given again after a kill, keeps what is there and does the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from jpki.errors import BatchError, InputFileError
from jpki.verdict import Outcome
from jpki.verifying.batch.inputs import BatchInput, Chunk, input_format
from jpki.verifying.batch.parts import Part, part_facts, write_output
from jpki.verifying.batch.setup import BatchSetup

CHUNK_ROWS: Final = 8192
_PLAN: Final = "plan.json"


class Engine(Protocol):
    """What does the work: this process, a pool of processes, a cluster."""

    def start(
        self, setup: BatchSetup, form: str
    ) -> AbstractContextManager[Callable[[Iterable[Chunk]], Iterator[Part]]]:
        """Ready to turn chunks into parts of ``form``, in any order, with few under way."""
        ...


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """``rows`` done in all, ``kept`` of them by an earlier run. ``rate``: rows a second of this
    run. ``left``: seconds to go, None where nobody can tell."""

    rows: int
    kept: int
    total: int | None
    rate: float
    left: float | None


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """Rows by their outcome. ``kept``: rows an earlier run had done. ``seconds``: of this one."""

    valid: int
    invalid: int
    cannot_tell: int
    kept: int
    seconds: float

    @property
    def rows(self) -> int:
        return self.valid + self.invalid + self.cannot_tell

    @property
    def outcome(self) -> Outcome:
        """Invalid if any row is; valid if all are. No row at all is cannot_tell."""
        if self.invalid:
            return Outcome.INVALID
        return Outcome.VALID if self.valid and not self.cannot_tell else Outcome.CANNOT_TELL


def run_batch(
    setup: BatchSetup,
    source: BatchInput,
    output: Path,
    engine: Engine,
    *,
    overwrite: bool = False,
    progress: Callable[[BatchProgress], None] | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> BatchSummary:
    """Judge every row of ``source`` and write one verdict each to ``output``.

    ``chunk_rows``: rows in one piece of work. Raises InputFileError (also for the output),
    MissingExtraError, BatchError (``other_run``: the parts beside the output belong to another
    input or setup; ``running``: another process is at it; ``worker_lost``).
    """
    form = input_format(output)
    began = time.monotonic()
    with _Parts(output, _plan(setup, source, form, chunk_rows)) as parts:
        kept = sum(sum(counts) for counts in parts.counts.values())
        watch = _Watch(began, kept, source.total, progress)
        waiting = watch.reading(parts.missing(source.chunks(chunk_rows)))
        with engine.start(setup, form) as work:
            for part in work(waiting):
                parts.add(part)
                watch.done(sum(part.counts))
        parts.finish(form, overwrite=overwrite)
        valid, invalid, unknown = (sum(c[n] for c in parts.counts.values()) for n in range(3))
    return BatchSummary(valid, invalid, unknown, kept, time.monotonic() - began)


def run_moment(output: Path) -> str | None:
    """The moment (RFC 3339) that an unfinished run to ``output`` judges at, or None."""
    try:
        plan = json.loads((_folder(output) / _PLAN).read_text())
    except (OSError, ValueError, RecursionError):
        return None
    at = plan.get("at") if isinstance(plan, dict) else None
    return at if isinstance(at, str) else None


def _plan(setup: BatchSetup, source: BatchInput, form: str, chunk_rows: int) -> dict[str, object]:
    """What has to be the same for two runs to be one."""
    at = setup.options.at
    return {
        "version": 1,
        "input": str(source.path.absolute()),
        "fingerprint": source.fingerprint(),
        "setup": setup.digest(),
        "at": at.isoformat() if at else None,
        "form": form,
        "chunk_rows": chunk_rows,
    }


def _folder(output: Path) -> Path:
    return output.with_name(f"{output.name}.parts")


class _Parts:
    """The folder of finished parts. One process at a time."""

    def __init__(self, output: Path, plan: dict[str, object]) -> None:
        self._output = output
        self._folder = _folder(output)
        self._plan = plan
        self._lock = -1
        self.counts: dict[int, tuple[int, int, int]] = {}

    def __enter__(self) -> _Parts:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            self._only_one()
            self._agree()
        except OSError as exc:
            self._release()
            raise InputFileError("output_file", path=str(self._output), reason="io") from exc
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def _release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _only_one(self) -> None:
        """Hold the lock; the system lets go of it when this process ends, however it ends."""
        with contextlib.suppress(ImportError):  # a system without it: two runs are not noticed
            import fcntl

            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BatchError("batch_running", path=str(self._folder)) from None

    def _agree(self) -> None:
        plan = self._folder / _PLAN
        if plan.exists():
            if json.loads(plan.read_text()) != self._plan:
                raise BatchError("batch_other_run", path=str(self._folder))
        else:
            self._write(_PLAN, json.dumps(self._plan).encode())
        for file in self._folder.iterdir():
            facts = part_facts(file.name)
            if facts is not None:
                self.counts[facts[0]] = facts[1]

    def missing(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """The chunks no earlier run has finished."""
        return (chunk for chunk in chunks if chunk.index not in self.counts)

    def add(self, part: Part) -> None:
        """Keep a part, whole or not at all."""
        try:
            self._write(part.name, part.data)
        except OSError as exc:
            raise InputFileError("output_file", path=str(self._output), reason="io") from exc
        self.counts[part.index] = part.counts

    def _write(self, name: str, data: bytes) -> None:
        beside = self._folder / f"{name}.new"
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._folder / name)

    def finish(self, form: str, *, overwrite: bool) -> None:
        """Put the output in place, then take the parts away."""
        whole = self._folder / f"whole.{form}"
        names = [Part(index, self.counts[index], b"").name for index in sorted(self.counts)]
        try:
            write_output(whole, form, (self._folder / name for name in names))
            with whole.open("rb") as file:
                os.fsync(file.fileno())
            if overwrite:
                whole.replace(self._output)
            else:
                os.link(whole, self._output)  # unlike a rename, this spares what is there
        except OSError as exc:
            reason = "exists" if isinstance(exc, FileExistsError) else "io"
            raise InputFileError("output_file", path=str(self._output), reason=reason) from exc
        shutil.rmtree(self._folder, ignore_errors=True)


class _Watch:
    """Counts rows and tells of it, with the time left as far as anybody can tell."""

    def __init__(
        self,
        began: float,
        kept: int,
        total: int | None,
        tell: Callable[[BatchProgress], None] | None,
    ) -> None:
        self._began = began
        self._kept = kept
        self._total = total
        self._tell = tell
        self._rows = kept
        self._done = 0.0

    def reading(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """The same chunks; how far the input has been read is noted."""
        for chunk in chunks:
            self._done = chunk.done
            yield chunk

    def done(self, rows: int) -> None:
        self._rows += rows
        if self._tell is None:
            return
        passed = max(time.monotonic() - self._began, 1e-6)
        rate = (self._rows - self._kept) / passed
        whole = self._total or (self._rows / self._done if self._done else None)
        left = None if whole is None or not rate else max(whole - self._rows, 0) / rate
        self._tell(BatchProgress(self._rows, self._kept, self._total, rate, left))
