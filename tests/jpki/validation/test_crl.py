# SPDX-License-Identifier: Apache-2.0
"""CRLs: whatever is not exactly right tells nothing, and nothing is never good.

Traps with a source: [BoringSSL] and [PKITS] test suites, where other validators fell in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from jpki.certificate import Family, parse_certificate
from jpki.synth.municipalities import KIYOSE, SHIBUYA
from jpki.synth.overrides import CrlOverrides
from jpki.synth.pki import SynthPki
from jpki.validation import ProcessMemory, Validator, parse_crl
from jpki.verdict import Check, Outcome

Make = Callable[..., bytes]
Build = Callable[..., Validator]
SERIAL = 0x0700ABCD
CASES = [(family, generation) for family in Family for generation in (2, 3)]


def check(validator: Validator, certificate: bytes) -> Check:
    found = validator.validate(certificate).check("revocation")
    assert found is not None
    return found


def result(validator: Validator, certificate: bytes) -> tuple[Outcome, str]:
    found = check(validator, certificate)
    return found.outcome, found.code


def crl(pki: SynthPki, family: Family = Family.SIGN, generation: int = 3, **wrong: object) -> bytes:
    """A list of Kiyose without entries, with deviations."""
    return pki.crl(family, generation, KIYOSE, [], CrlOverrides(**wrong))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def day() -> datetime:
    return datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(("family", "generation"), CASES)
def test_listed_and_not_listed(
    validator: Build, pki: SynthPki, make: Make, day: datetime, family: Family, generation: int
) -> None:
    certificate = make(family, generation, serial=SERIAL)
    good = check(validator(crls=[crl(pki, family, generation)]), certificate)
    assert (good.outcome, good.code) == (Outcome.VALID, "crl_good")
    assert dict(good.values) == {
        "point": "Tokyo-to/Kiyose-shi",
        "this_update": "2026-11-20T21:00:00Z",
        "next_update": "2026-11-22T21:00:00Z",
    }
    listed = pki.crl(family, generation, KIYOSE, [(SERIAL - 1, day, 3), (SERIAL, day, 3)])
    found = check(validator(crls=[listed]), certificate)
    assert (found.outcome, found.code) == (Outcome.INVALID, "revoked")
    assert dict(found.values) == {
        "reason": "affiliation_changed",
        "date": "2026-11-20T00:00:00Z",
        "source": "crl",
    }


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (None, "not_given"),
        (0, "unspecified"),
        (1, "key_compromise"),
        (2, "ca_compromise"),
        (3, "affiliation_changed"),
        (4, "superseded"),
        (5, "cessation_of_operation"),
        (6, "certificate_hold"),  # final in JPKI: revoked
    ],
)
def test_reasons(
    validator: Build, pki: SynthPki, make: Make, day: datetime, reason: int | None, word: str
) -> None:
    listed = pki.crl(Family.SIGN, 3, KIYOSE, [(SERIAL, day, reason)])
    found = check(validator(crls=[listed]), make(serial=SERIAL))
    assert (found.outcome, found.values["reason"]) == (Outcome.INVALID, word)


UNUSABLE = [
    ({"partition": SHIBUYA}, "crl_other_point"),
    ({"scope": "ca"}, "crl_scope"),
    ({"scope": "attribute"}, "crl_scope"),
    ({"indirect": True}, "crl_scope"),
    ({"only_some_reasons": b"\x40"}, "crl_scope"),
    ({"signer": "rogue-ca"}, "crl_signature"),
    ({"damage_signature": True}, "crl_signature"),
    ({"signature_hash": "sha1"}, "crl_signature"),
    ({"signature_hash": "sha512"}, "crl_signature"),
    ({"aki_key_id": b"\x22" * 20}, "crl_other_generation"),
    ({"this_update": datetime(2026, 11, 21, 0, 0, 1, tzinfo=UTC)}, "crl_future"),
    ({"next_update": datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)}, "crl_expired"),
    ({"next_update_absent": True}, "crl_no_next_update"),
    ({"delta_base": 1}, "crl_malformed"),
    ({"extra_critical": True}, "crl_malformed"),
    ({"number_absent": True}, "crl_malformed"),
    ({"version": 1}, "crl_malformed"),
    ({"version": 3}, "crl_malformed"),
]


@pytest.mark.parametrize(("family", "generation"), CASES)
@pytest.mark.parametrize(("wrong", "code"), UNUSABLE)
def test_unusable(
    validator: Build,
    pki: SynthPki,
    make: Make,
    family: Family,
    generation: int,
    wrong: dict[str, object],
    code: str,
) -> None:
    data = crl(pki, family, generation, **wrong)
    checked = validator(crls=[data])
    assert result(checked, make(family, generation)) == (Outcome.CANNOT_TELL, code)


@pytest.mark.parametrize("family", Family)
def test_other_generation_and_other_family(
    validator: Build, pki: SynthPki, make: Make, family: Family
) -> None:
    certificate = make(family)
    older = crl(pki, family, 2)
    assert result(validator(crls=[older]), certificate)[1] == "crl_other_generation"
    posing = crl(pki, family, 3, signer=f"{family.value}-ca-2")
    assert result(validator(crls=[posing]), certificate)[1] == "crl_signature"
    other = next(f for f in Family if f is not family)
    assert result(validator(crls=[crl(pki, other)]), certificate)[1] == "crl_missing"
    assert result(validator(), certificate) == (Outcome.CANNOT_TELL, "crl_missing")


def test_same_serial_in_both_families_and_generations(
    validator: Build, pki: SynthPki, make: Make, day: datetime
) -> None:
    """A serial means something below one root only."""
    lists = [
        pki.crl(Family.AUTH, 3, KIYOSE, [(SERIAL, day, 4)]),
        pki.crl(Family.SIGN, 2, KIYOSE, [(SERIAL, day, 4)]),
        pki.crl(Family.SIGN, 3, SHIBUYA, [(SERIAL, day, 4)]),
        crl(pki),
    ]
    checked = validator(crls=lists)
    assert result(checked, make(Family.SIGN, serial=SERIAL)) == (Outcome.VALID, "crl_good")
    assert result(checked, make(Family.AUTH, serial=SERIAL)) == (Outcome.INVALID, "revoked")
    assert result(checked, make(Family.SIGN, 2, serial=SERIAL))[1] == "revoked"


@pytest.mark.parametrize("wrong", [{"idp_absent": True}, {"idp_name_absent": True}])
def test_full_list(
    validator: Build, pki: SynthPki, make: Make, day: datetime, wrong: dict[str, object]
) -> None:
    """A list without a point covers every holder; it is the operator's one file."""
    overrides = CrlOverrides(**wrong)  # type: ignore[arg-type]
    full = pki.crl(Family.SIGN, 3, KIYOSE, [(SERIAL, day, 4)], overrides)
    checked = validator(crls=[full])
    good = check(checked, make())
    assert (good.code, good.values["point"]) == ("crl_good", "all")
    assert result(checked, make(serial=SERIAL))[1] == "revoked"


