# SPDX-License-Identifier: Apache-2.0
"""What is left of a visit at a terminal: nothing in a process, a folder, or what others can see.

One person with values that stand nowhere else signs in with the sign password. The terminal,
the process of the presentation and the server half run as an operator starts them; their memory
is read as a core dump would have it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jpki.card import Card
from jpki.card_map import PinKind
from jpki.emulator import VirtualConnection, load_card
from jpki.testing.virtual_reader import VirtualReader
from kiosk_page import Kiosk
from process_memory import children, memory
from secret_card import CARD, PINS
from secret_runs import marks_of
from terminal_views import eventually

pytestmark = pytest.mark.timeout(300)

SUPPORT = Path(__file__).parent.parent / "support"
PIN = PINS["sign"]
GROUPS = ("name", "person", "auth", "sign", "number", "chip")
HALF = (sys.executable, "-m", "jpki_cli", "kiosk", "half", "--demo", "--trust", "test", "--json")


def forms(text: str) -> list[bytes]:
    """A text as a message and as Python has it: that keeps a name in two bytes a letter."""
    return [text.encode("utf-8")] + ([] if text.isascii() else [text.encode("utf-16-le")])


@dataclass
class Marks:
    """What must not be found: the password; what says who the person is."""

    pins: list[bytes]
    person: list[bytes]


@pytest.fixture(scope="module")
def card_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("card") / "secrets.toml"
    path.write_text(CARD, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def marks(card_file: Path) -> Marks:
    found = marks_of(card_file)
    with Card(VirtualConnection(load_card(str(card_file)))) as opened:
        opened.pins.verify(PinKind.SIGN, bytearray(PIN, "ascii"))
        certificates = [opened.jpki.certificate(which) for which in ("auth", "sign")]
    # Eight characters at the least: shorter ones turn up in any memory by chance.
    texts = {form for group in GROUPS for form in found[group] if len(form.encode()) >= 8}
    texts = {text for text in texts if not any(part in text for part in texts - {text})}
    person = [form for text in texts for form in forms(text)]
    return Marks(forms(PIN), person + [der[100:400] for der in certificates])


@dataclass
class Place:
    """A terminal and a server half, and the folder where both keep what is temporary."""

    kiosk: Kiosk
    half: subprocess.Popen[bytes]
    reader: VirtualReader
    temporary: Path

    def visit(self) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        """A visit up to its ending, which is still on the screen."""
        visitor = subprocess.Popen(
            [sys.executable, str(SUPPORT / "kiosk_visitor.py"), self.kiosk.origin, PIN],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert visitor.stdin is not None
        assert visitor.stdout is not None
        for line in visitor.stdout:
            said = json.loads(line)
            if said["kind"] == "ending":
                return visitor, said
            visitor.stdin.write("\n")
            visitor.stdin.flush()
        raise AssertionError("no ending")


@pytest.fixture
def place(reader: VirtualReader, tmp_path: Path) -> Iterator[Place]:
    temporary, token = tmp_path / "temporary", tmp_path / "token"
    temporary.mkdir()
    token.write_text("t" * 40, encoding="ascii")
    token.chmod(0o600)
    environment = {**reader.environment, "TMPDIR": str(temporary), "HOME": str(temporary)}
    words = ("--terminal", f"terminal-01={token}", "--port", "0")
    with subprocess.Popen([*HALF, *words], stdout=subprocess.PIPE, env=environment) as half:
        try:
            assert half.stdout is not None
            url = json.loads(half.stdout.readline())["url"]
            where = ("--server", url, "--token-file", str(token), "--flow", "city_id")
            with Kiosk(*where, "--reader", "pcsc:", environment=environment) as kiosk:
                yield Place(kiosk, half, reader, temporary)
        finally:
            half.terminate()


def found(marks: list[bytes], data: bytes) -> list[bytes]:
    return [mark for mark in marks if mark in data]


def seen_by_others(pid: int) -> bytes:
    """Arguments and environment of a process."""
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))


def test_a_visit_leaves_nothing(place: Place, card_file: Path, marks: Marks) -> None:
    every = [*marks.pins, *marks.person]
    place.reader.plug(load_card(str(card_file)))
    visitor, said = place.visit()
    with visitor:
        assert said["code"] == "registered", said
        processes = children(place.kiosk.pid)
        for pid in (place.kiosk.pid, place.half.pid, *processes):
            assert found([*every, b"t" * 40], seen_by_others(pid)) == []
        # The process of the presentation holds it (so the search finds what there is) ...
        (busy,) = [pid for pid in processes if found(marks.person, memory(pid))]
        place.reader.eject()
        assert eventually(lambda: busy not in children(place.kiosk.pid))  # ... and is gone.
        visitor.kill()
    for pid in (place.kiosk.pid, *children(place.kiosk.pid)):
        assert found(every, memory(pid)) == []
    half = memory(place.half.pid)
    assert len(half) > 1_000_000
    assert found(marks.pins, half) == []  # certificates it has seen: it verifies them
    files = [path for path in place.temporary.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    for path in files:  # databases, keys, whatever is temporary, of both halves
        assert found(every, path.read_bytes()) == [], path.name
        assert path.stat().st_mode & 0o077 == 0, path.name
