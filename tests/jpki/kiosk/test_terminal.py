# SPDX-License-Identifier: Apache-2.0
"""A terminal with processes that are told what to do, and with real ones."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from jpki import messages
from jpki.kiosk.child import Access, ChildProcess, Listener, Report
from jpki.kiosk.machine import Limits, Signal, State
from jpki.kiosk.reader import Seen, Sight
from jpki.kiosk.server.app import server_app
from jpki.kiosk.slot import VirtualSlot
from jpki.kiosk.terminal import Terminal, View
from jpki.open import emulated_card
from jpki.open_kiosk import MODULE
from process_memory import children
from server_half import TOKEN, Town, serving, town
from terminal_views import ORIGIN, Views, ask, eventually


class FakeChild:
    """A process that does nothing by itself."""

    def __init__(self, made: list[FakeChild], *, broken: bool = False) -> None:
        made.append(self)
        self._broken = broken
        self.listener: Listener | None = None
        self.ended = 0

    def begin(self, uri: str, token: str, listener: Listener) -> None:
        if self._broken:
            raise BrokenPipeError
        self.listener = listener
        listener(Access(1, token))

    def end(self) -> None:
        self.ended += 1

    def say(self, signal: Signal, code: str = "") -> None:
        assert self.listener is not None
        self.listener(Report(signal, code))


class FakeSlot:
    """A reader that shows what it is told to."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._seen = Seen(Sight.EMPTY)

    def show(self, sight: Sight, mark: int = 0) -> None:
        with self._changed:
            self._seen = Seen(sight, mark)
            self._changed.notify_all()

    def wait(self, known: Seen | None, timeout: float) -> Seen:
        with self._changed:
            self._changed.wait_for(lambda: self._seen != known, min(timeout, 0.05))
            return self._seen

    def uri(self) -> str:
        return "virtual:none"

    def close(self) -> None:
        pass


class Bed:
    """A terminal over fakes."""

    def __init__(self, limits: Limits | None = None, *, broken: bool = False) -> None:
        self.slot, self.views, self.made = FakeSlot(), Views(), list[FakeChild]()
        self.terminal = Terminal(
            self.slot, lambda: FakeChild(self.made, broken=broken), self.views, limits=limits
        )
        self.terminal.start()

    @property
    def child(self) -> FakeChild:
        """The process of the presentation under way."""
        return [child for child in self.made if child.listener is not None][-1]

    def begun(self) -> View:
        """A card was seen: shown at once, and again with the process that was begun."""
        assert self.views.until(State.CARD_PRESENT).access is None
        view = self.views.until(State.CARD_PRESENT)
        assert view.access is not None
        return view

    def __enter__(self) -> Bed:
        return self

    def __exit__(self, *_: object) -> None:
        self.terminal.close()
        assert all(child.ended == 1 for child in self.made)


def test_from_card_to_card() -> None:
    with Bed() as bed:
        bed.slot.show(Sight.CARD)
        view = bed.begun()
        bed.child.say(Signal.PIN_WANTED)
        bed.views.until(State.PIN)
        bed.child.say(Signal.FINISHED, "issued")
        done = bed.views.until(State.DONE)
        assert (done.code, done.access) == ("issued", view.access)  # the document is still there
        child = bed.child
        assert child.ended == 0
        bed.slot.show(Sight.EMPTY)
        assert bed.views.until(State.WAITING).access is None
    assert child.ended == 1


@pytest.mark.parametrize(
    ("sights", "states"),
    [
        ([(Sight.CARD, 1), (Sight.EMPTY, 0)], [State.CARD_PRESENT, State.WAITING]),
        ([(Sight.CARD, 1), (Sight.CARD, 2)], [State.CARD_PRESENT, State.DONE]),
        (
            [(Sight.CARD, 1), (Sight.SEVERAL, 0), (Sight.EMPTY, 0)],
            [State.CARD_PRESENT, State.DONE, State.WAITING],
        ),
        (
            [(Sight.CARD, 1), (Sight.LOST, 0), (Sight.CARD, 1)],
            [State.CARD_PRESENT, State.READER_LOST, State.WAITING, State.CARD_PRESENT],
        ),
        (
            [(Sight.BROKEN, 0), (Sight.EMPTY, 0), (Sight.CARD, 1)],
            [State.OUT_OF_ORDER, State.WAITING, State.CARD_PRESENT],
        ),
        ([(Sight.SEVERAL, 0), (Sight.CARD, 1), (Sight.EMPTY, 0)], [State.DONE, State.WAITING]),
    ],
)
def test_what_the_reader_shows(
    sights: Sequence[tuple[Sight, int]], states: Sequence[State]
) -> None:
    expected = list(states)
    with Bed() as bed:
        for sight, mark in sights:
            bed.slot.show(sight, mark)
            time.sleep(0.08)  # longer than the fake reader's look
        for state in expected:
            bed.views.until(state)


