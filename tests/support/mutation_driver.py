# SPDX-License-Identifier: Apache-2.0
"""Runs mutants: each in a fork, with the tests that reach its line, until one fails.

The tests are collected once and run once, to learn which test runs which line. Then each mutant
lives in a fork: the one function is changed where it is, and only the tests that reach its line
run, until one fails. What they do not notice, the others of their files get to see.

So that no mutant counts as noticed by a test that would have failed anyway, a test that fails
when it runs a second time is not asked, and each test that noticed something has to pass alone,
in such a fork, where nothing is changed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from mutants import Mutant, mutants, mutated
from mutation_targets import Target

LIMIT = 600  # seconds by the clock for one mutant: who waits for ever is noticed
PROCESSOR = (
    30  # seconds of processor time besides ten times what the tests need: who turns for ever
)
MEMORY = 4 << 30  # bytes: who fills it is noticed, too
LAST = 6  # so many tests that noticed something are asked first
ENDED = "(its process ended)"


@dataclass(frozen=True, slots=True)
class Choice:
    """Of each target's mutants, each ``every``-th whose name has ``only`` in it.

    ``slow``: tests that take longer (seconds) are asked last, and those that take ten times as
    long not at all; that makes survivors more, not less. ``without``: those that are known to
    survive, by module. ``asked``: who noticed which the last time, by module, to be asked first.
    """

    every: int = 1
    only: str = ""
    slow: float = 1.0
    without: Mapping[str, Set[str]] = field(default_factory=dict)
    asked: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, target: Target) -> list[Mutant]:
        known = self.without.get(target.module, frozenset())
        every = [one for one in mutants(target.source) if self.only in one.name][:: self.every]
        return [one for one in every if one.name not in known]


def functions_of(target: Target) -> list[FunctionType]:
    """The functions of the loaded module; looked for once, since that goes through all objects."""
    return [
        one for one in gc.get_objects()
        if isinstance(one, FunctionType) and one.__code__.co_filename == str(target.path)
    ]  # fmt: skip


def change(functions: Iterable[FunctionType], target: Target, mutant: Mutant) -> bool:
    """Give the loaded module the mutant's code; False if that is in no function (or lambda)."""
    tree = mutated(target.source, mutant)
    new = {_where(code): code for code in _codes(compile(tree, str(target.path), "exec"))}
    changed = False
    for one in functions:
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
        """Tests that run the mutant's line, and are quick."""
        return self._within(self.slow, self.lines[target.module].get(mutant.line, []))

    def beside(self, target: Target, mutant: Mutant) -> list[str]:
        """The others that run the line, which are slow; and tests of the same files that run the
        module, but that line only through a fixture, which counts as the first one's that asks."""
        all_near = set(self.lines[target.module].get(mutant.line, []))
        files = {name.partition("::")[0] for name in all_near}
        every = {name for names in self.lines[target.module].values() for name in names}
        others = [one for one in every - all_near if one.partition("::")[0] in files]
        slow = all_near.difference(self.near(target, mutant))
        return [*self._within(self.slow, others), *self._within(10 * self.slow, slow)]

    def _within(self, seconds: float, names: Iterable[str]) -> list[str]:
        return sorted(name for name in names if self.seconds[name] <= seconds)


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
        self.functions: dict[str, list[FunctionType]] = {}
        self.terminal = os.dup(2)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for target in self.targets:
            assert importlib.import_module(target.module).__file__ == str(target.path)
            self.functions[target.module] = functions_of(target)
        told = _forked(lambda: self._warm(session))
        if told is None:
            raise RuntimeError("the tests could not be run")
        if told["failed"]:
            raise RuntimeError(f"fails without any change: {', '.join(told['failed'])}")
        for target in self.targets:
            functions = self.functions[target.module]
            by_name = {one.name: one for one in mutants(target.source)}
            left = told["found"][target.module]["left"]
            left[:] = [
                one for one in left
                if not _noticed(session, functions, target, by_name[one["name"]], one["tests"])
            ]  # fmt: skip
        self.report.write_text(json.dumps(told))
        return True

    def _warm(self, session: pytest.Session) -> dict[str, Any]:
        """Run the tests, then every mutant in a fork of where they ran."""
        reach, failed = _measured(session, self.targets, self.choice.slow)
        self._say(f"{len(reach.seconds)} tests ran")
        if failed:
            return {"failed": failed}
        gc.freeze()  # so that a fork does not copy everything when it looks for garbage
        twice = _forked(lambda: _failures(session, session.items, most=len(session.items)))
        for name in twice if isinstance(twice, list) else ():
            self._say(f"  not asked, since it cannot run twice: {name}")
            reach.seconds[name] = float("inf")
        found = {target.module: self._tried(session, target, reach) for target in self.targets}
        noticing = {name for one in found.values() for name in one["noticed"].values()}
        asked = [one for one in session.items if one.nodeid in noticing]
        return {
            "failed": [one.nodeid for one in asked if not _passes(session, one)],
            "found": found,
        }

    def _tried(self, session: pytest.Session, target: Target, reach: Reach) -> dict[str, Any]:
        left: list[dict[str, Any]] = []
        last: list[str] = []
        noticed: dict[str, str] = {}
        functions, chosen = self.functions[target.module], self.choice.of(target)
        before = self.choice.asked.get(target.module, {})
        for one in chosen:
            near, beside = reach.near(target, one), reach.beside(target, one)
            known = [name for name in (before.get(one.name),) if name in {*near, *beside}]
            first = [name for name in last[:LAST] if name in near]
            asked: set[str] = set()
            by = ""
            for stage in (known, first, few(near), near, beside):
                by = _noticed(session, functions, target, one, [*{*stage} - asked], reach)
                asked.update(stage)
                if by:
                    break
            if not by:
                left.append({"name": one.name, "tests": near + beside})
                self._say(f"  survives at first: {one.name}")
            elif by != ENDED:
                noticed[one.name] = by
                last = [by, *(name for name in last if name != by)]
        self._say(f"{target.module}: {len(chosen)} ran")
        return {"count": len(chosen), "left": left, "noticed": noticed}

    def _say(self, line: str) -> None:
        os.write(self.terminal, f"{line}\n".encode())


