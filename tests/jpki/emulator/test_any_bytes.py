# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in, something comes out: never an exception, never an internal error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpki.emulator import load_card
from jpki.emulator.apdu import parse
from jpki_apdu.command import CommandApdu
from virtual_terminal import AIDS, AT

HEADS = [
    bytes.fromhex(head)
    for head in (
        "00A4040C", "00A4020C", "00A40400", "00B00000", "00B08A00", "00B20104", "00200080",
        "00200098", "00240180", "80320080", "00880099", "00840000", "00CA00F8", "00C00000",
        "802A0080", "802A0097", "802A0000", "80AE0000", "80A20000", "80FC0000", "08B00000",
        "0CA40000", "01A40000",
    )
]  # fmt: skip
BODIES = [bytes.fromhex(aid) for aid in AIDS.values()] + [
    bytes((0, fid)) for fid in range(1, 0x1F)
] + [b"1234", b"ABC123", b"537686677188"]  # fmt: skip


@st.composite
def near_commands(draw: st.DrawFn) -> bytes:
    """A real header or any, a likely body or any, lengths right or wrong."""
    head = draw(st.sampled_from(HEADS) | st.binary(min_size=4, max_size=4))
    body = draw(st.sampled_from(BODIES) | st.binary(max_size=40))
    wrong = draw(st.sampled_from([0, 0, 0, 0, 1, -1]))
    le = draw(st.sampled_from([b"", b"\x00", b"\x10", b"\x00\x00\x00"]))
    if draw(st.booleans()):
        return head + b"\x00" + (len(body) + wrong & 0xFFFF).to_bytes(2, "big") + body + le[:2]
    return head + (bytes((len(body) + wrong & 0xFF,)) + body if body else b"") + le


@settings(max_examples=150)
@given(st.lists(near_commands() | st.binary(max_size=300), max_size=30), st.integers(0, 3))
def test_never_raises(apdus: list[bytes], number: int) -> None:
    card = load_card(("hanako", "child", "android", "copied")[number], at=AT)
    for apdu in apdus:
        answer = card.transmit(apdu)
        assert len(answer) >= 2
        assert answer[-2] in (0x61, *range(0x62, 0x70), 0x90)
        assert answer[-2:] != b"\x6f\x00"
        if len(answer) > 2:
            assert answer[-2] in (0x61, 0x62, 0x90)
    assert card.apdus == len(apdus)


@settings(max_examples=300)
@given(near_commands() | st.binary(max_size=300))
def test_same_reading_as_the_other_side(apdu: bytes) -> None:
    """Two readings of the four cases, written apart, agree on every input."""
    ours = parse(apdu)
    try:
        theirs = CommandApdu.from_bytes(apdu)
    except ValueError:
        assert ours is None
        return
    assert ours is not None
    assert (ours.cla, ours.ins, ours.p1, ours.p2) == (
        theirs.cla, theirs.ins, theirs.p1, theirs.p2,
    )  # fmt: skip
    assert (ours.data, ours.le, ours.extended) == (theirs.data, theirs.le, theirs.extended)


@pytest.mark.parametrize("size", range(40))
def test_truncated_at_every_length(size: int) -> None:
    whole = bytes.fromhex("00A4040C0AD392F000260100000001")
    answer = load_card("hanako", at=AT).transmit(whole[:size])
    # A bare header, and a header with Le, are commands too: no name is the default DF.
    good = size in (4, 5) or size >= len(whole)
    assert answer == (b"\x90\x00" if good else b"\x67\x00")
