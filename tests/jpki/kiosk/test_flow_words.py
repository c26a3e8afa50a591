# SPDX-License-Identifier: Apache-2.0
"""What flows and their terminal say: in every way of speaking, with a picture for each flow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jpki import messages
from jpki.card_map import PinKind
from jpki.kiosk import endings, web
from jpki.kiosk import flows as flow_modules
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


# What to do next, in the words of each language.
NEXT = {
    "ja": "ください|お試し|できます|行えます|必要ありません",
    messages.EASY: "ください|なおせます|できます|しなくて いいです",
    "en": r"(?:^|[.;,] )(?:please |and |or |if .+, )?(?:ask|begin|check|hand in|leave|put|register|"
    r"renew|show|take|try|wait)\b|can set|has to be done",
}
TAKE = {"ja": "カードをお取り", messages.EASY: "カードを とって", "en": r"Take the|your card"}
STUCK = ("timed_out", "reader_lost", "out_of_order", "card_left")
"""States in which nothing goes on by itself."""
CUT_OFF = {"swapped", "second_card", "worker_lost"}
"""How presentations end that the terminal ends."""
ANSWERS = {"under_age", "face_differs"}
"""Endings that are the whole answer: nothing can be done about it."""


def _endings(close: str) -> set[str]:
    """Codes of the endings that flows make with this close."""
    here = Path(flow_modules.__path__[0])
    source = "".join(file.read_text("utf-8") for file in sorted(here.glob("*.py")))
    return set(re.findall(rf"Close\.{close},\s*\"(\w+)\"", source))


@pytest.mark.parametrize("language", messages.SPOKEN)
def test_every_ending_says_what_to_do_next(language: str) -> None:
    """Nobody is left standing there; who was served is told to take the card."""
    values = {"attempts_left": 2, "rule": "R5", "article": "12条", "years": 20}
    not_done = endings.CODES | CUT_OFF | _endings("FAILED") | _endings("REFUSED")
    said = {
        code: messages.text(f"kiosk.ending.{code}", language, **values)
        for code in not_done - ANSWERS
    }
    said |= {state: messages.text(f"kiosk.state_note.{state}", language) for state in STUCK}
    silent = [code for code, words in said.items() if not re.search(NEXT[language], words, re.I)]
    assert silent == []
    served = {f"kiosk.ending.{code}" for code in _endings("DONE") | {"registered"}}
    served |= {
        key for key in _own_keys("en") if re.match(r"kiosk\.ending\.(?:shelter|watch)_", key)
    }
    assert len(served) > 15
    said = {key: messages.text(key, language, **values) for key in served}
    assert [key for key, words in said.items() if not re.search(TAKE[language], words)] == []
