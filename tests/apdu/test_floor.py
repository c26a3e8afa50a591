# SPDX-License-Identifier: Apache-2.0
"""Commands, status words, errors, and that each of their codes has words."""

from __future__ import annotations

import ast
import inspect
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import jpki_apdu
from jpki import messages
from jpki_apdu import errors
from jpki_apdu.command import CommandApdu
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import Coded, StatusWordError, status_error
from jpki_apdu.status import OK, StatusWord

CASES: list[tuple[CommandApdu, str, int]] = [
    (CommandApdu(0, 0x20, 0, 0x80), "00200080", 1),
    (CommandApdu(0, 0xB0, 0x8A, 0, le=256), "00b08a0000", 2),
    (CommandApdu(0, 0xB0, 0, 0, le=255), "00b00000ff", 2),
    (CommandApdu(0, 0xB0, 1, 0, le=1330), "00b00100000532", 2),
    (CommandApdu(0, 0xCA, 0x7F, 0x21, le=65536), "00ca7f21000000", 2),
    (CommandApdu(0, 0xB0, 0, 0, le=4, extended=True), "00b00000000004", 2),
    (CommandApdu(0, 0xA4, 2, 0x0C, b"\0\x06"), "00a4020c020006", 3),
    (CommandApdu(0x80, 0xA2, 0, 0xC1, bytes(300)), "80a200c100012c" + "00" * 300, 3),
    (CommandApdu(0x80, 0x2A, 0, 0x80, b"hi", 256), "802a008002686900", 4),
    (CommandApdu(0x80, 0x2A, 0, 0x80, b"hi", 512), "802a008000000268690200", 4),
    (CommandApdu(0, 0x84, 0, 0, extended=True), "00840000", 1),
]


@pytest.mark.parametrize(("command", "raw", "case"), CASES)
def test_commands_as_sent(command: CommandApdu, raw: str, case: int) -> None:
    assert command.to_bytes().hex() == raw
    assert command.case == case
    again = CommandApdu.from_bytes(bytes.fromhex(raw))
    assert again.to_bytes().hex() == raw
    assert (again.data, again.le) == (command.data, command.le)


@given(
    st.binary(min_size=4, max_size=4),
    st.binary(max_size=300),
    st.one_of(st.none(), st.integers(1, 65536)),
    st.booleans(),
)
def test_commands_there_and_back(head: bytes, data: bytes, le: int | None, extended: bool) -> None:
    command = CommandApdu(head[0], head[1], head[2], head[3], data, le, extended)
    again = CommandApdu.from_bytes(command.to_bytes())
    assert (again.header, again.data, again.le) == (head, data, le)


@pytest.mark.parametrize(
    "raw",
    ["", "00", "002000", "00200080" + "0312", "00200080" + "0212345678", "00200080" + "0000",
     "00200080" + "00000212", "00200080" + "000000" + "12", "00200080" + "00000112" + "00"],
)  # fmt: skip
def test_commands_of_impossible_length(raw: str) -> None:
    with pytest.raises(ValueError, match=r"Lc|bytes"):
        CommandApdu.from_bytes(bytes.fromhex(raw))


@pytest.mark.parametrize(
    "fields", [{"cla": 256}, {"ins": -1}, {"le": 0}, {"le": 65537}, {"data": bytes(65536)}]
)
def test_commands_that_cannot_be(fields: dict[str, Any]) -> None:
    whole: dict[str, Any] = {"cla": 0, "ins": 0, "p1": 0, "p2": 0, **fields}
    with pytest.raises(ValueError):
        CommandApdu(**whole)


def test_the_data_of_a_command_is_not_shown() -> None:
    assert "4711" not in repr(CommandApdu(0, 0x20, 0, 0x80, b"4711"))


@pytest.mark.parametrize(
    ("word", "left"),
    [(0x63C0, 0), (0x63C3, 3), (0x63CF, 15), (0x6983, 0), (0x6984, None), (0x6300, None),
     (0x9000, None), (0x6310, None), (0x62C3, None)],
)  # fmt: skip
def test_tries_left(word: int, left: int | None) -> None:
    assert StatusWord(word).attempts_left == left


