# SPDX-License-Identifier: Apache-2.0
"""Bounds: n bytes make no parser use more than a stated multiple of n, in memory or in steps.

Each parser meets each hostile shape in a process of its own, whose memory the system measures,
so that libraries in C count too. Steps are calls and returns of functions, not seconds.
BOUNDS_BYTES: the largest size (100 MB in the long run).
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable

import pytest

from fuzz_targets import TARGETS
from shapes import SHAPES, Shape

LARGEST = int(os.environ.get("BOUNDS_BYTES", str(1 << 20)))
STEPS_AT = 1 << 15
FIXED = 64 << 20
"""Bytes that anything may use: modules that load on first use, the allocator's own."""
TIMES = {"xml": 24, "pdf": 64, "crl-columns": 40, "json": 60, "policy": 40,
         "presentation": 60, "card-toml": 90, "transcript": 60, "crl": 24,
         "replies": 60, "queue": 60, "kept-json": 90, "kept-text": 90,
         # A list of headers; the server takes no more of them than fit into 64 KB.
         "http-half": 32, "http-page": 32, "http-presentation": 32}  # fmt: skip
USUAL = 12
"""Bytes of memory for each byte of input."""
STEPS = 40
"""Calls and returns for each byte of input, and a fixed number of them besides."""
FIXED_STEPS = 60_000
CPU_SECONDS = 100 + 10 * (LARGEST >> 20)
"""No measure: where a loop does not end, the process is ended."""

CASES = [(name, shape) for name, shapes in SHAPES.items() for shape in shapes]
IDS = [f"{name}-{shape.__name__}" for name, shape in CASES]


def measured(run: Callable[[bytes], None], data: bytes, *, count: bool) -> tuple[int, int]:
    """Bytes of memory the run needed at its peak (or 0), and its steps (or 0)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(run, data, count, writing)
    os.close(writing)
    with os.fdopen(reading) as told:
        said = told.read()
    status = os.waitpid(child, 0)[1]
    assert status == 0, f"the process ended by {status}: {said}"
    used, steps = json.loads(said)
    return used, steps


def _child(run: Callable[[bytes], None], data: bytes, count: bool, told: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    steps = 0

    def step(frame: object, event: str, argument: object) -> None:
        nonlocal steps
        steps += 1

    status = 1
    try:
        before = _peak()
        if count:
            sys.setprofile(step)
        run(data)
        sys.setprofile(None)
        os.write(told, json.dumps([max(_peak() - before, 0), steps]).encode())
        status = 0
    except BaseException as error:
        sys.setprofile(None)
        os.write(told, repr(error)[:500].encode())
    finally:
        os._exit(status)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_every_parser_has_its_shapes() -> None:
    assert set(SHAPES) == set(TARGETS)


@pytest.mark.parametrize(("name", "shape"), CASES, ids=IDS)
def test_memory_is_a_multiple_of_the_input(name: str, shape: Shape) -> None:
    run = TARGETS[name].function()
    for seed in TARGETS[name].corpus()[:1]:
        run(seed)  # what is loaded on first use is no use of this input
    for size in sorted({1 << 10, min(1 << 20, LARGEST), LARGEST}):
        data = shape(size)
        used, _ = measured(run, data, count=False)
        assert used <= FIXED + TIMES.get(name, USUAL) * len(data), (size, used // len(data))


@pytest.mark.parametrize(("name", "shape"), CASES, ids=IDS)
def test_steps_are_a_multiple_of_the_input(name: str, shape: Shape) -> None:
    run = TARGETS[name].function()
    for seed in TARGETS[name].corpus()[:1]:
        run(seed)
    data = shape(STEPS_AT)
    _, steps = measured(run, data, count=True)
    assert steps <= FIXED_STEPS + STEPS * len(data), steps / len(data)
