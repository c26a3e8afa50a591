# SPDX-License-Identifier: Apache-2.0
"""A card put back, or another one, at the very moment pcscd has seen that the reader is empty.

pcscd looks every 0.4 s, and powers a new card when it looks. Until then a program that still has
a handle of the card before can make pcscd take the new one for present, and another program
can open it: at the next look it is powered once more, and the agreed protocol is gone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from jpki.testing.virtual_reader import VirtualReader
from jpki_apdu.mishap import Mishap
from pcsc_client import Client, RefusedError

TIMES = 10
LOOK = 0.45  # seconds: pcscd has looked at least once
PATIENCE = 15.0
SELECT_JPKI = "00A4040C0AD392F000260100000001"
NO_SMARTCARD = "8010000C"
UNPOWER = 2

T = TypeVar("T")


def until(wanted: Callable[[T], bool], ask: Callable[[], T]) -> T:
    """The first answer that is wanted, or the last there was time for."""
    end = time.monotonic() + PATIENCE
    while not wanted(answer := ask()) and time.monotonic() < end:
        time.sleep(0.002)
    return answer


def answers(ask: Callable[[], object]) -> list[object]:
    """All different ones while pcscd looks."""
    found: list[object] = []
    end = time.monotonic() + LOOK
    while time.monotonic() < end:
        answer = ask()
        if answer not in found:
            found.append(answer)
        time.sleep(0.02)
    return found


def outcome(client: Client, *what: object) -> object:
    """What came of it; an error by its code."""
    try:
        return client.ask(str(what[0]), *what[1:])
    except RefusedError as error:
        return error.code


def test_another_program_lets_go_when_the_card_is_back(
    reader: VirtualReader, client: Client
) -> None:
    """The virtual reader waits for it."""
    reader.plug("hanako")
    assert client.ask("other_open") == "00000000"
    for _ in range(TIMES):
        reader.eject()
        back = threading.Thread(target=reader.insert)
        back.start()
        try:
            client.ask("other_leave", UNPOWER)
            code = until(lambda code: code != NO_SMARTCARD, lambda: client.ask("other_open"))
            assert code == "00000000"
            assert answers(lambda: client.ask("other_send", SELECT_JPKI)) == [["00000000", "9000"]]
        finally:
            back.join()


@pytest.mark.parametrize(
    "way", [("power_off",), ("send", SELECT_JPKI), ()], ids=["power_off", "send", "close"]
)
def test_we_let_go_when_the_card_is_back(
    reader: VirtualReader, client: Client, way: tuple[str, ...]
) -> None:
    """Nobody waits for us here: our handle of the card before leaves the next one alone."""
    reader.plug("hanako")
    client.ask("open")
    for _ in range(TIMES // 2):
        reader.eject()
        # pcscd writes its log a moment before it tells its clients.
        until(lambda readers: not readers[0][1], lambda: client.ask("readers"))
        reader.insert(wait=False)
        if way:
            assert outcome(client, *way) == "card_removed"
        client.ask("close")
        until(lambda came: came != "no_card", lambda: outcome(client, "open"))
        assert answers(lambda: outcome(client, "send", SELECT_JPKI)) == [[0, "9000"]]


def test_a_card_that_was_not_powered_properly(reader: VirtualReader, client: Client) -> None:
    """Moved while it is powered: pcscd knows no ATR and never tries again. We do, once."""
    card = reader.plug("hanako")
    power_on, power_off = card.power_on, card.power_off
    moved, unused = threading.Event(), threading.Event()

    def move() -> None:
        if not moved.is_set():
            moved.set()
            raise Mishap(leaves=True, returns=True)
        power_on()

    def cut() -> None:
        power_off()
        unused.set()

    card.power_off = cut  # type: ignore[method-assign]
    assert unused.wait(PATIENCE)  # so that whoever opens the card powers it
    card.power_on = move  # type: ignore[method-assign]
    assert client.ask("other_open") == "8010000F"
    assert moved.is_set()
    assert client.ask("other_open") == "8010000F"
    client.ask("open")
    assert answers(lambda: outcome(client, "send", SELECT_JPKI)) == [[0, "9000"]]
