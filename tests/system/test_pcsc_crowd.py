# SPDX-License-Identifier: Apache-2.0
"""Two programs at once, and one that watches the reader through many insertions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from jpki.testing.virtual_reader import VirtualReader
from pcsc_client import Client

# Out and in again takes two polls of pcscd, 0.4 s each, which nothing can hurry.
# `make assure` sets 1000. Not named JPKI_…: the tests clear those.
INSERTIONS = int(os.environ.get("WATCHER_INSERTIONS", "20"))
WARM_UP = 5
GROWTH_KB = 2048


def test_two_programs_two_cards(reader: VirtualReader, client: Client) -> None:
    reader.plug("hanako")
    reader.plug("taro-moved", slot=1)
    with Client(reader) as other:
        client.ask("open", "00 00")
        other.ask("open", "00 01")
        ours, theirs = client.ask("read"), other.ask("read")
        assert ours != theirs
        for _ in range(20):
            for program in (client, other):
                program.start("read")
            assert (client.answer(), other.answer()) == (ours, theirs)


@pytest.mark.parametrize("which", [("auth", "auth"), ("auth", "sign-ca")])
def test_two_programs_one_card(
    reader: VirtualReader, client: Client, which: tuple[str, str]
) -> None:
    """Commands of both reach the card in any order; none reads what the other had selected."""
    reader.plug("hanako")
    with Client(reader) as other:
        client.ask("open")
        wanted = [client.ask("read", name) for name in which]
        other.ask("open")
        for _ in range(20):
            client.start("read", which[0])
            other.start("read", which[1])
            assert [client.answer(), other.answer()] == wanted


@pytest.mark.timeout(60 + 2 * INSERTIONS)
def test_a_watcher_leaks_nothing(
    reader: VirtualReader, client: Client, record_property: Callable[[str, object], None]
) -> None:
    """Every insertion and removal is seen once, each card is read, and nothing grows."""
    record_property("cases", INSERTIONS)
    reader.plug("hanako")
    client.ask("readers")
    steady: list[int] = []
    for number in range(WARM_UP + INSERTIONS):
        if number == WARM_UP:
            steady = client.ask("figures")
        client.start("change", 10)
        reader.eject()
        assert client.answer()[0][1] is False
        client.start("change", 10)
        reader.insert()
        assert client.answer()[0][1] is True
        client.ask("visit", 5 if number % 2 else None)
    assert reader.log().count("Card Removed From") == WARM_UP + INSERTIONS
    *then, resident_then = steady
    for _ in range(100):  # the thread of the last time limit may still be ending
        *now, resident = client.ask("figures")
        if now == then:
            break
        time.sleep(0.1)
    assert now == then  # files (a context of PC/SC is a socket), threads
    assert resident - resident_then < GROWTH_KB
    threads = os.listdir(f"/proc/{reader.pid}/task")
    assert len(threads) < 12  # pcscd keeps one for every context
