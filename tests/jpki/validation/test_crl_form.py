# SPDX-License-Identifier: Apache-2.0
"""The form of CRLs: what is malformed is refused by name and tells nothing.

Traps with a source: [BoringSSL] test suite, where other validators fell in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from crl_edits import MALFORMED, POINT, entries, entry
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
