# SPDX-License-Identifier: Apache-2.0
"""Calls with a time limit: what comes back, what is late, and what is left behind."""

from __future__ import annotations

import gc
import math
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from fake_scard import FakeScard
from jpki_apdu import pcsc
from jpki_apdu.errors import CardRemovedError, TransportTimeoutError
from jpki_apdu.patience import OverdueError, PatientThread

LIMIT = 0.05


@pytest.fixture
def answer() -> Iterator[threading.Event]:
    """Set when the card answers at last; after the test in any case."""
    answer = threading.Event()
    yield answer
    answer.set()


def workers() -> set[threading.Thread]:
    """Those of earlier tests may still be on their way out."""
    return {thread for thread in threading.enumerate() if thread.name == "pcsc"}


def ends(before: set[threading.Thread]) -> bool:
    """Whether the workers that came since are gone within two seconds."""
    until = time.monotonic() + 2
    while workers() - before and time.monotonic() < until:
        time.sleep(0.005)
    return not workers() - before


@pytest.mark.parametrize("seconds", [5, math.inf])
def test_results_and_errors_come_back(seconds: float) -> None:
    before = workers()
    thread = PatientThread(seconds)
    assert thread.call(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        thread.call(divmod, 7, 0)
    assert thread.call(threading.get_ident) != threading.get_ident()
    assert not thread.stuck
    thread.end(lambda: None)
    assert ends(before)


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_no_limit_of_nothing(seconds: float) -> None:
    with pytest.raises(ValueError, match="limit"):
        PatientThread(seconds)


def test_a_late_call_is_the_last(answer: threading.Event) -> None:
    before, done = workers(), threading.Event()
    thread = PatientThread(LIMIT)
    with pytest.raises(OverdueError):
        thread.call(answer.wait)
    assert thread.stuck
    with pytest.raises(OverdueError):
        thread.call(time.monotonic)
    thread.end(done.set)
    assert not done.is_set()
    answer.set()
    assert done.wait(2)
    assert ends(before)


def test_what_was_sent_is_not_kept() -> None:
    """The bytes of a command may hold a PIN."""

    class Bytes(list[int]):
        pass

    command = Bytes([1, 2, 3, 4])
    gone = weakref.ref(command)
    thread = PatientThread(5)
    assert thread.call(len, command) == 4
    del command
    gc.collect()
    assert gone() is None
    thread.end(lambda: None)


def silent(scard: FakeScard, monkeypatch: pytest.MonkeyPatch, answer: threading.Event) -> None:
    """Let the card answer only when it is told to."""

    def transmit(card: int, pci: int, apdu: list[int]) -> tuple[int, list[int]]:
        answer.wait(10)
        return 0, [0x90, 0]

    monkeypatch.setattr(scard, "SCardTransmit", transmit)


def test_a_silent_card(
    scard: FakeScard, monkeypatch: pytest.MonkeyPatch, answer: threading.Event
) -> None:
    silent(scard, monkeypatch, answer)
    before = workers()
    connection = pcsc.open_pcsc("", timeout=LIMIT)
    released = len(scard.called("ReleaseContext"))
    with pytest.raises(TransportTimeoutError) as caught, connection.exclusive():
        connection.transmit(bytes(4))
    assert caught.value.values["seconds"] == LIMIT
    for use in (connection.power_off, lambda: connection.transmit(bytes(4))):
        with pytest.raises(TransportTimeoutError):
            use()
    begin = time.monotonic()
    connection.close()
    assert time.monotonic() - begin < LIMIT  # it does not wait for the card again
    assert not scard.called("Disconnect")
    with pytest.raises(CardRemovedError):
        connection.transmit(bytes(4))
    answer.set()
    assert ends(before)
    assert scard.called("Disconnect") == [(2,)]  # powered off, though nobody waits any more
    assert len(scard.called("ReleaseContext")) == released + 1


def test_a_connection_that_does_not_come_about(
    scard: FakeScard, monkeypatch: pytest.MonkeyPatch, answer: threading.Event
) -> None:
    """Another program's transaction holds up SCardConnect too."""

    def connect(*_: object) -> tuple[int, int, int]:
        answer.wait(10)
        return 0, 8001, 2

    monkeypatch.setattr(scard, "SCardConnect", connect)
    before = workers()
    with pytest.raises(TransportTimeoutError):
        pcsc.open_pcsc("", timeout=LIMIT)
    answer.set()
    assert ends(before)
    # One for the look at the readers, one for the connection.
    assert len(scard.called("ReleaseContext")) == 2


def test_with_a_limit_all_is_as_without(scard: FakeScard) -> None:
    before = workers()
    connection = pcsc.open_pcsc("", timeout=5)
    scard.replies = [[1, 0x90, 0]]
    with connection.exclusive():
        assert connection.transmit(bytes(4)) == (b"\1", 0x9000)
    connection.power_off()
    scard.codes["Transmit"] = [-1]
    with pytest.raises(CardRemovedError):
        connection.transmit(bytes(4))
    connection.close()
    assert scard.called("Disconnect") == [(2,)]
    assert ends(before)
