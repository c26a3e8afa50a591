# SPDX-License-Identifier: Apache-2.0
"""Replays: a conversation with an emulated card, byte by byte, and a connection that repeats it.

::

    # jpki-replay/1
    # origin: synthetic
    = open limits=256/65536 atr=3B8880… reader=virtual:hanako
    > 00A4040C 0A D392F000260100000001
    < 9000
    = end

``>`` a command, ``<`` its answer (data, status word) or ``!`` the error instead of one,
``=`` events as in a trace. Blanks between bytes, blank lines and ``#`` lines do not count.

Only synthetic recordings are taken. The header is a claim that a hand can write, so whoever
knows how real data look (``jpki.open``) searches the bytes besides.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jpki_apdu import errors
from jpki_apdu.command import CommandApdu
from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.errors import CardError, CardRemovedError, TranscriptError
from jpki_apdu.status import StatusWord
from jpki_apdu.transcript import END, REPLAY, Event, Failure, Text, malformed, parse_text, read_text

SYNTHETIC = "synthetic"

_OPEN = re.compile(r"limits=([0-9]{1,3})/([0-9]{1,5}) atr=((?:[0-9A-F]{2}){0,33}) reader=(.+)")
_EVENTS = frozenset(("exclusive", "shared", "power-off", "reset", "close", END))
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ \t]*)+")

# What a connection may raise, by the code that a recording has for it.
_ERRORS: dict[str, type[CardError]] = {
    found.default_code: found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, CardError)
    if not issubclass(found, errors.StatusWordError | TranscriptError)
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A command, all of it."""

    apdu: bytes = field(repr=False)

    def __str__(self) -> str:
        text = self.apdu.hex().upper()
        try:
            command = CommandApdu.from_bytes(self.apdu)
        except ValueError:
            return f"> {text}"
        extended = len(self.apdu) > 6 and not self.apdu[4]
        lc = ((6 if extended else 2) if command.data else 0) + 8
        data = lc + 2 * len(command.data)
        return " ".join(filter(None, (">", text[:8], text[8:lc], text[lc:data], text[data:])))


@dataclass(frozen=True, slots=True)
class Answer:
    """A card's answer, all of it."""

    data: bytes = field(repr=False)
    sw: StatusWord

    def __str__(self) -> str:
        return " ".join(filter(None, ("<", self.data.hex().upper(), str(self.sw))))


Step = Sent | Answer | Failure | Event


@dataclass(frozen=True, slots=True)
class Replay:
    """A recording as read. ``steps`` with the number of their line (from 1)."""

    path: str
    headers: dict[str, str]
    reader: str
    atr: bytes
    limits: ReplyLimits
    steps: tuple[tuple[int, Step], ...] = field(repr=False)

    def replies(self) -> bytes:
        """All data that the card answered, joined in their order."""
        return b"".join(step.data for _, step in self.steps if isinstance(step, Answer))

    def commands(self) -> list[bytes]:
        """All data of commands, apart: what was presented or written to the card."""
        return [step.apdu for _, step in self.steps if isinstance(step, Sent)]


def read_replay(path: Path | str) -> Replay:
    """Read a recording. Raises TranscriptError.

    ``transcript_file``, ``transcript_kind`` (a trace holds no data to replay),
    ``replay_origin`` (not synthetic), ``transcript_malformed`` (``line``, ``reason``).
    """
    return _replay(read_text(path, REPLAY), path)


def parse_replay(raw: bytes) -> Replay:
    """A recording from its bytes. Raises TranscriptError."""
    return _replay(parse_text(raw, REPLAY), "-")


def _replay(text: Text, path: Path | str) -> Replay:
    if text.headers.get("origin") != SYNTHETIC:
        raise TranscriptError("replay_origin", path=str(path))
    number, line = text.lines[0] if text.lines else (1, "")
    opening = _OPEN.fullmatch(line.removeprefix("= open "))
    if not line.startswith("= open ") or not opening:
        raise malformed(path, number, "line" if text.lines and text.ended else "truncated")
    try:
        limits = ReplyLimits(int(opening[1]), int(opening[2]))
    except ValueError as exc:
        raise malformed(path, number, "line") from exc
    steps = tuple((number, _step(path, number, line)) for number, line in text.lines[1:])
    _check_order(path, number, steps, ended=text.ended)
    return Replay(
        str(path), text.headers, opening[4], bytes.fromhex(opening[3]), limits, steps[:-1]
    )


def _step(path: Path | str, number: int, line: str) -> Step:
    kind, _, rest = line.partition(" ")
    rest = rest.strip()
    if kind in (">", "<"):
        if not _HEX.fullmatch(rest):
            raise malformed(path, number, "hex")
        data = bytes.fromhex(rest)
        if kind == ">" and len(data) <= 0xFFFF + 9:
            return Sent(data)
        if kind == "<" and 2 <= len(data) <= 65538:
            return Answer(data[:-2], StatusWord.from_bytes(data[-2:]))
    elif kind == "!" and (rest in _ERRORS or rest == "interrupted"):
        return Failure(rest)
    elif kind == "=" and rest in _EVENTS:
        return Event(rest)
    raise malformed(path, number, "line")


