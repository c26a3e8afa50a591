# SPDX-License-Identifier: Apache-2.0
"""What a terminal sees of PC/SC readers, look by look."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

import jpki_apdu.readers
from jpki.kiosk.reader import PcscPort, Seen, Sight
from jpki_apdu.errors import NoServiceError, PcscMissingError
from jpki_apdu.readers import ReaderState

ATR, OTHER = b"\x3b\x88", b"\x3b\x80"
Look = Sequence[ReaderState] | Exception


def at(events: int = 0, *, card: bool = True, name: str = "A", atr: bytes = ATR) -> ReaderState:
    return ReaderState(name, card, False, atr if card else b"", events)


def empty(events: int = 0, name: str = "A") -> ReaderState:
    return at(events, card=False, name=name)


def look(monkeypatch: pytest.MonkeyPatch, *looks: Look, part: str = "") -> list[Seen]:
    """What a port says of these, one after the other."""
    left = list(looks)

    def wait_for_change(known: object, timeout: float) -> Sequence[ReaderState]:
        now = left.pop(0)
        if isinstance(now, Exception):
            raise now
        return now

    monkeypatch.setattr(jpki_apdu.readers, "wait_for_change", wait_for_change)
    port, seen = PcscPort(part), list[Seen]()
    for _ in looks:
        seen.append(port.wait(seen[-1] if seen else None, 0))
    return seen


@pytest.mark.parametrize(
    ("looks", "sights"),
    [
        ([[]], [Sight.LOST]),
        ([[empty()], [at(1)], [empty(2)]], [Sight.EMPTY, Sight.CARD, Sight.EMPTY]),
        ([[at(1), at(1, name="B")]], [Sight.SEVERAL]),
        ([[at(1), empty(name="B")]], [Sight.CARD]),
        ([NoServiceError(), [at(1)]], [Sight.LOST, Sight.CARD]),
        ([PcscMissingError(install="x"), [empty()]], [Sight.BROKEN, Sight.EMPTY]),
    ],
)
def test_sights(
    monkeypatch: pytest.MonkeyPatch, looks: Sequence[Look], sights: Sequence[Sight]
) -> None:
    assert [seen.sight for seen in look(monkeypatch, *looks)] == list(sights)


@pytest.mark.parametrize(
    ("looks", "swapped"),
    [
        # PC/SC counts every card that comes or goes.
        ([at(1), at(3)], True),
        ([at(1), at(1)], False),
        ([at(1), at(1, atr=OTHER)], False),  # a reader that makes up an ATR at each powering
        ([at(8), at(9)], False),  # seen by a program that connected before it was counted
        ([at(8), at(9), at(11)], True),
        ([at(9), at(10), at(11)], True),
        ([at(0xFFFF), at(1)], True),  # the counter has 16 bits
        # Where it does not count.
        ([at(), at(atr=OTHER)], True),
        ([at(), at()], False),
        ([at(atr=b""), at()], False),  # its ATR comes later
        # From one reader to the other.
        ([at(1), at(1, name="B")], True),
    ],
)
def test_a_card_in_anothers_place_between_two_looks(
    monkeypatch: pytest.MonkeyPatch, looks: Sequence[ReaderState], swapped: bool
) -> None:
    seen = look(monkeypatch, *([state] for state in looks))
    assert {each.sight for each in seen} == {Sight.CARD}
    assert (seen[-1] != seen[0]) == swapped


def test_counters_begin_anew_with_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lay there before is not compared with what lies there after."""
    seen = look(monkeypatch, [at(7)], NoServiceError(), [at(0)], [at(0)])
    assert [each.sight for each in seen] == [Sight.CARD, Sight.LOST, Sight.CARD, Sight.CARD]
    assert seen[2] == seen[3]


def test_only_the_reader_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    (seen,) = look(monkeypatch, [at(1, name="Alpha 00"), at(1, name="Beta 00")], part="beta")
    assert seen.sight is Sight.CARD
