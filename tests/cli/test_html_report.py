# SPDX-License-Identifier: Apache-2.0
"""``card check --report``: one page that stands on its own, redacted unless asked."""

from __future__ import annotations

import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest

from command_line import Cli

WITH = ("--trust", "test", "--with", "text,auth,number-b")
PINS = ["1234", "1234", "55021720352285"]
PERSONAL = ("花子", "1980", "昭和", "中里")


class _Page(HTMLParser):
    """Every element and its attributes; complains about what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _page(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text("utf-8"))
    assert page.open == []
    return page


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_redacted_unless_asked(cli: Cli, tmp_path: Path, lang: str) -> None:
    out = tmp_path / "r.html"
    done = cli(
        "card", "check", *WITH, "--report", str(out), "--lang", lang,
        "--reader", "virtual:hanako", pins=PINS,
    )  # fmt: skip
    assert done.code == 0
    page = _page(out)
    assert not any(word in page.text for word in PERSONAL)
    assert "img" not in {tag for tag, _ in page.seen}
    assert "TEST" in page.text
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = [attrs for tag, attrs in page.seen if (attrs.get("class") or "").startswith("outcome")]
    assert len(rows) >= 8


def test_with_the_person_and_the_images(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    done = cli(
        "card", "check", *WITH, "--report", str(out), "--reveal", "person",
        "--reader", "virtual:hanako", pins=PINS,
    )  # fmt: skip
    assert done.code == 0
    page = _page(out)
    assert all(word in page.text for word in ("花子", "1980-02-17"))
    images = [attrs for tag, attrs in page.seen if tag == "img"]
    assert len(images) == 3
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in images)
    assert all(image["alt"] for image in images)


def test_the_page_stands_on_its_own(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    cli("card", "check", "--trust", "test", "--report", str(out), "--reader", "virtual:hanako")
    page = _page(out)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.seen}
    assert not [a for _, a in page.seen if {"href", "onload"} & set(a)]
    text = out.read_text("utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"https?://", text)


def test_the_number_is_masked_unless_revealed(cli: Cli, tmp_path: Path) -> None:
    for reveal, shown in (("person", False), ("person,number", True)):
        out = tmp_path / f"{reveal}.html"
        done = cli(
            "card", "check", "--trust", "test", "--with", "text", "--number", "--reveal", reveal,
            "--report", str(out), "--reader", "virtual:hanako", pins=["1234"],
        )  # fmt: skip
        assert done.code == 0
        assert ("537686677188" in out.read_text("utf-8")) is shown


def test_what_is_refused_before_the_card(cli: Cli, tmp_path: Path) -> None:
    there = tmp_path / "there.html"
    there.write_text("kept")
    words = ("card", "check", "--trust", "test", "--reader", "virtual:hanako")
    assert cli(*words, "--reveal", "person").code == 2
    assert cli(*words, "--report", str(there)).code == 2
    assert there.read_text() == "kept"
    assert cli(*words, "--report", str(there), "--force").code == 0


def test_a_forged_card_says_so(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    done = cli(
        "card", "check", "--trust", "test", "--with", "text", "--report", str(out),
        "--reader", "virtual:forged", pins=["1234"],
    )  # fmt: skip
    assert done.code == 1
    assert any((attrs.get("class") or "") == "outcome invalid" for _, attrs in _page(out).seen)
