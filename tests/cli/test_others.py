# SPDX-License-Identifier: Apache-2.0
"""``demo``, ``reader``, ``emulate``."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from command_line import Cli, validate
from jpki_apdu import readers
from jpki_apdu.errors import NoServiceError, PcscMissingError
from jpki_apdu.readers import ReaderState

# demo ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_demo_in_words(cli: Cli, lang: str) -> None:
    done = cli("demo", "--lang", lang, "--no-pause")
    assert done.code == 0
    assert done.out.startswith("TEST CARD")
    assert "花子" in done.out
    for name in ("taro-moved", "forged", "copied"):
        assert name in done.out


def test_demo_as_object(cli: Cli) -> None:
    told = cli("demo", "--json").json
    assert told["as_expected"] is True
    assert told["elapsed_ms"] < 5000
    steps = [step["name"] for step in told["steps"]]
    assert steps.index("wrong_pin") < steps.index("right_pin") < steps.index("login")
    outcomes = {name: verdict["outcome"] for name, verdict in told["verdicts"].items()}
    assert outcomes == {
        "login": "valid",
        "hanako": "valid",
        "taro-moved": "invalid",
        "forged": "invalid",
        "copied": "invalid",
    }


def test_demo_fails_if_something_comes_out_wrong(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The forged card replaced by a good one: the demo must notice."""
    from jpki import emulator

    load = emulator.load_card
    monkeypatch.setattr(
        emulator,
        "load_card",
        lambda name, **kwargs: load("hanako" if name == "forged" else name, **kwargs),
    )
    done = cli("demo", "--json")
    assert done.code != 0
    assert done.json["as_expected"] is False


# reader -------------------------------------------------------------------------------

STATES = [ReaderState("Alpha 00", False), ReaderState("Beta 00", True, atr=b"\x3b\x00")]


@pytest.fixture
def two_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "list_readers", lambda: list(STATES))


@pytest.mark.usefixtures("two_readers")
def test_reader_list(cli: Cli) -> None:
    told = cli("reader", "list", "--json").json["readers"]
    assert [reader["card_present"] for reader in told] == [False, True]
    done = cli("reader", "list")
    assert "Alpha 00" in done.out
    assert "3B00" not in done.out.upper()
    assert len(cli("reader", "list", "--json", "--reader", "pcsc:beta").json["readers"]) == 1
    assert cli("reader", "list", "--reader", "pcsc:gamma").code == 3
    assert cli("reader", "list", "--reader", "virtual:hanako").code == 2


@pytest.mark.parametrize("error", [PcscMissingError(), NoServiceError()])
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_no_pcsc(cli: Cli, monkeypatch: pytest.MonkeyPatch, error: Exception, lang: str) -> None:
    def fail() -> list[ReaderState]:
        raise error

    monkeypatch.setattr(readers, "list_readers", fail)
    done = cli("reader", "list", "--json", "--lang", lang)
    assert (done.code, done.json["exit"]) == (3, 3)
    assert len(done.json["message"]) > 20


def test_reader_wait(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = [ReaderState("Alpha 00", False)]
    full = [ReaderState("Alpha 00", True)]
    waits: list[float | None] = []

    def change(known: Sequence[ReaderState], timeout: float | None = None) -> list[ReaderState]:
        waits.append(timeout)
        return full

    monkeypatch.setattr(readers, "list_readers", lambda: empty)
    monkeypatch.setattr(readers, "wait_for_change", change)
    assert cli("reader", "wait", "--json").json["readers"][0]["card_present"] is True
    assert cli("reader", "wait", "--removed").code == 0
    assert len(waits) == 1
    monkeypatch.setattr(readers, "wait_for_change", lambda known, timeout=None: empty)
    done = cli("reader", "wait", "--timeout", "0", "--json")
    assert (done.code, done.json["code"]) == (3, "transport_timeout")


# emulate ------------------------------------------------------------------------------


def test_show_pins(cli: Cli) -> None:
    told = cli("emulate", "--card", "hanako", "--show-pins", "--json").json
    assert told["pins"] | {"number_b": ""} == {
        "auth": "1234",
        "sign": "ABC123",
        "text": "1234",
        "juki": "1234",
        "common": "1234",
        "number_a": "537686677188",
        "number_b": "",
        "birth": "550217",
    }
    words = cli("emulate", "--card", "hanako", "--show-pins").out
    assert words.startswith("TEST CARD")
    assert "ABC123" in words


def test_no_such_card(cli: Cli) -> None:
    done = cli("emulate", "--card", "nobody", "--show-pins", "--json")
    assert (done.code, done.json["code"]) == (1, "card_file")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("--fault", "card:6Cxx", "--fault", "pull:before"), "fault_spec"),
        (("--fault", "537686677188"), "fault_spec"),
        (("--fault", "busy:open"), "fault_in_process"),
        (("--timing", "107"), "usage_choice_near"),
    ],
)
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_faults_that_cannot_be(cli: Cli, given: tuple[str, ...], code: str, lang: str) -> None:
    """Refused as a wrong call, saying which; what was typed is not repeated."""
    done = cli("emulate", "--card", "hanako", "--lang", lang, *given, "--json")
    assert (done.code, done.json["code"]) == (2, code)
    if code != "usage_choice_near":  # which asks «did you mean»
        assert "?" not in str(done.json["message"])
    assert "537686677188" not in done.out + done.err
    if "pull:before" in given:
        assert {"en": "fault 2, its moment", "ja": "2番目の時点"}[lang] in str(done.json["message"])