def test_list_without_key_id_is_matched_by_its_signature(
    validator: Build, pki: SynthPki, make: Make
) -> None:
    data = crl(pki, aki_absent=True)
    assert result(validator(crls=[data]), make()) == (Outcome.VALID, "crl_good")
    assert result(validator(crls=[data]), make(generation=2))[1] == "crl_signature"


@pytest.mark.parametrize("order", [1, -1])
def test_rollback_among_lists_at_hand(
    validator: Build, pki: SynthPki, make: Make, day: datetime, order: int
) -> None:
    """The highest number says «good»; any says «revoked», which is never taken back."""
    old, new = crl(pki, number=100), crl(pki, number=101)
    certificate = make(serial=SERIAL)
    assert result(validator(crls=[old, new][::order]), certificate)[1] == "crl_good"
    stale_new = crl(pki, number=101, next_update=day)
    assert result(validator(crls=[old, stale_new][::order]), certificate)[1] == "crl_expired"
    listed = CrlOverrides(number=100)
    older_listed = pki.crl(Family.SIGN, 3, KIYOSE, [(SERIAL, day, 6)], listed)
    assert result(validator(crls=[older_listed, new][::order]), certificate)[1] == "revoked"


def test_rollback_against_memory(validator: Build, pki: SynthPki, make: Make) -> None:
    memory = ProcessMemory()
    certificate = make()
    for number, code in [(100, "crl_good"), (101, "crl_good"), (100, "crl_rollback")]:
        checked = validator(crls=[crl(pki, number=number)], memory=memory)
        assert result(checked, certificate)[1] == code
    # Another generation and a full list count for themselves.
    elsewhere = validator(crls=[crl(pki, generation=2, number=1)], memory=memory)
    assert result(elsewhere, make(generation=2))[1] == "crl_good"
    full = validator(crls=[crl(pki, number=1, idp_absent=True)], memory=memory)
    assert result(full, certificate)[1] == "crl_good"


def test_the_nearest_miss_is_told(validator: Build, pki: SynthPki, make: Make) -> None:
    lists = [
        b"\x30\x00",
        crl(pki, partition=SHIBUYA),
        crl(pki, generation=2),
        crl(pki, signer="rogue-ca"),
    ]
    assert result(validator(crls=lists), make())[1] == "crl_signature"
    assert result(validator(crls=lists[:2]), make())[1] == "crl_other_point"
    assert result(validator(crls=lists[:1]), make())[1] == "crl_malformed"


