# SPDX-License-Identifier: Apache-2.0
"""A store for a server: changes that come at the same time share one transaction.

Putting a commit on the disk takes longer than all that was changed. Here one thread writes:
what arrived during one commit goes into the next one together, each change after the other,
and nobody is answered before it is on the disk.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from jpki.mapping.errors import StoreDownError, StoreFullError
from jpki.mapping.store.store import Store

MOST: Final = 64  # changes in one transaction
LINGER: Final = 0.001
"""Seconds that a transaction waits for more changes, where the one before had several."""
Turn = Callable[[Callable[[], None]], None]
"""Runs a work in another thread, when that has nothing better to do, and waits for its end."""
_T = TypeVar("_T")


_A = TypeVar("_A")
Together = Callable[[Connection, Sequence[_A]], Sequence[_T]]


def by_themselves(connection: Connection, works: Sequence[Callable[[Connection], _T]]) -> list[_T]:
    """Each work by itself."""
    return [work(connection) for work in works]


@dataclass(frozen=True, slots=True)
class _Job:
    asked: Any
    together: Together[Any, Any]
    turn: Turn | None = None
    done: Future[Any] = field(default_factory=Future)


class GroupedStore(Store):
    """As Store, for many threads. ``change`` is not called from inside a change."""

    _writer: threading.Thread | None = None

    def change(self, work: Callable[[Connection], _T]) -> _T:
        """As Store has it. ``work`` is run anew if another one of its transaction fails."""
        done: Future[_T] = self.begin(work, by_themselves)
        return done.result()

    def begin(self, asked: _A, together: Together[_A, _T], turn: Turn | None = None) -> Future[_T]:
        """A change for who does not wait for it.

        ``together`` makes all that are ``asked`` of it one after the other, at once, in the
        ``turn`` that one of a transaction brings. Only opening and committing stay here then:
        two threads that share the interpreter all along cost more than their work.
        """
        job = _Job(asked, together, turn)
        self._queue().put(job)
        return job.done

    def close(self) -> None:
        """What was asked for before is done first."""
        if self._writer is not None:
            self._jobs.put(None)
            self._writer.join()
            self._writer = None
        super().close()

    @property
    def waiting(self) -> int:
        """How many changes wait for the next transaction."""
        return 0 if self._writer is None else self._jobs.qsize()

    def _queue(self) -> queue.SimpleQueue[_Job | None]:
        """The jobs that wait; with the first one their writer begins."""
        with _BEGINNING:
            if self._writer is None:
                self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
                self._writer = threading.Thread(target=self._write, name="map-writer", daemon=True)
                self._writer.start()
        return self._jobs

    def _write(self) -> None:
        jobs: list[_Job] = []
        self._ended = False
        while not self._ended and (job := self._jobs.get()) is not None:
            if len(jobs) > 1 and job.turn is None:
                time.sleep(LINGER)
            jobs = [job]
            self._together(jobs)

    def _gather(self, jobs: list[_Job]) -> None:
        """Add what waits."""
        while len(jobs) < MOST and not self._ended:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is None:
                self._ended = True
            else:
                jobs.append(job)

    def _together(self, jobs: list[_Job]) -> None:
        """All in one transaction, with what comes until its turn. If one of them fails, nothing
        of it stays: each by itself.

        Where the database itself fails, or the commit, that is the answer to all of them.
        """
        results: list[Any] = []

        def make(connection: Connection) -> None:
            self._gather(jobs)
            results.clear()
            for together, alike in groupby(jobs, key=attrgetter("together")):
                results.extend(together(connection, [job.asked for job in alike]))

        def work(connection: Connection) -> None:
            self._gather(jobs)
            turn = next((job.turn for job in jobs if job.turn is not None), None)
            if turn is None:
                make(connection)
            else:
                turn(partial(make, connection))

        self._answer(jobs, results, work)

    def _by_itself(self, job: _Job) -> None:
        results: list[Any] = []

        def work(connection: Connection) -> None:
            results[:] = job.together(connection, [job.asked])

        self._answer([job], results, work)

    def _answer(
        self, jobs: list[_Job], results: list[Any], work: Callable[[Connection], None]
    ) -> None:
        """Do the work, which leaves a result for each job."""
        try:
            super().change(work)
        except BaseException as error:
            own = len(results) < len(jobs) and not isinstance(
                error, StoreDownError | StoreFullError
            )
            if own and len(jobs) > 1:
                for job in jobs:
                    self._by_itself(job)
                return
            for job in jobs:
                job.done.set_exception(error)
            return
        for job, result in zip(jobs, results, strict=True):
            job.done.set_result(result)


_BEGINNING: Final = threading.Lock()
