# SPDX-License-Identifier: Apache-2.0
"""Threads, tasks and processes on one card: each presentation is whole, and nobody else's.

CROWD_VISITS: presentations of each worker. Of one database the same is held by
tests/jpki/mapping/test_load.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import card_crowd
from jpki.testing.virtual_reader import VirtualReader

VISITS = int(os.environ.get("CROWD_VISITS", "3"))


def started(reader: VirtualReader, workers: int, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", card_crowd.__file__, str(workers), str(VISITS), how],
        env=reader.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_one_card_many_hands(
    reader: VirtualReader, record_property: Callable[[str, object], None]
) -> None:
    """Two processes of three threads, one of three tasks, and a thief: no deadlock, no theft."""
    card = reader.plug("hanako")
    crowd = [started(reader, 3, how) for how in ("threads", "threads", "asyncio", "thief")]
    said = []
    for program in crowd:
        out, err = program.communicate(timeout=60 + 10 * VISITS)
        assert program.returncode == 0, err
        said.append(json.loads(out))
    *honest, thief = said
    assert [seen["signed"] for seen in honest] == [3 * VISITS] * 3
    # A thief gets the card only when nothing is open; the others may make it wait.
    assert thief.get("stolen", 0) == 0
    assert sum(thief.values()) >= 3 * VISITS
    assert thief.get("refused", 0) > 0, thief
    # Every presentation was one right VERIFY: no try of the card is gone.
    assert card.tries()["jpki/0018"] == 3
    record_property("cases", 4 * 3 * VISITS)
