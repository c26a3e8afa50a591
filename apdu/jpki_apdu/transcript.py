# SPDX-License-Identifier: Apache-2.0
"""Traces: what was said between program and card, without what was said.

A trace has one line for each command, answer, error and event: header, lengths, status
word and time, never data, so a person may post it. It cannot be replayed; what can is in
:mod:`jpki_apdu.replay`. Both are UTF-8 text that begins with the name of its format and
goes on with ``# key: value`` lines::

    # jpki-trace/1
    # data: none
    0.000012 1 = open limits=256/65536 atr=13 reader=virtual:hanako
    0.000134 1 > 00A4040C lc=10 le=- select=jpki
    0.000171 1 < len=0 sw=9000
    0.004310 0 = end

Columns: seconds since the start, number of the connection (0 = the job itself), kind.
``lc=*``: a PIN or another secret was there, and its length is part of it. ``select=``: an
application or file by name. That is all that is ever written of a data field, and only
if it stands on a list of published identifiers: those are the same on every card.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jpki_apdu.errors import TranscriptError

TRACE, REPLAY = "jpki-trace/1", "jpki-replay/1"
END = "end"
MAX_FILE = 1 << 26

_LINE = re.compile(r"([0-9]{1,9})\.([0-9]{6}) ([0-9]{1,6}) ([>=<!]) (.+)")
_SHAPE = r"( ext)? lc=([0-9]{1,5}|\*) le=([0-9]{1,5}|-)(?: select=([0-9A-Za-z_?-]+))?"
_COMMAND = re.compile(rf"((?:[0-9A-F]{{2}}){{0,4}})(?: bytes=([0-9]{{1,6}})|{_SHAPE})")
_REPLY = re.compile(r"len=([0-9]{1,5}) sw=([0-9A-F]{4})")
_FAILURE = re.compile(r"[a-z][a-z0-9_]*")
_EVENT = re.compile(r"([a-z][a-z-]*)(?: (.*))?")
_HEADER = re.compile(r"# ?([a-z-]+): ?(.*)")
_FORMAT = re.compile(r"# ?(jpki-(?:trace|replay))/([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Command:
    """A command without its data. ``header``: 4 bytes. ``le``: bytes asked for, None = absent.

    ``lc``: bytes of data, None = some, not told. ``select``: the published name of what is
    selected. ``size``: bytes of one that is no well-formed command; it has no lengths.
    """

    header: bytes
    lc: int | None = 0
    le: int | None = None
    extended: bool = False
    select: str = ""
    size: int | None = None

    def __str__(self) -> str:
        head = f"> {self.header.hex().upper()}"
        if self.size is not None:
            return f"{head} bytes={self.size}"
        ext = " ext" if self.extended else ""
        lc = "*" if self.lc is None else self.lc
        le = "-" if self.le is None else self.le
        return f"{head}{ext} lc={lc} le={le}{f' select={self.select}' if self.select else ''}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: data bytes (count) and status word."""

    length: int
    sw: int

    def __str__(self) -> str:
        return f"< len={self.length} sw={self.sw:04X}"


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer: the code of the error that was raised instead."""

    code: str

    def __str__(self) -> str:
        return f"! {self.code}"


@dataclass(frozen=True, slots=True)
class Event:
    """``open``, ``exclusive``, ``shared``, ``power-off``, ``reset``, ``close``, ``end``."""

    name: str
    details: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"= {self.name} {self.details}".rstrip()


Step = Command | Reply | Failure | Event


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a trace. ``line`` from 1; ``time`` in microseconds since the start."""

    line: int
    time: int
    connection: int
    step: Step

    def __str__(self) -> str:
        seconds, micro = divmod(self.time, 1_000_000)
        return f"{seconds}.{micro:06d} {self.connection} {self.step}"


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace as read. ``complete``: it came to its end; if not, the program or disk did not."""

    headers: dict[str, str]
    entries: tuple[Entry, ...]
    complete: bool

    @property
    def commands(self) -> int:
        """Commands sent (count)."""
        return sum(isinstance(entry.step, Command) for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two traces part: the first step that one has and the other has not so."""

    left: Entry | None
    right: Entry | None

    def __str__(self) -> str:
        sides = (("-", self.left), ("+", self.right))
        return "\n".join(
            f"{sign} line {entry.line}: {entry.step}" if entry else f"{sign} nothing more"
            for sign, entry in sides
        )


def malformed(path: Path | str, line: int, reason: str) -> TranscriptError:
    """The error for a transcript that breaks its format. ``line`` from 1."""
    return TranscriptError("transcript_malformed", path=str(path), line=line, reason=reason)


@dataclass(frozen=True, slots=True)
class Text:
    """A transcript's lines. ``ended``: the last one is whole."""

    headers: dict[str, str]
    lines: tuple[tuple[int, str], ...] = field(repr=False)
    ended: bool


