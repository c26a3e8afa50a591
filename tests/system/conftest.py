# SPDX-License-Identifier: Apache-2.0
"""Beds for the tests with real programs. A missing program is a failure, never a skip."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import map_bench
from jpki.testing.virtual_reader import VirtualReader
from pcsc_bed import PcscBed
from pcsc_client import Client

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is marked ``system``."""
    for item in items:
        if HERE in Path(item.path).parents:
            item.add_marker(pytest.mark.system)


@pytest.fixture
def empty_bed() -> Iterator[PcscBed]:
    """A pcscd with the virtual reader and no card."""
    with PcscBed() as bed:
        yield bed


@pytest.fixture
def bed(empty_bed: PcscBed) -> PcscBed:
    """A pcscd with the emulated card ``hanako`` in its reader."""
    empty_bed.plug_in("hanako")
    return empty_bed


@pytest.fixture
def reader() -> Iterator[VirtualReader]:
    """A pcscd whose cards are in this process, so that they can be told what to do."""
    with VirtualReader() as reader:
        yield reader


@pytest.fixture
def client(reader: VirtualReader) -> Iterator[Client]:
    """A program that uses the reader as it is told."""
    with Client(reader) as client:
        yield client


@pytest.fixture(scope="module")
def cluster() -> Iterator[map_bench.Cluster]:
    """A PostgreSQL of the tests of one file, which may stop it."""
    with (
        tempfile.TemporaryDirectory(prefix="pg") as folder,
        map_bench.postgresql(Path(folder)) as running,
    ):
        yield running
