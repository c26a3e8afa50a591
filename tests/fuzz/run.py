# SPDX-License-Identifier: Apache-2.0
"""The long run: ``python tests/fuzz/run.py [TARGET…] [--runs N] [--seconds S] [--json]``.

Each target runs under atheris in a process of its own, from the corpus in ``fixtures/fuzz`` on;
what it finds on the way stays in ``--corpus`` (default ``build/fuzz``). Then the branches of our
parsers that all those inputs reach are measured. Exit status 1: a finding, or too few branches.
Without ``--runs``: 1,000,000 executions for our own parsers, 100,000 for the rest. Linux only.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support")]

from fuzz_targets import CORPUS, TARGETS, Target  # noqa: E402

OURS, OTHERS = 1_000_000, 100_000
LEAST_BRANCHES = 95.0


def fuzz(target: Target, arguments: list[str]) -> None:
    """In a process of its own: run libFuzzer on the target. Does not return."""
    import atheris

    with atheris.instrument_imports(include=["jpki", "jpki_apdu"]):
        run = target.function()
    atheris.Setup([sys.argv[0], *arguments], run)
    atheris.Fuzz()


def start(target: Target, folder: Path, runs: int, seconds: int) -> dict[str, Any]:
    """One target to its end: how many executions, and whether something was found."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [str(CORPUS / seed) for seed in target.seeds]
    tokens = folder.parent / f"{target.name}.dict"
    tokens.write_text("".join(f'"{_escaped(token)}"\n' for token in target.tokens))
    done = subprocess.run(
        [
            sys.executable, __file__, "--fuzz", target.name, f"-runs={runs}",
            f"-max_total_time={seconds}", f"-max_len={target.most}", "-print_final_stats=1",
            "-timeout=30", "-rss_limit_mb=2048", f"-artifact_prefix={folder.parent}/{target.name}-",
            *([f"-dict={tokens}"] if target.tokens else []), str(folder), *seeds,
        ],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="utf-8", errors="replace",
        check=False,
    )  # fmt: skip
    count = re.search(r"stat::number_of_executed_units: *(\d+)", done.stderr)
    found = done.returncode != 0
    return {
        "target": target.name,
        "executions": int(count[1]) if count else 0,
        "finding": done.stderr[-4000:] if found else "",
    }


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


def branches(target: Target, folder: Path) -> float | None:
    """Branches of the target's modules that its inputs reach (percent); None: not asked for."""
    if not target.modules:
        return None
    report = folder.parent / f"{target.name}.branches.json"
    data = folder.parent / f"{target.name}.measured"
    replay = [sys.executable, "-m", "coverage", "run", "--branch", "--rcfile=/dev/null",
              f"--data-file={data}", __file__, "--replay", target.name, str(folder)]  # fmt: skip
    subprocess.run(replay, check=True)
    files = [str(import_module(module).__file__) for module in target.modules]
    subprocess.run(
        [sys.executable, "-m", "coverage", "json", "-q", "--rcfile=/dev/null",
         f"--data-file={data}", f"--include={','.join(files)}", "-o", str(report)],
        check=True,
    )  # fmt: skip
    totals = json.loads(report.read_text())["totals"]
    return round(100 * int(totals["covered_branches"]) / max(int(totals["num_branches"]), 1), 1)


def replay(target: Target, folder: Path) -> None:
    """Every input of the corpus and of the run, once."""
    run = target.function()
    for data in target.corpus():
        run(data)
    for file in sorted(folder.iterdir()):
        run(file.read_bytes())


def main() -> int:
    """Run the targets named, or all."""
    if sys.argv[1:2] == ["--fuzz"]:
        fuzz(TARGETS[sys.argv[2]], sys.argv[3:])
    if sys.argv[1:2] == ["--replay"]:
        replay(TARGETS[sys.argv[2]], Path(sys.argv[3]))
        return 0
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    parser.add_argument("--runs", type=int)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--corpus", type=Path, default=ROOT / "build" / "fuzz")
    given = parser.parse_args()
    failed = False
    for name in given.targets:
        target, folder = TARGETS[name], given.corpus / name
        runs = given.runs or (OURS if target.ours else OTHERS)
        result = start(target, folder, runs, given.seconds)
        result["branches"] = None if result["finding"] else branches(target, folder)
        short = result["branches"] is not None and result["branches"] < LEAST_BRANCHES
        failed |= bool(result["finding"]) or short
        if given.json:
            print(json.dumps(result), flush=True)
            continue
        reached = "" if result["branches"] is None else f"{result['branches']:.1f} % of branches"
        mark = "FINDING" if result["finding"] else "short" if short else "ok"
        print(f"{mark:8}{name:20}{result['executions']:>10,}  {reached}", flush=True)
        if result["finding"]:
            print(result["finding"], flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
