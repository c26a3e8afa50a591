# SPDX-License-Identifier: Apache-2.0
"""Every snippet of the README files and of ``docs/`` is run, and prints what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import doc_pages

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parent.parent
GUIDES = sorted((ROOT / "docs").glob("*/*.md"))
PAGES = [ROOT / "README.md", ROOT / "README.ja.md", *GUIDES]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_snippets_do_what_the_page_says(page: Path, tmp_path: Path) -> None:
    assert doc_pages.run_page(page, tmp_path) > 0


def test_each_guide_exists_in_both_languages() -> None:
    names = {lang: {p.name for p in (ROOT / "docs" / lang).glob("*.md")} for lang in ("en", "ja")}
    assert names["en"] == names["ja"]
    assert len(names["en"]) >= 11


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "docs" / "en").glob("*.md")))
def test_both_languages_show_the_same_commands(name: str) -> None:
    """A guide and its translation differ in words and output, not in what is typed."""

    def typed(page: Path) -> list[str]:
        found = [s for s in doc_pages.snippets(page) if s.language == "console"]
        return [
            re.sub(r"\s*--lang \w+", "", c.text) for s in found for c in doc_pages.commands(s)
            if not c.text.startswith("export JPKI_LANG")
        ]  # fmt: skip

    assert typed(ROOT / "docs" / "en" / name) == typed(ROOT / "docs" / "ja" / name)


@pytest.mark.parametrize(
    "page", [*PAGES, *sorted(ROOT.glob("*.md"))], ids=lambda page: str(page.relative_to(ROOT))
)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [t for t in targets if not (page.parent / t).exists()] == []


@pytest.mark.parametrize("name", ["README.md", "README.ja.md"])
def test_readme_opens_with_the_two_commands(name: str) -> None:
    first = doc_pages.snippets(ROOT / name)[0]
    assert "make demo" in first.text
    assert "make test" in first.text
    assert first.line < 15


# The runner itself: a page that does not tell the truth must fail.


def _page(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return page


@pytest.mark.parametrize(
    "text",
    [
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ false\n```\n",
        "```console\n$ false\n$ echo $?\n0\n```\n",
        "```console\n$ echo one; echo two\none\n```\n",
        "```python\nassert 1 == 2\n```\n",
    ],
    ids=["other output", "failure", "other status", "more output", "python"],
)
def test_a_false_page_fails(text: str, tmp_path: Path) -> None:
    with pytest.raises(doc_pages.SnippetError):
        doc_pages.run_page(_page(tmp_path, text), tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "```console\n$ echo one\none\n```\n",
        "```console\n$ false\n$ echo $?\n1\n```\n",
        "```console\n$ echo one; echo two; echo three\none\n…\n```\n",
        "```console\n$ export A=5\n$ echo \"it's $A\"\nit's 5\n```\n",
        "```console\n$ cat <<'END'\n> a\n> b\n> END\na\nb\n```\n",
        "```python\nassert 1 == 1\n```\n",
        "```python kept.py\nanswer = 42\n```\n```console\n$ cat kept.py\nanswer = 42\n```\n",
    ],
    ids=["output", "status", "wildcard", "variables", "continued", "python", "file"],
)
def test_a_true_page_passes(text: str, tmp_path: Path) -> None:
    assert doc_pages.run_page(_page(tmp_path, text), tmp_path) == 1
