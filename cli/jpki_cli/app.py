# SPDX-License-Identifier: Apache-2.0
"""What the command line touches of the world, in one place, so that tests can replace it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

from jpki_cli.progress import Progress

if TYPE_CHECKING:
    from datetime import datetime


def _now() -> datetime:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _open_card(*args: Any, **kwargs: Any) -> Any:
    from jpki.open import open_card

    return open_card(*args, **kwargs)


def _ask_pin(question: str) -> bytearray:
    from jpki_cli.prompts import ask_terminal

    return ask_terminal(question)


def _ask_yes(question: str) -> bool:
    from jpki_cli.prompts import ask_yes

    return ask_yes(question)


def _host(env: Mapping[str, str], encoding: str, language: str) -> Any:
    from jpki.doctor import RealHost

    return RealHost(env, encoding, language)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


@dataclass(frozen=True, slots=True)
class App:
    """The world: card, PIN, clock, streams, environment.

    ``open_card``: as ``jpki.open.open_card``. ``ask_pin``: a question to a person, answered
    in a buffer that the caller wipes. ``ask_yes``: one that is answered yes or no.
    ``has_terminal``: whether anybody is there to ask.
    ``host``: the machine that ``jpki doctor`` looks at. ``progress``: what goes on; it makes
    room for everything that is written here. ``escaped``: not empty once something was
    escaped because stdout has no characters for it.
    """

    out: TextIO
    err: TextIO
    env: Mapping[str, str]
    open_card: Callable[..., Any] = _open_card
    ask_pin: Callable[[str], bytearray] = _ask_pin
    ask_yes: Callable[[str], bool] = _ask_yes
    has_terminal: Callable[[], bool] = _terminal
    clock: Callable[[], datetime] = _now
    host: Callable[[Mapping[str, str], str, str], Any] = _host
    progress: Progress = field(default_factory=Progress)
    escaped: set[str] = field(default_factory=set)

    @classmethod
    def real(cls) -> App:
        """The process's own streams; characters the terminal cannot show are escaped.

        What goes to a stream that was closed (``>&-``) goes nowhere.
        """
        out, err = (stream or _nowhere() for stream in (sys.stdout, sys.stderr))
        for stream in (out, err):
            with contextlib.suppress(AttributeError, ValueError):
                cast(Any, stream).reconfigure(errors="backslashreplace")
        return cls(out, err, os.environ)

    @property
    def unicode(self) -> bool:
        """Whether stdout carries more than ASCII."""
        return "utf" in (getattr(self.out, "encoding", None) or "").lower()

    def shown(self, text: str) -> str:
        """``text`` as it comes out of stdout: what that has no characters for is escaped."""
        if text.isascii():
            return text
        encoding = getattr(self.out, "encoding", None) or "utf-8"
        shown = text.encode(encoding, "backslashreplace").decode(encoding)
        if shown != text:
            self.escaped.add(encoding)
        return shown

    def write(self, text: str) -> None:
        """To stdout. A reader that has gone (``| head``) is no error."""
        self._put(self.out, self.shown(text))

    def say(self, text: str) -> None:
        """A line to stderr: all that is not the result."""
        self._put(self.err, text + "\n")

    def write_bytes(self, data: bytes) -> None:
        """Bytes to stdout."""
        binary: BinaryIO | None = getattr(self.out, "buffer", None)
        if binary is None:
            raise OSError("stdout takes no bytes")
        self.progress.clear()
        with self.writing(self.out):
            self.out.flush()
            binary.write(data)
            binary.flush()

    def _put(self, stream: TextIO, text: str) -> None:
        self.progress.clear()
        with self.writing(stream):
            stream.write(text)
            stream.flush()

    @contextlib.contextmanager
    def writing(self, stream: TextIO) -> Iterator[None]:
        """Around what writes to ``stream``. One that nobody reads any more takes nothing more.

        Raises JpkiError ``output_stream`` if a result cannot be written (a full disk).
        """
        try:
            yield
        except BrokenPipeError:
            self._silence(stream)
        except OSError as exc:
            self._silence(stream)
            if stream is self.out:
                from jpki.errors import JpkiError

                raise JpkiError("output_stream", reason=exc.strerror or "-") from exc

    @staticmethod
    def _silence(stream: TextIO) -> None:
        """Nobody listens: what is still written goes nowhere, and nothing complains at exit."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
