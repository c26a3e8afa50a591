# SPDX-License-Identifier: Apache-2.0
"""Work that a thread of its own does again and again, as long as a block lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeated(work: Callable[[], None], name: str, every: float) -> Iterator[None]:
    """Do ``work`` at once and then every so many seconds. It raises nothing."""
    closing = threading.Event()

    def run() -> None:
        work()
        while not closing.wait(every):
            work()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        closing.set()
        thread.join(1)  # it may wait for somebody who says nothing
