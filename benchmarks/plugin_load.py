# SPDX-License-Identifier: Apache-2.0
"""What the pytest plug-in costs a test run that does not use it, beside the run without it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import _bench


def _run(folder: Path, *options: str) -> Callable[[], None]:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]

    # Other plug-ins of this environment take far longer than ours, and drown it in noise.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    def once() -> None:
        subprocess.run(
            argv,
            cwd=folder,
            env=environment,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    return once


def measure(report: _bench.Report, quick: bool) -> None:
    """Whole processes with one test that does nothing, in turns; the medians' difference."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_nothing.py").write_text("def test_nothing():\n    pass\n", "ascii")
        (folder / "pytest.ini").write_text("[pytest]\n", "ascii")
        candidates = [
            ("without", _run(folder)),
            ("with", _run(folder, "-p", "jpki.testing.plugin")),
        ]
        for _, once in candidates:
            once()
        times = _bench.interleaved(candidates, 7 if quick else 30)
    without, with_it = (_bench.median_ms(times[name]) for name in ("without", "with"))
    report.add("pytest without the plug-in", without, "ms", rival=True)
    report.add("pytest with the plug-in", with_it, "ms")
    report.add("the plug-in adds", with_it - without, "ms", limit=30)


if __name__ == "__main__":
    _bench.main("The plug-in adds under 30 ms to a pytest run that does not use it", measure)
