# SPDX-License-Identifier: Apache-2.0
"""Every fixture has an origin and a maker on record, and the record names nothing that is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"
ROW = re.compile(r"^\| `([^`]+)` \| (.+?) \| (.+?) \|$", re.M)


def _listed() -> dict[str, tuple[str, str]]:
    text = (FIXTURES / "README.md").read_text(encoding="utf-8")
    return {name: (origin, maker) for name, origin, maker in ROW.findall(text)}


def _there() -> set[str]:
    """Files by their path below ``fixtures``; makers and the record itself are not fixtures."""
    return {
        str(path.relative_to(FIXTURES))
        for path in FIXTURES.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name != "README.md"
    }


def test_the_record_and_the_folder_agree() -> None:
    listed = set(_listed())
    folders = {name for name in listed if name.endswith("/")}
    there = {f for f in _there() if not any(f.startswith(folder) for folder in folders)}
    assert there == listed - folders
    assert [folder for folder in folders if not any(f.startswith(folder) for f in _there())] == []


def test_every_fixture_is_synthetic_or_published() -> None:
    wrong = {n: o for n, (o, _) in _listed().items() if not o.startswith(("synthetic", "public"))}
    assert wrong == {}


def test_every_maker_exists() -> None:
    """A script in this repository, or ``hand``."""
    named = {m for _, maker in _listed().values() for m in re.findall(r"`([^`]+\.py)`", maker)}
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert all("`" in maker or "hand" in maker for _, maker in _listed().values())
