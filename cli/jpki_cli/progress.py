# SPDX-License-Identifier: Apache-2.0
"""What goes on right now, on one line of stderr that leaves no trace; for terminals only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TextIO, TypeVar

from jpki_cli import texts

SILENCE = 0.5
"""Seconds after which a person is told that something goes on."""

_COUNTED = 2.0  # seconds of one step from which they are shown
_T = TypeVar("_T")


class Progress:
    """Called with the code of each step, or told a line; either is shown at once.

    Inside ``with`` it also watches: a program that is silent from its beginning, or since a
    question, says after ``silence`` seconds that it works. Any output ends that until the next
    step. ``err`` None: nothing is ever written.
    """

    def __init__(
        self, err: TextIO | None = None, working: str = "", *, silence: float = SILENCE
    ) -> None:
        self._err = err
        self._working = working  # words for work without a step; threads know no language
        self._silence = silence
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._step = ""
        self._since = time.monotonic()
        self._silent = True
        self._shown = 0

    @property
    def live(self) -> bool:
        """Whether anybody sees it."""
        return self._err is not None

    def __call__(self, step: str) -> None:
        self.line(texts.words(f"cli.step.{step}", step))

    def line(self, line: str) -> None:
        """Show a line in place of the last one."""
        with self._lock:
            self._step, self._since, self._silent = line, time.monotonic(), True
            self._draw()

    def clear(self) -> None:
        """Take the line away, before the result: from here on something else is seen."""
        with self._lock:
            self._silent = False
            self._erase()

    def around(self, ask: Callable[[str], _T]) -> Callable[[str], _T]:
        """``ask`` without the line beside its question; what goes on after it is seen again."""

        def asked(question: str) -> _T:
            self.clear()
            try:
                return ask(question)
            finally:
                with self._lock:
                    self._since, self._silent = time.monotonic(), True

        return asked

    @contextmanager
    def watching(self) -> Iterator[Self]:
        """Watch for silence inside this block, and leave nothing behind."""
        if self._err is None:
            yield self
            return
        watcher = threading.Thread(target=self._watch, name="progress", daemon=True)
        watcher.start()
        try:
            yield self
        finally:
            self._ended.set()
            watcher.join()
            self.clear()

    def _watch(self) -> None:
        while not self._ended.wait(self._silence):
            with self._lock:
                if self._silent and time.monotonic() - self._since >= self._silence:
                    self._draw()

    def _draw(self) -> None:
        if self._err is None:
            return
        took = time.monotonic() - self._since
        line = self._step or self._working
        if took >= _COUNTED:
            line += f"  {took:.0f} s"
        self._erase()
        line = texts.cut(line, texts.terminal_columns() - 1)
        self._put(line)
        self._shown = texts.width(line)

    def _erase(self) -> None:
        if self._shown:
            self._put("\r" + " " * self._shown + "\r")
            self._shown = 0

    def _put(self, text: str) -> None:
        """Nobody waits for this line: a terminal that has gone is no error."""
        if self._err is None:
            return
        try:
            self._err.write(text)
            self._err.flush()
        except OSError:
            self._err = None
