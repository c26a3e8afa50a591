# SPDX-License-Identifier: Apache-2.0
"""Which branches of our parsers the inputs of a target reach.

``python tests/support/fuzz_branches.py [--more FOLDER] TARGET…`` prints it as JSON: by target,
the branches that are reached and those that there are, and by file those that are missing. With
``--more``, the inputs in ``FOLDER/TARGET`` count too. What parses nothing (``Target.beside``: it
reads a file, asks a card, judges) does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from fuzz_targets import TARGETS, Target

LEAST = 95.0  # percent


@dataclass(frozen=True)
class Branches:
    """``missing``: by file, pairs of lines; a negative one is the way out of a function."""

    reached: int
    there: int
    missing: dict[str, list[list[int]]]

    @property
    def percent(self) -> float:
        return round(100 * self.reached / max(self.there, 1), 1)


def measure(target: Target, inputs: Iterable[bytes]) -> Branches:
    """Run them here, each once."""
    import coverage  # here, since only this needs it

    run = target.function()
    files = {str(import_module(module).__file__): module for module in target.modules}
    seen = coverage.Coverage(branch=True, data_file=None, config_file=False, include=list(files))
    seen.start()
    for data in inputs:
        run(data)
    seen.stop()
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        seen.json_report(outfile=report.name)
        told = json.loads(Path(report.name).read_text("utf-8"))["files"]
    parts = [_of_file(file, told[name], target.beside) for name, file in _named(told, files)]
    return Branches(
        sum(one.reached for one in parts),
        sum(one.there for one in parts),
        {file: pairs for one in parts for file, pairs in one.missing.items()},
    )


def _named(told: Iterable[str], files: Iterable[str]) -> list[tuple[str, str]]:
    """Each file as the report names it (from the working folder on, where it is below)."""
    return [(name, file) for name in told for file in files if Path(name).resolve() == Path(file)]


def _of_file(file: str, told: dict[str, Any], beside: Sequence[str]) -> Branches:
    whole, left_out = told["summary"], [told["functions"][name] for name in beside
                                        if name in told["functions"]]  # fmt: skip
    missing = [pair for pair in told["missing_branches"]
               if not any(pair in one["missing_branches"] for one in left_out)]  # fmt: skip
    return Branches(
        whole["covered_branches"] - sum(one["summary"]["covered_branches"] for one in left_out),
        whole["num_branches"] - sum(one["summary"]["num_branches"] for one in left_out),
        {file: missing} if missing else {},
    )


def measured(names: Sequence[str], more: Path | None = None) -> dict[str, Branches]:
    """In a process of its own, so that what measures the tests is not in the way."""
    words = [] if more is None else ["--more", str(more)]
    done = subprocess.run(
        [sys.executable, __file__, *words, *names], stdout=subprocess.PIPE, check=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
    )  # fmt: skip
    return {name: Branches(**one) for name, one in json.loads(done.stdout).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--more", type=Path)
    given = parser.parse_args()
    found = {}
    for name in given.targets:
        target = TARGETS[name]
        inputs = target.corpus()
        if given.more is not None:
            inputs += [file.read_bytes() for file in sorted((given.more / name).iterdir())]
        found[name] = asdict(measure(target, inputs))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
