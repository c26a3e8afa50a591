# SPDX-License-Identifier: Apache-2.0
"""No regular expression of ours repeats a repetition: none can take a power of its input's length.

Found in the source: every pattern that ``re`` is given as it stands there, all that modules hold
compiled, and where a pattern is put together, every text of that file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import jpki
import jpki_apdu
import jpki_cli

PACKAGES = (jpki, jpki_apdu, jpki_cli)
TAKES_ONE = frozenset({"compile", "match", "fullmatch", "search", "sub", "subn", "split",
                       "findall", "finditer"})  # fmt: skip
PUT_TOGETHER = {
    "jpki/certificate/frame.py", "jpki/doctor/masks.py", "jpki/emulator/profile_file.py",
    "jpki/validation/rfc5280/engine.py", "jpki/validation/rfc5280/subject_names.py",
    "jpki_apdu/transcript.py",
}  # fmt: skip
"""Files with a pattern that is no literal. A new one is looked at before it stands here."""

Pattern = str | bytes


def _sources() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        (root,) = map(Path, package.__path__)
        for path in sorted(root.rglob("*.py")):
            yield path.relative_to(root.parent).as_posix(), ast.parse(path.read_text("utf-8"))


def _given(tree: ast.Module) -> Iterator[ast.expr]:
    """The first argument of every call of ``re``."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and (node.func.value.id, node.func.attr in TAKES_ONE) == ("re", True)
        ):
            yield node.args[0]


def _texts(tree: ast.AST) -> Iterator[Pattern]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            yield node.value


def _written() -> tuple[dict[str, list[Pattern]], set[str]]:
    """Patterns by file; and the files where one is put together."""
    found: dict[str, list[Pattern]] = {}
    others = set()
    for name, tree in _sources():
        given = list(_given(tree))
        found[name] = [text for one in given for text in _texts(one)]
        if not all(isinstance(one, ast.Constant) for one in given):
            others.add(name)
            found[name] = list(_texts(tree))
    return found, others


def _held() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """What modules hold compiled."""
    for package in PACKAGES:
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" in module.name or module.name.endswith(("__main__", "generate")):
                continue
            for name, value in vars(import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    yield f"{module.name}.{name}", value


def _unbounded_in_unbounded(tree: Any, inside: bool = False) -> bool:
    """Whether a repetition without end holds another that may match the same text again."""
    for op, argument in tree:
        if op in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            _, high, inner = argument
            endless = high is constants.MAXREPEAT
            if endless and inside and not _starts_fixed(tree):
                return True
            if _unbounded_in_unbounded(inner, inside or endless):
                return True
        elif op is constants.SUBPATTERN:
            if _unbounded_in_unbounded(argument[-1], inside):
                return True
        elif op is constants.BRANCH and any(
            _unbounded_in_unbounded(branch, inside) for branch in argument[1]
        ):
            return True
    return False


def _starts_fixed(tree: Any) -> bool:
    """Whether each round begins with a character that the repetition inside cannot eat."""
    op, argument = tree[0]
    counted = op is constants.MAX_REPEAT and argument[0] == argument[1]
    return (op in (constants.LITERAL, constants.IN) or counted) and len(tree) > 1


def _repeats(pattern: Pattern, flags: int = 0) -> bool:
    try:
        return _unbounded_in_unbounded(parser.parse(pattern, flags))
    except (re.error, TypeError):
        return False  # a text beside, that is no pattern


def test_no_regular_expression_repeats_a_repetition() -> None:
    written, others = _written()
    held = dict(_held())
    assert sum(map(len, written.values())) > 60
    assert len(held) > 20
    assert others == PUT_TOGETHER
    wrong = [name for name, texts in written.items() if any(map(_repeats, texts))]
    wrong += [
        name
        for name, pattern in held.items()
        if _repeats(pattern.pattern, pattern.flags & ~re.UNICODE
                    if isinstance(pattern.pattern, bytes) else pattern.flags)
    ]  # fmt: skip
    assert wrong == []


def test_the_check_of_expressions_sees_one() -> None:
    assert _repeats("(a+)+b")
    assert _repeats(rb"(?:[a-z]*,?)*")
    assert not _repeats("[a-z]+(?:-[a-z]+)*")
    assert not _repeats("(a+")