def _noticed(
    session: pytest.Session,
    functions: Iterable[FunctionType],
    target: Target,
    mutant: Mutant,
    names: Sequence[str],
    reach: Reach | None = None,
) -> str:
    """Which of these tests fails on the mutant, in a fork of this process; "" if none does."""
    if not names:
        return ""
    wanted = set(names)
    items = [one for one in session.items if one.nodeid in wanted]
    needed = sum(reach.seconds[name] for name in names) if reach else LIMIT

    def work() -> list[str]:
        if not change(functions, target, mutant):
            return []
        return _failures(session, items)

    failed = _forked(work, int(PROCESSOR + 10 * needed))
    if failed is None:
        return ENDED  # what went wrong there, the mutant did
    return str(failed[0]) if failed else ""


def _passes(session: pytest.Session, item: pytest.Item) -> bool:
    """Whether a test passes alone, in a fork where nothing is changed."""
    failed: list[str] | None = _forked(lambda: _failures(session, [item]))
    return failed == []


def _failures(session: pytest.Session, items: Sequence[pytest.Item], most: int = 1) -> list[str]:
    """Run these until so many have failed: which."""
    failed: list[str] = []
    for item, following in zip(items, _following(session, items), strict=True):
        before = session.testsfailed
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed > before:
            failed.append(item.nodeid)
            if len(failed) == most:
                break
    return failed


def _following(
    session: pytest.Session, items: Sequence[pytest.Item]
) -> list[pytest.Item | pytest.Session]:
    """What comes after each: at the end the session, whose fixtures stay for what comes then."""
    return [*items[1:], session]


def _forked(work: Callable[[], Any], processor: int | None = None) -> Any:
    """What ``work`` gives (as JSON has it) in a fork of this process; None if that goes wrong."""
    with tempfile.TemporaryFile() as told:
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                _confine(processor)
                os.write(told.fileno(), json.dumps(work()).encode())
            os._exit(0)
        os.waitpid(child, 0)
        told.seek(0)
        text = told.read()
    return json.loads(text) if text else None


def _confine(processor: int | None) -> None:
    """No output; and, with a limit of processor time, an end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    if processor is not None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LIMIT)
        resource.setrlimit(resource.RLIMIT_CPU, (processor, processor))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


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
    for item, following in zip(session.items, _following(session, session.items), strict=True):
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
