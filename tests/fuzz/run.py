# SPDX-License-Identifier: Apache-2.0
"""The long run: ``python tests/fuzz/run.py [TARGET…] [--runs N] [--seconds S] [--json]``.

Each target runs under atheris in a process of its own, from the corpus in ``fixtures/fuzz`` on.
Half of its inputs are altered by libFuzzer, half by a mutation that keeps their form. What it
finds on the way stays in ``--corpus`` (default ``build/fuzz``), with the number of executions so
far: while the code is the same, a run that was ended, or took ``--seconds``, goes on from there
the next time, up to ``--runs`` in all (without it: 1,000,000 for our own parsers, 100,000 for the
rest). Then the branches of our parsers that all those inputs reach are measured. Exit status 1: a
finding, or too few branches. Only where atheris has a wheel: Linux on x86-64, CPython 3.11-3.13.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.util
import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support")]

from fuzz_branches import LEAST, measured  # noqa: E402
from fuzz_mutations import formed  # noqa: E402
from fuzz_targets import TARGETS, Target  # noqa: E402

OURS, OTHERS = 1_000_000, 100_000


def fuzz(target: Target, arguments: list[str]) -> None:
    """In a process of its own: run libFuzzer on the target. Does not return."""
    import atheris

    with atheris.instrument_imports(include=["jpki", "jpki_apdu"]):
        run = target.function()
    form, corpus = target.mutation(), target.corpus()

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        dice = random.Random(seed)
        made = formed(data, corpus, form, dice) if form and dice.randrange(2) else None
        altered: bytes = atheris.Mutate(data, most) if made is None else made[:most]
        return altered

    atheris.Setup([sys.argv[0], *arguments], run, custom_mutator=mutator if form else None)
    atheris.Fuzz()


def start(target: Target, folder: Path, runs: int, seconds: int) -> dict[str, Any]:
    """One target: how many executions there were, now and before, and whether it found something.

    It goes on until there were ``runs`` in all, for at most ``seconds`` (0: as long as it takes).
    """
    folder.mkdir(parents=True, exist_ok=True)
    counter = folder.parent / f"{target.name}.runs"
    code, told = code_as_it_is(), counter.read_text().split() if counter.exists() else []
    before = int(told[1]) if told[:1] == [code] else 0  # what ran on other code proves nothing
    if before >= runs:
        return {"target": target.name, "executions": before, "finding": ""}
    seeds = [str(path) for path in target.folders()]
    tokens = folder.parent / f"{target.name}.dict"
    tokens.write_text("".join(f'"{_escaped(token)}"\n' for token in target.tokens))
    done = subprocess.run(
        [
            sys.executable, __file__, "--fuzz", target.name, f"-runs={runs - before}",
            f"-max_total_time={seconds}", f"-max_len={target.most}", "-print_final_stats=1",
            "-timeout=30", "-rss_limit_mb=2048", f"-artifact_prefix={folder.parent}/{target.name}-",
            *([f"-dict={tokens}"] if target.tokens else []), str(folder), *seeds,
        ],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="utf-8", errors="replace",
        check=False,
    )  # fmt: skip
    said = re.search(r"stat::number_of_executed_units: *(\d+)", done.stderr)
    executions = before + (int(said[1]) if said else 0)
    counter.write_text(f"{code} {executions}\n")
    finding = done.stderr[-4000:] if done.returncode else ""
    return {"target": target.name, "executions": executions, "finding": finding}


@functools.cache
def code_as_it_is() -> str:
    """A digest of everything that runs."""
    folders = (ROOT / "jpki", ROOT / "apdu", ROOT / "tests" / "support")
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


def main() -> int:
    """Run the targets named, or all."""
    if sys.argv[1:2] == ["--fuzz"]:
        fuzz(TARGETS[sys.argv[2]], sys.argv[3:])
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    parser.add_argument("--runs", type=int)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--corpus", type=Path, default=ROOT / "build" / "fuzz")
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        parser.error(
            "atheris is not there: pip install --group fuzz (Linux on x86-64, CPython 3.11 to 3.13)"
        )
    failed = False
    for name in given.targets:
        target, folder = TARGETS[name], given.corpus / name
        result = start(
            target, folder, given.runs or (OURS if target.ours else OTHERS), given.seconds
        )
        reached = None
        if target.ours and not result["finding"]:
            reached = measured([name], given.corpus)[name].percent
        result["branches"] = reached
        short = reached is not None and reached < LEAST
        failed |= bool(result["finding"]) or short
        print(json.dumps(result) if given.json else _shown(result, short=short), flush=True)
    return int(failed)


def _shown(result: dict[str, Any], *, short: bool) -> str:
    mark = "FINDING" if result["finding"] else "short" if short else "ok"
    reached = "" if result["branches"] is None else f"{result['branches']:.1f} % of branches"
    line = f"{mark:8}{result['target']:20}{result['executions']:>10,}  {reached}"
    return f"{line}\n{result['finding']}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
