# SPDX-License-Identifier: Apache-2.0
"""Runs each test of the contract on every way to a card, or on the reader that was named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract_bench import (
    Bench,
    OtherCardError,
    Pin,
    ProcessBench,
    ReaderBench,
    RecordingBench,
    ReplayBench,
    VpcdBench,
)

RECORDINGS = Path(__file__).resolve().parents[2] / "fixtures" / "transcripts" / "contract"
WAYS = ("process", "vpcd", "replay")
AUTH_PIN = pytest.StashKey[Pin | None]()


def pytest_configure(config: pytest.Config) -> None:
    """The PIN of a named card is read once, from a descriptor, like those of the program."""
    descriptor = config.getoption("auth_pin_fd", None)
    config.stash[AUTH_PIN] = None if descriptor is None else _line(descriptor)


def _line(descriptor: int) -> Pin:
    """Four digits or nothing: an empty or cut PIN could cost a try."""
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        pin = Pin(file.readline().strip())
    if not re.fullmatch(rb"[0-9]{4}", pin):
        raise pytest.UsageError("--auth-pin-fd: no PIN of four digits there (with 0, also give -s)")
    return pin


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One way to a card after the other."""
    if "bench" not in metafunc.fixturenames:
        return
    if metafunc.config.getoption("reader"):
        ways: tuple[str, ...] = ("reader",)
    else:
        ways = ("record",) if metafunc.config.getoption("record_contract") else WAYS
    metafunc.parametrize("bench", ways, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On a named card: no right PIN that was not given, no wrong one without leave."""
    if not config.getoption("reader"):
        return
    barred = set()
    if config.stash[AUTH_PIN] is None:
        barred.add("right_pin")
    if not config.getoption("spend_a_try"):
        barred.add("wrong_pin")
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in barred)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The card, by the way under test."""
    made = _make(request)
    yield made
    made.close()


def _make(request: pytest.FixtureRequest) -> Bench:
    config, way = request.config, request.param
    test = request.node.originalname
    if way == "process":
        return ProcessBench()
    if way == "vpcd":
        return VpcdBench()
    if way == "replay":
        return ReplayBench(RECORDINGS, test)
    if way == "record":
        return RecordingBench(Path(config.getoption("record_contract")), test)
    try:
        return ReaderBench(
            config.getoption("reader"), config.getoption("card") or "", config.stash[AUTH_PIN]
        )
    except OtherCardError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
