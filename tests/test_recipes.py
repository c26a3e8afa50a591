# SPDX-License-Identifier: Apache-2.0
"""The recipes fit the toolkit and the check that carries them out (`make assure`; needs root)."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import doc_pages
from command_line import Cli

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ROOT / "examples" / "recipes"


@pytest.fixture(scope="module")
def check() -> ModuleType:
    """`.ci/recipes.py`."""
    spec = importlib.util.spec_from_file_location("recipes", ROOT / ".ci" / "recipes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["recipes"] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def read(name: str) -> str:
    return (RECIPES / name).read_text("utf-8")


def test_the_check_understands_the_containerfile(check: ModuleType) -> None:
    found = check.instructions(read("Containerfile"))
    known = {"FROM", "ARG", "RUN", "COPY", "ENV", "USER", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in found} == known
    assert [rest for name, rest in found if name == "FROM"] == ["docker.io/library/debian:12"]
    assert all("\\" not in rest for _, rest in found)


def test_the_check_finds_the_steps(check: ModuleType) -> None:
    steps = check.steps(read("github-actions.yml"))
    assert len(steps) == 2
    assert steps[0].startswith("apt-get update\n")
    assert steps[1].splitlines()[-1] == ".venv/bin/pytest -p no:cacheprovider"


@pytest.mark.parametrize("text", ["run: |\n", "      - run: echo\n", ""])
def test_what_is_no_step(check: ModuleType, text: str) -> None:
    assert check.steps(text) == []


def test_actions_are_pinned() -> None:
    used = re.findall(r"uses: (\S+)", read("github-actions.yml"))
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", one) for one in used)


def test_the_unit_calls_a_command_that_exists() -> None:
    line = re.search(
        r"^ExecStart=/opt/jpki/bin/jpki (.+)$", read("jpki-virtual-card.service"), re.M
    )
    assert line
    shown = Cli({})(line[1].split()[0], "--help").out
    assert [word for word in line[1].split() if word.startswith("--") and word not in shown] == []


def test_with_card_says_how_it_is_called() -> None:
    done = subprocess.run([RECIPES / "with-card"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: with-card CARD COMMAND")


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_guide_shows_the_sample_tests(lang: str) -> None:
    shown = next(
        s.text for s in doc_pages.snippets(ROOT / "docs" / lang / "recipes.md")
        if s.file_name == "test_card.py"
    )  # fmt: skip
    typed = re.sub(r"(\w+): \w+\) -> None:", r"\1):", read("test_card.py"))
    assert shown.strip() in typed
