# SPDX-License-Identifier: Apache-2.0
"""What every benchmark shares: options, the claim, the measured rows, the verdict.

A benchmark states one claim and measures it with its rival beside it in the same run, so
that a slow or busy machine slows both. It exits 1 if the claim does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))


@dataclass(frozen=True, slots=True)
class Row:
    """One measured thing. ``value`` in ``unit``; ``limit`` in the same unit, or None."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    rival: bool = False

    @property
    def holds(self) -> bool:
        return self.limit is None or self.value <= self.limit


@dataclass(slots=True)
class Report:
    """What came out: the claim, and the rows in the order they were added."""

    claim: str
    rows: list[Row] = field(default_factory=list)

    def add(
        self, name: str, value: float, unit: str, limit: float | None = None, rival: bool = False
    ) -> None:
        self.rows.append(Row(name, value, unit, limit, rival))

    @property
    def holds(self) -> bool:
        return all(row.holds for row in self.rows)


def main(claim: str, measure: Callable[[Report, bool], None]) -> None:
    """Run ``measure(report, quick)`` and show what came out. Exits 1 if the claim fails."""
    parser = argparse.ArgumentParser(description=claim)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a look, not a result")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    options = parser.parse_args()
    report = Report(claim)
    measure(report, options.quick)
    if options.json:
        rows = [asdict(row) | {"holds": row.holds} for row in report.rows]
        print(
            json.dumps(
                {"claim": claim, "quick": options.quick, "holds": report.holds, "rows": rows}
            )
        )
    else:
        _show(report)
    sys.exit(0 if report.holds else 1)


def _show(report: Report) -> None:
    print(report.claim)
    width = max(len(row.name) for row in report.rows)
    for row in report.rows:
        limit = "" if row.limit is None else f"   limit {row.limit:g}: {_yes(row.holds)}"
        mark = "rival" if row.rival else "     "
        print(f"  {mark}  {row.name:<{width}}  {row.value:10.2f} {row.unit}{limit}")
    print(f"  claim {'holds' if report.holds else 'DOES NOT HOLD'}")


def _yes(holds: bool) -> str:
    return "ok" if holds else "MISSED"


def installed() -> dict[str, str]:
    """The environment of programs that are measured: their bytecode is kept, as where they are
    installed, or each run would compile anew what was edited last."""
    return {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def interleaved(
    candidates: Sequence[tuple[str, Callable[[], object]]], rounds: int, block: int = 1
) -> dict[str, list[float]]:
    """Seconds per call of each candidate, taken in turns so that drift hits all alike."""
    times: dict[str, list[float]] = {name: [] for name, _ in candidates}
    for _ in range(rounds):
        for name, call in candidates:
            for _ in range(block):
                begin = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - begin)
    return times


def median_us(times: Sequence[float]) -> float:
    """Median in microseconds."""
    return statistics.median(times) * 1e6


def median_ms(times: Sequence[float]) -> float:
    """Median in milliseconds."""
    return statistics.median(times) * 1e3
