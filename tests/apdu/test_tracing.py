# SPDX-License-Identifier: Apache-2.0
"""Writing transcripts: no data in a trace, all of it in a recording, and never in the job's way."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_script import ScriptedConnection, line
from jpki_apdu import readers
from jpki_apdu.command import CommandApdu
from jpki_apdu.connection import CardConnection
from jpki_apdu.errors import (
    CardRemovedError,
    CardResetError,
    NoCardError,
    TranscriptError,
    TransportError,
)
from jpki_apdu.link import can_cost_a_try
from jpki_apdu.replay import read_replay
from jpki_apdu.status import StatusWord
from jpki_apdu.tracing import PublicNames, Recorder, TracingConnection, outline
from jpki_apdu.transcript import Command, Event, Failure, read_trace

AID = bytes.fromhex("D392F000260100000001")
NAMES = PublicNames({AID: "jpki"}, frozenset({b"\x00\x18"}))
SELECT = line("00A4040C0A" + AID.hex(), "9000")
READ = line("00B0000010", "aabbccddeeff9000")
VERIFY = line("002000800431323334", "63C2")


class Synthetic(ScriptedConnection):
    """Stands for an emulated card."""

    synthetic = True


def _job(path: Path, *script: tuple[bytes, bytes | Exception], **options: bool) -> Recorder:
    """Send the script's commands; power off and close."""
    recorder = Recorder(path, names=NAMES, **options)  # type: ignore[arg-type]
    with recorder, recorder.wrap(Synthetic(script, atr=b"\x3b\x00")) as connection:
        for command, _ in script:
            try:
                connection.transmit(command)
            except TransportError:
                continue
        connection.power_off()
    return recorder


# What a trace says. --------------------------------------------------------------------


def test_a_trace_holds_no_data(tmp_path: Path) -> None:
    recorder = _job(tmp_path / "t", SELECT, READ, VERIFY)
    text = (tmp_path / "t").read_text()
    for secret in ("31323334", "aabbcc", "AABBCC", AID.hex().upper()):
        assert secret not in text
    assert recorder.commands == 3
    assert [str(entry.step) for entry in read_trace(tmp_path / "t").entries] == [
        "= open limits=256/0 atr=2 reader=scripted",
        "> 00A4040C lc=10 le=- select=jpki", "< len=0 sw=9000",
        "> 00B00000 lc=0 le=16", "< len=6 sw=9000",
        "> 00200080 lc=* le=-", "< len=0 sw=63C2",
        "= power-off", "= close", "= end",
    ]  # fmt: skip


@given(
    st.tuples(*[st.integers(0, 255)] * 4),
    st.binary(max_size=300),
    st.none() | st.integers(1, 65536),
    st.booleans(),
)
def test_an_outline_is_the_command_without_its_data(
    header: tuple[int, int, int, int], data: bytes, le: int | None, extended: bool
) -> None:
    command = CommandApdu(*header, data, le, extended)
    raw = command.to_bytes()
    found = outline(raw)
    secret = bool(data) and can_cost_a_try(command.cla, command.ins)
    assert found == Command(
        command.header,
        None if secret else len(data),
        le,
        command.is_extended and command.case > 1,
    )
    assert outline(bytearray(raw)) == found


@given(st.binary(max_size=40))
def test_an_outline_and_the_parser_agree_on_what_is_a_command(raw: bytes) -> None:
    found = outline(raw)
    try:
        parsed = CommandApdu.from_bytes(raw)
    except ValueError:
        assert found == Command(raw[:4], size=len(raw))
    else:
        assert (found.header, found.le) == (parsed.header, parsed.le)
        assert found.lc in (None, len(parsed.data))
        assert (found.lc is None) <= can_cost_a_try(parsed.cla, parsed.ins)


@pytest.mark.parametrize(
    ("apdu", "name"),
    [
        ("00A4040C0AD392F000260100000001", "jpki"),
        ("00A4040C0AD392F0002601000000FF", "?"),
        ("00A4040C", ""),
        ("00A4020C020018", "0018"),
        ("00A4020C021234", "?"),
        ("00A4020C03001800", "?"),
        ("00A4000C020018", "0018"),
        ("00D6000002" + "0018", ""),
        ("0020008002" + "0018", ""),
        ("00CA7F2102" + "0018", ""),
    ],
)
def test_only_published_identifiers_are_named(apdu: str, name: str) -> None:
    assert outline(bytes.fromhex(apdu), NAMES).select == name


@pytest.mark.parametrize("ins", [0x20, 0x21, 0x24, 0x2C, 0x82])
def test_the_length_of_a_secret_is_not_told(ins: int) -> None:
    shown = {str(outline(bytes((0, ins, 0, 0x80, n)) + bytes(n))) for n in range(1, 17)}
    assert shown == {f"> 00{ins:02X}0080 lc=* le=-"}
    assert "lc=0" in str(outline(bytes((0, ins, 0, 0x80))))


