# SPDX-License-Identifier: Apache-2.0
"""Adds to the corpus what reaches a branch that no seed reaches.

``python tests/fuzz/keep.py [TARGET…] [--mutants N] [--found FOLDER]`` runs N mutants of the corpus
(the same for the same corpus), and what a long run found (``build/fuzz``), and keeps of those
that reach such a branch one for each, in ``fixtures/fuzz/kept/TARGET``.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support")]

from fuzz_branches import measured  # noqa: E402
from fuzz_mutations import mutants  # noqa: E402
from fuzz_targets import CORPUS, TARGETS, Target  # noqa: E402

Branch = tuple[str, int, int]
MOST = 4096  # bytes of an input that is kept


def branches_of(run: Callable[[bytes], None], data: bytes, files: frozenset[str]) -> set[Branch]:
    """Pairs of lines that one input goes through in these files."""
    seen: set[Branch] = set()

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        file = frame.f_code.co_filename
        if file not in files:
            return None
        before = -frame.f_code.co_firstlineno

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal before
            if event == "line":
                seen.add((file, before, frame.f_lineno))
                before = frame.f_lineno
            elif event == "return":
                seen.add((file, before, -frame.f_code.co_firstlineno))
            return step

        return step

    sys.settrace(enter)
    try:
        run(data)
    finally:
        sys.settrace(None)
    return seen


def inputs(target: Target, count: int, found: Path) -> Iterator[bytes]:
    folder = found / target.name
    if folder.is_dir():
        files = sorted(folder.iterdir(), key=lambda file: (file.stat().st_size, file.name))
        yield from (file.read_bytes() for file in files)
    corpus = target.corpus()
    yield from mutants(corpus, len(corpus) + count, target.name, target.tokens, target.mutation())


def keep(target: Target, count: int, found: Path) -> int:
    """How many were added."""
    before = measured([target.name])[target.name]
    wanted = {
        (file, first, then) for file, pairs in before.missing.items() for first, then in pairs
    }
    files = frozenset(file for file, *_ in wanted)
    run, kept = target.function(), 0
    for data in inputs(target, count, found) if wanted else ():
        if len(data) > MOST:
            continue
        if new := branches_of(run, data, files) & wanted:
            wanted -= new
            kept += 1
            folder = CORPUS / "kept" / target.name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
    after = measured([target.name])[target.name]
    print(f"{target.name:20}{before.percent:6.1f} % -> {after.percent:.1f} %, {kept} kept")
    for file, pairs in after.missing.items():
        print(f"    {Path(file).relative_to(ROOT)}: {pairs}", flush=True)
    return kept


def main() -> None:
    """Of the targets named, or of all that are parsers of ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    ours = [name for name, target in TARGETS.items() if target.ours]
    parser.add_argument("targets", nargs="*", default=ours)
    parser.add_argument("--mutants", type=int, default=20_000)
    parser.add_argument("--found", type=Path, default=ROOT / "build" / "fuzz")
    given = parser.parse_args()
    for name in given.targets:
        keep(TARGETS[name], given.mutants, given.found)


if __name__ == "__main__":
    main()
