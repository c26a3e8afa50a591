# SPDX-License-Identifier: Apache-2.0
"""The real machine, where each answer can be compared with another way of asking."""

from __future__ import annotations

import json
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fake_scard import PRESENT, FakeScard, install
from jpki.doctor import RealHost, examine, look, real_host
from jpki_apdu.readers import ReaderState


def host(**env: str) -> RealHost:
    return RealHost({"PATH": "/usr/bin:/bin", **env}, "utf-8", "en")


def test_facts() -> None:
    this = host()
    assert (this.platform, this.python) == (sys.platform, platform.python_version())
    assert this.installed("cryptography")
    assert this.installed("no-such-distribution") is None
    assert any(line.startswith("cryptography") for line in this.requirements())
    assert (this.openssl() or "").startswith("OpenSSL ")


def test_files(tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.write_text("words")
    held.chmod(0o640)
    (tmp_path / "link").symlink_to("held")
    this = host()
    assert this.read(str(held)) == b"words"
    assert this.names(str(tmp_path)) == ["held", "link"]
    assert this.link(str(tmp_path / "link")) == "held"
    assert this.mode(str(held)) == 0o640
    for ask in (this.read, this.names, this.link, this.mode):
        with pytest.raises(FileNotFoundError):
            ask(str(tmp_path / "none"))


def test_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    this = host()
    assert this.run(["echo", "hello"]) == "hello\n"
    assert this.run(["false"]) is None
    assert this.run(["no-such-program"]) is None
    monkeypatch.setattr(real_host, "_PATIENCE", 0.05)
    assert this.run(["sleep", "5"]) is None


def test_sockets() -> None:
    import tempfile

    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = f"{folder}/s"
        this = host()
        assert this.socket(path) == "absent"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen()
            assert this.socket(path) == "open"
        assert this.socket(path) == "refused"
        assert this.socket(f"{path}/below") == "absent"


def test_pcsc_without_a_service() -> None:
    assert host(PCSCLITE_CSOCK_NAME="/nonexistent").pcsc().error == "no_service"


def test_pcsc_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_host, "_PATIENCE", 0.001)
    assert host().pcsc().error == "silent"


@pytest.mark.parametrize("said", [b"", b"[]", b'{"readers": [[1]], "error": ""}', b'{"error": ""}'])
def test_pcsc_that_answers_nonsense(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    def run(*_: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 0, said, b"")

    monkeypatch.setattr(real_host, "_run", run)
    assert host().pcsc().error == "failed"


LOOKED: list[tuple[dict[str, list[int]], str]] = [
    ({}, ""),
    ({"EstablishContext": [0x8010001D]}, "no_service"),
    ({"EstablishContext": [0x8010006A]}, "access_denied"),
    ({"ListReaders": [0x80100014]}, "failed"),
]


@pytest.mark.parametrize(("codes", "error"), LOOKED)
def test_the_look(monkeypatch: pytest.MonkeyPatch, codes: dict[str, list[int]], error: str) -> None:
    fake = FakeScard(readers={"R (123) 00 00": (PRESENT, b"\x3b\x00")}, codes=codes)
    install(monkeypatch, fake)
    answer = look.answer()
    assert answer["error"] == error
    assert answer["readers"] == ([] if error else [["R (123) 00 00", True, False, "3b00"]])
    said = json.dumps(answer).encode()
    monkeypatch.setattr(real_host, "_run", lambda *_: subprocess.CompletedProcess([], 0, said, b""))
    heard = host().pcsc()
    assert heard.error == error
    assert heard.readers == (() if error else (ReaderState("R (123) 00 00", True, False, b";\0"),))


def test_the_look_without_pyscard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)
    assert look.answer()["error"] == "missing"


def test_private_names() -> None:
    found = host(USER="tanaka", HOSTNAME="desk.example.jp", HOME="/h/tanaka-t").private_names()
    assert {"tanaka", "desk.example.jp", "desk", "tanaka-t"} <= set(found)
    assert "" not in found


def test_an_examination_of_this_machine_ends_well() -> None:
    found = examine(host(PCSCLITE_CSOCK_NAME="/nonexistent", HOME="/nonexistent"))
    assert {finding.check for finding in found} >= {"system", "python", "cryptography", "fonts"}
    assert len(found) > 10