def test_errors_are_noted_and_raised(tmp_path: Path) -> None:
    inner = ScriptedConnection([line("00B00000", CardRemovedError("vpcd_closed"))])
    with Recorder(tmp_path / "t") as recorder:
        connection = recorder.wrap(inner)
        with pytest.raises(CardRemovedError):
            connection.transmit(bytes.fromhex("00B00000"))
    steps = [entry.step for entry in read_trace(tmp_path / "t").entries]
    assert steps[2] == Failure("vpcd_closed")


def test_an_interruption_is_noted(tmp_path: Path) -> None:
    class Interrupted(ScriptedConnection):
        def power_off(self) -> None:
            raise KeyboardInterrupt

    with Recorder(tmp_path / "t") as recorder:
        connection = recorder.wrap(Interrupted([]))
        with pytest.raises(KeyboardInterrupt):
            connection.power_off()
    steps = [entry.step for entry in read_trace(tmp_path / "t").entries]
    assert steps[1:3] == [Event("power-off"), Failure("interrupted")]


def test_resets_are_noted_when_they_are_noticed(tmp_path: Path) -> None:
    class Reset(ScriptedConnection):
        def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
            self.resets += 1
            raise CardResetError

    with Recorder(tmp_path / "t") as recorder:
        inner = Reset([])
        connection = recorder.wrap(inner)
        with pytest.raises(CardResetError):
            connection.transmit(bytes(4))
        assert connection.resets == 1
        inner.resets += 1
        assert connection.resets == 2
    names = [str(entry.step) for entry in read_trace(tmp_path / "t").entries][1:]
    assert names == ["> 00000000 lc=0 le=-", "! card_reset", "= reset", "= reset", "= end"]


def test_exclusive_access_is_noted(tmp_path: Path) -> None:
    inner = ScriptedConnection([])
    with Recorder(tmp_path / "t") as recorder:
        connection = recorder.wrap(inner)
        with pytest.raises(KeyError), connection.exclusive():
            raise KeyError
    assert inner.events == ["exclusive", "shared"]
    steps = [entry.step for entry in read_trace(tmp_path / "t").entries]
    assert steps[1:3] == [Event("exclusive"), Event("shared")]


def test_several_connections_are_told_apart(tmp_path: Path) -> None:
    with Recorder(tmp_path / "t") as recorder:
        one, two = (recorder.wrap(ScriptedConnection([READ])) for _ in range(2))
        one.transmit(READ[0])
        two.transmit(READ[0])
    entries = read_trace(tmp_path / "t").entries
    assert [entry.connection for entry in entries] == [1, 2, 1, 1, 2, 2, 0]
    assert recorder.connections == 2


def test_the_reader_is_named_without_its_serial_number(tmp_path: Path) -> None:
    class Named(ScriptedConnection):
        @property
        def name(self) -> str:
            return "ACS ACR1252 [PICC\n] (0123456789ABCDEF) 00 00"

    with Recorder(tmp_path / "t") as recorder:
        recorder.wrap(Named([]))
    event = read_trace(tmp_path / "t").entries[0].step
    assert isinstance(event, Event)
    assert event.details.endswith("reader=ACS ACR1252 [PICC?] 00 00")


def test_time_is_in_microseconds_from_the_start(tmp_path: Path) -> None:
    clock = itertools.count(5_000_000_000, 1_500_000)
    with Recorder(tmp_path / "t", clock=lambda: next(clock)) as recorder:
        recorder.wrap(ScriptedConnection([]))
    assert [entry.time for entry in read_trace(tmp_path / "t").entries] == [1500, 3000]


# Through readers.watch. ------------------------------------------------------------------


def test_watching_what_is_opened(tmp_path: Path) -> None:
    readers.register_scheme("scripted", lambda rest, wait, timeout: ScriptedConnection([READ]))
    try:
        with Recorder(tmp_path / "t") as recorder, readers.watch(recorder.opened):
            connection = readers.open_reader("scripted:x")
            assert isinstance(connection, TracingConnection)
            connection.transmit(READ[0])
        assert isinstance(readers.open_reader("scripted:x"), ScriptedConnection)
    finally:
        del readers._openers["scripted"]
    assert read_trace(tmp_path / "t").commands == 1


def test_two_watchers_see_the_same(tmp_path: Path) -> None:
    readers.register_scheme("scripted", lambda rest, wait, timeout: ScriptedConnection([READ]))
    try:
        with Recorder(tmp_path / "outer") as outer, readers.watch(outer.opened):
            with Recorder(tmp_path / "inner") as inner, readers.watch(inner.opened):
                readers.open_reader("scripted:x").transmit(READ[0])
            assert outer.commands == inner.commands == 1
    finally:
        del readers._openers["scripted"]


