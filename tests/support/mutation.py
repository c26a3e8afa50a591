# SPDX-License-Identifier: Apache-2.0
"""Mutation testing of the code that says yes: each mutant drops or turns round one decision.

Only changes that could make an answer more lenient are made: a condition that always or never
holds, one operand of ``and`` or ``or`` less, a comparison off by its boundary, a refusal that is
not raised, a check that is not called, an outcome that is *valid* whatever came of it. A mutant
that its tests do not notice survives; `tests/assurance/survivors.toml` says of each survivor
why it is no false yes. ``python tests/support/mutation.py [--list] [--every N] TARGET…`` runs them.

The tests of a target run once to learn which test runs which line; then each mutant runs in a
fork of this process, and only the tests that reach its line, the quick ones first.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SURVIVORS = ROOT / "tests" / "assurance" / "survivors.toml"
LIMIT = 120  # seconds for one mutant: one that hangs is noticed


@dataclass(frozen=True, slots=True)
class Target:
    """A module, its file, and the tests that must notice."""

    module: str
    tests: tuple[str, ...]

    @property
    def path(self) -> Path:
        return ROOT / (self.module.replace(".", "/") + ".py")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change. ``name``: function, kind and the code that is changed; the same in every run."""

    name: str
    line: int
    index: int
    kind: str


VALIDATION = ("tests/jpki/validation",)
CARD = ("tests/jpki/card", "tests/jpki/verifying/test_card_check_surface.py",
        "tests/jpki/verifying/test_mf_check.py")  # fmt: skip
POLICY = (*(f"tests/jpki/mapping/test_policy_{name}.py"
            for name in ("check", "decide", "file", "prohibitions", "rules")),
          "tests/jpki/mapping/test_proposals.py")  # fmt: skip
TARGETS = {
    target.module: target
    for target in (
        *(Target(f"jpki.validation.{name}", VALIDATION)
          for name in ("algorithms", "crl", "crl_findings", "crl_lists", "crl_store", "findings",
                       "known_frames", "ocsp", "ocsp_source", "path", "policy", "profile", "times",
                       "trust", "validator")),
        *(Target(f"jpki.card.{name}", CARD)
          for name in ("authenticity", "cv_certificate", "cv_keys", "ecdsa", "licence_check",
                       "mf_chain", "surface_authenticity")),
        *(Target(f"jpki.mapping.{name}", POLICY)
          for name in ("decision", "permissions", "prohibitions")),
    )
}  # fmt: skip


class _Place(ast.NodeVisitor):
    """Every node in order, with the function it is in."""

    def __init__(self) -> None:
        self.scope: list[str] = []
        self.nodes: list[tuple[ast.AST, str]] = []

    def generic_visit(self, node: ast.AST) -> None:
        self.nodes.append((node, ".".join(self.scope)))
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if named:
            self.scope.append(node.name)  # type: ignore[attr-defined]
        super().generic_visit(node)
        if named:
            self.scope.pop()


def _places(tree: ast.AST) -> list[tuple[ast.AST, str]]:
    visitor = _Place()
    visitor.visit(tree)
    return visitor.nodes


BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip
LESS = frozenset({"INVALID", "CANNOT_TELL", "NOT_RUN"})


def _kinds(node: ast.AST) -> Iterator[str]:
    """What can be done to this node."""
    if isinstance(node, ast.If | ast.IfExp):
        yield from ("never", "always")
    elif isinstance(node, ast.BoolOp):
        yield from (f"without operand {number}" for number in range(len(node.values)))
    elif isinstance(node, ast.Compare):
        if any(type(op) in BOUNDARY for op in node.ops):
            yield "boundary"
    elif isinstance(node, ast.Raise):
        yield "not raised"
    elif isinstance(node, ast.Expr) and isinstance(
        node.value, ast.Call | ast.YieldFrom | ast.Yield
    ):
        yield "not called"
    elif isinstance(node, ast.For):
        yield "no turn"
    elif isinstance(node, ast.Return):
        yield from _returns(node.value)
    elif isinstance(node, ast.Attribute) and node.attr in LESS:
        yield "valid"
    elif isinstance(node, ast.comprehension):
        yield from (f"without filter {number}" for number in range(len(node.ifs)))


def _returns(value: ast.expr | None) -> Iterator[str]:
    boolean = isinstance(value, ast.Compare | ast.BoolOp) or (
        isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not)
    )
    called = isinstance(value, ast.Call) and ast.unparse(value.func) in ("all", "any")
    if isinstance(value, ast.Constant) and isinstance(value.value, bool):
        yield "no" if value.value else "yes"
    elif boolean or called:
        yield from ("yes", "no")


def _change(node: ast.AST, kind: str) -> ast.AST | None:
    """The node changed; in place, or another in its stead (None: this one, changed)."""
    number = kind.rpartition(" ")[2]
    if isinstance(node, ast.If | ast.IfExp):
        node.test = ast.Constant(kind == "always")
    elif isinstance(node, ast.BoolOp):
        del node.values[int(number)]
        return node.values[0] if len(node.values) == 1 else None
    elif isinstance(node, ast.Compare):
        node.ops = [BOUNDARY.get(type(op), type(op))() for op in node.ops]
    elif isinstance(node, ast.Raise | ast.Expr):
        return ast.Pass()
    elif isinstance(node, ast.For):
        node.iter = ast.Tuple([], ast.Load())
    elif isinstance(node, ast.Return):
        node.value = ast.Constant(kind == "yes")
    elif isinstance(node, ast.Attribute):
        node.attr = "VALID"
    elif isinstance(node, ast.comprehension):
        del node.ifs[int(number)]
    return None


