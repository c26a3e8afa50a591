# SPDX-License-Identifier: Apache-2.0
"""Serials and places of a list's entries: with numpy, without it, and read one by one, the same.

Whatever does not tile exactly, or holds an entry that nobody may use, is refused by all three.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpki.certificate.der import DerError
from jpki.validation.crl import check_entry
from jpki.validation.crl_index import fast, plain, sorting
from jpki.validation.crl_index.columns import Columns, TooWide, collect
from jpki.validation.crl_index.layout import WIDTHS

DATE = b"\x17\x0d261120000000Z"
LATER = b"\x18\x0f20510101000000Z"
REASON = bytes.fromhex("300c300a0603551d1504030a0103")
HOLD = bytes.fromhex("3018300a0603551d1504030a010630" + "0a0603551d17040306012a")
LONG = bytes.fromhex("3081903081") + b"\x8d" + bytes.fromhex("06032a0304") + b"\x04\x81\x85"
LONG += b"\x04\x81\x82" + bytes(0x82)
TAILS = (DATE + REASON, DATE + REASON, DATE + REASON, DATE, LATER, DATE + HOLD, DATE + LONG)


def tlv(tag: int, value: bytes) -> bytes:
    size = len(value)
    return bytes([tag]) + (bytes([size]) if size < 0x80 else bytes([0x81, size])) + value


def entry(serial: int, tail: bytes = DATE + REASON) -> bytes:
    return tlv(0x30, tlv(2, serial.to_bytes(serial.bit_length() // 8 + 1, "big")) + tail)


def serials(bits: int) -> st.SearchStrategy[int]:
    return st.integers(1, bits).flatmap(lambda b: st.integers(1 << (b - 1), (1 << b) - 1))


LISTS = st.sampled_from([8, 31, 32, 40, 63, 64, 71, 159]).flatmap(
    lambda bits: st.lists(
        st.builds(entry, serials(bits), st.sampled_from(TAILS)), min_size=1, max_size=40
    )
)
# As lists really are: every entry has a reason, or none has, and serials differ a little in length.
EVEN = st.tuples(
    st.sampled_from([16, 27, 32, 64, 159]), st.sampled_from([DATE + REASON, DATE])
).flatmap(
    lambda form: st.lists(
        st.builds(entry, serials(form[0]), st.just(form[1])), min_size=20, max_size=60
    )
)


def one_by_one(data: bytes) -> list[tuple[int, int]]:
    """Serial and place of each entry, in order of both."""
    found, pos = [], 3
    seen: set[bytes] = set()
    while pos < len(data) - 2:
        serial, _, stop = check_entry(data, pos, len(data) - 2, seen)
        found.append((serial, pos))
        pos = stop
    return sorted(found)


def rows(columns: Columns) -> Iterator[tuple[int, int]]:
    width, keys, offsets = columns.width, bytes(columns.keys), bytes(columns.offsets)
    order = "big" if width == 20 else "little"
    for row in range(columns.rows):
        key = int.from_bytes(keys[row * width : (row + 1) * width], order)  # type: ignore[arg-type]
        yield key, int.from_bytes(offsets[row * 4 : row * 4 + 4], "little")


def agreed(data: bytes) -> Columns | str:
    """What all three come to: the columns, or that it is refused."""
    try:
        wanted: list[tuple[int, int]] | str = one_by_one(data)
    except DerError:
        wanted = "refused"
    results: list[Columns | str] = []
    for numpy in (True, False):
        try:
            results.append(collect(data, 3, len(data) - 2, numpy=numpy))
        except DerError:
            results.append("refused")
    first, second = results
    if isinstance(first, str) or isinstance(second, str):
        assert first == second == wanted
        return first
    assert (first.width, first.rows) == (second.width, second.rows)
    assert bytes(first.keys) == bytes(second.keys)
    assert bytes(first.offsets) == bytes(second.offsets)
    assert list(rows(first)) == wanted
    return first


@pytest.fixture(autouse=True, scope="module")
def small_pieces() -> Iterator[None]:
    """Pieces so small that every list has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "_CHUNK", 200)
        patch.setattr(plain, "_STRETCH", 64)
        patch.setattr(sorting, "_RUN", 90)
        patch.setattr(fast, "_CHUNK", 300)
        yield


def framed(entries: list[bytes]) -> bytes:
    return b"\xaa\xbb\xcc" + b"".join(entries) + b"\xdd\xee"


@given(LISTS | EVEN)
def test_every_way_comes_to_the_same(entries: list[bytes]) -> None:
    columns = agreed(framed(entries))
    assert not isinstance(columns, str)
    assert columns.rows == len(entries)
    assert columns.width in WIDTHS


@given(LISTS | EVEN, st.randoms(use_true_random=False))
def test_damage_is_seen_alike(entries: list[bytes], chance: random.Random) -> None:
    data = bytearray(framed(entries))
    at = chance.randrange(3, len(data) - 2)
    data[at] = chance.randrange(256)
    agreed(bytes(data))


@given(LISTS, st.integers(1, 30))
def test_what_does_not_tile_is_refused(entries: list[bytes], cut: int) -> None:
    # An entry ends inside the list, so the last one is cut or what is left is none.
    whole = b"".join(entries)
    data = framed([whole[: max(1, len(whole) - min(cut, len(entries[-1]) - 1))]])
    assert agreed(data) == "refused"


