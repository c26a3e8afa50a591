# SPDX-License-Identifier: Apache-2.0
"""Every benchmark of validation, one after the other, as a table in Markdown.

On a quiet machine of two cores it takes less than ten minutes with ``--rows 3000000``; without
it the batch of ten million rows alone takes four more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SCRIPTS = ("ocsp_answer", "one_certificate", "revocation_store", "batch")


def _machine() -> str:
    """Processor, cores, memory, and how busy it is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    busy = " ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"{model}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, "
        f"Python {platform.python_version()}, load {busy}"
    )


def _run(script: str, options: argparse.Namespace) -> dict[str, Any] | None:
    """What a benchmark tells; None if it did not come to its end."""
    words = [sys.executable, str(HERE / f"{script}.py"), "--json"]
    words += ["--quick"] if options.quick else []
    environment = os.environ | ({"BATCH_ROWS": str(options.rows)} if options.rows else {})
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return None
    return told


def _table(told: dict[str, Any]) -> None:
    print("| what | measured | goal | |\n| --- | --- | --- | --- |")
    for row in told["rows"]:
        goal = "" if row["limit"] is None else f"≤ {row['limit']:.4g} {row['unit']}"
        mark = "rival" if row["rival"] else "" if row["limit"] is None else _word(row["holds"])
        print(f"| {row['name']} | {row['value']:.4g} {row['unit']} | {goal} | {mark} |")


def _word(holds: bool) -> str:
    return "ok" if holds else "missed"


def main() -> None:
    """Exits 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a look, not a result")
    parser.add_argument("--rows", type=int, help="rows of the longest batch (ten million)")
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help=" ".join(SCRIPTS))
    options = parser.parse_args()
    print(f"{_machine()}{', --quick' if options.quick else ''}", flush=True)
    good = True
    for script in options.scripts or SCRIPTS:
        begin = time.monotonic()
        told = _run(script, options)
        print(f"\n## {script} ({time.monotonic() - begin:.0f} s)\n")
        if told is None:
            good = False
            print("did not come to its end")
            continue
        good &= told["holds"]
        print(f"{told['claim']}: {'holds' if told['holds'] else 'does not hold'}.\n")
        _table(told)
        sys.stdout.flush()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
