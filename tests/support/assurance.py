# SPDX-License-Identifier: Apache-2.0
"""The promises of this toolkit, the tests that hold them, and the page docs/assurance.md.

``tests/assurance/promises.toml`` is the list: what is promised, which tests hold it, and which
environment variables give them their full length. ``python tests/support/assurance.py run`` runs
the tests of each promise, keeps what came of it in ``docs/assurance.json`` and writes the page;
``page`` only writes the page. A test says how many cases it went through with
``record_property("cases", n)``; one that does not counts as one case. What it says with
``record_property("note", text)`` stands on the page beside the result, and so does why it could
not look, ``record_property("unchecked", why)``: a promise of which no test could look is not
checked.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "tests" / "assurance" / "promises.toml"
RESULTS = ROOT / "docs" / "assurance.json"
PAGE = ROOT / "docs" / "assurance.md"

HEAD = """<!-- Made by tests/support/assurance.py; see there. -->
# What is promised, and what holds it

Each line is a promise, the tests that hold it, and what came of them when they last ran.
`make assure` runs them all in full and writes this page; nobody writes a result by hand.
**full**: the length that the promise names; **reduced**: the same tests with fewer cases. A commit
with `+` had changes that were not committed. What no test holds is not on this page.

"""


class Form(StrEnum):
    FULL = "full"
    REDUCED = "reduced"


class ListError(Exception):
    """The list of promises says something that is not so."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise. ``full`` and ``reduced``: environment of its tests in that form."""

    id: str
    group: str
    says: str
    tests: tuple[str, ...]
    full: Mapping[str, str]
    reduced: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one run of a promise's tests. ``tests``: those that looked. ``cases``: as
    they counted. ``note``: what they said besides, or why they could not look."""

    passed: bool
    form: str
    tests: int
    cases: int
    seconds: int
    at: str
    commit: str
    note: str = ""


def read_list(text: str) -> list[Promise]:
    """The promises, in order. Raises ListError for one without a test or said twice."""
    promises = [
        Promise(
            id=one["id"],
            group=one["group"],
            says=one["says"],
            tests=tuple(one.get("tests", ())),
            full=one.get("full", {}),
            reduced=one.get("reduced", {}),
        )
        for one in tomllib.loads(text)["promise"]
    ]
    names = [promise.id for promise in promises]
    if len(set(names)) != len(names):
        raise ListError("a promise stands twice")
    for promise in promises:
        if not promise.tests:
            raise ListError(f"{promise.id}: no test holds it")
    return promises


def read_results() -> dict[str, Result]:
    """The last result of each promise, by its id."""
    if not RESULTS.exists():
        return {}
    return {name: Result(**one) for name, one in json.loads(RESULTS.read_text("utf-8")).items()}


def missing_tests(promises: Iterable[Promise]) -> list[str]:
    """Node ids on the list that no file has."""
    return [name for promise in promises for name in promise.tests if not _exists(name)]


def _exists(node_id: str) -> bool:
    file, *names = node_id.split("::")
    path = ROOT / file
    if not path.is_file():
        return False
    return not names or names[0].partition("[")[0] in _tests_of(path)


@cache
def _tests_of(path: Path) -> frozenset[str]:
    """Names at the top of a test file: functions, classes and what is assigned to."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return frozenset(name for name in found if name.lower().startswith("test"))


def page_of(promises: Iterable[Promise], results: Mapping[str, Result]) -> str:
    """The page as it must be."""
    lines: list[str] = []
    group = ""
    for promise in promises:
        if promise.group != group:
            group = promise.group
            lines += ["", f"## {group}", "", "| promise | tests | cases | last result |",
                      "|---|---|---|---|"]  # fmt: skip
        tests = "<br>".join(f"`{name}`" for name in promise.tests)
        result = results.get(promise.id)
        cases = f"{result.cases:,}" if result else "–"
        lines.append(f"| {promise.says} | {tests} | {cases} | {_said(result)} |")
    return HEAD + "\n".join(lines[1:]) + "\n"


def _said(result: Result | None) -> str:
    if result is None:
        return "not run yet"
    outcome = "passed" if result.passed else "**failed**" if result.tests else "**not checked**"
    said = f"{outcome}, {result.form}, {result.seconds} s, {result.at[:10]}, {result.commit}"
    return f"{said}; {result.note}" if result.note else said


def run_promise(promise: Promise, form: Form) -> Result:
    """Run its tests in a process of their own and count."""
    started = time.monotonic()
    wanted = promise.full if form is Form.FULL else promise.reduced
    with tempfile.TemporaryDirectory(prefix="jpki-assure-") as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-n0", "-q", "-o", "timeout=0", "-p",
             "no:cacheprovider", "-o", "junit_family=xunit1", f"--junitxml={report}",
             *promise.tests],
            cwd=ROOT, env={**os.environ, "ASSURE": "1", **wanted}, stdin=subprocess.DEVNULL,
            check=False,
        )  # fmt: skip
        tests, cases, note = _counted(report) if report.exists() else (0, 0, "")
    return Result(
        passed=done.returncode == 0 and tests > 0,
        form=form.value,
        tests=tests,
        cases=cases,
        seconds=round(time.monotonic() - started),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=_commit(),
        note=note,
    )


def _counted(report: Path) -> tuple[int, int, str]:
    """Tests that looked, by pytest's report, the cases they went through, and their notes."""
    tests = cases = 0
    notes: list[str] = []
    for case in ET.parse(report).iter("testcase"):
        notes += [*_said_by(case, "note"), *(unchecked := _said_by(case, "unchecked"))]
        if unchecked:
            continue
        tests += 1
        said = _said_by(case, "cases")
        cases += sum(map(int, said)) if said else 1
    return tests, cases, "; ".join(dict.fromkeys(notes))


def _said_by(case: ET.Element, name: str) -> list[str]:
    return [one.get("value", "") for one in case.iter("property") if one.get("name") == name]


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()

    own = [f":!docs/{path.name}" for path in (RESULTS, PAGE)]  # what an earlier promise wrote
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", *own)
    return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")


def write(promises: list[Promise], results: Mapping[str, Result]) -> None:
    """The results and the page, in the order of the list; of promises on it only."""
    kept = {p.id: asdict(results[p.id]) for p in promises if p.id in results}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page_of(promises, results), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "page"))
    parser.add_argument("ids", nargs="*", help="promises to run; all without any")
    parser.add_argument("--reduced", action="store_true", help="fewer cases, said so on the page")
    options = parser.parse_intermixed_args()
    promises = read_list(LIST.read_text(encoding="utf-8"))
    if unknown := set(options.ids) - {promise.id for promise in promises}:
        parser.error(f"not on the list: {', '.join(sorted(unknown))}")
    if missing := missing_tests(promises):
        parser.error(f"no such test: {', '.join(missing)}")
    results = read_results()
    form = Form.REDUCED if options.reduced else Form.FULL
    failed: list[str] = []
    for promise in promises if options.what == "run" else ():
        if options.ids and promise.id not in options.ids:
            continue
        print(f"--- {promise.id}: {promise.says}", flush=True)
        results[promise.id] = run_promise(promise, form)
        failed += [] if results[promise.id].passed else [promise.id]
        write(promises, results)  # after each: a run that is ended early keeps what it had
    write(promises, results)
    print(f"failed: {', '.join(failed)}" if failed else f"{PAGE.name} is written")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