def _shown(node: ast.AST) -> str:
    what: ast.AST = node
    if isinstance(node, ast.If | ast.IfExp):
        what = node.test
    elif isinstance(node, ast.For):
        what = node.iter
    elif isinstance(node, ast.comprehension):
        return " if ".join(ast.unparse(one) for one in (node.iter, *node.ifs))
    return ast.unparse(what)


def mutants(source: str) -> list[Mutant]:
    """All mutants of a module, in the order of its lines."""
    found: list[Mutant] = []
    seen: Counter[str] = Counter()
    line = 0
    for index, (node, scope) in enumerate(_places(ast.parse(source))):
        line = getattr(node, "lineno", line)
        if not scope or (isinstance(node, ast.Attribute) and not _is_outcome(node)):
            continue  # what a module does when it is imported, every test would notice
        for kind in _kinds(node):
            text = f"{scope}: {kind}: {' '.join(_shown(node).split())}"
            seen[text] += 1
            name = text if seen[text] == 1 else f"{text} #{seen[text]}"
            where = node.iter.lineno if isinstance(node, ast.comprehension) else line
            found.append(Mutant(name, where, index, kind))
    return found


def _is_outcome(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "Outcome"


def mutated(source: str, mutant: Mutant) -> ast.Module:
    """The module with the one change."""
    tree = copy.deepcopy(ast.parse(source))
    target = _places(tree)[mutant.index][0]

    class Edit(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            if node is target:
                other = _change(node, mutant.kind)
                return node if other is None else ast.copy_location(other, node)
            return self.generic_visit(node)

    return ast.fix_missing_locations(Edit().visit(tree))  # type: ignore[no-any-return]


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module its mutated code."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self.name, self.path, self.tree = name, path, tree

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.tree, str(self.path), "exec"), vars(module))


class _Chosen:
    """Of what was collected, only these tests, in this order."""

    def __init__(self, names: Sequence[str]) -> None:
        self.order = {name: place for place, name in enumerate(names)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.order),
            key=lambda item: self.order[item.nodeid],
        )


class _Reach:
    """Which test runs which line of the target, and how long it takes."""

    def __init__(self, path: Path) -> None:
        import coverage  # here, since the driver's own tests run where it is not installed

        self.measure = coverage.Coverage(data_file=None, include=[str(path)], config_file=False)
        self.path = path
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.measure.switch_context(item.nodeid)
        started = time.perf_counter()
        result = yield
        self.seconds[item.nodeid] = time.perf_counter() - started
        return result

    def lines(self) -> dict[int, list[str]]:
        """By line: the tests that run it, the quick ones first."""
        contexts = self.measure.get_data().contexts_by_lineno(str(self.path))
        return {
            line: sorted(filter(None, names), key=lambda name: self.seconds.get(name, 0))
            for line, names in contexts.items()
        }


def _pytest(words: Sequence[str], *plugins: object) -> int:
    quiet = ["-q", "-x", "-n0", "-p", "no:cacheprovider", "-o", "timeout=0", "--assert=plain"]
    return int(pytest.main([*quiet, *words], plugins=list(plugins)))


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def reach(target: Target) -> dict[int, list[str]]:
    """Run the target's tests once, in a fork. Raises RuntimeError if they fail unchanged."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as kept:
        child = os.fork()
        if child == 0:
            _silence()
            found = _Reach(target.path)
            found.measure.start()
            status = _pytest(target.tests, found)
            found.measure.stop()
            Path(kept.name).write_text(json.dumps(found.lines()))
            os._exit(status)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise RuntimeError(f"{target.module}: its tests fail without any change")
        return {int(line): names for line, names in json.load(kept).items()}


def survives(target: Target, mutant: Mutant, names: Sequence[str]) -> bool:
    """True if none of these tests notices."""
    if not names:
        return True
    child = os.fork()
    if child == 0:
        status = 99
        with contextlib.suppress(BaseException):
            _silence()
            signal.alarm(LIMIT)
            tree = mutated(target.path.read_text(encoding="utf-8"), mutant)
            sys.meta_path.insert(0, _Finder(target.module, target.path, tree))
            files = sorted({name.partition("::")[0] for name in names})
            status = _pytest(files, _Chosen(names))
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def known_survivors() -> dict[tuple[str, str], str]:
    """By module and mutant: why it is no false yes."""
    rows = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("survivor", [])
    return {(row["module"], row["mutant"]): row["reason"] for row in rows}


def run(target: Target, every: int = 1, start: int = 0) -> tuple[int, list[Mutant]]:
    """Each ``every``-th mutant from ``start``: how many, and those that survive."""
    assert target.module not in sys.modules, "a mutant of what is loaded already has no effect"
    chosen = mutants(target.path.read_text(encoding="utf-8"))[start::every]
    lines = reach(target)
    return len(chosen), [one for one in chosen if survives(target, one, lines.get(one.line, []))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="modules; all without any")
    parser.add_argument("--list", action="store_true", help="only count the mutants")
    parser.add_argument("--every", type=int, default=1, help="each N-th only")
    options = parser.parse_args()
    os.chdir(ROOT)
    known, total, unlisted = known_survivors(), 0, 0
    left: list[Mutant]
    for name in options.targets or TARGETS:
        target = TARGETS[name]
        if options.list:
            count, left = len(mutants(target.path.read_text(encoding="utf-8"))), []
        else:
            count, left = run(target, options.every)
        total += count
        print(f"{name}: {count} mutants, {len(left)} survive", flush=True)
        for one in left:
            reason = known.get((name, one.name))
            unlisted += reason is None
            print(f"  {'listed' if reason else 'NOT LISTED'}  {one.line}: {one.name}", flush=True)
    print(f"{total} mutants; {unlisted} survivors that the list does not have")
    return 1 if unlisted else 0


if __name__ == "__main__":
    sys.exit(main())
