# SPDX-License-Identifier: Apache-2.0
"""A writer that is killed, or finds the disk full: the old list stands, or the new one does."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crl_edits import numbered_list
from jpki.certificate import parse_certificate
from jpki.synth.pki import SynthPki
from jpki.validation.crl_index import CrlIndexStore, Partition
from jpki.validation.crl_index.folder import NEW
from jpki.validation.crl_index.writer import Indexed, Placed

DAY = datetime(2026, 11, 20, tzinfo=UTC)
SERIAL = 0x0700ABCD
MANY = [(serial, DAY, 3) for serial in range(1, 5_000)]
Put = Callable[..., list[Indexed]]


@pytest.fixture
def writer(root: Path) -> list[str]:
    return [sys.executable, str(root / "tests" / "support" / "crl_writing.py")]


@pytest.fixture
def newer(tmp_path: Path, pki: SynthPki) -> str:
    path = tmp_path / "newer.crl"
    path.write_bytes(numbered_list(pki, 8, *MANY, (SERIAL, DAY, 4)))
    return str(path)


def only(path: Path) -> Partition:
    """The one list in the store, with every key proven and an entry read."""
    ((_, partition),) = CrlIndexStore(path).partitions()
    assert isinstance(partition, Partition)
    partition.prove()
    assert partition.entry(4_000) is not None
    return partition


def test_a_killed_writer_leaves_a_whole_list(
    put: Put, path: Path, pki: SynthPki, writer: list[str], newer: str
) -> None:
    put(numbered_list(pki, 7, *MANY))
    numbers = []
    for step in range(1, 40):
        process = subprocess.Popen([*writer, str(path), newer, str(step)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        said = process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        numbers.append(only(path).number)
        if said == b"done\n":
            break
    assert said == b"done\n"
    # The old one until the index is moved to its place, then the new one, and never back.
    assert numbers == sorted(numbers)
    assert set(numbers) == {7, 8}
    assert len(numbers) > 5
    assert put(Path(newer).read_bytes())[0].placed is Placed.SAME
    assert [file.name for file in path.iterdir() if file.name.startswith(NEW)] == []


@pytest.mark.parametrize("size", [0, 1_000, 60_000, 120_000])
def test_a_full_disk_leaves_the_old_list(
    put: Put, path: Path, pki: SynthPki, writer: list[str], newer: str, size: int
) -> None:
    put(numbered_list(pki, 7, *MANY))
    before = sorted((file.name, file.read_bytes()) for file in path.iterdir())
    ended = subprocess.run(
        [*writer, str(path), newer, "full", str(size)], capture_output=True, check=True, text=True
    )
    assert ended.stdout == "disk_full\n"
    assert sorted((file.name, file.read_bytes()) for file in path.iterdir()) == before
    assert only(path).number == 7


def test_readers_never_see_half_an_index(
    put: Put, path: Path, pki: SynthPki, make: Callable[..., bytes]
) -> None:
    lists = [numbered_list(pki, number, *MANY[: 1_000 * number]) for number in (1, 2, 3, 4, 5)]
    put(lists[0])
    certificate = parse_certificate(make())
    assert certificate.aki is not None
    assert certificate.aki.key_id is not None
    key_id, (point,) = certificate.aki.key_id, certificate.crl_distribution_point_names
    done = threading.Event()
    wrong: list[object] = []
    asked = 0

    def read() -> None:
        nonlocal asked
        while not done.is_set():
            store = CrlIndexStore(path, look_every=0)
            partition = store.partition(key_id, point)
            found = store.lookup(key_id, point, 500)
            asked += 1
            if partition is None or found is None or found.since != DAY:
                wrong.append((partition, found))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for data in lists[1:]:
        put(data)
    while asked < 50 and not wrong:
        pass
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_two_writers_wait_for_each_other(
    put: Put, path: Path, pki: SynthPki, writer: list[str], newer: str
) -> None:
    put(numbered_list(pki, 7, *MANY))
    command = [*writer, str(path), newer, "0"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate()[0] for process in running] == [b"done\n"] * 3
    assert only(path).number == 8
