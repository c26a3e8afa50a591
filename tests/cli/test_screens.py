# SPDX-License-Identifier: Apache-2.0
"""What a person sees: on terminals of any width, without colour, and where only ASCII goes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from command_line import Cli, Stream
from jpki_cli import texts
from jpki_cli.app import App
from jpki_cli.screen import Part, Screen

PROGRAM = [sys.executable, "-m", "jpki_cli"]
PLAIN = {k: v for k, v in os.environ.items() if not k.startswith("JPKI_")}
CARD = {**PLAIN, "JPKI_READER": "virtual:hanako", "JPKI_TRUST": "test", "LC_ALL": "C.UTF-8"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(columns: int, *words: str, pin: str = "", **variables: str) -> str:
    """What a terminal of that width gets, with the line of progress taken away."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {k: v for k, v in CARD.items() if k != "COLUMNS"} | {"TERM": "xterm"} | variables
    shown = b""
    with subprocess.Popen(
        [*PROGRAM, *words], stdin=subprocess.PIPE, stdout=slave, stderr=slave, env=env
    ) as process:
        os.close(slave)
        assert process.stdin is not None
        process.stdin.write(pin.encode())
        process.stdin.close()
        while chunk := _rest(master):
            shown += chunk
        assert process.wait(timeout=60) == 0
    os.close(master)
    return "\n".join(line.rsplit("\r", 1)[-1] for line in shown.decode().split("\r\n"))


def _rest(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux says EIO when the other end is closed
        return b""


def piped(*words: str, **variables: str) -> str:
    done = subprocess.run(
        [*PROGRAM, *words], env={**CARD, **variables}, stdin=subprocess.DEVNULL,
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.decode()


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_at_eighty_columns_no_line_is_longer(lang: str) -> None:
    shown = COLOUR.sub("", on_terminal(80, "card", "check", "--lang", lang))
    lines = shown.splitlines()
    assert len(lines) > 15
    assert max(texts.width(line) for line in lines) < 80
    # Nothing is lost by folding, and what goes into a pipe is not folded.
    whole = piped("card", "check", "--lang", lang)
    assert max(texts.width(line) for line in whole.splitlines()) > 80
    time = re.compile(r"[0-9.]+ s\b")
    assert "".join(time.sub("", shown).split()) == "".join(time.sub("", whole).split())


def test_at_forty_columns_the_last_column_goes_below() -> None:
    shown = COLOUR.sub("", on_terminal(40, "card", "check"))
    place = shown.splitlines().index("  not run   login")
    assert shown.splitlines()[place + 1] == "      needs the authentication PIN:"


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colour_nothing_is_said_by_colour_alone(variables: dict[str, str]) -> None:
    coloured = on_terminal(80, "card", "check")
    plain = on_terminal(80, "card", "check", **variables)
    assert COLOUR.search(coloured)
    assert "\x1b" not in plain
    time = re.compile(r"[0-9.]+ s\b")
    assert time.sub("", COLOUR.sub("", coloured)) == time.sub("", plain)


@pytest.mark.parametrize("words", [("pin", "status"), ("card", "check"), ("card", "info"), ()])
def test_where_only_ascii_goes_it_speaks_english(words: tuple[str, ...]) -> None:
    """Japanese would be all escapes there, also when it is asked for."""
    shown = piped(*words, JPKI_LANG="ja", PYTHONIOENCODING="ascii")
    assert shown.isascii()
    assert shown == piped(*words, JPKI_LANG="en", PYTHONIOENCODING="ascii") or "check" in words
    assert "\\u" not in shown


def test_data_that_ascii_has_no_letters_for_is_escaped_and_said(cli: Cli) -> None:
    """Readable by Python and JSON; with what to do about it, once, beside the result."""
    given = ("card", "read", "--reader", "virtual:hanako")
    done = cli(*given, pins=["1234"], encoding="ascii")
    assert "\\u756a\\u53f7" in done.out
    assert done.err.count("LC_ALL") == 1
    for encoding, more in (("ascii", ["--json"]), ("utf-8", []), ("euc_jp", []), ("cp932", [])):
        assert cli(*given, *more, pins=["1234"], encoding=encoding).err == "", encoding
    assert "花子" in cli(*given, pins=["1234"], encoding="euc_jp").raw.decode("euc_jp")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "euc_jp"])
def test_columns_stand_below_each_other_in_any_encoding(encoding: str) -> None:
    out = Stream(encoding)
    screen = Screen(App(out, Stream(), {}))
    rows: list[tuple[Part, ...]] = [("花子", ("é", "strong"), "one"), ("Hanako", "e", "two")]
    screen.table(rows)
    lines = out.bytes().decode(encoding).splitlines()
    places = {
        texts.width(line[: line.index(str(row[-1]))]) for line, row in zip(lines, rows, strict=True)
    }
    assert len(places) == 1


PHOTO = ("card", "read", "photo", "--pin-fd", "0")
HALF_BLOCK = "▀"


@pytest.mark.parametrize(
    ("columns", "wide", "lang"), [(80, 40, "en"), (43, 40, "ja"), (42, 39, "ja"), (15, 12, "en")]
)
def test_the_photo_fits_the_terminal(columns: int, wide: int, lang: str) -> None:
    shown = on_terminal(
        columns, *PHOTO, "--lang", lang, pin="537686677188\n", TERM="xterm-256color"
    )
    rows = [line for line in COLOUR.sub("", shown).splitlines() if HALF_BLOCK in line]
    assert {row.strip() for row in rows} == {HALF_BLOCK * wide}
    assert all(texts.width(row) < columns for row in rows)


@pytest.mark.parametrize(
    ("term", "colours"), [("xterm-256color", "38;5;"), ("xterm", "3[0-7]|9[0-7]")]
)
def test_the_photo_in_what_colours_there_are(term: str, colours: str) -> None:
    shown = on_terminal(80, *PHOTO, pin="537686677188\n", TERM=term, COLORTERM="")
    row = next(line for line in shown.splitlines() if HALF_BLOCK in line)
    assert re.search(rf"\x1b\[({colours})", row)
    assert "38;2;" not in row


@pytest.mark.parametrize(
    ("columns", "variables", "lang"),
    [
        (80, {"NO_COLOR": "1"}, "ja"),
        (80, {"TERM": "dumb"}, "en"),
        (80, {"PYTHONIOENCODING": "ascii"}, "en"),
        (14, {}, "ja"),
    ],
)
def test_where_no_photo_can_be_drawn_it_is_said(
    columns: int, variables: dict[str, str], lang: str
) -> None:
    shown = on_terminal(columns, *PHOTO, "--lang", lang, pin="537686677188\n", **variables)
    assert HALF_BLOCK not in shown
    assert "--out" in shown
    assert "240" in shown


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (40, ()),
        (80, ()),
        (40, ("--help",)),
        (40, ("card", "check", "--help")),
        (40, ("pin", "status")),
    ],
)
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_no_word_is_parted_by_a_narrow_terminal(
    columns: int, words: tuple[str, ...], lang: str
) -> None:
    """Commands to copy stay in one line, whatever its length."""
    shown = COLOUR.sub("", on_terminal(columns, *words, "--lang", lang))
    long = [line for line in shown.splitlines() if texts.width(line) >= columns]
    words_alone = [line for line in long if line.isascii() and " " not in line.strip()]
    to_copy = [line for line in long if line.strip().startswith(("jpki ", "TEST CARD"))]
    assert {*words_alone, *to_copy} == set(long)
    whole = piped(*words, "--lang", lang)
    assert "".join(shown.split()) == "".join(whole.split())
