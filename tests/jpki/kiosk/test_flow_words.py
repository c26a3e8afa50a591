# SPDX-License-Identifier: Apache-2.0
"""What flows and their terminal say: in every way of speaking, with a picture for each flow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jpki import messages
from jpki.card_map import PinKind
from jpki.kiosk import flows as flow_modules
from jpki.kiosk import web
from jpki.open_flows import ACTORS

PINS = (PinKind.AUTH, PinKind.SIGN, PinKind.TEXT, PinKind.BIRTH, PinKind.NUMBER_B)
SAID = r"(?:kiosk|check|reason|document\.kind|value\.kind)\..+"
"""What a terminal and its page for documents say."""


def _own_keys(language: str) -> set[str]:
    """Keys with words in the language itself, not in the Japanese that stands in for easy words."""
    return set(re.findall(rf'^msgid "({SAID})"$', _catalogue(language), re.M))


def _catalogue(language: str) -> str:
    folder = Path(messages.__path__[0]) / "po" / language
    return "".join(file.read_text("utf-8") for file in folder.glob("*.po"))


def test_easy_japanese_is_whole_and_easy() -> None:
    """Whatever a terminal says it says in easy words too, and those are written without kanji."""
    documents = (Path(messages.__path__[0]) / "po" / "ja" / "documents.po").read_text("utf-8")
    said = {key for key in _own_keys("ja") if key.startswith("kiosk.")}
    said |= set(re.findall(r'^msgid "((?:check|reason|value\.kind|document\.kind)\..+)"$',
                           documents, re.M))  # fmt: skip
    assert len(said) > 200
    assert sorted(said - _own_keys(messages.EASY)) == []
    assert re.findall(r'^msgstr ".*[\u4e00-\u9fff].*$', _catalogue(messages.EASY), re.M) == []


@pytest.mark.parametrize("language", messages.SPOKEN)
def test_every_word_a_flow_uses_is_there(language: str) -> None:
    """In the language itself: nobody who reads easy Japanese is left with the other kind."""
    here = Path(flow_modules.__path__[0])
    source = "".join(file.read_text("utf-8") for file in sorted(here.glob("*.py")))
    keys = {f"kiosk.option.{flow}" for flow in ACTORS}
    for pattern, group in (
        (r"Ending\(\s*Close\.\w+,\s*\"(\w+)\"", "ending"), (r"code = \"(\w+)\"", "ending"),
        (r"\), \"(registered)\"", "ending"), (r"Page\(\s*\"(\w+)\"", "page"),
        (r"Line\(\s*\"(\w+)\"", "line"), (r"Question\(\s*\"(\w+)\"", "question"),
        (r"Option\(\s*\"(\w+)\"", "option"), (r"progress\(\s*\"(\w+)\"", "step"),
    ):  # fmt: skip
        found = re.findall(pattern, source)
        assert found, pattern
        keys |= {f"kiosk.{group}.{code}" for code in found}
    keys |= {f"kiosk.pin.{kind.value}" for kind in PINS}
    assert sorted(keys - _own_keys(language)) == []


def test_every_flow_has_a_picture() -> None:
    pictures = Path(web.__path__[0]) / "static" / "pictures"
    options = {*ACTORS, "own_card", "child_card", "with_pin", "here_before"}
    assert [name for name in sorted(options) if not (pictures / f"{name}.svg").is_file()] == []
