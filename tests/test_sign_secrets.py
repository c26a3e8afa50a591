# SPDX-License-Identifier: Apache-2.0
"""Signing and verifying tell nothing of a person but where they say so, and no PIN anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from secret_card import CARD, PINS, WRONG
from secret_runs import Run, hits, marks_of, run, run_one

TRUST = "--trust test"


@pytest.fixture(scope="module")
def card_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("card") / "secrets.toml"
    path.write_text(CARD, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def marks(card_file: Path) -> dict[str, list[str]]:
    return marks_of(card_file)


SIGNED = [
    run("sign DOC --as cms --out OUT", PINS["sign"], shows="person"),
    run("sign DOC --as cms --out OUT --json --debug", PINS["sign"]),
    run("sign DOC --as raw --key auth --out OUT", PINS["auth"]),
    run("sign DOC --as cms --out OUT --debug", WRONG["text"] + "AA", exit=4),
    run("sign DOC --as cms --tsa http://127.0.0.1:1/ --require-timestamp --debug --out OUT",
        PINS["sign"], shows="person", exit=1),
]  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("one", SIGNED, ids=lambda one: one.command)
def test_signing(
    one: Run, lang: str, card_file: Path, marks: dict[str, list[str]], tmp_path: Path
) -> None:
    """The signed file holds the certificate, which is what it is for; nothing else does."""
    document = tmp_path / "document"
    document.write_text("a document\n")
    words = one.command.replace("DOC", str(document)).replace("OUT", str(tmp_path / "signed"))
    made = Run(words, one.lines, one.shows, one.exit)
    code, out, err, log = run_one(made, card_file, tmp_path, lang)
    assert code == one.exit, err
    for text, shows in ((out, one.shows), (err, frozenset[str]()), (log, frozenset[str]())):
        assert hits(text, marks, shows) == []
    for shown in one.shows:
        assert any(form in out for form in marks[shown]), f"{shown} should be shown"
    left = {path.name for path in tmp_path.iterdir() if path.name not in ("log", "document")}
    assert left == (set() if one.exit else {"signed"})


def test_cosigning(card_file: Path, marks: dict[str, list[str]], tmp_path: Path) -> None:
    document = tmp_path / "document"
    document.write_text("a document\n")
    first = run(f"sign {document} --as cms --detached", PINS["sign"])
    assert run_one(first, card_file, tmp_path, "en")[0] == 0
    there = f"sign {document}.p7s --as cms --cosign --content {document} --force"
    for one in (
        run(f"{there} --debug", PINS["sign"], shows="person"),
        run(f"{there} --json --debug", PINS["sign"]),
        run(f"{there} --debug", WRONG["text"] + "AA", exit=4),
        run(f"sign {document}.p7s --as cms --cosign --force --debug", PINS["sign"], exit=1),
    ):
        code, out, err, log = run_one(one, card_file, tmp_path, "en")
        assert code == one.exit, err
        for text, shows in ((out, one.shows), (err, frozenset[str]()), (log, frozenset[str]())):
            assert hits(text, marks, shows) == [], one.command


def test_verifying(card_file: Path, marks: dict[str, list[str]], tmp_path: Path) -> None:
    """A verdict shows the holder to people; as JSON and in the log it names nobody."""
    document, signed = tmp_path / "document", tmp_path / "signed"
    document.write_text("a document\n")
    made = run(f"sign {document} --as cms --out {signed}", PINS["sign"])
    assert run_one(made, card_file, tmp_path, "en")[0] == 0
    for words, shows in (("", "person"), ("--json", ""), ("--json --debug", "")):
        code, out, err, log = run_one(
            run(f"verify {signed} {TRUST} {words}", shows=shows), card_file, tmp_path, "en"
        )
        assert code == 0, err
        assert hits(out, marks, frozenset(shows.split())) == []
        assert hits(err, marks, frozenset()) == hits(log, marks, frozenset()) == []
