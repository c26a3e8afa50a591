# SPDX-License-Identifier: Apache-2.0
"""Strict DER: what is refused, and why."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jpki.certificate import der

BAD = [
    ("", "truncated"),
    ("30", "truncated"),
    ("3001", "truncated"),
    ("3003020101" + "00", "trailing_bytes"),
    ("30800201010000", "indefinite_length"),
    ("3081030201" + "01", "not_minimal"),  # long form for a short length [X.690 10.1]
    ("308200030201" + "01", "not_minimal"),
    ("3085000000000100", "over_long"),
    ("1f8101", "bad_tag"),  # high tag numbers do not occur in X.509
    ("3004020200" + "7f", "not_minimal"),  # padded INTEGER [X.690 8.3.2]
    ("30040202ff80", "not_minimal"),
    ("30020200", "bad_integer"),
    ("3003010101", "bad_boolean"),  # TRUE is FF [X.690 11.1]
    ("3003050100", "bad_null"),
    ("300403020801", "bad_bit_string"),
    ("300403020101", "bad_bit_string"),  # an unused bit that is set [X.690 11.2.1]
    ("3003030101", "bad_bit_string"),
    ("30020300", "bad_bit_string"),
    ("300406022a80", "bad_oid"),
    ("3005060380012a", "bad_oid"),  # padded arc [X.690 8.19.2]
    ("30020600", "bad_oid"),
    ("30030c01ff", "bad_text"),
    ("3003130140", "bad_text"),  # @ is not printable
    ("3003160180", "bad_text"),
    ("3103020102310002", "trailing_bytes"),
    ("3106020102020101", "set_order"),
    ("30021000", "bad_tag"),  # SEQUENCE is always constructed
    ("24020400", "bad_tag"),  # strings never are [X.690 10.2]
]


@pytest.mark.parametrize(("data", "reason"), BAD)
def test_refuses_what_is_not_der(data: str, reason: str) -> None:
    with pytest.raises(der.DerError) as caught:
        der.check_strict(bytes.fromhex(data))
    assert caught.value.reason == reason


def test_depth_and_number_are_bounded() -> None:
    deep = b""
    for _ in range(der.MAX_DEPTH + 2):
        deep = b"\x30" + bytes([len(deep)]) + deep
    with pytest.raises(der.DerError, match="too_deep"):
        der.check_strict(deep)
    with pytest.raises(der.DerError, match="too_many"):
        der.check_strict(b"\x30\x0a" + b"\x05\x00" * 5, max_nodes=5)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("06032a0304", "1.2.3.4"),
        ("060b2a83088c9b55080501031e", "1.2.392.200149.8.5.1.3.30"),  # [AUTH-EE]
        ("0603883703", "2.999.3"),  # [X.660]
    ],
)
def test_oid(data: str, text: str) -> None:
    assert der.oid(der.whole(bytes.fromhex(data), der.OBJECT_ID)) == text


@pytest.mark.parametrize(
    ("tag", "text", "wanted"),
    [
        (0x17, "300217145959Z", datetime(2030, 2, 17, 14, 59, 59, tzinfo=UTC)),
        (0x17, "500101000000Z", datetime(1950, 1, 1, tzinfo=UTC)),
        (0x17, "491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (0x18, "20500101000000Z", datetime(2050, 1, 1, tzinfo=UTC)),
        (0x18, "20491231235959Z", None),  # UTCTime up to 2049 [RFC5280 4.1.2.5]
        (0x18, "20500101000000.5Z", None),
        (0x17, "300217145960Z", None),
        (0x17, "300230145959Z", None),
        (0x17, "3002171459Z", None),
        (0x17, "300217145959+", None),
        (0x17, "30 217145959Z", None),
    ],
)
def test_time(tag: int, text: str, wanted: datetime | None) -> None:
    node = der.whole(bytes([tag, len(text)]) + text.encode(), tag)
    if wanted is None:
        with pytest.raises(der.DerError, match="bad_time"):
            der.time(node)
    else:
        assert der.time(node) == wanted


@pytest.mark.parametrize(
    ("data", "wanted"),
    [("03020780", {0}), ("030206c0", {0, 1}), ("03020106", {5, 6}), ("030100", set())],
)
def test_named_bits(data: str, wanted: set[int]) -> None:
    assert der.named_bits(der.whole(bytes.fromhex(data), der.BIT_STRING)) == wanted


def test_named_bits_end_with_a_one() -> None:
    with pytest.raises(der.DerError, match="not_minimal"):
        der.named_bits(der.whole(bytes.fromhex("03020680"), der.BIT_STRING))
