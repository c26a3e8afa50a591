# SPDX-License-Identifier: Apache-2.0
"""Mutants of a module: each drops or turns round one decision.

Only changes that could make an answer more lenient are made: a condition that always or never
holds, one operand of ``and`` or ``or`` less, a comparison off by its boundary, a refusal that is
not raised, a check that is not called, an outcome that is *valid* whatever came of it.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change. ``name``: function, kind and the code that is changed; the same in every run."""

    name: str
    line: int
    index: int
    kind: str


class _Place(ast.NodeVisitor):
    """Every node in order, with the function it is in (none: ""); ``alone``: comparisons that are
    neither the condition of a branch nor what a function returns, which have their own mutants."""

    def __init__(self) -> None:
        self.scope: list[str] = []
        self.functions = 0
        self.nodes: list[tuple[ast.AST, str]] = []
        self.alone: set[ast.AST] = set()

    def generic_visit(self, node: ast.AST) -> None:
        self.nodes.append((node, ".".join(self.scope) if self.functions else ""))
        if not isinstance(node, _DECIDES):
            below = ast.iter_child_nodes(node)
            self.alone.update(one for one in below if isinstance(one, ast.Compare))
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        named = function or isinstance(node, ast.ClassDef)
        if named:
            self.scope.append(node.name)  # type: ignore[attr-defined]
            self.functions += function
        super().generic_visit(node)
        if named:
            self.scope.pop()
            self.functions -= function


_DECIDES = ast.If | ast.IfExp | ast.BoolOp | ast.Return | ast.comprehension


def _places(tree: ast.AST) -> _Place:
    visitor = _Place()
    visitor.visit(tree)
    return visitor


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
        if not ast.unparse(node.value).startswith("_log."):  # that is no decision
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
        if kind != "boundary":
            return ast.Constant(kind == "holds")
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
    places = _places(ast.parse(source))
    for index, (node, scope) in enumerate(places.nodes):
        line = getattr(node, "lineno", line)
        if not scope or (isinstance(node, ast.Attribute) and not _is_outcome(node)):
            continue  # what is done when a module is imported, every test would notice
        more = ("holds", "does not hold") if node in places.alone else ()
        for kind in (*_kinds(node), *more):
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
    target = _places(tree).nodes[mutant.index][0]

    class Edit(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            if node is target:
                other = _change(node, mutant.kind)
                return node if other is None else ast.copy_location(other, node)
            return self.generic_visit(node)

    return ast.fix_missing_locations(Edit().visit(tree))  # type: ignore[no-any-return]
