# SPDX-License-Identifier: Apache-2.0
"""Distribution points, read strictly: what is no point is refused, not read as «any list»."""

from __future__ import annotations

import pytest

from jpki.certificate import der
from jpki.certificate.encode import tlv
from jpki.validation.rfc5280.points import ALL_REASONS, read_point_name, read_points, read_reasons

ABCD = tlv(0x82, b"abcd")
NAME = tlv(0xA0, tlv(0xA0, ABCD))
ISSUER = tlv(0xA2, ABCD)
RDN = tlv(0x30, tlv(0x06, b"\x55\x04\x03"), tlv(0x0C, b"List"))
RELATIVE = tlv(0xA0, tlv(0xA1, RDN))
REASONS = tlv(0x81, b"\x06\x40")  # keyCompromise alone


def sequence(*parts: bytes) -> bytes:
    """Of points, or of the parts of one."""
    return tlv(0x30, *parts)


@pytest.mark.parametrize(
    ("point", "reasons", "named", "by_others"),
    [
        ((NAME,), ALL_REASONS, True, False),
        ((NAME, REASONS), {1}, True, False),
        ((NAME, REASONS, ISSUER), {1}, True, True),
        ((ISSUER,), ALL_REASONS, False, True),
        ((REASONS, ISSUER), {1}, False, True),
        # The first bit is not used: it stands for no reason [RFC5280 4.2.1.13].
        ((NAME, tlv(0x81, b"\x06\xc0")), {1}, True, False),
        ((NAME, tlv(0x81, b"\x07\x7f\x80")), ALL_REASONS, True, False),
    ],
)
def test_what_a_point_covers(
    point: tuple[bytes, ...], reasons: frozenset[int], named: bool, by_others: bool
) -> None:
    (found,) = read_points(sequence(sequence(*point)))
    assert found.reasons == reasons
    assert (found.name is not None, found.issuers is not None) == (named, by_others)


@pytest.mark.parametrize(
    "value",
    [
        sequence(),
        tlv(0x31, sequence(NAME)),
        sequence(tlv(0x31, NAME)),
        sequence(sequence()),
        sequence(sequence(REASONS)),
        sequence(sequence(ISSUER, NAME)),
        sequence(sequence(NAME, NAME)),
        sequence(sequence(NAME, tlv(0x83, b"\xff"))),
        sequence(sequence(tlv(0xA2))),
        sequence(sequence(tlv(0xA0))),
        sequence(sequence(tlv(0xA0, tlv(0xA0)))),
        sequence(sequence(tlv(0xA0, tlv(0xA1)))),
        sequence(sequence(tlv(0xA0, tlv(0xA2, RDN)))),
        sequence(sequence(tlv(0xA0, tlv(0xA0, ABCD), tlv(0xA0, ABCD)))),
        sequence(sequence(NAME, tlv(0x81, b"\x00"))),
        sequence(sequence(NAME, tlv(0x81, b"\x00\x00"))),
        sequence(sequence(NAME, tlv(0x81, b"\x06\x00\x40"))),
    ],
    ids=lambda value: value.hex(),
)
def test_what_is_nosequence(value: bytes) -> None:
    with pytest.raises(der.DerError):
        read_points(value)


def test_a_name_may_be_relative_to_the_issuer_of_the_list() -> None:
    name = read_point_name(der.whole(RELATIVE, 0xA0))
    assert name.relative == tlv(0x31, RDN)
    issuer = tlv(0x30, tlv(0x31, RDN))
    assert name.below(issuer) != name.below(tlv(0x30))
    full = read_point_name(der.whole(NAME, 0xA0))
    assert full.below(issuer) == full.full


def test_reasons_are_the_bits_that_are_set() -> None:
    assert read_reasons(der.whole(tlv(0x83, b"\x05\x60"), 0x83)) == {1, 2}


def test_there_is_a_limit_of_points() -> None:
    """So that a certificate of many points against many lists takes no time."""
    assert len(read_points(sequence(*[sequence(NAME)] * 64))) == 64
    with pytest.raises(der.DerError):
        read_points(sequence(*[sequence(NAME)] * 65))
