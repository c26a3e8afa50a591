# SPDX-License-Identifier: Apache-2.0
"""What the guides name is there: commands, options, tests, pictures, the steps of a newcomer."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest

from command_line import accepted
from jpki.card import Card
from jpki.emulator import VirtualConnection, load_card
from jpki_cli import texts

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("en", "ja")
PAINS = re.compile(r"^\| (\d+) \| (.+) \| (.+) \| \[([\w-]+)\]\(([\w-]+\.md)\) \| `(.+)` \|$", re.M)
MOVED = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \|$", re.M)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_pain_has_an_answer_a_page_and_a_test(lang: str) -> None:
    folder = ROOT / "docs" / lang
    rows = PAINS.findall((folder / "pains.md").read_text(encoding="utf-8"))
    assert [int(row[0]) for row in rows] == list(range(1, 22))
    for _, _, answer, name, page, test in rows:
        assert answer.strip(), test
        assert page == f"{name}.md"
        assert (folder / page).is_file(), page
        path, _, function = test.partition("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert function in found, test


def test_both_languages_name_the_same_pages_and_tests() -> None:
    rows = [
        PAINS.findall((ROOT / "docs" / lang / "pains.md").read_text(encoding="utf-8"))
        for lang in LANGUAGES
    ]
    assert [row[3:] for row in rows[0]] == [row[3:] for row in rows[1]]


def moved(lang: str) -> list[tuple[str, str]]:
    """What was typed elsewhere, and what is typed here."""
    return MOVED.findall((ROOT / "docs" / lang / "migration.md").read_text(encoding="utf-8"))


COMMANDS = sorted({ours for _, ours in moved("en") if ours.startswith("jpki ")})


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_migration_guide_is_one_of_ours(line: str) -> None:
    words = shlex.split(line)[1:]
    accepted(words)
    if "--" in words:  # what follows is a command of ours too
        accepted(words[words.index("--") + 1 :])


def test_the_migration_guide_is_the_same_in_both_languages() -> None:
    assert moved("en") == moved("ja")
    assert len(COMMANDS) > 20


def test_calls_of_the_migration_guide_are_there() -> None:
    """``card.text.attributes()``: every name along the way exists."""
    calls = [ours for _, ours in moved("en") if ours.startswith("card.")]
    assert len(calls) >= 4
    with Card(VirtualConnection(load_card("hanako"))) as card:
        for call in calls:
            found: object = card
            for name in call.partition("(")[0].split(".")[1:]:
                found = getattr(found, name)
            assert callable(found), call


def test_a_newcomer_did_what_the_readme_says() -> None:
    """The log's commands are the README's; only the clone and pipx itself come from elsewhere."""
    page = (ROOT / "docs" / "new-user.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \| `(.+?)` \| [\d.]+ \|", page, re.M)
    told = [row for row in rows if not row.startswith("git clone") and not row.endswith(" pipx")]
    assert len(rows) - len(told) == 2
    for command in told:
        said = re.sub(r"/srv/\S+\.whl", "WHEEL", command).removeprefix(".venv/bin/jpki ")
        assert said in readme, command


def diagrams() -> ModuleType:
    spec = importlib.util.spec_from_file_location("diagrams", ROOT / "docs" / "diagrams.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["diagrams"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lang", LANGUAGES)
def test_pictures_are_those_that_the_script_draws(lang: str) -> None:
    drawn = diagrams()
    folder = ROOT / "docs" / lang
    page = (folder / "concepts.md").read_text(encoding="utf-8")
    for name, diagram in drawn.DIAGRAMS.items():
        picture = folder / "images" / f"{name}.svg"
        assert picture.read_text(encoding="utf-8") == diagram.svg(LANGUAGES.index(lang)), name
        assert f"](images/{name}.svg)" in page


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_word_of_a_picture_runs_out_of_its_box(lang: str) -> None:
    """By the width of its letters: 13 pixels for a wide one, 6.7 for a narrow one."""
    drawn = diagrams()
    number = LANGUAGES.index(lang)
    for name, diagram in drawn.DIAGRAMS.items():
        boxes = [part for part in diagram.parts if isinstance(part, drawn.Box)]
        for box in boxes:
            assert 20 + 17 * len(box.lines) <= box.height + 12, (name, box.lines[0])
            for words in box.lines:
                wide = texts.width(words[number]) - len(words[number])
                size = 13 * wide + 6.7 * (len(words[number]) - wide)
                assert size <= box.width - 10, (name, words[number])
