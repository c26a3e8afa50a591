# SPDX-License-Identifier: Apache-2.0
"""What a terminal on the real pcscd lives through: afterwards it serves the next person."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import kiosk_visitor
from jpki import messages
from jpki.emulator import ApduTrace, EmulatedCard
from jpki.kiosk.machine import State
from jpki.kiosk.terminal import View
from jpki.testing.virtual_reader import VirtualReader
from kiosk_page import Kiosk
from kiosk_terminal import PcscTerminal
from process_memory import children, is_running
from terminal_views import ask, eventually

pytestmark = pytest.mark.xdist_group("kiosk-survival")

AUTH = "jpki/0018"
HOUR = 3600.0
VERIFY = 0x20


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Of a terminal, with a server half that knows ``hanako``."""
    folder = tmp_path_factory.mktemp("half")
    token = folder / "token"
    token.write_text("t" * 40, encoding="ascii")
    argv = [
        sys.executable, "-m", "jpki_cli", "kiosk", "half", "--demo", "--trust", "test", "--json",
        "--terminal", f"kiosk-01={token}", "--port", "0",
    ]  # fmt: skip
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as half:
        try:
            assert half.stdout is not None
            url = json.loads(half.stdout.readline())["url"]
            yield {
                "server": url, "token": token.read_text(), "policy": "konbini",
                "flows": ["konbini"], "trust": "test",
            }  # fmt: skip
        finally:
            half.terminate()


@pytest.fixture(scope="module")
def shared() -> Iterator[VirtualReader]:
    with VirtualReader(timeout=15) as made:
        yield made


@pytest.fixture(scope="module")
def running(shared: VirtualReader, settings: dict[str, Any]) -> Iterator[PcscTerminal]:
    with PcscTerminal(shared, settings) as made:
        yield made


@pytest.fixture
def place(shared: VirtualReader, running: PcscTerminal) -> Iterator[Place]:
    made = Place(shared, running)
    yield made
    made.next_person()


class Place:
    """One terminal through all tests, as it stands in a hall: what one leaves, the next finds."""

    def __init__(self, reader: VirtualReader, terminal: PcscTerminal) -> None:
        self.reader, self.terminal, self.views = reader, terminal, terminal.views

    def put_down(self, card: str | EmulatedCard = "hanako", slot: int = 0) -> EmulatedCard:
        return self.reader.plug(card, slot=slot)

    def take(self, slot: int = 0) -> None:
        self.reader.eject(slot)

    def next_person(self) -> None:
        """Takes what lies there, and gets a document."""
        for slot in (0, 1):
            self.take(slot)
        if self.terminal.view.state is not State.WAITING:
            self.views.until(State.WAITING)
        self.views.all.clear()
        card = self.put_down()
        assert self.terminal.up_to_document().code == "issued"
        assert card.tries()[AUTH] == 3
        self.take()
        self.views.until(State.WAITING)


def gone(view: View) -> bool:
    """Whether the process of this presentation answers no longer."""
    assert view.access is not None
    address = ("127.0.0.1", view.access.port)

    def refused() -> bool:
        try:
            socket.create_connection(address, 1).close()
        except ConnectionRefusedError:
            return True
        return False

    return eventually(refused)


def test_pcscd_killed_while_nobody_is_there(place: Place) -> None:
    place.reader.kill_daemon()
    place.views.until(State.READER_LOST)
    place.reader.restart_daemon()
    place.views.until(State.WAITING)


def test_pcscd_killed_in_a_visit(place: Place) -> None:
    """The presentation ends with it. The card that lies there still begins a new one."""
    card = place.put_down()
    old = place.terminal.up_to_pin()
    place.reader.kill_daemon()
    assert place.views.until(State.READER_LOST).access is None
    assert gone(old)
    place.reader.restart_daemon()
    assert place.terminal.up_to_pin().presentation == old.presentation + 1
    assert card.tries()[AUTH] == 3


def test_another_card_in_its_place(place: Place) -> None:
    """Out and in, as pcscd sees it: the visit is over, and another one begins."""
    place.put_down()
    old = place.terminal.up_to_pin()
    place.take()
    other = place.put_down("taro-moved")
    place.views.until(State.WAITING)
    assert place.terminal.up_to_pin().presentation == old.presentation + 1
    assert gone(old)
    assert other.tries()[AUTH] == 3


def test_another_card_faster_than_anybody_looks(place: Place) -> None:
    """pcscd notices nothing. The card's connection does: no PIN reaches the other card."""
    place.put_down()
    place.terminal.up_to_pin()
    seen: list[ApduTrace] = []
    place.reader.eject(wait=False)
    other = place.reader.plug("taro-moved", wait=False)
    other.log = seen.append
    place.terminal.answer(pin="1234")
    assert place.views.until(State.DONE).code in ("swapped", "card_gone", "card_silent")
    assert not any(trace.header[1] == VERIFY and trace.lc for trace in seen)
    assert ask(place.terminal, "/document")[0] == 404


def test_two_cards_in_two_readers(place: Place) -> None:
    """None of them is asked. The one that stays behind is not meant."""
    cards = [place.put_down(), place.put_down("taro-moved", slot=1)]
    assert place.views.until(State.DONE).code == "second_card"
    place.take(1)
    place.views.until(State.CARD_LEFT)
    assert [card.tries()[AUTH] for card in cards] == [3, 3]