def test_max_age(validator: Build, pki: SynthPki, make: Make, at: datetime) -> None:
    age = at - datetime(2026, 11, 20, 21, tzinfo=UTC)
    exact = validator(crls=[crl(pki)], max_age=age)
    assert result(exact, make())[1] == "crl_good"
    short = validator(crls=[crl(pki)], max_age=age - timedelta(seconds=1))
    assert result(short, make()) == (Outcome.CANNOT_TELL, "crl_too_old")
    # With a maximum age a list that does not say when it ends can be used.
    endless = validator(crls=[crl(pki, next_update_absent=True)], max_age=age)
    assert result(endless, make())[1] == "crl_good"


def test_before_the_revocation(validator: Build, pki: SynthPki, make: Make, at: datetime) -> None:
    """A later list tells of an earlier time: revoked then, or revoked only afterwards."""
    revoked = at - timedelta(days=30)
    certificate = make(serial=SERIAL)
    lists = [pki.crl(Family.SIGN, 3, KIYOSE, [(SERIAL, revoked, 3)])]
    before = validator(crls=lists, at=revoked - timedelta(seconds=1))
    assert result(before, certificate) == (Outcome.VALID, "revoked_later")
    after = validator(crls=lists, at=revoked)
    assert result(after, certificate) == (Outcome.INVALID, "revoked")
    assert result(validator(crls=lists, at=revoked), make())[1] == "crl_good"


def test_date_after_the_list_itself_is_no_excuse(
    validator: Build, pki: SynthPki, make: Make, at: datetime
) -> None:
    lists = [pki.crl(Family.SIGN, 3, KIYOSE, [(SERIAL, at + timedelta(days=3), 3)])]
    assert result(validator(crls=lists), make(serial=SERIAL))[1] == "revoked"


def test_after_expiry_the_list_is_silent(
    validator: Build, pki: SynthPki, make: Make, at: datetime
) -> None:
    """Expired certificates drop off: not listed then means nothing. Listed still does."""
    dates = {"not_before": at - timedelta(days=900), "not_after": at - timedelta(days=9)}
    in_time = at - timedelta(days=20)
    plain = make(serial=SERIAL, **dates)
    silent = validator(crls=[crl(pki)], at=in_time)
    assert result(silent, plain) == (Outcome.CANNOT_TELL, "crl_after_expiry")
    lists = [pki.crl(Family.SIGN, 3, KIYOSE, [(SERIAL, at - timedelta(days=10), 3)])]
    expired = validator(crls=lists, at=at - timedelta(days=5))
    assert result(expired, plain) == (Outcome.INVALID, "revoked")
    late = [pki.crl(Family.SIGN, 3, KIYOSE, [(SERIAL, at - timedelta(days=2), 3)])]
    unclear = validator(crls=late, at=at - timedelta(days=5))
    assert result(unclear, plain) == (Outcome.CANNOT_TELL, "revoked_after_expiry")


def test_an_entry_listed_twice_counts_from_the_earlier_date(
    validator: Build, pki: SynthPki, make: Make, day: datetime
) -> None:
    earlier = day - timedelta(days=5)
    lists = [pki.crl(Family.SIGN, 3, KIYOSE, [(SERIAL, day, 3), (SERIAL, earlier, 4)])]
    found = check(validator(crls=lists), make(serial=SERIAL))
    assert (found.values["date"], found.values["reason"]) == ("2026-11-15T00:00:00Z", "superseded")


def test_index_against_cryptography(pki: SynthPki, day: datetime) -> None:
    """Every serial found, with its date, and no other; sizes of one to twenty octets."""
    from cryptography import x509

    serials = sorted({1, 0x7F, 0x80, 0xFF, 0x100} | {3**n for n in range(1, 99)})
    data = pki.crl(Family.AUTH, 3, None, [(n, day, n % 7 or None) for n in serials])
    ours, theirs = parse_crl(data), x509.load_der_x509_crl(data)
    assert sorted(ours.index) == sorted(entry.serial_number for entry in theirs) == serials
    assert ours.number == theirs.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    assert ours.this_update == theirs.last_update_utc


def test_a_serial_with_a_leading_zero_octet(
    validator: Build, pki: SynthPki, make: Make, day: datetime
) -> None:
    certificate = make(serial=0x80)
    assert parse_certificate(certificate).serial.reveal() == b"\x00\x80"
    lists = [pki.crl(Family.SIGN, 3, KIYOSE, [(0x80, day, 3)])]
    assert result(validator(crls=lists), certificate)[1] == "revoked"
