# SPDX-License-Identifier: Apache-2.0
"""Which language to speak, the words in it, and how wide they are on a terminal."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

from jpki import messages

_LANGUAGE: ContextVar[str] = ContextVar("jpki_language", default="en")


def language() -> str:
    """``en`` or ``ja``, for the run under way."""
    return _LANGUAGE.get()


def speak(lang: str) -> None:
    """Set the language of the run under way."""
    _LANGUAGE.set(lang)


def t(key: str, /, **values: object) -> str:
    """The words for ``key`` in the language of the run."""
    return messages.text(key, _LANGUAGE.get(), **values)


def known(key: str) -> bool:
    """Whether there are words for ``key``."""
    return messages.has(key, _LANGUAGE.get())


def words(key: str, fallback: str, /, **values: object) -> str:
    """The words for ``key``, or ``fallback`` if there are none (never a crash over a text)."""
    return t(key, **values) if known(key) else fallback


def choose(option: str | None, env: Mapping[str, str], *, unicode: bool = True) -> str:
    """``--lang``, else JPKI_LANG, else the locale; Japanese if it says so, else English.

    English where nothing but ASCII can be shown: Japanese would be all escapes.
    """
    if not unicode:
        return "en"
    if option in messages.LANGUAGES:
        return option
    for name in ("JPKI_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := env.get(name):
            return "ja" if value.lower().startswith("ja") else "en"
    if sys.platform == "win32":  # Windows sets none of these variables
        import locale

        return "ja" if (locale.getlocale()[0] or "").lower().startswith("ja") else "en"
    return "en"


def terminal_columns() -> int:
    """Width of the terminal (columns); 80 where there is none."""
    import shutil

    return shutil.get_terminal_size((80, 24)).columns


def width(text: str) -> int:
    """Columns ``text`` takes on a terminal. Ambiguous characters count one."""
    return sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def pad(text: str, columns: int) -> str:
    """``text`` filled with spaces to ``columns``."""
    return text + " " * max(0, columns - width(text))


_NEVER_FIRST = "、。」）"


def cut(text: str, columns: int) -> str:
    """As much of ``text`` as fits into one line of ``columns``."""
    taken = 0
    for place, char in enumerate(text):
        taken += _columns(char)
        if taken > columns:
            return text[:place]
    return text


def wrap(text: str, columns: int) -> list[str]:
    """Lines of at most ``columns``; words stay whole, wide characters may part anywhere."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line: list[str] = []
        for piece in _pieces(paragraph):
            if line and width("".join(line)) + width(piece.rstrip()) > columns:
                # What no line begins with takes the character before it along.
                along = [line.pop()] if piece[0] in _NEVER_FIRST and len(line) > 1 else []
                lines.append("".join(line).rstrip())
                line = along
            line.append(piece if line or not lines else piece.lstrip())
        lines.append("".join(line).rstrip())
    return lines


def _pieces(text: str) -> Iterator[str]:
    """Parts a line may be broken after: a word with its space, or one wide character."""
    word = ""
    for char in text:
        wide = _columns(char) == 2
        if wide and word:
            yield word
            word = ""
        word += char
        if wide or char == " ":
            yield word
            word = ""
    if word:
        yield word
