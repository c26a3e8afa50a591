# SPDX-License-Identifier: Apache-2.0
"""What passes between a job and its card: recorded, replayed, or compared with a trace.

A trace holds no data and may come from the field; a replay holds every byte and exists of
emulated cards only. Both see the connections of this process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jpki import open as reading
from jpki_apdu import readers
from jpki_apdu.connection import CardConnection
from jpki_apdu.replay import ReplayConnection
from jpki_apdu.transcript import Trace, compare, read_trace


class Transcripts:
    """``folder``: where files without a path of their own go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def record(
        self, name: str | Path = "trace", *, replayable: bool = False, overwrite: bool = False
    ) -> Iterator[Path]:
        """Record every connection opened inside; the file is whole when the block ends.

        ``replayable``: with all bytes, of one emulated card. Raises TranscriptError.
        """
        path = self.folder / name
        with reading.recorded(path, replayable=replayable, overwrite=overwrite):
            yield path

    @contextmanager
    def replay(self, path: str | Path) -> Iterator[str]:
        """A reader URI that answers from a recording, once. All of it has to be used up.

        Raises TranscriptError with the line where the job left the recording, and
        AssertionError if it was never opened.
        """
        opened: list[ReplayConnection] = []

        def keep(opener: Callable[[], CardConnection]) -> CardConnection:
            connection = opener()
            if isinstance(connection, ReplayConnection):
                opened.append(connection)
            return connection

        with readers.watch(keep):
            yield f"replay:{path}"
        if not opened:
            raise AssertionError("the recording was never opened")
        for connection in opened:
            connection.finish()

    @contextmanager
    def like(self, path: str | Path, *, lengths: bool = True) -> Iterator[None]:
        """The job inside must do what the trace in ``path`` tells of. Raises AssertionError.

        ``lengths`` False: sizes of what the card holds do not count, as between two persons.
        """
        expected = read_trace(path)
        with self.record("found.trace", overwrite=True) as found:
            yield
        self._compare(expected, read_trace(found), lengths)

    def _compare(self, expected: Trace, found: Trace, lengths: bool) -> None:
        difference = compare(expected, found, lengths=lengths)
        if difference is not None:
            raise AssertionError(f"the job is not the one of the trace:\n{difference}")
