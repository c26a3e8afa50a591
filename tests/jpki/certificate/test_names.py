# SPDX-License-Identifier: Apache-2.0
"""Names: the two production issuers to the byte, comparison, distribution points."""

from __future__ import annotations

import hashlib

import pytest

from jpki.certificate.kinds import Environment, Family
from jpki.certificate.names import (
    PRODUCTION_NAMES,
    claims_test,
    general_name_key,
    issuer_facts,
    names_equal,
    parse_name,
    point_label,
)
from jpki.synth import names as synth
from jpki.synth.municipalities import KIYOSE, YOKOHAMA_NAKA, Municipality

# OCSP issuerNameHash of the real names, SHA-1. [CA-DER]
NAME_HASHES = {
    Family.SIGN: "e25d59524dc9b0bcabdcbdf53c6c027bc0e58dd5",
    Family.AUTH: "5187560a6483d5b120a581fc2e025b02d11a2b98",
}


@pytest.mark.parametrize("family", Family)
def test_production_names(family: Family) -> None:
    assert hashlib.sha1(PRODUCTION_NAMES[family]).hexdigest() == NAME_HASHES[family]


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize(
    ("organisation", "environment"),
    [
        ("JPKI", Environment.PRODUCTION),
        ("JPKI-TEST", Environment.JLIS_TEST),
        ("JPKI-SYNTH", Environment.TEST),
        ("P8N-MOCK", None),
    ],
)
def test_issuer_facts(family: Family, organisation: str, environment: Environment | None) -> None:
    name = parse_name(synth.ca_name(family, organisation))
    facts = issuer_facts(name)
    assert (facts.family, facts.environment) == (family, environment)
    assert claims_test(name) == (environment in (Environment.TEST, Environment.JLIS_TEST))


def name(*pairs: tuple[int, str]) -> bytes:
    rdns = b""
    for tag, text in pairs:
        value = text.encode()
        pair = b"\x06\x03\x55\x04\x0a" + bytes([tag, len(value)]) + value
        pair = b"\x30" + bytes([len(pair)]) + pair
        rdns += b"\x31" + bytes([len(pair)]) + pair
    return b"\x30" + bytes([len(rdns)]) + rdns


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ([(12, "Tokyo-to")], [(19, "tokyo-TO")], True),
        ([(12, "Tokyo  to ")], [(12, "tokyo to")], True),
        ([(12, "Ｔｏｋｙｏ")], [(12, "Tokyo")], True),
        ([(12, "Tokyo")], [(12, "Kyoto")], False),
        ([(12, "a"), (12, "b")], [(12, "b"), (12, "a")], False),
        ([(12, "a")], [(12, "a"), (12, "a")], False),
        ([(4, "a")], [(4, "A")], False),  # no string: by bytes
    ],
)
def test_comparison(
    first: list[tuple[int, str]], second: list[tuple[int, str]], same: bool
) -> None:
    """[RFC5280 7.1]: case, width and blanks do not matter, order does."""
    assert names_equal(name(*first), name(*second)) is same
    keys = [general_name_key(b"\xa4" + bytes([len(n)]) + n) for n in (name(*first), name(*second))]
    assert (keys[0] == keys[1]) is same


def test_unreadable_names_are_equal_to_nothing_else() -> None:
    assert not names_equal(b"\x30\x01", b"\x30\x02")
    assert general_name_key(b"\x86\x01a") != general_name_key(b"\x86\x01b")


@pytest.mark.parametrize(
    ("place", "label"),
    [(KIYOSE, "Tokyo-to/Kiyose-shi"), (YOKOHAMA_NAKA, "Kanagawa-ken/Yokohama-shi-Naka-ku")],
)
def test_point_label(place: Municipality, label: str) -> None:
    directory = synth.crldp_name(Family.AUTH, place)
    assert point_label(b"\xa4\x81" + bytes([len(directory)]) + directory) == label


def test_other_points_have_no_label() -> None:
    directory = synth.ca_name(Family.AUTH)
    assert point_label(b"\xa4\x81" + bytes([len(directory)]) + directory) is None
    assert point_label(b"\x86\x03abc") is None
