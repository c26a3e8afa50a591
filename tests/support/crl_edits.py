# SPDX-License-Identifier: Apache-2.0
"""CRLs made wrong on purpose: what is done to a right one, and the reason it is refused for.

Traps with a source: [BoringSSL] test suite, where other validators fell in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from der_edit import Item, decode
from jpki.certificate import Family
from jpki.synth.crl import Entry
from jpki.synth.municipalities import KIYOSE
from jpki.synth.overrides import CrlOverrides
from jpki.synth.pki import SynthPki

NUMBER, POINT = "551d14", "551d1c"


def edit_extension(oid: str, change: Callable[[Item], None]) -> Callable[[Item], None]:
    return lambda whole: change(whole.parts[0].find(oid))


def entries(octets: bytes) -> Callable[[Item], None]:
    """Put ``octets`` in as revokedCertificates (the list before has none)."""

    def edit(whole: Item) -> None:
        whole.parts[0].parts.insert(5, Item(0x04, b""))
        whole.parts[0].parts[5] = RawSequence(octets)

    return edit


class RawSequence(Item):
    """A SEQUENCE with any content, right or wrong."""

    def __init__(self, octets: bytes) -> None:
        super().__init__(0x10, octets)

    def encode(self) -> bytes:
        return b"\x30" + Item(0x04, self.value).encode()[1:]


def entry(
    serial: str = "0700abcd", tail: str = "", date: str = "170d3236313132303030303030305a"
) -> bytes:
    body = bytes([2, len(serial) // 2]) + bytes.fromhex(serial) + bytes.fromhex(date + tail)
    return bytes([0x30, len(body)]) + body


def put_value(value: str) -> Callable[[Item], None]:
    def change(extension: Item) -> None:
        extension.parts[-1].value = bytes.fromhex(value)

    return change


def make_critical(extension: Item) -> None:
    extension.parts.insert(1, Item(1, b"\xff"))


def twice(oid: str) -> Callable[[Item], None]:
    def edit(whole: Item) -> None:
        sequence = whole.parts[0].parts[-1].parts[0]
        sequence.parts.append(sequence.find(oid))

    return edit


def outer_algorithm(whole: Item) -> None:
    whole.parts[1].parts[0].value = bytes.fromhex("2a864886f70d01010d")


def v1_with_extensions(whole: Item) -> None:
    del whole.parts[0].parts[0]


def behind(*path: int) -> Callable[[Item], None]:
    """Put a NULL at the end of a part."""

    def edit(whole: Item) -> None:
        for step in path:
            whole = whole.parts[step]
        whole.parts.append(Item(5))

    return edit


def listed(octets: str) -> Callable[[Item], None]:
    """Put one more extension in."""

    def edit(whole: Item) -> None:
        whole.parts[0].parts[-1].parts[0].parts += decode(bytes.fromhex(octets))

    return edit


def odd_algorithm(whole: Item) -> None:
    """Inside and outside the same, and no DER."""
    for part in (whole.parts[1], whole.parts[0].parts[1]):
        part.parts[1] = Item(1, b"\x01")


def odd_issuer(whole: Item) -> None:
    whole.parts[0].parts[2].parts.append(Item(1, b"\x01"))


# Eleven digits of a date; the next entry goes on with a zero and a Z, its tag and length.
BORROWED = entry(date="170d" + b"26112000000".hex()) + entry(
    tail="3043304106038837010439" + "0539" + "00" * 57
)

MALFORMED = [
    (behind(), "trailing_bytes"),
    (behind(0), "trailing_bytes"),
    (odd_algorithm, "bad_boolean"),
    (odd_issuer, "bad_boolean"),
    (listed("300c0603551d1b0405020101"), "delta"),
    (listed("300e06038837010101ff04020500"), "critical_extension"),
    (edit_extension(POINT, put_value("30058101ff8600")), "trailing_bytes"),
    (edit_extension(POINT, put_value("300483020600")), "not_minimal"),
    (entries(b"\x31" + entry()[1:]), "bad_entry"),
    (entries(b"\x30\x81" + entry()[1:] + 8 * entry()), "not_minimal"),
    (entries(b"\x30\x80" + entry()[2:] + 8 * entry()), "indefinite_length"),
    (entries(b"\x30\x00"), "bad_entry"),
    (entries(entry()[:2] + b"\x04" + entry()[3:]), "bad_entry"),
    (entries(entry()[:3] + b"\x14" + entry()[4:]), "bad_entry"),
    (entries(entry(date="180d3236313132303030303030305a")), "bad_time"),
    (entries(entry(date="170d3236313132304141303030305a")), "bad_time"),
    (entries(BORROWED), "truncated"),
    (outer_algorithm, "algorithms_differ"),  # [BoringSSL]
    (v1_with_extensions, "version"),  # [BoringSSL]
    (entries(b""), "empty_list"),  # [BoringSSL]
    (edit_extension(POINT, put_value("3000")), "empty_issuing_point"),  # [BoringSSL]
    (edit_extension(POINT, put_value("3003810100")), "default_encoded"),
    (edit_extension(POINT, put_value("30068101ff8201ff")), "bad_issuing_point"),
    (edit_extension(POINT, put_value("3003a00130")), "truncated"),
    (edit_extension(NUMBER, make_critical), "number_critical"),  # [BoringSSL]
    (edit_extension(NUMBER, put_value("0201ff")), "bad_number"),
    (edit_extension(NUMBER, put_value("0215" + "01" * 21)), "bad_number"),
    (twice(NUMBER), "duplicate_extension"),
    (twice(POINT), "duplicate_extension"),
    (entries(entry("80")), "bad_serial"),
    (entries(entry("00")), "bad_serial"),
    (entries(entry("0001")), "bad_serial"),
    (entries(entry("")), "bad_entry"),
    (entries(entry("01" * 21)), "bad_entry"),
    (entries(entry() + b"\x30"), "truncated"),
    (entries(entry() + b"\x31\x00"), "bad_entry"),
    (entries(entry()[:-1]), "truncated"),
    (entries(entry(date="170b323631313230303030305a")), "bad_time"),
    (entries(entry(date="170d3236313132303030303030302b")), "bad_time"),
    (entries(entry(date="180f32303236313132303030303030305a")), "bad_time"),  # before 2050
    (entries(entry(date="")), "truncated"),
    # reasonCode 8 removeFromCRL, 7 unused, twice; unknown critical; certificateIssuer
    (entries(entry(tail="300c300a0603551d1504030a0108")), "bad_reason"),
    (entries(entry(tail="300c300a0603551d1504030a0107")), "bad_reason"),
    (
        entries(entry(tail="3018300a0603551d1504030a0101300a0603551d1504030a0101")),
        "duplicate_extension",
    ),
    (entries(entry(tail="300e300c0603883701" + "0101ff" + "04020500")), "critical_entry_extension"),
    (entries(entry(tail="300e300c0603551d1d" + "0101ff" + "04023000")), "indirect"),
    (entries(entry(tail="3000")), "no_extensions"),
    (entries(entry(tail="0500")), "wrong_tag"),
]


def kiyose_list(pki: SynthPki, *entries: Entry, **wrong: object) -> bytes:
    """A list of Kiyose (sign, generation 3) with deviations."""
    overrides = CrlOverrides(**wrong)  # type: ignore[arg-type]
    return pki.crl(Family.SIGN, 3, KIYOSE, entries, overrides)


def numbered_list(pki: SynthPki, number: int, *entries: Entry) -> bytes:
    """One with a number of its own, of 2026-11-20 and good for two days."""
    begin = datetime(2026, 11, 20, tzinfo=UTC)
    end = begin + timedelta(days=2)
    return kiyose_list(pki, *entries, number=number, this_update=begin, next_update=end)
