# SPDX-License-Identifier: Apache-2.0
"""The server half beside a bare Starlette route, under one load, each in a process of its own.

Half of the requests ask for a challenge, half answer one: verdict, policy, map and ledger, each
in its own transaction that is on the disk before it is answered.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import _bench
import half_load
from http_load import as_fast_as_it_goes, at_rate

SHARE = 0.25  # of the bare route's rate
P99 = 50.0  # ms, at half of that rate


def measure(report: _bench.Report, quick: bool) -> None:
    """In turns, so that a busy machine is busy for both."""
    rounds, each = (3, 600) if quick else (7, 2000)
    asking = half_load.asking()
    with TemporaryDirectory(prefix="jpki-half-") as name:
        folder = Path(name)
        town, answers = half_load.prepare(
            f"sqlite:///{folder / 'map.db'}", folder, (rounds + 2) * each // 2
        )
        left = iter(answers)

        def mixed(count: int) -> list[bytes]:
            return list(chain.from_iterable((asking, next(left)) for _ in range(count // 2)))

        rates: dict[str, list[float]] = {"bare": [], "half": []}
        with (
            half_load.process(half_load.serve_bare, None) as bare,
            half_load.process(half_load.serve_town, town) as half,
        ):
            as_fast_as_it_goes(half, mixed(200))
            for _ in range(rounds):
                rates["bare"].append(as_fast_as_it_goes(bare, [asking] * each).rate)
                done = as_fast_as_it_goes(half, mixed(each))
                assert not done.bad
                rates["half"].append(done.rate)
            bare_rate, half_rate = (sorted(rates[name])[rounds // 2] for name in ("bare", "half"))
            paced = at_rate(half, mixed(each), bare_rate * SHARE / 2)
    assert not paced.bad
    report.add("a bare Starlette route", bare_rate, "requests/s", rival=True)
    report.add("the server half", half_rate, "requests/s")
    report.add("times a bare route costs", bare_rate / half_rate, "x", limit=1 / SHARE)
    report.add("p50 at half of the share", paced.percentile(0.5) * 1e3, "ms")
    report.add("p99 at half of the share", paced.percentile(0.99) * 1e3, "ms", limit=P99)


if __name__ == "__main__":
    _bench.main(
        "the server half answers 0.25 of the requests a second of a bare Starlette route, and "
        "99 of 100 within 50 ms at half of that rate",
        measure,
    )
