# SPDX-License-Identifier: Apache-2.0
"""The search of the largest reply: readers of every size and every way to fail."""

from __future__ import annotations

import pytest

from jpki.card.probe_files import PROBE_FILES
from jpki.card_map import JPKI_AP
from jpki.emulator import EmulatedCard, load_card
from jpki_apdu.channel import Channel
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import CardRemovedError, FileNotFoundOnCardError, NoCardError
from jpki_apdu.probe import Carried, Probe, ProbeFile, probe
from jpki_apdu.tlv import total_length
from small_reader import SmallReader

WAYS = {
    "refuse": Carried.REFUSED,
    "cut": Carried.CUT,
    "mangle": Carried.MANGLED,
    "more": Carried.MANGLED,
    "unreadable": Carried.MANGLED,
    "reset": Carried.LOST,
    "eject": Carried.LOST,
}


@pytest.fixture(scope="module")
def card() -> EmulatedCard:
    return load_card("hanako")


def search(reader: SmallReader, waited: list[float] | None = None) -> Probe:
    found = probe(reader.connect, PROBE_FILES, pause=(waited if waited is not None else []).append)
    assert reader.opened == reader.closed, "a connection was left open"
    return found


def test_a_reader_that_carries_everything(card: EmulatedCard) -> None:
    reader = SmallReader(card)
    found = search(reader)
    assert found.limits == ReplyLimits(256, 65536)
    assert found.measured > 1200
    assert {tried.carried for tried in found.attempts} == {Carried.WHOLE}
    assert [tried.size for tried in found.attempts if not tried.extended] == [
        128,
        224,
        250,
        255,
        256,
    ]
    assert (reader.opened, reader.too_long) == (1, 0)
    assert found.reader == "Small Reader 00 00"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("most", [128, 200, 224, 250, 252, 255])
def test_short_replies(card: EmulatedCard, most: int, way: str) -> None:
    reader = SmallReader(card, short=most, extended=most, way=way)
    found = search(reader)
    best = max(size for size in (128, 224, 250, 255) if size <= most)
    assert found.limits == ReplyLimits(best, 0)
    assert found.measured == best
    assert found.attempts[-1].carried is WAYS[way]
    assert reader.too_long == 1, "one failure is enough; each may cost the card its power"
    assert found.card_back


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("most", "best"), [(256, 0), (261, 257), (600, 512), (1100, 1024)])
def test_extended_replies(card: EmulatedCard, most: int, best: int, way: str) -> None:
    """Whatever the reader says of itself: it is what came whole that counts."""
    reader = SmallReader(card, extended=most, way=way)
    found = search(reader)
    assert found.limits == ReplyLimits(256, best)
    assert found.measured == max(256, best)
    assert found.attempts[-1].carried is WAYS[way]
    assert reader.too_long == 1


def test_a_modest_reader_is_taken_at_what_it_does(card: EmulatedCard) -> None:
    found = search(SmallReader(card, says=ReplyLimits(256, 0)))
    assert found.limits == ReplyLimits(256, found.measured)


def test_no_pin_is_presented_and_no_counter_asked(card: EmulatedCard) -> None:
    reader = SmallReader(card, extended=300, way="eject")
    search(reader)
    assert {apdu[1] for apdu in reader.apdus} == {0xA4, 0xB0}


def test_a_card_that_comes_back_late(card: EmulatedCard) -> None:
    waited: list[float] = []
    found = search(SmallReader(card, extended=300, way="eject", away=2), waited)
    assert found.card_back
    assert waited == [0.5, 1.5]


def test_a_card_that_does_not_come_back(card: EmulatedCard) -> None:
    waited: list[float] = []
    found = search(SmallReader(card, short=224, way="eject", away=9), waited)
    assert not found.card_back
    assert found.limits == ReplyLimits(224, 0)
    assert sum(waited) == 2


def test_another_card_put_in_meanwhile_is_not_taken_for_this_one(card: EmulatedCard) -> None:
    reader = SmallReader(card, short=224, way="eject")
    first = reader.connect

    def connect() -> object:
        if reader.ejected:
            reader.card = load_card("old-g1")
        return first()

    found = probe(connect, PROBE_FILES, pause=lambda seconds: None)  # type: ignore[arg-type]
    assert not found.card_back


def test_no_card(card: EmulatedCard) -> None:
    reader = SmallReader(card, away=1, ejected=True)
    with pytest.raises(NoCardError):
        search(reader)


def test_a_card_lost_while_the_file_is_read(card: EmulatedCard) -> None:
    reader = SmallReader(card, short=64, way="eject")
    with pytest.raises(CardRemovedError):
        probe(reader.connect, PROBE_FILES)
    assert reader.opened == reader.closed


def test_a_card_without_the_files(card: EmulatedCard) -> None:
    absent = ProbeFile(b"\xa0\0\0\0\0\1", 1, total_length)
    with pytest.raises(FileNotFoundOnCardError):
        probe(SmallReader(card).connect, [absent])


def test_the_next_file_is_tried(card: EmulatedCard) -> None:
    guarded = ProbeFile(JPKI_AP.aid, JPKI_AP.file("sign-certificate").fid, total_length)
    absent = ProbeFile(b"\xa0\0\0\0\0\1", 1, total_length)
    found = probe(SmallReader(card).connect, [absent, guarded, *PROBE_FILES])
    assert found.measured > 1200


def test_no_file_is_no_probe(card: EmulatedCard) -> None:
    with pytest.raises(ValueError, match="needs a file"):
        probe(SmallReader(card).connect, [])


@pytest.mark.parametrize("size", [5, 100, 128, 200, 256])
def test_a_small_file_measures_what_it_can(card: EmulatedCard, size: int) -> None:
    short = ProbeFile(JPKI_AP.aid, JPKI_AP.file("sign-ca-certificate").fid, lambda head: size)
    found = probe(SmallReader(card).connect, [short])
    assert found.measured == max((s for s in (128, 224, 250, 255, 256) if s <= size), default=0)
    assert found.limits == ReplyLimits(256, 65536), "nothing contradicts the reader"


@pytest.mark.parametrize("fault", ["card:6F00", "card:61xx=128", "card:6Cxx"])
def test_a_card_with_its_own_ways(fault: str) -> None:
    """First command refused, long answers in pieces, an exact Le demanded: no fault of a reader."""
    card = load_card("hanako")
    card.faults = (fault,)
    found = probe(SmallReader(card).connect, PROBE_FILES)
    assert found.limits == ReplyLimits(256, 65536)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("most", [128, 224, 250, 255, 256])
def test_a_channel_with_the_result_never_asks_for_too_much(
    card: EmulatedCard, most: int, way: str
) -> None:
    reader = SmallReader(card, short=most, extended=most, way=way)
    limits = search(reader).limits
    reader.too_long, reader.ejected = 0, False
    with reader.connect() as connection, connection.exclusive():
        channel = Channel(connection, limits=limits)
        for file in PROBE_FILES:
            assert len(channel.read_file(file.aid, file.fid, file.size)) > 256
    assert reader.too_long == 0
