# SPDX-License-Identifier: Apache-2.0
"""The form of CRLs: what is malformed is refused by name and tells nothing.

Traps with a source: [BoringSSL] test suite, where other validators fell in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from der_edit import Item, resigned
from jpki.certificate import Family
from jpki.errors import RevocationDataError
from jpki.synth.municipalities import KIYOSE
from jpki.synth.pki import SynthPki
from jpki.validation import Validator, parse_crl
from jpki.verdict import Check, Outcome

Make = Callable[..., bytes]
Build = Callable[..., Validator]
SERIAL = 0x0700ABCD
NUMBER, POINT = "551d14", "551d1c"


def check(validator: Validator, certificate: bytes) -> Check:
    found = validator.validate(certificate).check("revocation")
    assert found is not None
    return found


def result(validator: Validator, certificate: bytes) -> tuple[Outcome, str]:
    found = check(validator, certificate)
    return found.outcome, found.code


def crl(pki: SynthPki) -> bytes:
    """A list of Kiyose without entries."""
    return pki.crl(Family.SIGN, 3, KIYOSE, [])


@pytest.fixture(scope="module")
def day() -> datetime:
    return datetime(2026, 11, 20, tzinfo=UTC)


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


MALFORMED = [
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


@pytest.mark.parametrize(("edit", "reason"), MALFORMED)
def test_malformed(
    validator: Build, pki: SynthPki, make: Make, edit: Callable[[Item], None], reason: str
) -> None:
    data = resigned(crl(pki), pki.ca_key(Family.SIGN, 3), edit)
    with pytest.raises(RevocationDataError) as caught:
        parse_crl(data)
    assert caught.value.values == {"reason": reason, "source": "crl"}
    found = check(validator(crls=[data]), make())
    assert (found.outcome, found.code) == (Outcome.CANNOT_TELL, "crl_malformed")
    assert found.values["reason"] == reason


def test_resigning_itself_changes_nothing(pki: SynthPki) -> None:
    assert resigned(crl(pki), pki.ca_key(Family.SIGN, 3), lambda _: None) == crl(pki)
    good = resigned(crl(pki), pki.ca_key(Family.SIGN, 3), entries(entry()))
    assert len(parse_crl(good)) == 1


def test_every_truncation_is_refused(pki: SynthPki, day: datetime) -> None:
    data = pki.crl(Family.SIGN, 3, KIYOSE, [(SERIAL, day, 3)])
    for size in range(len(data)):
        with pytest.raises(RevocationDataError) as caught:
            parse_crl(data[:size])
        assert caught.value.values["reason"] == "truncated"
    with pytest.raises(RevocationDataError, match="trailing_bytes"):
        parse_crl(data + b"\x00")


@pytest.mark.parametrize("serial", [SERIAL, 5, 1 << 150])
def test_damage_anywhere_is_never_good(
    validator: Build, pki: SynthPki, make: Make, day: datetime, serial: int
) -> None:
    """One byte off anywhere: never «good» for a listed certificate, and never an exception."""
    data = pki.crl(Family.SIGN, 3, KIYOSE, [(serial, day, 3)])
    certificate = make(serial=serial)
    for place in range(0, len(data), 3):
        broken = bytearray(data)
        broken[place] ^= 0x21
        assert result(validator(crls=[bytes(broken)]), certificate)[0] is Outcome.CANNOT_TELL


def test_point_names_are_compared_as_names(
    validator: Build, pki: SynthPki, make: Make, day: datetime
) -> None:
    """The same point in other letters and string types is the same point. [RFC5280 7.1]"""

    def shout(whole: Item) -> None:
        value = whole.parts[0].find(POINT).parts[-1]
        value.value = value.value.replace(b"Kiyose-shi", b"KIYOSE-SHI")

    listed = pki.crl(Family.SIGN, 3, KIYOSE, [(SERIAL, day, 3)])
    shouting = resigned(listed, pki.ca_key(Family.SIGN, 3), shout)
    assert shouting != listed
    assert result(validator(crls=[shouting]), make(serial=SERIAL))[1] == "revoked"
    assert result(validator(crls=[shouting]), make())[1] == "crl_good"


def test_invalidity_date_counts(validator: Build, pki: SynthPki, make: Make) -> None:
    """Known to be bad from an earlier day: [RFC5280 5.3.2]."""
    tail = "301a30180603551d180411" + "180f" + b"20261101000000Z".hex()
    data = resigned(crl(pki), pki.ca_key(Family.SIGN, 3), entries(entry(tail=tail)))
    found = check(validator(crls=[data]), make(serial=SERIAL))
    assert found.values["date"] == "2026-11-01T00:00:00Z"
