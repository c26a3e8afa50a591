# SPDX-License-Identifier: Apache-2.0
"""The key file: who may read it, what it may hold, and that it is written whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jpki.certificate.kinds import Environment
from jpki.mapping.errors import KeyFileError
from jpki.mapping.key_file import KeyFile, new_keys, read_keys, write_keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "map.keys"


@pytest.fixture
def keys(path: Path) -> KeyFile:
    return write_keys(new_keys(Environment.TEST, ("library", "pool")), path)


def reason(path: Path) -> object:
    with pytest.raises(KeyFileError) as caught:
        read_keys(path)
    return caught.value.values["reason"]


def test_written_and_read(keys: KeyFile, path: Path) -> None:
    assert read_keys(path) == keys
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["map.keys"]


def test_no_key_is_shown(keys: KeyFile) -> None:
    shown = repr(keys) + repr(keys.service("library"))
    for secret in (keys.ledger_key, keys.vault_key, keys.service("library").epochs[0]):
        assert secret.hex() not in shown
        assert repr(secret) not in shown


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777])
def test_a_file_that_others_can_read(keys: KeyFile, path: Path, mode: int) -> None:
    path.chmod(mode)
    assert reason(path) == "mode"


def test_no_file(path: Path) -> None:
    assert reason(path) == "missing"


def test_a_folder(path: Path) -> None:
    path.mkdir(mode=0o700)
    with pytest.raises(KeyFileError):
        read_keys(path)


def test_not_written_over(keys: KeyFile, path: Path) -> None:
    with pytest.raises(KeyFileError) as caught:
        write_keys(keys, path)
    assert caught.value.values["reason"] == "exists"
    assert read_keys(path) == keys


def test_nowhere_to_write(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError) as caught:
        write_keys(new_keys(Environment.TEST, ()), tmp_path / "no" / "keys")
    assert caught.value.values["reason"] == "unwritable"


def test_cut_at_every_length(keys: KeyFile, path: Path) -> None:
    whole = path.read_bytes()
    for cut in range(len(whole) - 2):  # without the last brace; the newline may go
        path.write_bytes(whole[:cut])
        assert reason(path) == "malformed"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("schema", "jpki.map.keys/2"),
        ("map", "zz"),
        ("map", "00"),
        ("environment", "other"),
        ("ledger", "AAAA"),
        ("vault", 5),
        ("services", []),
        ("services", {"library": []}),
        ("services", {"library": ["AAAA"]}),
        ("services", {"library": "AAAA"}),
        ("more", 1),
    ],
)
def test_what_is_not_a_key_file(keys: KeyFile, path: Path, member: str, value: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), member: value}))
    assert reason(path) == "malformed"


def test_epochs(keys: KeyFile) -> None:
    new = keys.rotated("library").service("library")
    assert new.epoch == 2
    assert new.epochs[0] == keys.service("library").epochs[0]
    assert new.check() != keys.service("library").check()
    assert keys.rotated("library").service("pool") == keys.service("pool")
    with pytest.raises(KeyFileError):
        keys.service("other")
    with pytest.raises(KeyFileError):
        new.open("recheck", b"", b"", 3)