def _check_order(
    path: Path | str, last: int, steps: tuple[tuple[int, Step], ...], *, ended: bool
) -> None:
    """Every command has its answer and nothing else has one; the last line is the end."""
    before: Step | None = None
    for last, step in steps:
        asked, answered = isinstance(before, Sent), isinstance(step, Answer)
        settled = answered if asked else not answered
        if before == Event(END) or not (settled or isinstance(step, Failure)):
            raise malformed(path, last, "order")
        before = step
    if not ended or before != Event(END):
        raise malformed(path, last, "truncated")


class ReplayConnection(CardConnection):
    """Answers from a recording: exactly these commands, in this order, all of them.

    After the first difference every use raises it again, so a job that goes on without the
    card cannot hide it. Errors name the line and headers, never data.
    """

    synthetic = True

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._at = 0
        self._closed = False
        self._difference: TranscriptError | None = None

    @property
    def name(self) -> str:
        return f"replay:{self._replay.reader}"

    @property
    def atr(self) -> bytes:
        return self._replay.atr

    @property
    def limits(self) -> ReplyLimits:
        return self._replay.limits

    @property
    def left(self) -> int:
        """Commands that were recorded and not sent yet (count)."""
        return sum(isinstance(step, Sent) for _, step in self._replay.steps[self._at :])

    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        """The recorded answer. Raises TranscriptError ``replay_differs``, or what was recorded."""
        raw = bytes(apdu)
        self._take(lambda step: step == Sent(raw), lambda: _head(raw))
        _, step = self._replay.steps[self._at]
        self._at += 1
        self._absorb_resets()
        if isinstance(step, Answer):
            return step.data, step.sw
        assert isinstance(step, Failure)
        raise self._recorded(step)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Must have been asked for at this place."""
        self._event("exclusive")
        try:
            yield
        finally:
            # Kept for ``finish``: what went wrong inside must not be covered up.
            with contextlib.suppress(TranscriptError):
                self._event("shared")

    def power_off(self) -> None:
        """Must have been asked for at this place."""
        self._event("power-off")

    def finish(self) -> None:
        """Raises TranscriptError: the first difference, or ``replay_left_over`` (line, n)."""
        if self._difference is not None:
            raise self._difference
        rest = self._replay.steps[self._at :]
        line = next((number for number, step in rest if isinstance(step, Sent)), None)
        if line is not None:
            raise TranscriptError(
                "replay_left_over", path=self._replay.path, line=line, n=self.left
            )

    assert_finished = finish

    def close(self) -> None:
        """Let go. Harmless when repeated; never raises."""
        self._closed = True

    def _event(self, name: str) -> None:
        self._take(lambda step: step == Event(name), lambda: name)
        rest = self._replay.steps[self._at :]
        if rest and isinstance(failure := rest[0][1], Failure):
            self._at += 1
            self._absorb_resets()
            raise self._recorded(failure)
        self._absorb_resets()

    def _recorded(self, failure: Failure) -> BaseException:
        if failure.code == "interrupted":
            return KeyboardInterrupt()
        return _ERRORS[failure.code](reader=self.name)

    def _take(self, fits: Callable[[Step], bool], shown: Callable[[], str]) -> None:
        """Go past the next step if it is the expected one; else remember and raise."""
        if self._closed:
            raise CardRemovedError("closed", reader=self.name)
        if self._difference is not None:
            raise self._difference
        steps = self._replay.steps
        line, step = steps[self._at] if self._at < len(steps) else (0, None)
        if step is None or not fits(step):
            expected = "-" if step is None else _show(step)
            last = line or (steps[-1][0] if steps else 1)
            self._difference = TranscriptError(
                "replay_differs",
                path=self._replay.path,
                line=last,
                expected=expected,
                found=shown(),
            )
            raise self._difference
        self._at += 1

    def _absorb_resets(self) -> None:
        steps = self._replay.steps
        while self._at < len(steps) and steps[self._at][1] == Event("reset"):
            self._at += 1
            self.resets += 1


def _head(apdu: bytes) -> str:
    return f"{apdu[:4].hex().upper()} ({len(apdu)})"


def _show(step: Step) -> str:
    """A step without its data."""
    if isinstance(step, Sent):
        return _head(step.apdu)
    return step.name if isinstance(step, Event) else str(step)


def open_replay(rest: str) -> ReplayConnection:
    """Open ``replay:FILE``. Raises TranscriptError."""
    return ReplayConnection(read_replay(rest))
