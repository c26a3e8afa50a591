# SPDX-License-Identifier: Apache-2.0
"""A batch of signed records: without and with files, on every core, in constant memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyarrow
import pyarrow.parquet

import _bench
from batch_rows import SIGNERS, bench, signed
from jpki.certificate.certificate import load_key
from jpki.certificate.frame import public_key_info
from jpki.verifying.batch import ProcessPool, RowVerifier, open_input, run_batch, verify_batch
from jpki.verifying.batch.cluster import Cluster
from jpki.verifying.batch.rows import _RSA
from openssl_speed import verifies_per_second

ROWS = 8192
"""Rows in memory, which are verified again and again where no file is read."""
MANY = int(os.environ.get("BATCH_ROWS", "10000000"))
"""Rows of the long batch, whose memory is to be that of a tenth of it."""


def _batch() -> pyarrow.RecordBatch:
    pairs = [signed(n % 100) for n in range(ROWS)]
    return pyarrow.RecordBatch.from_pydict(
        {
            "id": [f"row-{n}" for n in range(ROWS)],
            "signer": [f"s{n % SIGNERS}" for n in range(ROWS)],
            "message": [message for message, _ in pairs],
            "signature": [signature for _, signature in pairs],
        }
    )


def _file(path: Path, count: int) -> Path:
    """``count`` records of 128-byte messages as Parquet, written batch by batch."""
    batch = _batch()
    with pyarrow.parquet.ParquetWriter(path, batch.schema, compression="none") as writer:
        for start in range(0, count, ROWS):
            writer.write_batch(batch.slice(0, min(ROWS, count - start)))
    return path


def _plain(batch: pyarrow.RecordBatch) -> Callable[[], object]:
    """The loop one would write without verdicts: a key, a message, a signature."""
    keys = {name: load_key(public_key_info(der)) for name, der in bench().signers.items()}
    columns = [batch.column(name).to_pylist() for name in ("signer", "signature", "message")]

    def loop() -> None:
        for signer, signature, message in zip(*columns, strict=True):
            keys[signer].verify(signature, message, *_RSA[0])  # type: ignore[call-arg,arg-type]

    return loop


def _one_core(call: Callable[[], object], rounds: int) -> float:
    """Records a second of processor time: the median, as ``openssl speed`` counts."""
    rates = []
    for _ in range(rounds):
        begin = time.process_time()
        call()
        rates.append(ROWS / (time.process_time() - begin))
    return sorted(rates)[len(rates) // 2]


def _run(source: Path, engine: object) -> tuple[float, float]:
    """Records a second by the clock, and by the processors of this process and its children."""
    output = source.with_suffix(".out.parquet")
    begin, used = time.perf_counter(), _used()
    summary = run_batch(bench().setup, open_input(source), output, engine)  # type: ignore[arg-type]
    passed, spent = time.perf_counter() - begin, _used() - used
    output.unlink()
    return summary.rows / passed, summary.rows / spent


def _used() -> float:
    """Seconds of processor time, with all children that have ended."""
    return sum(os.times()[:4])


def _peak(source: Path) -> float:
    """Most memory (MiB) of a process of its own that runs the batch."""
    code = (
        "import re, sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from batch_rows import bench\n"
        "from jpki.verifying.batch import InProcess, open_input, run_batch\n"
        "source = Path(sys.argv[1])\n"
        "run_batch(bench().setup, open_input(source), source.with_suffix('.csv'), InProcess())\n"
        "source.with_suffix('.csv').unlink()\n"
        # Not ru_maxrss, which begins with what the process had that started this one.
        "status = Path('/proc/self/status').read_text()\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) / 1024)\n"
    )
    words = [sys.executable, "-c", code, str(source), *(path for path in sys.path if path)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return float(done.stdout)


@contextmanager
def _dask(processes: int) -> Iterator[str]:
    import distributed

    with distributed.LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=processes, threads_per_worker=1, dashboard_address=None, processes=True
    ) as cluster:
        yield cluster.scheduler_address


def measure(report: _bench.Report, quick: bool) -> None:
    """Ratios to ``openssl speed``; limits are what the plain loop without a verdict leaves."""
    few, many, rounds = (100_000, 400_000, 5) if quick else (1_000_000, MANY, 15)
    batch = _batch()
    verifier = RowVerifier(bench().setup.validator(), bench().signers)
    ours = _one_core(partial(verify_batch, batch, verifier), rounds)
    plain = _one_core(_plain(batch), rounds)
    speed = verifies_per_second()
    report.add("openssl speed over ours, no files, one core", speed / ours, "times", limit=1 / 0.65)
    report.add(
        "openssl speed over a plain loop without verdicts", speed / plain, "times", rival=True
    )
    report.add("ours", ours, "/s")
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        source = _file(Path(name) / "few.parquet", few)
        rate, spent = _run(source, ProcessPool(cores))
        report.add(f"with Parquet on {cores} cores, by the clock", rate, "/s")
        report.add("with Parquet: openssl speed over ours, by processor", speed / spent, "times",
                   limit=None if quick else 1 / 0.58)  # fmt: skip
        with _dask(cores) as address:
            dask, _ = _run(source, Cluster(address))
        report.add("pool over Dask", rate / dask, "times", limit=1.1)
        small, large = _peak(source), _peak(_file(Path(name) / "many.parquet", many))
        report.add(f"peak memory of {few:,} records", small, "MiB")
        report.add(f"peak memory of {many:,} records", large, "MiB", limit=small * 1.1)


if __name__ == "__main__":
    _bench.main(
        "A batch costs little more than its RSA verifications, and no more memory when it is long",
        measure,
    )
