# SPDX-License-Identifier: Apache-2.0
"""How a program of several threads shares its processors."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from jpki.kiosk.serving import TURN, taking_turns


def test_threads_take_short_turns_on_one_processor() -> None:
    allowed, turn = os.sched_getaffinity(0), sys.getswitchinterval()
    with taking_turns(), ThreadPoolExecutor(1) as pool:
        begun_here = pool.submit(os.sched_getaffinity, 0).result()
        assert len(begun_here) == 1
        assert begun_here <= allowed
        assert abs(sys.getswitchinterval() - TURN) < 1e-6
    assert os.sched_getaffinity(0) == allowed
    assert sys.getswitchinterval() == turn
