# SPDX-License-Identifier: Apache-2.0
"""The house rules that no other tool holds: sizes, headers, imports, and what may be in no file."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("jpki", "apdu/jpki_apdu", "cli/jpki_cli")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 40

# Every 12-digit number with a valid check digit in this repository: all invented.
INVENTED_NUMBERS = frozenset(
    {
        "537686677188",
        "900000000028",
        "900000000036",
        "900000000044",
        "900000000052",
        "900000000060",
        "900000000079",
        "900000000087",
        "900000000095",
        "900000000109",
        "900000000117",
        "900000000125",
        "900000000206",
        "900000003841",
        "900000000770",
    }
)
NO_NUMBERS = frozenset({"616263313233"})  # the letters abc123 in hexadecimal


def _files() -> list[Path]:
    """What git has or would take: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    paths = (ROOT / name for name in listed.split("\0") if name)
    return sorted(path for path in paths if path.is_file())


FILES = _files()
PYTHON = [path for path in FILES if path.suffix == ".py"]
LIBRARY = [
    path for path in PYTHON
    if path.is_relative_to(ROOT / "jpki") or path.is_relative_to(ROOT / "apdu")
]  # fmt: skip
CODE = [path for path in PYTHON if any(path.is_relative_to(ROOT / p) for p in PACKAGES)]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _texts() -> Iterator[tuple[str, str]]:
    """Every file that is text, with its words."""
    for path in FILES:
        try:
            yield _name(path), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_the_lists_are_not_empty() -> None:
    assert len(CODE) > 20
    assert len(LIBRARY) < len(CODE) < len(PYTHON) < len(FILES)


