# SPDX-License-Identifier: Apache-2.0
"""Writing transcripts: a connection that notes what passes, and the file it goes to.

The file is private (mode 0600), new, and written line by line past every buffer, so what a
crash leaves can be read up to the last line. If it cannot be opened, TranscriptError is
raised before anything is sent; if it cannot be written later (disk full), the transcript
ends there and says so in ``failed``, and the job goes on: a card with a PIN half presented
is worse than half a transcript.

A recording with all bytes is made only of a connection that calls itself ``synthetic``.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.errors import CardError, TranscriptError
from jpki_apdu.link import can_cost_a_try
from jpki_apdu.replay import Answer, Sent
from jpki_apdu.status import StatusWord
from jpki_apdu.transcript import END, REPLAY, TRACE, Command, Event, Failure, Reply, Step, why

SELECT = 0xA4

# Some drivers put the serial number of the reader in its name, in brackets of this form.
_SERIAL = re.compile(r"\s*\([^()]*\)")


@dataclass(frozen=True, slots=True)
class PublicNames:
    """What a trace may say of a SELECT: identifiers that are published, the same on every card.

    ``applications``: names by AID. ``files``: file identifiers (2 bytes).
    """

    applications: Mapping[bytes, str] = field(default_factory=dict)
    files: frozenset[bytes] = frozenset()

    def of(self, apdu: bytes | bytearray, start: int, end: int) -> str:
        """The name of what ``apdu`` selects by its data ``start:end``; «?» if not on the list."""
        if apdu[1] != SELECT or start == end:
            return ""
        wanted = bytes(apdu[start:end])
        if apdu[2] == 0x04:
            return self.applications.get(wanted, "?")
        return wanted.hex().upper() if wanted in self.files else "?"


def outline(apdu: bytes | bytearray, names: PublicNames | None = None) -> Command:
    """A command without its data. Nothing but a published identifier is copied out of it."""
    header = bytes(apdu[:4])
    found = _lengths(apdu)
    if found is None:
        return Command(header, size=len(apdu))
    lc, start, width, extended = found
    le = None if not width else int.from_bytes(apdu[-width:], "big") or 256**width
    if lc and can_cost_a_try(apdu[0], apdu[1]):
        return Command(header, None, le, extended)
    select = names.of(apdu, start, start + lc) if lc and names is not None else ""
    return Command(header, lc, le, extended, select)


def _lengths(apdu: bytes | bytearray) -> tuple[int, int, int, bool] | None:
    """Lc, where the data begin, bytes of the Le field, extended; None if they do not fit.

    By counting alone: the data, which may be a PIN, are not looked at or copied.
    """
    body = len(apdu) - 4
    if body < 2:
        return None if body < 0 else (0, 5, body, False)
    extended = apdu[4] == 0
    if extended and body == 3:
        return 0, 7, 2, True
    start = 7 if extended else 5
    lc = int.from_bytes(apdu[5:7], "big") if extended else apdu[4]
    width = len(apdu) - start - lc
    if not lc or width not in ((0, 2) if extended else (0, 1)):
        return None
    return lc, start, width, extended


class Recorder:
    """One transcript file, for all connections of a job. A context manager.

    ``replayable``: all bytes, of one emulated card, instead of a trace. ``headers``: more
    ``# key: value`` lines. ``names``: what a trace may call by its name. ``overwrite``:
    replace the file if there is one. Raises TranscriptError ``transcript_file``.

    ``failed``: why writing stopped early, None if it did not. ``commands``,
    ``connections``: so many were seen (count).
    """

    def __init__(
        self,
        path: Path | str,
        *,
        replayable: bool = False,
        headers: Mapping[str, str] | None = None,
        names: PublicNames | None = None,
        overwrite: bool = False,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.path = Path(path)
        self.replayable = replayable
        self.failed: str | None = None
        self.commands = 0
        self.connections = 0
        self._names = names or PublicNames()
        self._clock = clock
        self._lock = threading.Lock()
        self._file: int | None = _create(self.path, overwrite)
        self._start = clock()
        kind = {"": REPLAY} if replayable else {"": TRACE, "data": "none"}
        for key, value in (kind | dict(headers or {})).items():
            self._write(f"# {key}: {_plain(value)}" if key else f"# {value}")

    def opened(self, opener: Callable[[], CardConnection]) -> CardConnection:
        """Open a connection and note what passes; for ``readers.watch``.

        Raises what ``opener`` raises, and as ``wrap``.
        """
        try:
            connection = opener()
        except CardError as error:
            self.note(0, Failure(error.code))
            raise
        try:
            return self.wrap(connection)
        except BaseException:
            connection.close()
            raise

    def wrap(self, connection: CardConnection) -> TracingConnection:
        """Note what passes over ``connection``.

        A recording raises TranscriptError for a real card (``recording_real``) and for a
        second connection (``recording_second``): one file replays one card.
        """
        if self.replayable and not connection.synthetic:
            raise TranscriptError("recording_real", reader=connection.name)
        if self.replayable and self.connections:
            raise TranscriptError("recording_second", path=str(self.path))
        with self._lock:
            self.connections += 1
            number = self.connections
        if self.replayable:
            self._write("# origin: synthetic")
            self._write("# holds: every byte, the test PINs of an emulated card among them")
        return TracingConnection(connection, self, number)

    def note(self, connection: int, step: Step) -> None:
        """One line of a trace; in a recording only what is not in its own words."""
        if self.replayable:
            if connection or step == Event(END):
                self._write(str(step))
            return
        micro = (self._clock() - self._start) // 1000
        self._write(f"{micro // 1_000_000}.{micro % 1_000_000:06d} {connection} {step}")

    def command(self, connection: int, apdu: bytes | bytearray) -> None:
        """A command is about to be sent."""
        self.commands += 1
        if self.replayable:
            self._write(str(Sent(bytes(apdu))))
        else:
            self.note(connection, outline(apdu, self._names))

    def answer(self, connection: int, data: bytes, sw: StatusWord) -> None:
        """A card answered."""
        if self.replayable:
            self._write(str(Answer(data, sw)))
        else:
            self.note(connection, Reply(len(data), sw))

    def opening(self, number: int, connection: CardConnection) -> None:
        """A connection is open."""
        limits = f"{connection.limits.short}/{connection.limits.extended}"
        atr = connection.atr
        shown = atr.hex().upper() if self.replayable else len(atr)
        reader = _plain(_SERIAL.sub("", connection.name)) or "?"
        self.note(number, Event("open", f"limits={limits} atr={shown} reader={reader}"))

    def close(self) -> None:
        """End the transcript. Harmless when repeated; never raises."""
        if self._file is not None:
            self.note(0, Event(END))
        self._release()

    def _write(self, line: str) -> None:
        with self._lock:
            if self._file is None:
                return
            try:
                _write_all(self._file, (line + "\n").encode("utf-8", "replace"))
            except OSError as error:
                self.failed = why(error)
        if self.failed:
            self._release()

    def _release(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class TracingConnection(CardConnection):
    """Passes everything on to ``inner`` and notes it until it is closed. Raises as ``inner``."""

    def __init__(self, inner: CardConnection, recorder: Recorder, number: int = 1) -> None:
        self._inner = inner
        self._recorder = recorder
        self._number = number
        self._seen = inner.resets
        self._closed = False
        recorder.opening(number, inner)

    @property
    def synthetic(self) -> bool:  # type: ignore[override]
        return self._inner.synthetic

    @property
    def shared(self) -> bool:  # type: ignore[override]
        return self._inner.shared

    @property
    def resets(self) -> int:  # type: ignore[override]
        self._note_resets()
        return self._inner.resets

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def atr(self) -> bytes:
        return self._inner.atr

    @property
    def limits(self) -> ReplyLimits:
        return self._inner.limits

    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        """As the connection inside. The command is noted before it is sent."""
        if self._closed:
            return self._inner.transmit(apdu)
        self._note_resets()
        self._recorder.command(self._number, apdu)
        with self._noting_errors():
            data, sw = self._inner.transmit(apdu)
        self._recorder.answer(self._number, data, sw)
        self._note_resets()
        return data, sw

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """As the connection inside."""
        self._event("exclusive")
        with contextlib.ExitStack() as stack:
            with self._noting_errors():
                stack.enter_context(self._inner.exclusive())
            try:
                yield
            finally:
                self._event("shared")

    def power_off(self) -> None:
        """As the connection inside."""
        self._event("power-off")
        with self._noting_errors():
            self._inner.power_off()
        self._note_resets()

    def finish(self) -> None:
        """As the connection inside."""
        self._inner.finish()

    def close(self) -> None:
        """As the connection inside."""
        self._event("close")
        self._closed = True
        self._inner.close()

    def _event(self, name: str) -> None:
        self._note_resets()
        self._note(Event(name))

    def _note(self, step: Step) -> None:
        if not self._closed:
            self._recorder.note(self._number, step)

    def _note_resets(self) -> None:
        while self._seen < self._inner.resets:
            self._seen += 1
            self._note(Event("reset"))

    @contextlib.contextmanager
    def _noting_errors(self) -> Iterator[None]:
        try:
            yield
        except CardError as error:
            # A recording has to raise it again, so there the class counts.
            code = error.default_code if self._recorder.replayable else error.code
            self._note(Failure(code))
            self._note_resets()
            raise
        except BaseException:
            self._note(Failure("interrupted"))
            raise


def _plain(text: str) -> str:
    """One line of printable characters."""
    return "".join(char if char.isprintable() else "?" for char in text).strip()


def _create(path: Path, overwrite: bool) -> int:
    """A new private file. Raises TranscriptError; only a regular file is ever replaced."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)
    try:
        if overwrite and path.exists() and stat.S_ISREG(path.stat().st_mode):
            path.unlink()
        return os.open(path, flags, 0o600)
    except FileExistsError as exc:
        raise TranscriptError("transcript_file", path=str(path), reason="exists") from exc
    except OSError as exc:
        raise TranscriptError("transcript_file", path=str(path), reason=why(exc)) from exc


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