def test_a_process_that_ends_without_a_word() -> None:
    with Bed() as bed:
        bed.slot.show(Sight.CARD)
        bed.begun()
        bed.child.say(Signal.CHOICE_WANTED)
        bed.child.say(Signal.WORKER_LOST)
        assert bed.views.until(State.DONE).code == "worker_lost"


def test_a_process_that_ends_before_it_asked_anything() -> None:
    """Whoever put the card down does not notice, unless the second one ends as well."""
    with Bed() as bed:
        bed.slot.show(Sight.CARD)
        first = bed.begun()
        bed.child.say(Signal.WORKER_LOST)
        again = bed.begun()
        assert again.presentation == first.presentation
        bed.child.say(Signal.WORKER_LOST)
        assert bed.views.until(State.DONE).code == "worker_lost"


def test_a_process_that_does_not_begin() -> None:
    with Bed(broken=True) as bed:
        bed.slot.show(Sight.CARD)
        assert bed.views.until(State.CARD_PRESENT, State.DONE).code == "worker_lost"
        assert len(bed.made) >= 2  # one more was tried


def test_the_word_of_an_old_process_changes_nothing() -> None:
    with Bed() as bed:
        bed.slot.show(Sight.CARD, 1)
        bed.begun()
        old = bed.child
        bed.slot.show(Sight.EMPTY)
        bed.views.until(State.WAITING)
        bed.slot.show(Sight.CARD, 2)
        bed.begun()
        old.say(Signal.FINISHED, "issued")
        bed.child.say(Signal.PIN_WANTED)
        bed.views.until(State.PIN)
        assert bed.terminal.view.state is State.PIN


def test_nobody_answers_and_nobody_takes_the_card() -> None:
    with Bed(Limits(idle=0.05, total=60, left=0.05)) as bed:
        bed.slot.show(Sight.CARD)
        bed.begun()
        child = bed.child
        child.say(Signal.PIN_WANTED)
        assert bed.views.until(State.TIMED_OUT).access is None
        bed.views.until(State.CARD_LEFT)
        bed.slot.show(Sight.EMPTY)
        bed.views.until(State.WAITING)
    assert child.ended == 1


def test_a_thousand_cards_leave_nothing_behind() -> None:
    with Bed() as bed:
        threads, handles = threading.active_count(), len(os.listdir("/proc/self/fd"))
        for mark in range(1, 1001):
            bed.slot.show(Sight.CARD, mark)
            bed.begun()
            bed.child.say(Signal.CHOICE_WANTED)
            bed.child.say([Signal.FINISHED, Signal.WORKER_LOST, Signal.CANCELLED][mark % 3])
            bed.views.until(State.DONE)
            bed.slot.show(Sight.EMPTY)
            bed.views.until(State.WAITING)
        assert eventually(lambda: threading.active_count() == threads)
        assert len(os.listdir("/proc/self/fd")) == handles
        assert len(bed.made) == 1001


# With the real process of a presentation.

