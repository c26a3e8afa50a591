# SPDX-License-Identifier: Apache-2.0
"""Sessions in a row with faults: what runs all day grows by nothing and costs nobody a try.

``KIOSK_SESSIONS`` (``make assure``: 1000) says how many.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jpki.card import Card
from jpki.card_map import PinKind
from jpki.emulator import VirtualConnection
from jpki.kiosk.server.app import server_app
from process_memory import children, handles, resident
from server_half import serving, town
from terminal_bed import FAULTS, Bed

SESSIONS = int(os.environ.get("KIOSK_SESSIONS", "24"))
WARM = 8  # sessions after which nothing more is loaded
LIMIT = 1.05  # times the memory after those
SETTLE, STEADY = 20.0, 10  # seconds at most; looks in a row that see the same


@pytest.fixture
def others() -> set[int]:
    """Processes that are there before: of tests whose beds outlive them."""
    return set(children(os.getpid()))


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    place = town(f"sqlite:///{tmp_path}/map.db", tmp_path)
    place.bench.clock.now = datetime.now(UTC)
    with serving(server_app(place.half, place.terminals())) as url:
        made = Bed(url, place.bench.clock)
        yield made
        made.terminal.close()
    place.bench.close()


def _figures() -> tuple[int, int, int]:
    """Threads, handles and processes."""
    own = os.getpid()
    return threading.active_count(), handles(own), len(children(own))


def _settled() -> tuple[int, int, int]:
    """As ``_figures``, once nobody is at the terminal: the last process has ended, and one
    waits for the next card."""
    until = time.monotonic() + SETTLE
    steady = 0
    now = _figures()
    while steady < STEADY and time.monotonic() < until:
        time.sleep(0.05)
        before, now = now, _figures()
        steady = steady + 1 if now == before else 0
    return now


@pytest.mark.timeout(max(120, SESSIONS * 10))
def test_sessions_in_a_row(
    others: set[int], bed: Bed, record_property: Callable[[str, object], None]
) -> None:
    record_property("cases", SESSIONS)
    for fault in FAULTS[:WARM]:
        fault(bed)
    before, size = _settled(), resident(os.getpid())
    for number in range(SESSIONS - WARM):
        bed.clock.now = datetime.now(UTC)
        FAULTS[number % len(FAULTS)](bed)
    assert _settled() == before
    assert resident(os.getpid()) <= size * LIMIT
    with Card(VirtualConnection(bed.card)) as card:
        assert card.pins.counter(PinKind.AUTH).attempts_left == 3
    bed.terminal.close()
    assert set(children(os.getpid())) <= others
