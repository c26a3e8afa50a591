# SPDX-License-Identifier: Apache-2.0
"""What is being read right now, on one line of stderr that leaves no trace."""

from __future__ import annotations

from jpki_cli import texts
from jpki_cli.session import Session


class Progress:
    """Called with the code of each step, or told a line. Writes nothing unless stderr is a
    terminal."""

    def __init__(self, session: Session) -> None:
        self._err = session.app.err
        self._live = self._err.isatty() and not session.json
        self._shown = 0

    def __call__(self, step: str) -> None:
        self.line(texts.words(f"cli.step.{step}", step))

    def line(self, line: str) -> None:
        """Show a line in place of the last one."""
        if not self._live:
            return
        self.clear()
        line = texts.cut(line, texts.terminal_columns() - 1)
        self._err.write(line)
        self._err.flush()
        self._shown = texts.width(line)

    def clear(self) -> None:
        """Take the line away, before a question or the result."""
        if self._shown:
            self._err.write("\r" + " " * self._shown + "\r")
            self._err.flush()
            self._shown = 0
