# SPDX-License-Identifier: Apache-2.0
"""Lines for people: coloured on a terminal (rich), plain text anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jpki_cli import texts
from jpki_cli.app import App

_STYLES = {
    "valid": "green",
    "yes": "bold green",
    "invalid": "bold red",
    "no": "bold red",
    "cannot_tell": "yellow",
    "not_run": "dim",
    "test": "bold black on yellow",
    "strong": "bold",
    "quiet": "dim",
}

_NARROWEST = 16  # columns: a last cell with less goes below the others
_BELOW = 6  # columns it is then indented by

Part = str | tuple[str, str]
"""Plain words, or words and the name of a style."""


class Screen:
    """Writes lines made of parts. rich is loaded only for a terminal that can show colour."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._console: Any = None
        if app.out.isatty() and not app.env.get("NO_COLOR") and app.env.get("TERM") != "dumb":
            from rich.console import Console

            self._console = Console(file=app.out, highlight=False, markup=False, emoji=False)

    @property
    def unicode(self) -> bool:
        """Whether box drawing and Japanese reach the reader unharmed."""
        return self._app.unicode

    @property
    def draws(self) -> bool:
        """Whether pictures made of half-blocks in greys come out right."""
        return self._console is not None and self._app.unicode

    def line(self, *parts: Part) -> None:
        """One line. Long lines are left to the terminal to fold."""
        if self._console is None:
            plain = "".join(part if isinstance(part, str) else part[0] for part in parts)
            self._app.write(plain.rstrip() + "\n")
            return
        from rich.text import Text

        text = Text()
        for part in parts:
            words, style = (part, "") if isinstance(part, str) else part
            text.append(words, style=_STYLES.get(style, style))
        self._app.progress.clear()
        with self._app.writing(self._app.out):
            self._console.print(text, soft_wrap=True)

    def listed(self, lines: Sequence[str]) -> None:
        """Lines like ``  command      what it does``; if one is too long, that goes below."""
        width = texts.terminal_columns() - 1
        if not self._app.out.isatty() or max(map(texts.width, lines)) <= width:
            for line in lines:
                self.line(line)
            return
        for line in lines:
            indent = len(line) - len(line.lstrip())
            command, _, words = line.strip().partition("  ") if indent else ("", "", line)
            if indent > _BELOW:  # goes on from the line before
                command, words = "", command
            if command:
                self.line(" " * indent + command)
            margin = " " * (_BELOW if indent else 0)
            if words.strip() or not line:
                for folded in texts.wrap(words.strip(), width - len(margin)):
                    self.line(margin + folded)

    def paragraph(self, text: str) -> None:
        """Words folded at the width of the terminal."""
        for line in texts.wrap(text, self.columns):
            self.line(line)

    @property
    def columns(self) -> int:
        """Width of the terminal (columns), 20 to 100."""
        return max(20, min(texts.terminal_columns() - 1, 100))

    def table(self, rows: Iterable[Sequence[Part]], *, indent: int = 2, gap: int = 3) -> None:
        """Rows in aligned columns; on a terminal the last one is folded below itself."""
        cells = [[self._shown(cell) for cell in row] for row in rows]
        count = max((len(row) for row in cells), default=0)
        wide = [
            max((texts.width(_plain(row[i])) for row in cells if i < len(row)), default=0)
            for i in range(count)
        ]
        for row in cells:
            parts: list[Part] = [" " * indent]
            for index, cell in enumerate(row):
                last = index == len(row) - 1
                fill = "" if last else " " * (wide[index] - texts.width(_plain(cell)) + gap)
                parts += [cell] if last else [cell, fill]
            self._row(parts)

    def _flow(self, parts: Sequence[Part], width: int) -> None:
        """Cells and gaps in one line, and from the first cell that does not fit in further."""
        line: list[Part] = []
        taken = 0
        for part in parts:
            plain = _plain(part)
            if plain.strip() and taken + texts.width(plain) > width and taken > _BELOW:
                self.line(*line)
                line, taken = [" " * _BELOW], _BELOW
            *folded, rest = texts.wrap(plain, width - _BELOW) if plain.strip() else [plain]
            style = "" if isinstance(part, str) else part[1]
            for words in folded:
                self.line(*line, (words, style))
                line, taken = [" " * _BELOW], _BELOW
            line.append((rest, style))
            taken += texts.width(rest)
        self.line(*line)

    def _shown(self, part: Part) -> Part:
        """As wide as it comes out: an escaped character takes six columns."""
        shown = self._app.shown(_plain(part))
        return shown if isinstance(part, str) else (shown, part[1])

    def _row(self, parts: Sequence[Part]) -> None:
        """One row: its last cell in as many lines as the terminal wants."""
        *before, last = parts
        taken = sum(texts.width(_plain(part)) for part in before)
        width = texts.terminal_columns() - 1
        if not self._app.out.isatty() or taken + texts.width(_plain(last)) <= width:
            self.line(*parts)
            return
        style = "" if isinstance(last, str) else last[1]
        margin = taken
        if width - taken < _NARROWEST:  # below the others, not beside them
            self._flow(before[:-1], width)  # without the gap
            before, margin = [" " * _BELOW], _BELOW
        for words in texts.wrap(_plain(last), width - margin):
            self.line(*before, (words, style))
            before = [" " * margin]


def _plain(part: Part) -> str:
    return part if isinstance(part, str) else part[0]