def test_files_are_short() -> None:
    long = {_name(path): n for path in PYTHON if (n := len(path.read_bytes().splitlines())) > 400}
    assert not long


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end, without the docstring."""
    lines = (node.end_lineno or 0) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        lines -= (first.end_lineno or 0) - first.lineno + 1
    return lines


def test_functions_are_short() -> None:
    long = {
        f"{_name(path)}:{node.lineno} {node.name}": lines
        for path in CODE
        for node in _functions(ast.parse(path.read_text(encoding="utf-8")))
        if (lines := _code_lines(node)) > MAX_FUNCTION_LINES
    }
    assert not long


def test_every_file_begins_with_its_licence() -> None:
    first = "# SPDX-License-Identifier: Apache-2.0"
    assert [_name(p) for p in PYTHON if not p.read_text(encoding="utf-8").startswith(first)] == []


QUIET = (ast.Expr, ast.Assign, ast.Import, ast.ImportFrom)


def test_annotations_are_never_evaluated_at_run_time() -> None:
    """Every module says so, but one that only imports and names things need not."""
    missing = []
    for path in PYTHON:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        plain = all(isinstance(node, QUIET) for node in tree.body)
        future = any(
            isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body
        )
        if not (plain or future):
            missing.append(_name(path))
    assert missing == []


def test_no_package_marker_below_tests() -> None:
    """``tests/jpki/__init__.py`` would shadow the real package."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_optional_parts_are_imported_only_inside_functions() -> None:
    """pyscard, Pillow, Babel and pytest are not there in a plain installation."""
    optional = {"smartcard", "babel", "pytest", "PIL"}
    found = []
    for path in CODE:
        if path.is_relative_to(ROOT / "jpki" / "testing"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            modules = _imported(node)
            if modules & optional:
                found.append(f"{_name(path)}:{node.lineno}")
    assert found == []


def _imported(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {node.module.split(".")[0]}
    return set()


def test_the_library_does_not_print_prompt_exit_or_set_up_logging() -> None:
    forbidden = re.compile(
        r"^(print|input|exit|quit|breakpoint|sys\.exit|os\._exit|getpass\.getpass"
        r"|logging\.(basicConfig|getLogger\(\)\.setLevel))$"
    )
    found = []
    for path in LIBRARY:
        # One is run by developers, the other is the main program of a presentation's process,
        # which ends it without flushing, saving or handing on anything.
        if path.name == "generate.py" or path.parts[-2:] == ("kiosk", "worker.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and forbidden.match(ast.unparse(node.func)):
                found.append(f"{_name(path)}:{node.lineno} {ast.unparse(node.func)}")
    assert found == []


def test_nothing_names_the_place_where_it_was_written() -> None:
    """Paths of one machine, private notes and the address of a person's home."""
    # Put together here, so that this file does not contain them.
    words = [
        "/wo" + "rk/",
        "shared/" + "spec",
        "shared/" + "design",
        "/ro" + "ot/",
        "brief" + ".md",
    ]
    pattern = re.compile("|".join(map(re.escape, words)) + r"|/home/\w+/")
    found = [f"{name}: {m[0]}" for name, text in _texts() for m in pattern.finditer(text)]
    assert found == []


def test_no_unfinished_business() -> None:
    pattern = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b(?!.*#\d)")
    found = [f"{_name(p)}: {m[0]}" for p in PYTHON for m in pattern.finditer(p.read_text("utf-8"))]
    assert found == []


def test_no_test_is_skipped() -> None:
    """A missing program or part is a failure: `make test` installs what is needed."""
    pattern = re.compile(r"\bpytest\.(?:mark\.)?(?:skip|skipif|xfail)\b|\bimport" + r"orskip\b")
    tests = [p for p in PYTHON if p.is_relative_to(ROOT / "tests") and p != Path(__file__)]
    assert [_name(p) for p in tests if pattern.search(p.read_text(encoding="utf-8"))] == []


def check_digit(eleven: str) -> int:
    """Check digit of a 個人番号 from its first eleven digits: 番号法施行令8条, 総務省令5条."""
    total = sum(
        int(digit) * (n + 1 if n <= 6 else n - 5)
        for n, digit in enumerate(reversed(eleven), start=1)
    )
    rest = total % 11
    return 0 if rest <= 1 else 11 - rest


def test_check_digit_rule() -> None:
    assert check_digit("53768667718") == 8
    assert check_digit("53768667719") != 8


def test_every_number_that_could_be_somebodys_is_invented() -> None:
    alone = re.compile(r"(?<![0-9A-Za-z])[0-9]{12}(?![0-9A-Za-z])")
    found = [
        f"{name}: {number}"
        for name, text in _texts()
        for number in alone.findall(text)
        if check_digit(number[:11]) == int(number[11])
        and number not in INVENTED_NUMBERS | NO_NUMBERS
    ]
    assert found == []


CITATION = re.compile(r"\[([A-Z][A-Za-z0-9]*[A-Z0-9](?:-[A-Z]{2,})?)(?: [^\[\]]*)?\]")
NOT_SOURCES = frozenset({"OPTIONS", "ARGS", "COMMAND"})


def cited(source: str) -> set[str]:
    """Keys in square brackets in the comments and strings of one module."""
    keys: set[str] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            keys.update(CITATION.findall(token.string))
    return keys - NOT_SOURCES


def test_citations_are_found() -> None:
    """The finder itself: keys with and without a place; no regular expressions, no types."""
    source = '"""[MC], [ISO4 11.6.6] [CA-DER] [inferred] [A-Z0-9]"""\nx: dict[AB, C]  # [RFC5280]\n'
    assert cited(source) == {"MC", "ISO4", "CA-DER", "RFC5280"}


def test_every_cited_source_is_listed() -> None:
    listed = set(re.findall(r"^\| `([^`]+)` \|", (ROOT / "hardware.md").read_text("utf-8"), re.M))
    assert len(listed) > 20
    unknown = {
        f"{_name(path)}: [{key}]"
        for path in CODE
        for key in cited(path.read_text(encoding="utf-8")) - listed
    }
    assert unknown == set()
