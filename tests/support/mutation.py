# SPDX-License-Identifier: Apache-2.0
"""Mutation testing of the code that says yes: does a test notice each of its mutants?

A mutant that the tests do not notice survives; `tests/assurance/survivors.toml` says of each
survivor why it is no false yes. ``python tests/support/mutation.py [--list] [--every N]
[--only TEXT] [--slow S] [--known] TARGET…`` runs them; TARGET is a module, or the beginning of
several names. Which test noticed which mutant is kept in ``build``: the next run asks it first.
How they are run: ``mutation_driver``; which there are: ``mutants``, ``mutation_targets``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pytest

from mutation_driver import Choice, Driver
from mutation_targets import ROOT, TARGETS, Target

SURVIVORS = ROOT / "tests" / "assurance" / "survivors.toml"
NOTICED = ROOT / "build" / "mutants.json"


@dataclass
class Found:
    """Of one target: how many mutants ran, and those that no test noticed."""

    count: int = 0
    left: list[str] = field(default_factory=list)


def run(
    targets: Sequence[Target],
    choice: Choice | None = None,
    keep: Callable[[str, dict[str, str]], None] | None = None,
) -> dict[str, Found]:
    """What came of the targets' mutants, by module. Raises RuntimeError.

    ``keep`` is told of each module which test noticed which mutant.
    """
    found: dict[str, Found] = {}
    for tests, group in groupby(targets, lambda target: target.tests):
        with tempfile.NamedTemporaryFile("r", suffix=".json") as report:
            child = os.fork()
            if child == 0:
                driver = Driver(list(group), choice or Choice(), Path(report.name))
                quiet = ["-q", "-s", "-n0", "-p", "no:cacheprovider", "-o", "timeout=0"]
                os._exit(int(pytest.main([*quiet, "--assert=plain", *tests], plugins=[driver])))
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if status != 0:
                raise RuntimeError(f"{' '.join(tests)}: ended with {status}")
            told = json.load(report)
        for module, one in told["found"].items():
            found[module] = Found(one["count"], [left["name"] for left in one["left"]])
            if keep is not None:
                keep(module, one["noticed"])
    return found


def noticed_before() -> dict[str, dict[str, str]]:
    """By module and mutant: the test that noticed it when it last ran here."""
    if not NOTICED.exists():
        return {}
    told: dict[str, dict[str, str]] = json.loads(NOTICED.read_text(encoding="utf-8"))
    return told


def _keep(module: str, noticed: dict[str, str]) -> None:
    every = noticed_before()
    every.setdefault(module, {}).update(noticed)
    NOTICED.parent.mkdir(exist_ok=True)
    NOTICED.write_text(json.dumps(every, indent=1), encoding="utf-8")


def known_survivors() -> dict[tuple[str, str], str]:
    """By module and mutant: why it is no false yes."""
    rows = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("survivor", [])
    return {(row["module"], row["mutant"]): row["reason"] for row in rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="modules; all without any")
    parser.add_argument("--list", action="store_true", help="only count the mutants")
    parser.add_argument("--every", type=int, default=1, help="each N-th only")
    parser.add_argument("--only", default="", help="only those with this in their name")
    parser.add_argument("--slow", type=float, default=1.0, metavar="S",
                        help="ask tests that take longer last")  # fmt: skip
    parser.add_argument("--known", action="store_true", help="run known survivors, too")
    options = parser.parse_args()
    os.chdir(ROOT)
    without: dict[str, set[str]] = {}
    for module, name in () if options.known else known_survivors():
        without.setdefault(module, set()).add(name)
    choice = Choice(options.every, options.only, options.slow, without, noticed_before())
    wanted = tuple(options.targets) or ("",)
    targets = [target for name, target in TARGETS.items() if name.startswith(wanted)]
    if options.list:
        found = {target.module: Found(len(choice.of(target))) for target in targets}
    else:
        found = run(targets, choice, _keep)
    unlisted = _said(found)
    total = sum(one.count for one in found.values())
    print(f"{total} mutants; {unlisted} survivors that the list does not have")
    return 1 if unlisted else 0


def _said(found: dict[str, Found]) -> int:
    """Print what came of each module; how many survivors are on no list."""
    known, unlisted = known_survivors(), 0
    for module, one in found.items():
        print(f"{module}: {one.count} mutants, {len(one.left)} survive")
        for name in one.left:
            listed = (module, name) in known
            unlisted += not listed
            print(f"  {'listed' if listed else 'NOT LISTED'}  {name}", flush=True)
    return unlisted


if __name__ == "__main__":
    sys.exit(main())
