# SPDX-License-Identifier: Apache-2.0
"""Mutation testing of the code that says yes: does a test notice each of its mutants?

A mutant that the tests do not notice survives; `tests/assurance/survivors.toml` says of each
survivor why it is no false yes. ``python tests/support/mutation.py [--list] [--every N]
[--only TEXT] [--slow S] TARGET…`` runs them; TARGET is a module, or the beginning of several names.

The tests are collected once and run once, to learn which test runs which line. Then each mutant
lives in a fork: the one function is changed where it is, and only the tests that reach its line
run, until one fails. What they do not notice, the others of their files get to see.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from mutants import Mutant, mutants, mutated

ROOT = Path(__file__).resolve().parents[2]
SURVIVORS = ROOT / "tests" / "assurance" / "survivors.toml"
LIMIT = 600  # seconds for one mutant: who hangs is noticed
SURVIVED, UNREACHED = 0, 90  # exit status of a mutant's process; any other: it was noticed


@dataclass(frozen=True, slots=True)
class Target:
    """A module, its file, and the tests that must notice."""

    module: str
    tests: tuple[str, ...]

    @property
    def path(self) -> Path:
        return ROOT / (self.module.replace(".", "/") + ".py")

    @property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")


def _tests(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/jpki/{folder}/test_{name}.py" for name in names)


PATH = _tests("validation", "certificates", "validator", "negative_matrix", "trust",
              "next_generation", "general_path")  # fmt: skip
CRL = _tests("validation", "crl", "crl_form", "crl_columns", "crl_offers", "general_crl",
             "crl_index_store", "crl_index_folder", "crl_index_refused")  # fmt: skip
OCSP = _tests("validation", "ocsp", "ocsp_client", "general_ocsp")
FRAMES = _tests("validation", "known_frames", "certificates")
CARD = ("tests/jpki/card", "tests/jpki/verifying/test_card_check_surface.py",
        "tests/jpki/verifying/test_mf_check.py")  # fmt: skip
POLICY = _tests("mapping", "policy_check", "policy_decide", "policy_file", "policy_prohibitions",
                "policy_rules", "proposals")  # fmt: skip
TARGETS = {
    target.module: target
    for target in (
        *(Target(f"jpki.validation.{name}", PATH)
          for name in ("algorithms", "findings", "path", "policy", "profile", "times", "trust",
                       "validator")),
        *(Target(f"jpki.validation.{name}", CRL)
          for name in ("crl", "crl_findings", "crl_lists", "crl_store")),
        *(Target(f"jpki.validation.{name}", OCSP) for name in ("ocsp", "ocsp_source")),
        Target("jpki.validation.known_frames", FRAMES),
        *(Target(f"jpki.card.{name}", CARD)
          for name in ("authenticity", "cv_certificate", "cv_keys", "ecdsa", "licence_check",
                       "mf_chain", "surface_authenticity")),
        *(Target(f"jpki.mapping.{name}", POLICY)
          for name in ("decision", "permissions", "prohibitions")),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """Of each target's mutants, each ``every``-th whose name has ``only`` in it.

    ``slow``: tests that take longer (seconds) are not asked; that makes survivors more, not less.
    """

    every: int = 1
    only: str = ""
    slow: float = 1.0

    def of(self, target: Target) -> list[Mutant]:
        return [one for one in mutants(target.source) if self.only in one.name][:: self.every]


@dataclass
class Found:
    """Of one target: how many mutants ran, and those that no test noticed."""

    count: int = 0
    left: list[str] = field(default_factory=list)


def change(target: Target, mutant: Mutant) -> bool:
    """Give the loaded module the mutant's code; False if that is in no function (or lambda)."""
    tree = mutated(target.source, mutant)
    new = {_where(code): code for code in _codes(compile(tree, str(target.path), "exec"))}
    changed = False
    for one in gc.get_objects():
        if not isinstance(one, FunctionType) or one.__code__.co_filename != str(target.path):
            continue
        code = new.get(_where(one.__code__))
        if code is not None and code != one.__code__:
            one.__code__ = code
            changed = True
    return changed


def _where(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes(one)


@dataclass(frozen=True, slots=True)
class Reach:
    """Which test runs which line of a module, and how long each test takes (seconds)."""

    lines: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]
    slow: float

    def near(self, target: Target, mutant: Mutant) -> list[str]:
        """Tests that run the mutant's line, and are not too slow to be asked."""
        return self._quick(self.lines[target.module].get(mutant.line, []))

    def beside(self, target: Target, mutant: Mutant) -> list[str]:
        """Tests of the same files that run the module, but that line only through a fixture,
        which counts as the first one's that asks for it."""
        near = set(self.near(target, mutant))
        files = {name.partition("::")[0] for name in near}
        every = {name for names in self.lines[target.module].values() for name in names}
        return self._quick(one for one in every - near if one.partition("::")[0] in files)

    def _quick(self, names: Iterable[str]) -> list[str]:
        return sorted(name for name in names if self.seconds[name] <= self.slow)


