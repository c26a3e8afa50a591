# SPDX-License-Identifier: Apache-2.0
"""The long run of every fuzz target under atheris, guided by coverage; needs the group ``fuzz``.

FUZZ_SECONDS shortens each target to that time; the next run goes on from there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fuzz_targets import TARGETS

RUN = Path(__file__).resolve().parents[1] / "fuzz" / "run.py"
SECONDS = os.environ.get("FUZZ_SECONDS", "0")
PARSERS = [name for name, target in TARGETS.items() if target.ours]
OTHERS = [name for name, target in TARGETS.items() if not target.ours]


@cache
def fuzzed(name: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(RUN), name, "--seconds", SECONDS, "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.assure
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", PARSERS)
def test_nothing_is_found_in_our_parsers(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    _holds(name, record_property)


@pytest.mark.assure
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", OTHERS)
def test_nothing_is_found_elsewhere(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    _holds(name, record_property)


def _holds(name: str, record_property: Callable[[str, object], None]) -> None:
    told = fuzzed(name)
    record_property("cases", told["executions"])
    assert told["finding"] == ""


@pytest.mark.assure
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", PARSERS)
def test_branches_of_our_parsers(name: str) -> None:
    assert fuzzed(name)["branches"] >= 95
