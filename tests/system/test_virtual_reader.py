# SPDX-License-Identifier: Apache-2.0
"""The virtual reader of the plug-in: a real pcscd, seen by OpenSC, which is not ours."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jpki.emulator import load_card
from jpki.testing import pcscd
from jpki.testing.virtual_reader import VirtualReader, VirtualReaderError

SELECT_JPKI = "00A4040C0AD392F000260100000001"


@pytest.fixture
def reader() -> Iterator[VirtualReader]:
    with VirtualReader() as reader:
        yield reader


def cards(reader: VirtualReader) -> list[bool]:
    """Where OpenSC sees a card, slot by slot."""
    lines = reader.run("opensc-tool", "--list-readers").stdout.splitlines()
    return [line.split()[1] == "Yes" for line in lines if "Virtual PCD" in line]


def send(reader: VirtualReader, apdu: str, timeout: float = 20) -> str:
    return reader.run("opensc-tool", "-r", "0", "-s", apdu, timeout=timeout).stdout


def test_in_and_out(reader: VirtualReader) -> None:
    assert cards(reader) == [False, False]
    card = reader.plug("hanako")
    assert cards(reader) == [True, False]
    assert "SW1=0x90" in send(reader, SELECT_JPKI)
    assert card.apdus > 0
    reader.plug(load_card("child"), slot=1)
    assert cards(reader) == [True, True]
    reader.eject()
    assert cards(reader) == [False, True]
    reader.insert()
    reader.insert()
    assert cards(reader) == [True, True]
    reader.plug("taro-moved")
    assert cards(reader) == [True, True]
    assert "SW1=0x90" in send(reader, SELECT_JPKI)


def test_out_and_in_without_waiting(reader: VirtualReader) -> None:
    reader.plug("hanako")
    begin = time.monotonic()
    reader.eject(wait=False)
    assert reader.sees_card()  # pcscd has not looked yet
    reader.insert(wait=False)
    assert time.monotonic() - begin < 0.3
    reader.eject()
    assert cards(reader) == [False, False]
    reader.insert()
    assert cards(reader) == [True, False]


def test_nothing_to_put_back(reader: VirtualReader) -> None:
    reader.eject()
    with pytest.raises(VirtualReaderError, match="virtual_reader_empty"):
        reader.insert()


def test_the_daemon_killed_and_restarted(reader: VirtualReader) -> None:
    reader.plug("hanako")
    reader.plug("child", slot=1)
    reader.eject(1)
    reader.kill_daemon()
    assert "No smart card readers" in reader.run("opensc-tool", "-l").stdout
    reader.restart_daemon()
    assert cards(reader) == [True, False]
    reader.restart_daemon()
    assert cards(reader) == [True, False]
    reader.insert(1)
    assert cards(reader) == [True, True]


def test_restart_on_other_ports_when_ours_were_taken(reader: VirtualReader) -> None:
    reader.plug("hanako")
    reader.kill_daemon()
    before = reader.port
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("0.0.0.0", before + 1))
        thief.listen()
        reader.restart_daemon()
    assert reader.port != before
    assert cards(reader) == [True, False]


def test_a_program_that_waits_for_a_silent_card_is_ended(reader: VirtualReader) -> None:
    card = reader.plug("hanako")
    card.faults = ["reply:never@any"]
    begin = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        send(reader, SELECT_JPKI, timeout=1)
    assert time.monotonic() - begin < 5
    card.faults = []
    reader.insert()
    assert "SW1=0x90" in send(reader, SELECT_JPKI)


def test_a_card_that_leaves_by_itself_can_be_put_back(reader: VirtualReader) -> None:
    card = reader.plug("hanako")
    card.faults = ["pull:during@select"]
    assert "SW1=0x90" not in send(reader, SELECT_JPKI)
    card.faults = []
    reader.insert()
    assert "SW1=0x90" in send(reader, SELECT_JPKI)


def test_the_command_line_finds_it(reader: VirtualReader) -> None:
    reader.plug("hanako")
    jpki = str(Path(sys.executable).with_name("jpki"))
    done = reader.run(jpki, "card", "info", "--json", "--reader", reader.uri)
    assert json.loads(done.stdout)["token"]


def test_nothing_is_left(tmp_path: Path) -> None:
    with VirtualReader() as reader:
        reader.plug("hanako")
        pid, folder = reader.pid, reader.folder
        assert folder.is_dir()
        assert Path(f"/proc/{pid}").exists()
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("card ")]
    reader.close()


def test_a_run_that_forgets_to_close_leaves_nothing() -> None:
    code = (
        "from jpki.testing.virtual_reader import VirtualReader\n"
        "reader = VirtualReader()\nreader.plug('hanako')\nprint(reader.pid)\n"
        "raise SystemExit(3)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 3, done.stderr
    assert not Path(f"/proc/{int(done.stdout)}").exists()


class Chance:
    """Chooses the ports it was told to."""

    ports: list[int]

    def randrange(self, *_: int) -> int:
        return type(self).ports.pop(0)


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def these(*ports: int) -> None:
        monkeypatch.setattr(Chance, "ports", list(ports), raising=False)
        monkeypatch.setattr("random.SystemRandom", Chance)

    return these


def test_ports_of_another_bed_are_not_taken(
    reader: VirtualReader, choose: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcscd, "_require_free", lambda port: None)
    other = reader.port ^ 2
    choose(reader.port, other)
    with VirtualReader() as second:
        assert second.port == other


@pytest.mark.parametrize("taken", [0, 1])
def test_a_port_that_is_taken_at_the_last_moment(
    choose: Callable[..., None], monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    """pcscd runs on without readers then; that is noticed, and another pair is tried."""
    with VirtualReader() as probe:
        port = probe.port
    monkeypatch.setattr(pcscd, "_require_free", lambda port: None)
    choose(port, port ^ 2)
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("0.0.0.0", port + taken))
        thief.listen()
        with VirtualReader() as reader:
            assert reader.port == port ^ 2
            assert cards(reader) == [False, False]


def test_no_ports(choose: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    def none(port: int) -> None:
        raise OSError

    choose(*range(20000, 21000, 2))
    monkeypatch.setattr(pcscd, "_require_free", none)
    with pytest.raises(VirtualReaderError, match="virtual_reader_ports"):
        VirtualReader()


def _program(folder: Path, text: str) -> str:
    program = folder / "pcscd"
    program.write_text(f"#!/bin/sh\n{text}\n", "ascii")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("text", ["exec sleep 60", "echo no; exit 1"])
def test_a_daemon_that_does_not_get_ready(tmp_path: Path, text: str) -> None:
    begin = time.monotonic()
    with pytest.raises(VirtualReaderError) as error:
        VirtualReader(pcscd=_program(tmp_path, text), timeout=1)
    assert error.value.code == "virtual_reader_start"
    assert time.monotonic() - begin < 5


def test_without_root_and_without_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(pcscd, "RUN_FOLDER", tmp_path / "pcscd")
    with pytest.raises(VirtualReaderError) as error:
        VirtualReader()
    assert error.value.code == "virtual_reader_folder"
    assert error.value.values["install"] == f"sudo mkdir -p {tmp_path / 'pcscd'}"


AS_NOBODY = """real=$(command -v pcscd || echo /usr/sbin/pcscd)
[ "$(id -u)" = 0 ] || exec "$real" "$@"
exec setpriv --reuid=65534 --regid=65534 --clear-groups "$real" "$@"
"""


def test_pcscd_works_without_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that it cannot write its process id to /run/pcscd, and goes on."""
    folder = Path(tempfile.mkdtemp(prefix="jpki-test-"))
    folder.chmod(0o755)
    monkeypatch.setattr(pcscd, "_short_folder", lambda: folder)
    # Not below tmp_path, which nobody but the owner may enter.
    program = Path(tempfile.mkdtemp(prefix="jpki-test-"))
    program.chmod(0o755)
    try:
        with VirtualReader(pcscd=_program(program, AS_NOBODY)) as reader:
            assert Path(f"/proc/{reader.pid}").stat().st_uid != 0
            reader.plug("hanako")
            assert "SW1=0x90" in send(reader, SELECT_JPKI)
    finally:
        shutil.rmtree(program)