def test_status_words() -> None:
    word = StatusWord.from_bytes(b"\x63\xc2")
    assert (word, word.sw1, word.sw2) == (0x63C2, 0x63, 0xC2)
    assert (str(word), f"{word}", f"{word:04x}") == ("63C2", "63C2", "63c2")
    assert repr(word) == "StatusWord(0x63C2)"
    assert OK.is_ok
    assert not word.is_ok
    for wrong in (b"", b"\x90", b"\x90\x00\x00"):
        with pytest.raises(ValueError, match="two bytes"):
            StatusWord.from_bytes(wrong)
    for number in (-1, 0x10000):
        with pytest.raises(ValueError, match="16 bits"):
            StatusWord(number)


@pytest.mark.parametrize(
    ("word", "code"),
    [(0x6A82, "file_not_found"), (0x6982, "security_status"), (0x6700, "status_word")],
)
def test_refusals_are_typed(word: int, code: str) -> None:
    error = status_error(StatusWord(word), 0xA4)
    assert (error.code, error.sw, error.ins) == (code, word, 0xA4)
    assert str(error) == f"{code} (sw={word:04X}, ins=A4)"


def test_an_error_without_values_is_its_code() -> None:
    assert str(errors.CardRemovedError()) == "card_removed"
    assert str(errors.NoServiceError("access_denied")) == "access_denied"


@pytest.mark.parametrize(("short", "extended"), [(0, 0), (257, 0), (256, -1), (256, 65537)])
def test_limits_that_cannot_be(short: int, extended: int) -> None:
    with pytest.raises(ValueError, match="short"):
        ReplyLimits(short, extended)


# Words.


def _raised() -> set[tuple[str, frozenset[str]]]:
    """Each ``raise SomeError("code", name=…)`` of the package: its code and its values."""
    found = set()
    for path in Path(inspect.getfile(jpki_apdu)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            kind = getattr(errors, node.func.id, None)
            if not (inspect.isclass(kind) and issubclass(kind, Coded)):
                continue
            if issubclass(kind, StatusWordError):
                found.add((kind.default_code, frozenset(("sw", "ins"))))
                continue
            first = node.args[0] if node.args else None
            code = first.value if isinstance(first, ast.Constant) else kind.default_code
            found.add((str(code), frozenset(word.arg or "" for word in node.keywords)))
    return found


def _codes() -> set[str]:
    own = {
        kind.default_code
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, Coded)
    }
    return own | {code for code, _ in _raised()}


@pytest.mark.parametrize("lang", messages.LANGUAGES)
def test_every_code_has_words(lang: str) -> None:
    assert len(_codes()) > 30
    assert [code for code in sorted(_codes()) if not messages.has(f"error.{code}", lang)] == []


@pytest.mark.parametrize("lang", messages.LANGUAGES)
def test_the_words_ask_for_no_value_that_is_not_given(lang: str) -> None:
    wrong = []
    for code, given_values in _raised():
        template = messages._lookup(f"error.{code}", lang, None) or ""
        asked = {name for _, name, _, _ in string.Formatter().parse(template) if name}
        if asked - given_values:
            wrong.append((code, sorted(asked - given_values)))
    assert wrong == []


def _reasons() -> set[str]:
    """Every ``reason="…"`` of the package, and what a lost card is called."""
    found = {"card_reset", "card_removed", "reader_busy", "transport_timeout", "no_service"}
    for path in Path(inspect.getfile(jpki_apdu)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "reason":
                value = node.value
                if isinstance(value, ast.Constant):
                    found.add(str(value.value))
    return found


@pytest.mark.parametrize("lang", messages.LANGUAGES)
def test_every_reason_has_words(lang: str) -> None:
    assert len(_reasons()) > 10
    missing = [r for r in sorted(_reasons()) if not messages.has(f"value.reason.{r}", lang)]
    assert missing == []
