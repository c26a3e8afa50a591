# SPDX-License-Identifier: Apache-2.0
"""Notices by the school's own program, and a thread that looks after the gates."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from subprocess import SubprocessError

import pytest
from sqlalchemy import func, select

from command_line import validate
from jpki.kiosk.shelter import notices
from jpki.kiosk.shelter import watch_tables as tables
from jpki.kiosk.shelter.notices import ProgramNotifier, gates_kept
from jpki.kiosk.shelter.watch_half import KEPT, ArrivalNotice, Channel
from shelter_bench import SCHOOL, School, school

NOTICE = ArrivalNotice("中里小学校 正門", datetime(2026, 11, 20, 6, tzinfo=UTC))


def _program(folder: Path, body: str) -> ProgramNotifier:
    file = folder / "tell"
    file.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n", "utf-8")
    file.chmod(0o755)
    return ProgramNotifier(file)


def test_a_program_gets_the_notice_on_its_input_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its arguments stand in the list of processes, and ours is the standard output."""
    out = tmp_path / "out"
    body = f"open({str(out)!r}, 'w').write(repr(sys.argv[1:]) + sys.stdin.read()); print('mine')"
    _program(tmp_path, body)("p-1", Channel.MAIL, NOTICE)
    arguments, members = out.read_text("utf-8")[:2], json.loads(out.read_text("utf-8")[2:])
    assert (arguments, capfd.readouterr().out) == ("[]", "")
    validate(members)
    assert members["at"] == "2026-11-20T06:00:00Z"
    assert (members["guardian"], members["place"]) == ("p-1", NOTICE.place)


@pytest.mark.parametrize("body", ["sys.exit(1)", "raise SystemError", "time.sleep(60)"])
def test_a_program_that_fails_has_told_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(notices, "_PATIENCE", 1.0)
    with pytest.raises(SubprocessError):
        _program(tmp_path, body)("p-1", Channel.APP, NOTICE)


def test_a_program_that_is_not_there_has_told_nobody(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="tell"):
        ProgramNotifier(tmp_path / "tell")("p-1", Channel.APP, NOTICE)


@pytest.fixture
def place(url: str, tmp_path: Path) -> Iterator[School]:
    made = school(url, tmp_path)
    yield made
    made.map.close()


def _eventually(done: Callable[[], bool]) -> None:
    for _ in range(2000):
        if done():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about")


def _places(place: School) -> int:
    with place.map.store.reading() as connection:
        return connection.execute(select(func.count()).select_from(tables.PLACE)).scalar_one()


def test_gates_are_looked_after(place: School, caplog: pytest.LogCaptureFixture) -> None:
    """A notice is given once, whatever fails meanwhile, and a place goes by itself in time."""
    caplog.set_level(logging.DEBUG, "jpki")
    place.silent = True
    _, child = place.family()
    with gates_kept(place.gates, every=0.01):
        place.arrive(child)
        _eventually(lambda: "was not given" in caplog.text)
        place.silent = False
        _eventually(lambda: len(place.heard) == 1)
        assert _places(place) == 1
        place.clock.now += KEPT
        _eventually(lambda: _places(place) == 0)
    ((guardian, _, _),) = place.heard
    assert not any(told in caplog.text for told in (guardian, SCHOOL))


def test_no_byte_of_a_place_is_left(tmp_path: Path) -> None:
    """In SQLite's file and in the log beside it, while the map is open."""
    place = school(f"sqlite:///{tmp_path / 'map.db'}", tmp_path)
    try:
        _, child = place.family()
        place.arrive(child)
        assert _files_with(tmp_path, SCHOOL) != []
        place.clock.now += KEPT
        assert place.gates.purge() == 1
        assert _files_with(tmp_path, SCHOOL) == []
    finally:
        place.map.close()


def _files_with(folder: Path, text: str) -> list[str]:
    return [file.name for file in folder.iterdir() if text.encode() in file.read_bytes()]


def test_a_database_that_is_down_ends_nothing(place: School) -> None:
    """The thread goes on: the next round is another one."""
    place.map.store.change(lambda connection: tables.METADATA.drop_all(connection))
    with gates_kept(place.gates, every=0.01):
        time.sleep(0.05)
        place.gates.prepare()
        _, child = place.family()
        place.arrive(child)
        _eventually(lambda: len(place.heard) == 1)
