# SPDX-License-Identifier: Apache-2.0
"""What is remembered of readers: kept whole, private, and never trusted blindly."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from jpki_apdu.connection import ReplyLimits
from jpki_apdu.reader_memory import DamagedMemoryError, ReaderMemory, default_path, parse

NAME = "SCM SCR 3310 (21120518203155) 00 00"


def memory(folder: Path) -> ReaderMemory:
    return ReaderMemory.of_user({"XDG_STATE_HOME": str(folder)})


def test_remembered(tmp_path: Path) -> None:
    kept = memory(tmp_path)
    assert kept.limits(NAME) is None
    kept.remember(NAME, ReplyLimits(250, 0))
    kept.remember("読取機", ReplyLimits(256, 1322))
    kept.remember(NAME, ReplyLimits(255, 0))
    assert kept.limits(NAME) == ReplyLimits(255, 0)
    assert kept.limits("読取機") == ReplyLimits(256, 1322)
    assert kept.limits(NAME.lower()) is None
    assert [path.name for path in (tmp_path / "jpki").iterdir()] == ["readers.json"]


def test_private(tmp_path: Path) -> None:
    """A reader's name may end with its serial number."""
    kept = memory(tmp_path)
    kept.remember(NAME, ReplyLimits())
    assert kept.path is not None
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert kept.path.parent.stat().st_mode & 0o777 == 0o700
    assert NAME not in repr(kept)


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/jpki/readers.json"),
        ({"HOME": "/h"}, "/h/.local/state/jpki/readers.json"),
        ({"USERPROFILE": "/u"}, "/u/.local/state/jpki/readers.json"),
        ({}, None),
    ],
)
def test_place(env: dict[str, str], path: str | None) -> None:
    assert default_path(env) == (Path(path) if path else None)


def test_place_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert default_path({"LOCALAPPDATA": "/l", "USERPROFILE": "/u"}) == Path("/l/jpki/readers.json")


def test_without_a_home(tmp_path: Path) -> None:
    nowhere = ReaderMemory.of_user({})
    assert nowhere.limits(NAME) is None
    with pytest.raises(OSError, match="no home"):
        nowhere.remember(NAME, ReplyLimits())


GOOD = {"version": 1, "readers": {NAME: {"short": 250, "extended": 0}}}
BAD: list[object] = [
    [], 1, "x", None, {}, {"version": 1}, {"version": 2, "readers": {}}, {"readers": {}},
    {"version": 1, "readers": []}, {"version": 1, "readers": {NAME: []}},
    {"version": 1, "readers": {NAME: {"short": 250}}},
    *({"version": 1, "readers": {NAME: {"short": short, "extended": extended}}}
      for short, extended in [(0, 0), (257, 0), (256, -1), (256, 65537), ("256", 0), (256.0, 0),
                              (True, 0), (256, None), (10**400, 0)]),
]  # fmt: skip


@pytest.mark.parametrize("content", BAD, ids=str)
def test_damage_is_no_knowledge(tmp_path: Path, content: object) -> None:
    kept = memory(tmp_path)
    kept.remember("other", ReplyLimits())
    assert kept.path is not None
    kept.path.write_text(json.dumps(content))
    assert kept.limits(NAME) is None
    with pytest.raises(DamagedMemoryError):
        parse(json.dumps(content).encode())
    kept.remember(NAME, ReplyLimits(224, 0))  # begun anew
    assert kept.limits(NAME) == ReplyLimits(224, 0)


def test_every_truncation_is_damage() -> None:
    whole = json.dumps(GOOD).encode()
    assert parse(whole) == {NAME: ReplyLimits(250, 0)}
    for length in range(len(whole)):
        with pytest.raises(DamagedMemoryError):
            parse(whole[:length])


@pytest.mark.parametrize("data", [b"\xff\xfe", b"[" * 100_000, b" " * ((1 << 20) + 1)])
def test_bytes_that_are_no_memory(data: bytes) -> None:
    with pytest.raises(DamagedMemoryError):
        parse(data)


def test_a_name_that_is_no_text_is_kept_as_far_as_it_can_be(tmp_path: Path) -> None:
    kept = memory(tmp_path)
    kept.remember("bad \udcff name", ReplyLimits(224, 0))
    kept.remember(NAME, ReplyLimits(250, 0))
    assert kept.limits(NAME) == ReplyLimits(250, 0)


def test_the_memory_does_not_grow_for_ever(tmp_path: Path) -> None:
    kept = memory(tmp_path)
    assert kept.path is not None
    many = {f"reader {n}": {"short": 256, "extended": 0} for n in range(400)}
    kept.remember("x", ReplyLimits())
    kept.path.write_text(json.dumps({"version": 1, "readers": many}))
    kept.remember(NAME, ReplyLimits(250, 0))
    held = parse(kept.path.read_bytes())
    assert len(held) == 256
    assert held[NAME] == ReplyLimits(250, 0)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "jpki").write_text("a file where the folder should be")
    kept = memory(tmp_path)
    assert kept.limits(NAME) is None
    with pytest.raises(OSError, match="jpki"):
        kept.remember(NAME, ReplyLimits())
