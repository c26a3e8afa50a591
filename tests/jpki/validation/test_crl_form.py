# SPDX-License-Identifier: Apache-2.0
"""The form of CRLs: what is malformed is refused by name and tells nothing.

Traps with a source: [BoringSSL] test suite, where other validators fell in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from crl_edits import (
    MALFORMED,
    NUMBER,
    POINT,
    edit_extension,
    entries,
    entry,
    listed,
    put_value,
)
from der_edit import Item, decode, resigned
from jpki.certificate import Environment, Family, parse_certificate
from jpki.errors import RevocationDataError
from jpki.synth.der import tlv
from jpki.synth.municipalities import KIYOSE
from jpki.synth.overrides import Overrides
from jpki.synth.pki import SynthPki
from jpki.validation import TrustStore, Validator, parse_crl
from jpki.verdict import Check, Outcome

Make = Callable[..., bytes]
Build = Callable[..., Validator]
SERIAL = 0x0700ABCD


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

    own = pki.crl(Family.SIGN, 3, KIYOSE, [(SERIAL, day, 3)])
    shouting = resigned(own, pki.ca_key(Family.SIGN, 3), shout)
    assert shouting != own
    assert result(validator(crls=[shouting]), make(serial=SERIAL))[1] == "revoked"
    assert result(validator(crls=[shouting]), make())[1] == "crl_good"


def test_invalidity_date_counts(validator: Build, pki: SynthPki, make: Make) -> None:
    """Known to be bad from an earlier day: [RFC5280 5.3.2]."""
    tail = "301a30180603551d180411" + "180f" + b"20261101000000Z".hex()
    data = resigned(crl(pki), pki.ca_key(Family.SIGN, 3), entries(entry(tail=tail)))
    found = check(validator(crls=[data]), make(serial=SERIAL))
    assert found.values["date"] == "2026-11-01T00:00:00Z"


def edited(pki: SynthPki, edit: Callable[[Item], None]) -> bytes:
    return resigned(crl(pki), pki.ca_key(Family.SIGN, 3), edit)


@pytest.mark.parametrize(
    "edit",
    [
        edit_extension(NUMBER, put_value("020100")),
        edit_extension(NUMBER, put_value("0214" + "01" * 20)),
        listed("300b06038837010404" + "02020100"),  # unknown and not critical
        entries(entry(tail="300b300906038837010402" + "0500")),
        entries(entry(tail="3013301106" + "03551d17" + "0101ff" + "0407" + "06052b0e030201")),
        entries(entry(date="180f32303530303130313030303030305a")),  # from 2050 on
    ],
)
def test_unusual_and_right(pki: SynthPki, edit: Callable[[Item], None]) -> None:
    parse_crl(edited(pki, edit))


def test_a_relative_point_is_no_holder_s(pki: SynthPki) -> None:
    relative = edit_extension(POINT, put_value("3010a00ea10c300a06035504030c03414243"))
    assert parse_crl(edited(pki, relative)).point.fault == "relative_name"


def test_too_large_parts(pki: SynthPki) -> None:
    def extension(size: int) -> bytes:
        """An unknown one that is not critical."""
        value = tlv(4, tlv(4, bytes(size)))
        return tlv(0x30, tlv(6, b"\x88\x37\x01") + value)

    def large(whole: Item) -> None:
        whole.parts[0].parts[-1].parts[0].parts += decode(extension(70_000))

    in_entry = entries(long_entry(tlv(0x30, extension(70_000))))
    for edit, reason in ((large, "too_large"), (in_entry, "truncated")):
        with pytest.raises(RevocationDataError, match=reason):
            parse_crl(edited(pki, edit))
    assert len(parse_crl(edited(pki, entries(long_entry(tlv(0x30, extension(200))))))) == 1


def long_entry(tail: bytes) -> bytes:
    """An entry whose length takes more than one octet."""
    return tlv(0x30, entry()[2:] + tail)


def test_the_earliest_of_three_entries_counts(pki: SynthPki, make: Make) -> None:
    dates = [f"170d{text.encode().hex()}" for text in (
        "261103000000Z", "261101000000Z", "261102000000Z")]  # fmt: skip
    for turn in range(3):
        thrice = b"".join(entry(date=date) for date in dates[turn:] + dates[:turn])
        found = parse_crl(edited(pki, entries(thrice))).find(
            parse_certificate(make(serial=SERIAL)).serial
        )
        assert found is not None
        assert found.since == datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("deviation", "may"),
    [
        ({}, True),
        ({"values": {"keyUsage": bytes.fromhex("03020204")}}, False),  # keyCertSign alone
        ({"values": {"keyUsage": bytes.fromhex("03020102")}}, True),  # cRLSign alone
        ({"drop": ("keyUsage",)}, False),
    ],
)
def test_a_root_signs_lists_only_if_it_may(
    pki: SynthPki, deviation: dict[str, object], may: bool
) -> None:
    root = pki.ca_certificate(Family.SIGN, 3, overrides=Overrides(**deviation))  # type: ignore[arg-type]
    [anchor] = TrustStore(Environment.TEST, [root]).anchors
    assert parse_crl(crl(pki)).signed_by(anchor) is may
