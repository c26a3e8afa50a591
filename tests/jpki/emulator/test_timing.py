# SPDX-License-Identifier: Apache-2.0
"""The model of time: figures worked out by hand, proportions, and that tests never wait."""

from __future__ import annotations

import pytest

from jpki.emulator import TIMINGS, ApduTrace, exchange_seconds, load_card, modelled_seconds, timing
from virtual_terminal import AT, MakeCard, Terminal

READ = ApduTrace(bytes.fromhex("00B00000"), 0, 256, 256, 0x9000)
SIGN = ApduTrace(bytes.fromhex("802A0080"), 51, 256, 256, 0x9000)
NAMES = ("contact", "106", "212", "424", "848")


def test_one_byte_on_each_link() -> None:
    """Contact: 372 clocks an etu at 4 MHz, 11 etu; Type B: 128 / 13.56 MHz a bit, 10 bits."""
    assert TIMINGS["contact"].byte == pytest.approx(1.023e-3)
    assert TIMINGS["106"].byte == pytest.approx(94.395e-6, rel=1e-4)
    for slower, faster in (("106", "212"), ("212", "424"), ("424", "848")):
        assert TIMINGS[slower].byte == pytest.approx(2 * TIMINGS[faster].byte)
    assert tuple(TIMINGS) == NAMES


def test_a_read_of_256_bytes_worked_out_by_hand() -> None:
    """Command 5 bytes, one block; reply 258 bytes, two blocks and one acknowledgement."""
    link = TIMINGS["contact"]
    characters = (5 + 4) + (258 + 2 * 4 + 4)
    turns = 1 + 3
    etu = 372 / 4.0e6
    assert link.seconds(5) + link.seconds(258) == pytest.approx(
        characters * 11 * etu + turns * 22 * etu
    )
    expected = characters * 11 * etu + turns * 22 * etu + 0.002 + 0.0001 + timing.COMMAND
    assert exchange_seconds(READ, link) == pytest.approx(expected)


def test_blocks_are_filled() -> None:
    link = TIMINGS["106"]
    step = link.seconds(254) - link.seconds(253)
    assert step > 5 * (link.seconds(253) - link.seconds(252))
    assert link.seconds(0) > 0


@pytest.mark.parametrize(
    ("lc", "le", "sent"),
    [(0, None, 4), (0, 256, 5), (16, None, 21), (16, 256, 22), (0, 1024, 7), (300, None, 307),
     (300, 256, 309), (16, 65536, 25)],
)  # fmt: skip
def test_bytes_of_a_command(lc: int, le: int | None, sent: int) -> None:
    """All four cases, short and extended [ISO3 12.1]."""
    link = TIMINGS["848"]
    trace = ApduTrace(bytes(4), lc, le, 0, 0x9000)
    seconds = exchange_seconds(trace, link) - 2 * timing.USB_FRAME - timing.HOST - timing.COMMAND
    assert seconds == pytest.approx(link.seconds(sent) + link.seconds(2))


def test_what_the_chip_takes() -> None:
    link = TIMINGS["424"]
    assert exchange_seconds(SIGN, link) > exchange_seconds(READ, link) + 0.9 * timing.SIGNATURE
    refused = ApduTrace(SIGN.header, 51, 256, 0, 0x6982)
    assert exchange_seconds(refused, link) < timing.SIGNATURE
    query = ApduTrace(bytes.fromhex("00200080"), 0, None, 0, 0x63C3)
    verify = ApduTrace(bytes.fromhex("00200080"), 4, None, 0, 0x9000)
    assert exchange_seconds(verify, link) - exchange_seconds(query, link) > timing.VERIFY


def test_faster_links_take_less_and_a_trace_is_a_sum() -> None:
    totals = [modelled_seconds((READ, SIGN), TIMINGS[name]) for name in NAMES]
    assert totals == sorted(totals, reverse=True)
    assert totals[1] == pytest.approx(
        exchange_seconds(READ, TIMINGS["106"]) + exchange_seconds(SIGN, TIMINGS["106"])
    )
    assert modelled_seconds((), TIMINGS["106"]) == 0


def test_a_card_adds_up_and_sleeps_only_as_it_is_told() -> None:
    card, seen, slept = load_card("hanako", at=AT), list[ApduTrace](), list[float]()
    card.log, card.sleep, card.timing = seen.append, slept.append, TIMINGS["106"]
    terminal = Terminal(card)
    terminal.open("jpki", "0018", "1234")
    assert len(seen) == len(slept) == 3
    assert sum(slept) == card.modelled == pytest.approx(modelled_seconds(seen, TIMINGS["106"]))
    card.sleep = None
    terminal.application("jpki")
    assert len(slept) == 3
    assert card.modelled > sum(slept)


def test_off_by_default() -> None:
    card = load_card("hanako", at=AT)
    assert card.timing is None
    Terminal(card).application("jpki")
    assert card.modelled == 0


def test_by_name_and_in_a_card_file(make: MakeCard) -> None:
    card = make("hanako", {"timing": 'link = "424"'}).card
    assert card.timing is TIMINGS["424"]
    assert card.sleep is not None
    card = make("hanako", {"timing": 'link = "contact"\nsleep = false'}).card
    assert card.timing is TIMINGS["contact"]
    assert card.sleep is None
    card.timing = "848"
    assert card.timing is TIMINGS["848"]
    with pytest.raises(KeyError):
        card.timing = "849"
    card.timing = None
    assert card.timing is None
