# SPDX-License-Identifier: Apache-2.0
"""What of our code reads bytes that come from elsewhere, and which of it the fuzzers' seeds enter.

``python tests/support/fuzz_reach.py`` prints the functions that the seeds enter, as JSON.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {"jpki": ROOT / "jpki", "jpki_apdu": ROOT / "apdu" / "jpki_apdu",
           "jpki_cli": ROOT / "cli" / "jpki_cli"}  # fmt: skip
READING = re.compile(r"_*(parse|read|decode|load|examine|inspect|cut|collect|open)(_|$)")
FOREIGN = frozenset({"bytes", "bytearray", "memoryview"})
BEGINS = frozenset({
    "loads", "read_toml", "unpack", "unpack_from", "iter_unpack", "parse_one", "parse_all", "whole",
    "check_strict", "fromstring", "iterparse", "decompress", "decompressobj", "read_object",
    "load_der_public_key", "load_pem_public_key", "load_der_private_key", "load_pem_private_key",
    "load_der_x509_certificate", "load_pem_x509_certificate", "load_pem_x509_certificates",
    "load_der_x509_crl", "from_encoded_point", "from_public_bytes",
})  # fmt: skip
"""What a parser of anything begins with."""

Function = tuple[str, str]
"""The file from its package on, and the qualified name."""


def parsers() -> set[Function]:
    """Functions that read bytes from elsewhere, as the source has them: by name, or by a call."""
    return {
        (f"{package}/{path.relative_to(root).as_posix()}", name)
        for package, root in SOURCES.items()
        for path in sorted(root.rglob("*.py"))
        for name, function in _functions(ast.parse(path.read_text("utf-8")), "")
        if _by_name(function) or _by_call(function)
    }


def _functions(tree: ast.AST, before: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{before}{node.name}", node  # type: ignore[misc]
            yield from _functions(node, f"{before}{node.name}.<locals>.")
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{before}{node.name}.")
        else:
            yield from _functions(node, before)


def _by_name(function: ast.FunctionDef) -> bool:
    kinds = {
        name.id
        for one in function.args.args
        if one.annotation is not None
        for name in ast.walk(one.annotation)
        if isinstance(name, ast.Name)
    }
    return bool(READING.match(function.name) and kinds & FOREIGN)


def _by_call(function: ast.FunctionDef) -> bool:
    called = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return any((getattr(one, "attr", None) or getattr(one, "id", "")) in BEGINS for one in called)


def entered() -> set[Function]:
    """What the seeds of all targets enter, in a process of its own: nothing is known there yet."""
    done = subprocess.run([sys.executable, __file__], stdout=subprocess.PIPE, check=True)
    return {(file, name) for file, name in json.loads(done.stdout)}


def main() -> None:
    from fuzz_targets import TARGETS

    seen: set[tuple[str, str]] = set()

    def called(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            seen.add((frame.f_code.co_filename, frame.f_code.co_qualname))

    threading.setprofile(called)
    for target in TARGETS.values():
        run = target.function()
        for data in target.corpus():
            sys.setprofile(called)  # each time: what nests too deep ends it
            run(data)
    sys.setprofile(None)
    found = set()
    for file, name in seen:
        for package, root in SOURCES.items():
            with contextlib.suppress(ValueError):
                found.add((f"{package}/{Path(file).relative_to(root).as_posix()}", name))
    print(json.dumps(sorted(found)))


if __name__ == "__main__":
    main()