MISSING = """
import pytest
from jpki.testing import pcscd


@pytest.fixture(autouse=True, scope="session")
def nothing_installed():
    pcscd.{name} = ("/nonexistent/it",)


def test_one(virtual_reader):
    pass
"""


@pytest.mark.parametrize("name", ["DRIVER_PATHS"])
def test_what_is_missing_is_named_with_the_line_that_installs_it(tmp_path: Path, name: str) -> None:
    done, took = stranger(tmp_path, MISSING.format(name=name))
    assert done.returncode == 1
    assert "apt-get install -y pcscd vsmartcard-vpcd" in done.stdout
    assert "Traceback" not in done.stdout
    assert took < 60  # nothing was waited for: each wait here is longer


MANY = """
import pytest


@pytest.mark.parametrize("number", range(4))
def test_each_worker_has_its_own(virtual_reader, number):
    card = virtual_reader.plug("hanako")
    done = virtual_reader.run("opensc-tool", "-r", "0", "-s", "00A4040C0AD392F000260100000001")
    assert "SW1=0x90" in done.stdout
    assert card.apdus > 0
    assert virtual_reader.environment["PCSCLITE_CSOCK_NAME"] == virtual_reader.variables[
        "PCSCLITE_CSOCK_NAME"
    ]
"""


def test_works_with_xdist(tmp_path: Path) -> None:
    done, _ = stranger(tmp_path, MANY, "-p", "xdist", "-n", "4")
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def stranger(
    folder: Path, text: str, *options: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    """Somebody else's test run, and how long it took (seconds)."""
    (folder / "test_it.py").write_text(text, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done, time.monotonic() - begin