def test_what_cannot_be_opened_is_noted(tmp_path: Path) -> None:
    def nobody() -> CardConnection:
        raise NoCardError(reader="x")

    with Recorder(tmp_path / "t") as recorder, pytest.raises(NoCardError):
        recorder.opened(nobody)
    assert read_trace(tmp_path / "t").entries[0].step == Failure("no_card")


# Recordings. -----------------------------------------------------------------------------


def test_a_recording_holds_every_byte(tmp_path: Path) -> None:
    _job(tmp_path / "r", SELECT, READ, VERIFY, replayable=True)
    replay = read_replay(tmp_path / "r")
    assert replay.commands() == [SELECT[0], READ[0], VERIFY[0]]
    assert replay.replies() == bytes.fromhex("aabbccddeeff")
    assert "PINs" in replay.headers["holds"]


def test_only_a_synthetic_card_is_recorded(tmp_path: Path) -> None:
    inner = ScriptedConnection([READ])
    with Recorder(tmp_path / "r", replayable=True) as recorder:
        with pytest.raises(TranscriptError) as caught:
            recorder.opened(lambda: inner)
        assert caught.value.code == "recording_real"
    assert inner.events == ["close"]
    assert "origin" not in (tmp_path / "r").read_text()
    with pytest.raises(TranscriptError) as caught:
        read_replay(tmp_path / "r")
    assert caught.value.code == "replay_origin"


def test_one_recording_is_of_one_card(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r", replayable=True) as recorder:
        recorder.wrap(Synthetic([]))
        with pytest.raises(TranscriptError) as caught:
            recorder.wrap(Synthetic([]))
        assert caught.value.code == "recording_second"


# The file. -------------------------------------------------------------------------------


def test_the_file_is_private_and_new(tmp_path: Path) -> None:
    path = tmp_path / "t"
    before = os.umask(0)
    try:
        _job(path, READ)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(TranscriptError) as caught:
        Recorder(path)
    assert caught.value.values["reason"] == "exists"


def test_overwritten_it_is_private_again(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("old")
    path.chmod(0o644)
    _job(path, READ, overwrite=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "old" not in path.read_text()


def test_only_a_file_is_overwritten(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "link").symlink_to("kept")
    for name in ("pipe", "folder"):
        with pytest.raises(TranscriptError):
            Recorder(tmp_path / name, overwrite=True)
        assert (tmp_path / name).exists()
    _job(tmp_path / "link", READ, overwrite=True)
    assert (tmp_path / "kept").read_text() == "kept"


def test_no_place_for_it(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError) as caught:
        Recorder(tmp_path / "none" / "t")
    assert (caught.value.code, caught.value.values["reason"]) == ("transcript_file", "not_found")


def test_each_line_is_there_before_its_command_is_sent(tmp_path: Path) -> None:
    """So that what a crash leaves tells what was under way."""
    path = tmp_path / "t"

    class Looking(ScriptedConnection):
        def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
            assert path.read_text().endswith("> 00B00000 lc=0 le=16\n")
            return super().transmit(apdu)

    with Recorder(path) as recorder:
        recorder.wrap(Looking([READ])).transmit(READ[0])
        assert path.read_text().endswith("< len=6 sw=9000\n")
        assert not read_trace(path).complete
    assert read_trace(path).complete


@pytest.mark.parametrize("replayable", [False, True])
def test_a_full_disk_ends_the_transcript_and_not_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replayable: bool
) -> None:
    write, written = os.write, itertools.count(1)

    def full(file: int, data: bytes) -> int:
        if next(written) > 9:
            raise OSError(errno.ENOSPC, "no space left on device")
        return write(file, data[:7])  # and a slow one: pieces are put together

    monkeypatch.setattr(os, "write", full)
    inner = Synthetic([SELECT, READ, VERIFY])
    recorder = Recorder(tmp_path / "t", replayable=replayable)
    with recorder, recorder.wrap(inner) as connection:
        for command, _ in (SELECT, READ, VERIFY):
            connection.transmit(command)
    assert inner.used_up
    assert recorder.failed == "io"
    assert recorder.commands == 3
    if replayable:
        with pytest.raises(TranscriptError):
            read_replay(tmp_path / "t")
    else:
        assert not read_trace(tmp_path / "t").complete


def test_nothing_is_noted_after_closing(tmp_path: Path) -> None:
    class Closable(ScriptedConnection):
        def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
            raise CardRemovedError("closed")

    with Recorder(tmp_path / "t") as recorder:
        connection = recorder.wrap(Closable([]))
        connection.close()
        connection.close()
        with pytest.raises(CardRemovedError):
            connection.transmit(bytes(4))
    names = [str(entry.step) for entry in read_trace(tmp_path / "t").entries][1:]
    assert names == ["= close", "= end"]
    recorder.close()