def test_entries_inside_serials_are_none() -> None:
    hidden = int.from_bytes(b"\x01" + entry(5)[:19], "big")
    decoys = [entry(0x3014020105), entry(hidden), entry(0x30130205170D), entry(7), entry(hidden)]
    columns = agreed(framed(decoys * 9))
    assert not isinstance(columns, str)
    assert columns.rows == 45


@pytest.mark.parametrize("tail", [DATE + REASON, DATE])
def test_heads_inside_serials_are_none(tail: bytes) -> None:
    # What an entry with a short serial begins with, in serials of others and across two entries.
    head = entry(5, tail)[:4]
    longer = [int.from_bytes(b"\x11" * n + head + b"\x11", "big") for n in (0, 1, 2)]
    plain_ones = [entry(5 + i, tail) for i in range(20)] + [entry(longer[0] ^ 0xFF, tail)] * 9
    for decoy in longer:
        columns = agreed(framed([*plain_ones, entry(decoy, tail), *plain_ones]))
        assert not isinstance(columns, str)
        assert columns.rows == 59


@pytest.mark.parametrize("size", [8, 12, 24])
def test_records_are_sorted_with_the_c_library_or_without_it(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    chance = random.Random(size)
    records = [bytes([chance.randrange(4)]) + chance.randbytes(size - 1) for _ in range(300)]
    pieces = [b"".join(records[at : at + 7]) for at in range(0, 300, 7)]
    found = [sorting.sorted_records(pieces, size)]
    monkeypatch.setattr(sorting, "_sorter", lambda: None)
    found.append(sorting.sorted_records(pieces, size))
    assert found == [b"".join(sorted(records))] * 2


def test_a_middle_that_is_none_is_noticed() -> None:
    # Halves are read at once from where eight entries seem to follow one another.
    decoy = bytes.fromhex("3081903081") + b"\x8d" + bytes.fromhex("06032a03040481850481") + b"\x82"
    decoy += (b"\x30\x01\x02" * 44)[:0x82]
    data = framed([entry(9 + i) for i in range(4)] + [entry(5 + i, DATE + decoy) for i in range(9)])
    assert fast._beginning(data, len(data) // 2, len(data) - 2) is not None
    columns = agreed(data)
    assert not isinstance(columns, str)
    assert columns.rows == 13


@pytest.mark.parametrize("bits", [8, 16, 27, 31, 32, 33, 56, 64, 65, 151, 159])
def test_width_of_keys(bits: int) -> None:
    top = (1 << bits) - 1
    columns = agreed(framed([entry(top), entry(1), entry(top >> 1 or 1)]))
    assert not isinstance(columns, str)
    assert columns.width == next(width for width in WIDTHS if bits <= 8 * width)


@pytest.mark.parametrize("gather", [plain.gather, fast.gather])
@pytest.mark.parametrize("bits", [33, 65])
def test_a_serial_that_does_not_fit_is_not_cut(gather: object, bits: int) -> None:
    data = framed([entry(1)] * 20 + [entry(1 << bits)])
    assert callable(gather)
    with pytest.raises(TooWide):
        gather(data, 3, len(data) - 2, 4 if bits < 65 else 8)


def test_a_serial_that_is_listed_often_keeps_the_order_of_the_list() -> None:
    many = [entry(77, tail) for tail in TAILS * 5] + [entry(78), entry(76)]
    columns = agreed(framed(many))
    assert not isinstance(columns, str)
    places = [place for key, place in rows(columns) if key == 77]
    assert places == sorted(places)
    assert len(places) == 35


@pytest.mark.parametrize(
    "wrong",
    [
        entry(5)[:-1] + b"\x07",  # a reason that is not used
        entry(5)[:-1] + b"\x08",  # removeFromCRL
        entry(5).replace(b"261120000000Z", b"26112000000 Z"),
        entry(5).replace(b"261120000000Z", b"261120000000+"),
        entry(5).replace(b"\x02\x01\x05", b"\x02\x01\x00"),
        entry(5).replace(b"\x02\x01\x05", b"\x02\x01\x85"),
        b"\x31" + entry(5)[1:],
        tlv(0x30, tlv(2, b"\x00\x05") + DATE),
        tlv(0x30, tlv(2, bytes([1] * 21)) + DATE),
        tlv(0x30, b"\x02\x00" + DATE),
        tlv(0x30, DATE),
        b"\x30\x00",
        b"\x30\x80" + tlv(2, b"\x05") + DATE + b"\0\0",
        b"\x30\x81\x12" + entry(5, DATE)[2:],
        # an unknown critical extension, and one that names another issuer
        tlv(0x30, tlv(2, b"\x05") + DATE + bytes.fromhex("300e300c06038837010101ff04020500")),
        tlv(0x30, tlv(2, b"\x05") + DATE + bytes.fromhex("300e300c0603551d1d0101ff04023000")),
    ],
)
@pytest.mark.parametrize("before", [0, 1, 40])
def test_one_wrong_entry_spoils_the_list(wrong: bytes, before: int) -> None:
    good = [entry(0x1234 + i) for i in range(before)]
    assert agreed(framed([*good, wrong, *good])) == "refused"
