# SPDX-License-Identifier: Apache-2.0
"""How long the command line takes to start, beside ``python -c "import click"``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import _bench

JPKI = str(Path(sys.executable).with_name("jpki"))
CLICK = [sys.executable, "-c", "import click"]


def _run(*argv: str) -> Callable[[], None]:
    def once() -> None:
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    return once


def measure(report: _bench.Report, quick: bool) -> None:
    """Whole processes, in turns, after one run of each that is not counted."""
    candidates = [
        ("click", _run(*CLICK)),
        ("version", _run(JPKI, "--version")),
        ("help", _run(JPKI, "--help")),
        ("noun help", _run(JPKI, "card", "--help")),
    ]
    for _, once in candidates:
        once()
    times = _bench.interleaved(candidates, 7 if quick else 40)
    click = _bench.median_ms(times["click"])
    report.add('python -c "import click"', click, "ms", rival=True)
    for name, factor in (("version", 2.0), ("help", 3.0), ("noun help", 3.0)):
        took = _bench.median_ms(times[name])
        report.add(f"jpki {name}", took, "ms")
        report.add(f"jpki {name}, times click", took / click, "x", limit=factor)


if __name__ == "__main__":
    _bench.main(
        "`jpki --version` takes at most 2 times, `jpki --help` at most 3 times as long as "
        '`python -c "import click"`',
        measure,
    )
