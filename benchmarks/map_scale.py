# SPDX-License-Identifier: Apache-2.0
"""Rate and p99 of `resolve` at a million people, beside ten thousand.

`MAP_PEOPLE=10000000 python benchmarks/map_scale.py` takes ten million on SQLite instead; what
that gave is written down in docs/en/map-operations.md.
"""

from __future__ import annotations

import os
import statistics
from contextlib import ExitStack

import _bench
import map_crowd
from jpki.mapping.answers import Outcome

FEW = 10_000
MANY = int(os.environ.get("MAP_PEOPLE", 1_000_000))
SAMPLE = 2_000  # people who are looked up, spread over all


def measure(report: _bench.Report, quick: bool) -> None:
    """One look-up here, one there: what the machine does otherwise hits both."""
    many = 100_000 if quick else MANY
    kinds = ("sqlite", "postgresql") if many <= 1_000_000 else ("sqlite",)
    for kind in kinds:
        _measure(report, kind, many, 500 if quick else 5_000)


def _measure(report: _bench.Report, kind: str, many: int, rounds: int) -> None:
    with ExitStack() as stack:
        candidates = []
        for people in (FEW, many):
            url, folder = stack.enter_context(map_crowd.databases(kind))[kind]
            bench = map_crowd.crowded(url, folder, people)
            stack.callback(bench.close)
            ready = map_crowd.presentations(bench, rounds + SAMPLE, people=SAMPLE)
            left, asker = iter(ready), bench.asker()

            def once(bench=bench, left=left, asker=asker) -> None:  # type: ignore[no-untyped-def]
                assert bench.map.resolve(next(left), asker).outcome is Outcome.RESOLVED

            candidates.append((f"{people:,}", once))
        _bench.interleaved(candidates, SAMPLE)
        times = _bench.interleaved(candidates, rounds)
    for name, what in (("rate", _bench.median_us), ("p99", _p99_us)):
        few, lots = (what(times[label]) for label, _ in candidates)
        report.add(f"{kind}: {FEW:,} people, {name}", few, "us", rival=True)
        report.add(f"{kind}: {many:,} people, {name}", lots, "us")
        report.add(f"{kind}: {name}, times that of {FEW:,}", lots / few, "x", limit=1.3)


def _p99_us(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98] * 1e6


if __name__ == "__main__":
    _bench.main("A look-up among 1 M people takes at most 1.3 times that among 10 k", measure)
