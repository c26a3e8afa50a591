# SPDX-License-Identifier: Apache-2.0
"""The state file: what a try costs stays spent, whatever happens to the process."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jpki.emulator import load_card
from jpki.emulator.state import PinState, StateFile
from jpki.errors import CardFileError
from virtual_terminal import AT, Terminal


def _card(path: Path, name: str = "hanako") -> Terminal:
    return Terminal(load_card(name, at=AT, state_file=path))


def test_counters_and_changed_pins_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "state"
    first = _card(path)
    first.open("jpki", "0018", "0000")
    first.open("text", "0011", "1234")
    assert first.sw("002401800435363738") == "9000"
    second = _card(path)
    assert second.card.tries()["jpki/0018"] == 2
    assert second.open("text", "0011", "5678") == "9000"
    assert second.card.pins()["text"] == "5678"
    assert second.open("jpki", "0018", "1234") == "9000"
    assert _card(path).card.tries()["jpki/0018"] == 3


def test_without_a_file_nothing_is_kept() -> None:
    card = Terminal(load_card("hanako", at=AT))
    card.open("jpki", "0018", "0000")
    assert load_card("hanako", at=AT).tries()["jpki/0018"] == 3


def test_file_is_private_and_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order of a write: data to the disk, new name, folder to the disk."""
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def traced_fsync(handle: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def traced_replace(source: str, target: Path) -> None:
        steps.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "replace", traced_replace)
    path = tmp_path / "state"
    _card(path)
    assert steps == ["file", "rename", "folder"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_counter_is_on_the_disk_before_the_answer(tmp_path: Path) -> None:
    path = tmp_path / "state"
    card = _card(path)
    seen: list[int] = []

    def tries_on_disk(_: object) -> None:
        seen.append(json.loads(path.read_text())["pins"]["jpki/0018"]["tries"])

    card.open("jpki", "0018")
    card.card.log = tries_on_disk
    for value in ("0000", "0000", "1234", "0000"):
        card.verify(value)
    assert seen == [2, 1, 3, 2]


KILLED = """
import os, signal, sys
from pathlib import Path
from jpki.emulator import load_card, state

def killed(*args):
    os.kill(os.getpid(), signal.SIGKILL)

card = load_card("hanako", state_file=Path(sys.argv[1]))
for apdu in ("00A4040C0AD392F000260100000001", "00A4020C020018"):
    card.transmit(bytes.fromhex(apdu))
if sys.argv[2] == "while-writing":
    os.replace = killed
else:
    card.log = killed
answer = card.transmit(bytes.fromhex("002000800430303030"))
print(answer.hex(), flush=True)
"""


@pytest.mark.parametrize(("when", "left"), [("while-writing", 3), ("before-the-answer", 2)])
def test_kill(tmp_path: Path, root: Path, when: str, left: int) -> None:
    """Killed at any moment, no answer was given that the counter does not know of."""
    path = tmp_path / "state"
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), when],
        cwd=root, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (-signal.SIGKILL, "")
    assert _card(path).card.tries()["jpki/0018"] == left


@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        ("", "file", "damaged"),
        ("{", "file", "damaged"),
        ("[]", "schema", "damaged"),
        ('{"schema": "jpki.card-state/2"}', "schema", "damaged"),
        ('{"schema": "jpki.card-state/1", "card": "x", "pins": {}}', "card", "other_card"),
    ],
)
def test_file_that_is_no_state_is_refused_and_left_alone(
    tmp_path: Path, content: str, place: str, reason: str
) -> None:
    path = tmp_path / "state"
    path.write_text(content)
    with pytest.raises(CardFileError) as caught:
        _card(path)
    assert (caught.value.values["place"], caught.value.values["reason"]) == (place, reason)
    assert path.read_text() == content


DAMAGES = [
    ("pins", lambda pins: pins.pop("jpki/0018")),
    ("pins", lambda pins: pins.update({"jpki/9999": {"tries": 3, "value": ""}})),
    ("pins.jpki/0018", lambda pins: pins["jpki/0018"].update(tries=4)),
    ("pins.jpki/0018", lambda pins: pins["jpki/0018"].update(tries=-1)),
    ("pins.jpki/0018", lambda pins: pins["jpki/0018"].update(tries=True)),
    ("pins.jpki/0018", lambda pins: pins["jpki/0018"].update(tries="3")),
    ("pins.jpki/0018", lambda pins: pins["jpki/0018"].update(value=None)),
    ("pins.jpki/0018", lambda pins: pins["jpki/0018"].update(value="1" * 17)),
    ("pins.jpki/0018", lambda pins: pins["jpki/0018"].update(value="番")),
    ("pins.jpki/0018", lambda pins: pins["jpki/0018"].update(more=1)),
]


@pytest.mark.parametrize(("place", "damage"), DAMAGES)
def test_damaged_entries(tmp_path: Path, place: str, damage: object) -> None:
    path = tmp_path / "state"
    _card(path)
    document = json.loads(path.read_text())
    assert callable(damage)
    damage(document["pins"])
    path.write_text(json.dumps(document))
    with pytest.raises(CardFileError) as caught:
        _card(path)
    assert caught.value.values["place"] == place
    assert caught.value.values["reason"] == "damaged"


def test_truncated_at_every_length(tmp_path: Path) -> None:
    path = tmp_path / "state"
    _card(path)
    whole = path.read_bytes().rstrip()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(CardFileError):
            _card(path)


def test_other_card(tmp_path: Path) -> None:
    path = tmp_path / "state"
    _card(path)
    with pytest.raises(CardFileError) as caught:
        _card(path, "taro-moved")
    assert caught.value.values["reason"] == "other_card"


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CardFileError) as caught:
        _card(tmp_path / "nowhere" / "state")
    assert caught.value.values["reason"] == "unwritable"
    with pytest.raises(CardFileError) as caught:
        _card(tmp_path)
    assert caught.value.values["reason"] == "unreadable"


def test_disk_that_fails_later_gives_nothing_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """6581, the try spent, no verification and no change."""
    card = _card(tmp_path / "state")
    card.open("jpki", "0018", "0000")

    def full(handle: int) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert card.verify("0000") == "6581"
        assert card.verify("1234") == "6581"
        assert card.sw("802A0097010100") == "6982"
    card.file("0018")
    assert card.sw("00200080") == "63C1"
    assert card.verify("1234") == "9000"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert card.sw("002401800435363738") == "6581"
    assert card.verify("1234") == "9000"
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_values_are_not_shown() -> None:
    assert "1234" not in repr(PinState(3, b"1234"))
    assert "repr" not in repr(StateFile(Path("x"), "repr"))
