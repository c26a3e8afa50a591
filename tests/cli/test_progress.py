# SPDX-License-Identifier: Apache-2.0
"""Whoever sits at a terminal is told what goes on after half a second, whatever the command."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from command_line import Cli, Stream
from jpki.testing.cards import PluggedCard
from jpki_cli import root, texts
from jpki_cli.app import App
from jpki_cli.progress import SILENCE, Progress

SOON, LONG = 0.001, 60.0  # seconds
CLEARED = re.compile(r"\r *\r")


class Terminal(Stream):
    """A terminal that tells when something was written to it."""

    def __init__(self) -> None:
        super().__init__(terminal=True)
        self.written = threading.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        if text.strip():
            self.written.set()
        return count

    @property
    def text(self) -> str:
        return self.bytes().decode()


def test_half_a_second() -> None:
    assert SILENCE == 0.5


def test_silence_is_broken_once_it_lasts() -> None:
    terminal = Terminal()
    with Progress(terminal, "Working", silence=SOON).watching():
        assert terminal.written.wait(LONG)
    assert terminal.text.startswith("Working")
    assert CLEARED.sub("|", terminal.text).endswith("|")


def test_output_ends_it_until_the_next_step_or_question() -> None:
    terminal = Terminal()
    progress = Progress(terminal, "Working", silence=LONG)
    with progress.watching():
        progress.line("one")
        progress.clear()
        assert progress.around(lambda question: question)("PIN?") == "PIN?"
        progress.line("two")
    assert CLEARED.sub("|", terminal.text) == "one|two|"


def test_a_question_stands_alone() -> None:
    """Nothing is drawn beside it, however long the answer takes."""
    terminal = Terminal()
    progress = Progress(terminal, "Working", silence=SOON)
    asked = threading.Event()

    def ask(question: str) -> None:
        terminal.written.clear()
        asked.wait(SOON * 50)
        assert not terminal.written.is_set()

    with progress.watching():
        assert terminal.written.wait(LONG)
        progress.around(ask)("PIN?")
        assert terminal.written.wait(LONG)  # and the work after it is seen again


def test_a_terminal_that_went_away_ends_nothing() -> None:
    class Gone(Terminal):
        def write(self, text: str) -> int:
            self.written.set()
            raise OSError

    terminal = Gone()
    progress = Progress(terminal, "Working", silence=SOON)
    with progress.watching():
        assert terminal.written.wait(LONG)
    assert not progress.live


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_every_command_is_watched(lang: str) -> None:
    """A command that says nothing itself; the machine it looks at is slow."""
    terminal, out = Terminal(), Stream(terminal=True)

    def host(*_: object) -> object:
        assert terminal.written.wait(LONG)
        raise KeyboardInterrupt

    app = App(out, terminal, {"LC_ALL": "C.UTF-8"}, host=host)
    assert root.run(["doctor", "--lang", lang], app) == 130
    texts.speak(lang)
    assert terminal.text.startswith(texts.t("cli.step.working"))


@pytest.mark.parametrize(
    ("words", "pins", "told"),
    [
        (["card", "info"], None, "read"),
        (["card", "read", "certificates"], None, "read"),
        (["cert", "show", "auth"], None, "read"),
        (["pin", "status"], None, "read"),
        (["card", "read"], ["1234"], "card"),
        (["pin", "check", "text"], ["1234"], "card"),
    ],
)
def test_what_a_card_does_is_told_at_once_and_leaves_no_trace(
    cli: Cli, hanako: PluggedCard, words: list[str], pins: list[str] | None, told: str
) -> None:
    given = [*words, "--reader", hanako.uri]
    plain = {"NO_COLOR": "1"}
    texts.speak("en")
    done = cli(*given, pins=pins, terminal=True, env=plain)
    assert done.code == 0
    assert texts.t(f"cli.step.{told}") in done.err
    assert CLEARED.sub("", done.err.rpartition("...")[2]) == ""
    for dumb in ({"TERM": "dumb"}, plain):
        quiet = cli(*given, *(["--json"] if dumb is plain else []), pins=pins, terminal=True,
                    env=dumb)  # fmt: skip
        assert (quiet.code, quiet.err) == (0, "")
    assert cli(*given, pins=pins).err == ""


def test_signing_is_told(cli: Cli, hanako: PluggedCard, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("a")
    given = ["sign", str(file), "--as", "cms", "--yes", "--reader", hanako.uri, "--lang", "en"]
    err = cli(*given, pins=["ABC123"], terminal=True, env={"NO_COLOR": "1"}).err
    steps = [texts.t(f"cli.step.{step}") for step in ("read", "file", "card", "signing")]
    places = [err.index(step) for step in steps]
    assert places == sorted(places)
    assert "ABC123" not in err
