# SPDX-License-Identifier: Apache-2.0
"""The work in this process, or in one for each core."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from jpki.errors import BatchError
from jpki.verifying.batch.inputs import Chunk
from jpki.verifying.batch.parts import Part, make_part
from jpki.verifying.batch.rows import RowVerifier
from jpki.verifying.batch.setup import BatchSetup

Work = Callable[[Iterable[Chunk]], Iterator[Part]]


def cores() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system tells
        return os.cpu_count() or 1


class InProcess:
    """One chunk after the other, here."""

    @contextmanager
    def start(self, setup: BatchSetup, form: str) -> Iterator[Work]:
        verifier = RowVerifier(setup.validator(), setup.signers)
        yield lambda chunks: (make_part(chunk, verifier, form) for chunk in chunks)


@dataclass(frozen=True, slots=True)
class ProcessPool:
    """``workers`` processes, each with a validator of its own, loaded once."""

    workers: int

    @contextmanager
    def start(self, setup: BatchSetup, form: str) -> Iterator[Work]:
        # Started anew rather than forked: a fork would copy locks that other threads hold.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            self.workers, mp_context=context, initializer=_begin, initargs=(setup, form)
        ) as pool:
            try:
                yield lambda chunks: in_window(
                    lambda c: pool.submit(_part, c), chunks, self.workers
                )
            except BaseException as exc:
                pool.shutdown(wait=False, cancel_futures=True)
                if isinstance(exc, BrokenProcessPool):
                    raise BatchError("batch_worker_lost") from exc
                raise


def in_window(
    submit: Callable[[Chunk], Future[Part]], chunks: Iterable[Chunk], workers: int
) -> Iterator[Part]:
    """Parts as they come, with two chunks for each worker under way at most."""
    under_way: set[Future[Part]] = set()
    for chunk in chunks:
        under_way.add(submit(chunk))
        if len(under_way) >= 2 * workers:
            finished, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in finished)
    while under_way:
        finished, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in finished)


# A worker process does one job: its verifier is made when it starts and goes with it.
_job: tuple[RowVerifier, str] | None = None


def _begin(setup: BatchSetup, form: str) -> None:
    global _job
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _job = RowVerifier(setup.validator(), setup.signers), form


def _end_with_parent() -> None:
    """A killed parent tells nobody, and its workers would wait for ever for its next word."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _part(chunk: Chunk) -> Part:
    assert _job is not None
    return make_part(chunk, *_job)
