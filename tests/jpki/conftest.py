# SPDX-License-Identifier: Apache-2.0
"""Databases for the tests of map and kiosk: SQLite in a folder, PostgreSQL in a private cluster."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import map_bench
from map_bench import Cluster

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    # Not below pytest's folder: others may not enter that, and a socket's name is short.
    with tempfile.TemporaryDirectory(prefix="jpki-pg-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with map_bench.postgresql(Path(folder)) as running:
            yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'map.db'}"
    running: Cluster = request.getfixturevalue("cluster")
    return running.create(f"map{next(_NUMBERS)}")