def read_text(path: Path | str, wanted: str) -> Text:
    """The lines of a transcript in the format ``wanted``, comments taken out.

    Raises TranscriptError: ``transcript_file``, ``transcript_kind`` (the other format),
    ``transcript_malformed``.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except OSError as exc:
        raise TranscriptError("transcript_file", path=str(path), reason=why(exc)) from exc
    if len(raw) > MAX_FILE:
        raise TranscriptError("transcript_file", path=str(path), reason="too_large")
    return parse_text(raw, wanted, path)


def parse_text(raw: bytes, wanted: str, path: Path | str = "-") -> Text:
    """``read_text`` of bytes. ``path`` is for the error."""
    ended = raw.endswith(b"\n")
    try:
        lines = raw.decode("utf-8").split("\n")
    except UnicodeDecodeError as exc:
        raise malformed(path, raw.count(b"\n", 0, exc.start) + 1, "encoding") from exc
    lines = [line.removesuffix("\r") for line in lines]
    _check_format(lines[0], wanted, path)
    if ended or len(lines) > 1:
        lines.pop()  # what follows the last line feed: nothing, or half a line
    headers: dict[str, str] = {}
    kept: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        if not line.startswith("#"):
            if line.strip():
                kept.append((number, line))
        elif (found := _HEADER.fullmatch(line)) and not kept:
            headers[found[1]] = found[2].strip()
    return Text(headers, tuple(kept), ended)


def _check_format(first: str, wanted: str, path: Path | str) -> None:
    found = _FORMAT.fullmatch(first.strip())
    if not found:
        raise malformed(path, 1, "not_a_transcript")
    if found[1] != wanted.partition("/")[0]:
        raise TranscriptError("transcript_kind", path=str(path), found=found[1], wanted=wanted)
    if f"{found[1]}/{found[2]}" != wanted:
        raise malformed(path, 1, "version")


def why(error: OSError) -> str:
    """The reason, as a code."""
    if isinstance(error, FileNotFoundError):
        return "not_found"
    if isinstance(error, PermissionError):
        return "no_permission"
    return "is_a_folder" if isinstance(error, IsADirectoryError) else "io"


def read_trace(path: Path | str) -> Trace:
    """Read a trace. One that a crash cut short is read as far as it goes (``complete``).

    Raises TranscriptError.
    """
    return _trace(read_text(path, TRACE), path)


def parse_trace(raw: bytes) -> Trace:
    """A trace from its bytes. Raises TranscriptError."""
    return _trace(parse_text(raw, TRACE), "-")


def _trace(text: Text, path: Path | str) -> Trace:
    entries: list[Entry] = []
    pending: set[int] = set()
    ended = False
    for number, line in text.lines:
        entry = _entry(number, line)
        if entry is None or ended:
            raise malformed(path, number, "line")
        if isinstance(entry.step, Reply) and entry.connection not in pending:
            raise malformed(path, number, "order")
        pending.discard(entry.connection)
        if isinstance(entry.step, Command):
            pending.add(entry.connection)
        entries.append(entry)
        ended = entry.step == Event(END)
    return Trace(text.headers, tuple(entries), ended and text.ended)


def _entry(number: int, line: str) -> Entry | None:
    found = _LINE.fullmatch(line)
    step = _step(found[4], found[5]) if found else None
    if found is None or step is None:
        return None
    return Entry(number, int(found[1]) * 1_000_000 + int(found[2]), int(found[3]), step)


def _step(kind: str, rest: str) -> Step | None:
    if kind == ">":
        return _command(rest)
    if kind == "<":
        found = _REPLY.fullmatch(rest)
        return Reply(int(found[1]), int(found[2], 16)) if found else None
    if kind == "!":
        return Failure(rest) if _FAILURE.fullmatch(rest) else None
    found = _EVENT.fullmatch(rest)
    return Event(found[1], found[2] or "") if found else None


def _command(rest: str) -> Command | None:
    found = _COMMAND.fullmatch(rest)
    if not found:
        return None
    header, size, ext, lc, le, select = found.groups()
    if size is not None:
        return Command(bytes.fromhex(header), size=int(size))
    return Command(
        bytes.fromhex(header),
        None if lc == "*" else int(lc),
        None if le == "-" else int(le),
        ext is not None,
        select or "",
    )


def compare(left: Trace, right: Trace, *, lengths: bool = True) -> Difference | None:
    """The first difference between two traces, None if they tell of the same job.

    Times, readers and what is not of a connection do not count. ``lengths`` False: nor do
    the sizes of what the card holds (reply lengths, Le) and how the rest of a file was
    fetched where that went well, so that a job on one person's card can be compared with
    the same job on another's.
    """
    sides = [_skeleton(trace.entries, lengths) for trace in (left, right)]
    for number in range(max(map(len, sides))):
        one, other = (side[number] if number < len(side) else None for side in sides)
        if one is None or other is None or one[0] != other[0]:
            return Difference(one and one[1], other and other[1])
    return None


def _skeleton(entries: Sequence[Entry], lengths: bool) -> list[tuple[object, Entry]]:
    """What counts of each entry, with the entry."""
    kept = [entry for entry in entries if entry.connection]
    if lengths:
        return [((entry.connection, entry.step), entry) for entry in kept]
    return [((entry.connection, _loose(entry.step)), entry) for entry in _without_rests(kept)]


def _loose(step: Step) -> object:
    """A step without the sizes of what the card holds."""
    if isinstance(step, Command):
        return replace(step, le=None), step.le is None
    if isinstance(step, Reply):
        inexact = step.sw >> 8 in (0x61, 0x6C)
        return step.length > 0, step.sw >> 8 if inexact else step.sw
    return step


def _without_rests(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Leave out each next piece of a file or an answer that came as it should."""
    at = 0
    while at < len(entries):
        step, then = entries[at].step, entries[at + 1].step if at + 1 < len(entries) else None
        if _asks_for_rest(step) and isinstance(then, Reply) and then.length and _went_well(then):
            at += 2
            continue
        yield entries[at]
        at += 1


def _asks_for_rest(step: Step) -> bool:
    """GET RESPONSE, or READ BINARY of the current file past its beginning."""
    if not isinstance(step, Command) or len(step.header) < 4:
        return False
    offset = int.from_bytes(step.header[2:], "big")
    return step.header[1] == 0xC0 or (step.header[1] == 0xB0 and 0 < offset < 0x8000)


def _went_well(reply: Reply) -> bool:
    return reply.sw in (0x9000, 0x6282) or reply.sw >> 8 == 0x61
