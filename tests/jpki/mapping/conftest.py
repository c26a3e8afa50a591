# SPDX-License-Identifier: Apache-2.0
"""A map for the tests, in each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import map_bench
from map_bench import Bench


@pytest.fixture
def bench(url: str, tmp_path: Path) -> Iterator[Bench]:
    """A map for two services, in each kind of database."""
    made = map_bench.new_bench(url, tmp_path, map_bench.two_services(), "library")
    yield made
    made.close()