def test_a_card_that_misbehaves_is_served() -> None:
    """Pulled out at its first command, it is out: the emulator ends by itself."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"127.0.0.1:{server.getsockname()[1]}"
        faults = ("--fault", "pull:during@1", "--timing", "848")
        with ThreadPoolExecutor() as pool:
            running = pool.submit(_emulate, where, faults)
            server.settimeout(20)
            reader, _ = server.accept()
            with reader:
                reader.settimeout(20)
                _send(reader, b"\x01")
                _send(reader, bytes.fromhex("00A4040C0AD392F000260100000001"))
                assert reader.recv(2) == b""
            done = running.result(timeout=20)
    assert done.returncode == 0
    assert json.loads(done.stdout)["apdus"] == 1


def _emulate(where: str, more: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "jpki_cli", "emulate", "--card", "hanako", "--json"]
    return subprocess.run([*command, "--vpcd", where, *more], capture_output=True, timeout=20)


def test_no_virtual_reader_there(cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody answers
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        done = cli("emulate", "--card", "hanako", "--vpcd", where, "--json")
    assert (done.code, done.json["code"]) == (3, "vpcd_unreachable")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_emulate_serves_until_stopped(number: signal.Signals) -> None:
    """A real process, a real socket: our own reader side reads the card through it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = [sys.executable, "-m", "jpki_cli", "emulate", "--card", "hanako", "--json"]
        with subprocess.Popen(
            [*command, "--vpcd", f"127.0.0.1:{port}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        ) as process:
            server.settimeout(20)
            reader, _ = server.accept()
            with reader:
                reader.settimeout(20)
                _send(reader, b"\x01")  # power on
                assert _ask(reader, b"\x04")[:1] == b"\x3b"  # ATR
                select = bytes.fromhex("00A4040C0AD392F000260100000001")
                assert _ask(reader, select) == b"\x90\x00"
                process.send_signal(number)
                out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    told = json.loads(out)
    validate(told)
    assert told["apdus"] == 1
    assert b"TEST CARD" in err


def test_a_card_over_the_wire_says_test_card(cli: Cli) -> None:
    """Nothing but its CA certificate tells that the card behind ``vpcd:`` is an emulated one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "jpki_cli", "emulate", "--card", "hanako", "--vpcd", where]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        done = cli("card", "check", "--reader", f"vpcd:{where}", "--wait=20", "--json")
        process.terminate()
        process.wait(timeout=20)
    assert done.json["test"] is True
    assert done.json["environment"] == "production"
    assert done.code == 1
    assert done.json["card"]["next"].endswith("--trust test")


def _send(sock: socket.socket, payload: bytes) -> None:
    sock.sendall(len(payload).to_bytes(2, "big") + payload)


def _ask(sock: socket.socket, payload: bytes) -> bytes:
    _send(sock, payload)
    data = b""
    while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
        chunk = sock.recv(4096)
        assert chunk, "the card hung up"
        data += chunk
    return data[2:]


def test_state_is_kept_in_a_file(cli: Cli, tmp_path: Path) -> None:
    """``--state`` is what another run sees; the pins shown are the changed ones."""
    from jpki.emulator import load_card
    from jpki.testing.cards import PluggedCard

    state = tmp_path / "hanako.state"
    plugged = PluggedCard(load_card("hanako", state_file=state))
    change = ("pin", "change", "auth", "--reader", plugged.uri)
    assert cli(*change, pins=["1234", "7777"]).code == 0
    plugged.eject()
    told = cli("emulate", "--card", "hanako", "--state", str(state), "--show-pins", "--json").json
    assert told["pins"]["auth"] == "7777"
