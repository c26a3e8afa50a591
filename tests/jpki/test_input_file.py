# SPDX-License-Identifier: Apache-2.0
"""Reading files: each way it fails is one typed error; a full disk is not the input's fault."""

from __future__ import annotations

import errno
import hashlib
import io
from pathlib import Path

import pytest

from jpki.errors import InputFileError
from jpki.input_file import pieces, read_head, read_limited
from jpki.signing.algorithms import HashName
from jpki.signing.document import hash_file

CONTENT = bytes(range(256)) * 5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "input"
    place.write_bytes(CONTENT)
    return place


def test_whole_head_and_pieces(path: Path) -> None:
    assert read_limited(path, len(CONTENT)) == CONTENT
    assert read_head(path, 7) == CONTENT[:7]
    assert read_head(path, len(CONTENT) + 1) == CONTENT
    found = [bytes(piece) for piece in pieces(path, 100)]
    assert b"".join(found) == CONTENT
    assert [len(piece) for piece in found] == [100] * 12 + [80]


def test_a_byte_too_many(path: Path) -> None:
    with pytest.raises(InputFileError) as caught:
        read_limited(path, len(CONTENT) - 1)
    assert caught.value.values == {"path": str(path), "reason": "too_large"}


@pytest.mark.parametrize(("name", "reason"), [("gone", "not_found"), (".", "unreadable")])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, reason: str) -> None:
    place = tmp_path / name
    for read in (lambda: read_limited(place, 9), lambda: list(pieces(place, 9))):
        with pytest.raises(InputFileError) as caught:
            read()
        assert caught.value.values == {"path": str(place), "reason": reason}


class _FullDisk(io.BytesIO):
    def write(self, _data: object, /) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")


def test_a_full_disk_is_not_told_of_the_input(path: Path) -> None:
    copy = io.BytesIO()
    assert hash_file(path, HashName.SHA256, copy_to=copy) == (
        len(CONTENT),
        hashlib.sha256(CONTENT).digest(),
    )
    assert copy.getvalue() == CONTENT
    with pytest.raises(OSError, match="no space") as caught:
        hash_file(path, HashName.SHA256, copy_to=_FullDisk())
    assert caught.value.errno == errno.ENOSPC