def few(names: Sequence[str], most: int = 3) -> list[str]:
    """Of each test with parameters a few: most mutants are noticed by any of them."""
    of_test = (list(group) for _, group in groupby(names, lambda name: name.partition("[")[0]))
    return [name for group in of_test for name in group[:: -(-len(group) // most)]]


class Driver:
    """A pytest plug-in: instead of running what was collected, tries every mutant on it.

    Where the tests ran once, much is made already, and mutants go quickly; but what is made may
    be an answer of the code as it was. So who survives there, has to survive afresh, too.
    """

    def __init__(self, targets: Sequence[Target], choice: Choice, report: Path) -> None:
        self.targets, self.choice, self.report = targets, choice, report
        self.terminal = os.dup(2)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for target in self.targets:
            assert importlib.import_module(target.module).__file__ == str(target.path)
        child = os.fork()
        if child == 0:
            status = 1
            with contextlib.suppress(BaseException):
                _silence()
                self._keep(self._warm(session))
                status = 0
            os._exit(status)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise RuntimeError("the tests could not be run")
        told = json.loads(self.report.read_text())
        if told["failed"]:
            raise RuntimeError(f"fails without any change: {', '.join(told['failed'])}")
        for target in self.targets:
            left = told["found"][target.module]["left"]
            left[:] = [one for one in left if not self._noticed_afresh(session, target, one)]
        self._keep(told)
        return True

    def _keep(self, told: dict[str, Any]) -> None:
        self.report.write_text(json.dumps(told))

    def _warm(self, session: pytest.Session) -> dict[str, Any]:
        """Run the tests, then every mutant in a fork of where they ran."""
        reach, failed = _measured(session, self.targets, self.choice.slow)
        self._say(f"{len(reach.seconds)} tests ran")
        found = {target.module: self._tried(session, target, reach) for target in self.targets}
        return {"failed": failed, "found": {} if failed else found}

    def _tried(self, session: pytest.Session, target: Target, reach: Reach) -> dict[str, Any]:
        left: list[dict[str, Any]] = []
        chosen = self.choice.of(target)
        for one in chosen:
            near, beside = reach.near(target, one), reach.beside(target, one)
            stages = (few(near), near, beside)
            if not any(_noticed(session, target, one, names) for names in stages):
                left.append({"name": one.name, "tests": near + beside})
                self._say(f"  survives at first: {one.name}")
        self._say(f"{target.module}: {len(chosen)} ran")
        return {"count": len(chosen), "left": left}

    def _noticed_afresh(
        self, session: pytest.Session, target: Target, left: dict[str, Any]
    ) -> bool:
        mutant = next(one for one in mutants(target.source) if one.name == left["name"])
        return _noticed(session, target, mutant, left["tests"])

    def _say(self, line: str) -> None:
        os.write(self.terminal, f"{line}\n".encode())


def _noticed(session: pytest.Session, target: Target, mutant: Mutant, names: Sequence[str]) -> bool:
    """Whether one of these tests fails on the mutant, in a fork of this process."""
    if not names:
        return False
    child = os.fork()
    if child == 0:
        status = 1  # what goes wrong in here, the mutant did
        with contextlib.suppress(BaseException):
            _silence()
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(LIMIT)
            if not change(target, mutant):
                status = UNREACHED
            else:
                wanted = set(names)
                status = _run(session, [one for one in session.items if one.nodeid in wanted])
        os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status not in (SURVIVED, UNREACHED)


def _run(session: pytest.Session, items: Sequence[pytest.Item]) -> int:
    """Run these until one fails; 0: none did."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return 1
    return SURVIVED


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def _measured(
    session: pytest.Session, targets: Sequence[Target], slow: float
) -> tuple[Reach, list[str]]:
    """Run all tests once; also those that fail unchanged."""
    import coverage  # here, since the driver's own tests run where it is not installed

    include = [str(target.path) for target in targets]
    measure = coverage.Coverage(data_file=None, include=include, config_file=False)
    seconds: dict[str, float] = {}
    failed: list[str] = []
    measure.start()
    for item, following in zip(session.items, [*session.items[1:], None], strict=True):
        measure.switch_context(item.nodeid)
        started, before = time.process_time(), session.testsfailed
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        seconds[item.nodeid] = time.process_time() - started
        failed += [item.nodeid] if session.testsfailed > before else []
    measure.stop()
    data = measure.get_data()
    lines = {
        target.module: {
            line: list(filter(None, names))
            for line, names in data.contexts_by_lineno(str(target.path)).items()
        }
        for target in targets
    }
    return Reach(lines, seconds, slow), failed


def run(targets: Sequence[Target], choice: Choice | None = None) -> dict[str, Found]:
    """What came of the targets' mutants, by module. Raises RuntimeError."""
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
    return found


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
                        help="leave out tests that take longer")  # fmt: skip
    options = parser.parse_args()
    os.chdir(ROOT)
    choice = Choice(options.every, options.only, options.slow)
    wanted = tuple(options.targets) or ("",)
    targets = [target for name, target in TARGETS.items() if name.startswith(wanted)]
    if options.list:
        found = {target.module: Found(len(choice.of(target))) for target in targets}
    else:
        found = run(targets, choice)
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
