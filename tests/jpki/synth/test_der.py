# SPDX-License-Identifier: Apache-2.0
"""The DER writer against another library's, at the edges of every form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from asn1crypto import core

from jpki.synth import der


@pytest.mark.parametrize("size", [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000])
def test_length(size: int) -> None:
    assert der.octet_string(b"x" * size) == core.OctetString(b"x" * size).dump()


@pytest.mark.parametrize("size", [0, 1, 0x7F, 0x80, 0x100])
def test_a_long_length_is_longer_and_says_the_same(size: int) -> None:
    written = der.long_tlv(0x04, b"x" * size)
    assert len(written) > len(der.tlv(0x04, b"x" * size))
    assert core.OctetString.load(written).native == b"x" * size


@pytest.mark.parametrize(
    "value",
    [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 1 << 159, -1, -128, -129, -(1 << 31)],
)
def test_integer(value: int) -> None:
    assert der.integer(value) == core.Integer(value).dump()


@pytest.mark.parametrize(
    "dotted", ["0.0", "1.2.392.200149.8.5.1.1.20", "2.5.29.15", "2.999.1", "1.2.127.128.16384"]
)
def test_oid(dotted: str) -> None:
    assert der.oid(dotted) == core.ObjectIdentifier(dotted).dump()


def test_strings() -> None:
    assert der.utf8("番号") == core.UTF8String("番号").dump()
    assert der.printable("JP") == core.PrintableString("JP").dump()
    assert der.ia5("a@b") == core.IA5String("a@b").dump()
    with pytest.raises(UnicodeEncodeError):
        der.ia5("番")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(1950, 1, 1, tzinfo=UTC), b"\x17\x0d500101000000Z"),
        (datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), b"\x17\x0d491231235959Z"),
        (datetime(2050, 1, 1, tzinfo=UTC), b"\x18\x0f20500101000000Z"),
        (datetime(1949, 12, 31, tzinfo=UTC), b"\x18\x0f19491231000000Z"),
        (
            datetime(2030, 2, 17, 23, 59, 59, tzinfo=timezone(timedelta(hours=9))),
            b"\x17\x0d300217145959Z",
        ),
    ],
)
def test_time(moment: datetime, expected: bytes) -> None:
    assert der.time(moment) == expected


def test_sets_are_sorted() -> None:
    assert der.set_of(b"\x02\x01\x02", b"\x02\x01\x01") == b"\x31\x06\x02\x01\x01\x02\x01\x02"