def test_a_card_pulled_and_put_back(place: Place) -> None:
    card = place.put_down()
    for _ in range(2):
        place.terminal.up_to_pin()
        place.take()
        place.views.until(State.WAITING)
        place.reader.insert()
    place.terminal.up_to_pin()
    assert card.tries()[AUTH] == 3


def test_a_card_left_for_an_hour_with_its_document(place: Place) -> None:
    """The alarm, under which the document can still be taken; not by whoever comes much later."""
    place.put_down()
    assert place.terminal.up_to_document().code == "issued"
    left = place.views.until(State.CARD_LEFT)
    assert ask(place.terminal, "/document")[0] == 200
    place.terminal.pass_time(HOUR)
    assert place.views.until(State.CARD_LEFT).access is None
    assert gone(left)
    assert eventually(lambda: len(children(place.terminal.pid)) == 1)  # the one for the next


def test_a_card_left_for_an_hour_at_the_pin(place: Place) -> None:
    card = place.put_down()
    asked = place.terminal.up_to_pin()
    place.terminal.pass_time(HOUR)
    assert place.views.until(State.TIMED_OUT).access is None
    place.views.until(State.CARD_LEFT)
    assert gone(asked)
    assert card.tries()[AUTH] == 3


@pytest.mark.parametrize(("pin", "left"), [("9999", 2), ("1234", 3)], ids=["wrong", "right"])
def test_the_process_killed_during_verify(place: Place, pin: str, left: int) -> None:
    """Between command and answer: nobody knows, and that is said. The next looks first."""
    card = place.put_down()
    place.terminal.up_to_pin()
    struck: list[int] = []

    def strike(trace: ApduTrace) -> None:
        if trace.header[1] == VERIFY and trace.lc and not struck:
            struck.extend(children(place.terminal.pid))
            for pid in struck:
                os.kill(pid, signal.SIGKILL)

    card.log = strike
    place.terminal.answer(pin=pin)
    assert place.views.until(State.DONE).code == "pin_unknown"
    assert struck
    assert card.tries()[AUTH] == left
    card.log = None
    place.take()
    place.views.until(State.WAITING)
    place.reader.insert()
    place.terminal.up_to_pin()
    values = {"kind": "auth", "attempts_left": left}
    assert place.terminal.screen()["note"] == messages.text("kiosk.pin_tries", "ja", **values)
    place.terminal.answer(pin="1234")
    place.views.until(State.CHOOSING)
    assert card.tries()[AUTH] == 3


def test_a_server_that_says_nothing(reader: VirtualReader, settings: dict[str, Any]) -> None:
    """Whoever takes the card meanwhile is not held up by it; whoever waits is told."""
    card = reader.plug("hanako")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with PcscTerminal(reader, {**settings, "server": server}) as terminal:
            for taken in (True, False):
                terminal.views.until(State.CHOOSING)
                terminal.answer(choice="residence")
                terminal.views.until(State.WORKING)
                if taken:
                    reader.eject()
                    terminal.views.until(State.WAITING)
                    reader.insert()
            assert terminal.views.until(State.DONE).code == "server_down"
    assert card.tries()[AUTH] == 3


class PoweredCard:
    """A card that says when its power was cut: ``off`` holds after the last command."""

    def __init__(self, card: EmulatedCard) -> None:
        self._card, self._cut_after = card, -1
        self._power_off = card.power_off
        card.power_off = self._cut  # type: ignore[method-assign]

    def _cut(self) -> None:
        self._cut_after = self._card.apdus
        self._power_off()

    def off(self) -> bool:
        return self._cut_after == self._card.apdus


@pytest.mark.parametrize("moment", ["verify", "confirm"])
def test_the_terminal_killed(
    reader: VirtualReader, settings: dict[str, Any], tmp_path: Path, moment: str
) -> None:
    """SIGKILL: its processes end by themselves, the card loses its power, no file is left."""
    token, scratch = tmp_path / "token", tmp_path / "scratch"
    token.write_text(settings["token"], encoding="ascii")
    scratch.mkdir()
    card = reader.plug("hanako")
    powered, left = PoweredCard(card), list[int]()
    words = ("--server", settings["server"], "--token-file", str(token), "--reader", "pcsc:")
    environment = {**reader.environment, "TMPDIR": str(scratch), "HOME": str(scratch)}

    def kill() -> None:
        left.extend(children(kiosk.pid))
        os.kill(kiosk.pid, signal.SIGKILL)

    def strike(trace: ApduTrace) -> None:
        if trace.header[1] == VERIFY and trace.lc:
            kill()

    card.log = strike if moment == "verify" else None
    with Kiosk(*words, environment=environment) as kiosk, visitor(kiosk) as person:
        while (said := json.loads(person.stdout.readline()))["kind"] != moment:
            person.stdin.write(b"\n")
            if moment == "verify" and said["kind"] == "pin":
                break
        if moment != "verify":
            kill()
        assert eventually(lambda: bool(left))
        assert eventually(lambda: not any(is_running(pid) for pid in left))
        assert eventually(powered.off)
    assert card.tries()[AUTH] == 3
    assert [path for path in scratch.rglob("*") if path.is_file()] == []


@contextmanager
def visitor(kiosk: Kiosk) -> Iterator[Any]:
    """Somebody at the page, who goes on when told to."""
    program = Path(kiosk_visitor.__file__)
    with subprocess.Popen(
        [sys.executable, str(program), kiosk.origin, "1234"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
    ) as person:  # fmt: skip
        try:
            yield person
        finally:
            person.kill()