Real = tuple[VirtualSlot, Views, Callable[..., Any]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    made = town(f"sqlite:///{folder}/map.db", folder)
    made.bench.clock.now = datetime.now(UTC)
    yield made
    made.bench.close()


@pytest.fixture(scope="module")
def running(place: Town) -> Iterator[tuple[VirtualSlot, Views, Terminal]]:
    with serving(server_app(place.half, place.terminals())) as url:
        settings = {
            "origin": ORIGIN, "server": url, "token": TOKEN, "policy": "konbini",
            "flows": ["konbini"],
        }  # fmt: skip
        slot, views = VirtualSlot(), Views()
        terminal = Terminal(slot, partial(ChildProcess, MODULE, settings), views)
        terminal.start()
        try:
            yield slot, views, terminal
        finally:
            terminal.close()


@pytest.fixture
def real(running: tuple[VirtualSlot, Views, Terminal]) -> Iterator[Real]:
    slot, views, terminal = running
    yield slot, views, partial(ask, terminal)
    slot.pull()
    if terminal.view.state is not State.WAITING:
        views.until(State.WAITING)
    views.all.clear()


def test_a_real_presentation_that_is_cancelled(real: Real) -> None:
    slot, views, ask = real
    slot.insert(emulated_card("hanako"))
    views.until(State.CARD_PRESENT, State.CHOOSING)
    assert ask("/answer", {"number": 1, "choice": "residence"})[0] == 204
    views.until(State.PIN)
    assert ask("/answer", {"number": 1, "choice": "residence"})[0] == 409  # a second click
    number = json.loads(ask("/screens")[1].removeprefix(b"data: "))["number"]
    assert ask("/answer", {"number": number, "pin": "123"})[0] == 409  # too short to be sent
    assert ask("/answer", {"number": number, "cancel": True})[0] == 204
    assert views.until(State.DONE).code == "cancelled"
    assert ask("/document")[0] == 404
    slot.pull()
    views.until(State.WAITING)


def test_a_pulled_card_ends_the_process(real: Real) -> None:
    slot, views, _ask = real
    for _ in range(3):
        slot.insert(emulated_card("hanako"))
        views.until(State.CHOOSING)
        slot.pull()
        views.until(State.WAITING)
    assert slot.wait(None, 0).sight is Sight.EMPTY


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/screens", None, {"X_Presentation": "wrong"}, 403),
        ("/screens", None, {"Origin": "http://evil.example"}, 403),
        ("/screens", None, {"Host": "evil.example:80"}, 421),
        ("/screens?lang=xx", None, {}, 400),
        ("/answer", [], {}, 400),
        ("/answer", {"choice": "residence"}, {}, 400),
        ("/answer", {"number": "1", "choice": "residence"}, {}, 409),
        ("/answer", {"number": 1, "choice": "passport"}, {}, 409),
        ("/answer", {"number": 1, "choice": ["residence"]}, {}, 409),
        ("/answer", {"number": 1, "choice": {"residence": 1}}, {}, 409),
        ("/answer", {"number": True, "choice": "residence"}, {}, 409),
        ("/answer", {"number": 1, "pin": "1234"}, {}, 409),
        ("/answer", {"number": 1, "pin": "x" * 5000}, {}, 413),
        ("/document", None, {}, 404),
        ("/other", None, {}, 404),
    ],
)
def test_what_the_process_does_not_answer(
    real: Real, path: str, body: object, headers: dict[str, str], status: int
) -> None:
    slot, views, ask = real
    slot.insert(emulated_card("hanako"))
    views.until(State.CHOOSING)
    assert ask(path, body, **headers)[0] == status


def test_what_no_pin_pad_can_send_is_no_answer(real: Real) -> None:
    slot, views, ask = real
    slot.insert(emulated_card("hanako"))
    views.until(State.CHOOSING)
    assert ask("/answer", {"number": 1, "choice": "residence"})[0] == 204
    views.until(State.PIN)
    number = json.loads(ask("/screens")[1].removeprefix(b"data: "))["number"]
    pins = ("\ud800123", "１２３４", "12\u00e34", None, 1234, [*"1234"], "", "123", "12345")
    for pin in pins:
        assert ask("/answer", {"number": number, "pin": pin})[0] == 409, pin
    assert ask("/answer", {"number": number, "cancel": True})[0] == 204


class _Foreign:
    """Somebody's season ticket: it knows no application of ours."""

    atr = bytes.fromhex("3B8F8001804F0CA0000003060300030000000068")

    def power_on(self) -> None: ...
    def power_off(self) -> None: ...
    def reset(self) -> None: ...

    def transmit(self, apdu: bytes) -> bytes:
        return bytes.fromhex("6A82")


def test_a_card_that_is_none_of_ours(real: Real) -> None:
    slot, views, ask = real
    slot.insert(_Foreign())
    assert views.until(State.DONE).code == "not_our_card"
    for language in messages.SPOKEN:
        shown = json.loads(ask(f"/screens?lang={language}")[1].removeprefix(b"data: "))
        assert shown["note"] == messages.text("kiosk.ending.not_our_card", language)


def test_a_killed_process_is_noticed(real: Real) -> None:
    slot, views, _ = real
    slot.insert(emulated_card("hanako"))
    views.until(State.CHOOSING)
    for pid in children(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    assert views.until(State.DONE).code == "worker_lost"
    slot.pull()
    views.until(State.WAITING)
    slot.insert(emulated_card("hanako"))
    views.until(State.CARD_PRESENT, State.CHOOSING)  # though the waiting process died too
