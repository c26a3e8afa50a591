# SPDX-License-Identifier: Apache-2.0
"""Certificates that are right in every family, generation and medium, and all that are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from jpki.certificate import Environment, Family, Medium, parse_certificate
from jpki.synth import names
from jpki.synth.extensions import UNKNOWN_CRITICAL
from jpki.synth.overrides import Overrides
from jpki.synth.pki import SynthPki
from jpki.validation import RevocationMode, TrustStore, Validator
from jpki.verdict import Headline, Outcome, Verdict

Make = Callable[..., bytes]
Build = Callable[..., Validator]
# A day in the life of each generation.
DAYS = {
    1: datetime(2020, 3, 1, tzinfo=UTC),
    2: datetime(2025, 3, 1, tzinfo=UTC),
    3: datetime(2026, 11, 21, tzinfo=UTC),
}


def codes(verdict: Verdict) -> dict[str, tuple[Outcome, str]]:
    return {check.name: (check.outcome, check.code) for check in verdict.checks}


def bad(verdict: Verdict) -> dict[str, str]:
    return {c.name: c.code for c in verdict.checks if c.outcome is Outcome.INVALID}


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("generation", DAYS)
@pytest.mark.parametrize("medium", Medium)
def test_good(
    validator: Build,
    pki: SynthPki,
    make: Make,
    family: Family,
    generation: int,
    medium: Medium,
) -> None:
    day = DAYS[generation]
    lists = SynthPki(day).crls()
    certificate = make(family, generation, medium=medium, not_before=day - timedelta(days=30))
    verdict = validator(now=day, crls=lists).validate(certificate, family=family)
    assert verdict.outcome is Outcome.VALID
    assert (verdict.genuine, verdict.in_force) == (Headline.YES, Headline.YES)
    assert codes(verdict) == {
        "certificate": (Outcome.VALID, "certificate_read"),
        "path": (Outcome.VALID, "path_good"),
        "profile": (Outcome.VALID, "profile_good"),
        "validity": (Outcome.VALID, "within_validity"),
        "revocation": (Outcome.VALID, "crl_good"),
    }
    assert dict(verdict.subject) == {
        "family": family.value,
        "medium": medium.value,
        "generation": generation,
        "expires": verdict.subject["expires"],
        "policy": pki.policies[family, medium],
    }
    assert verdict.environment == "test"


BOTH = [
    ({"damage_signature": True}, {"path": "signature_wrong"}),
    ({"signer": "rogue-ca"}, {"path": "signature_wrong"}),
    # Key of another generation under the right name and key id, and under its own.
    ({"signer": "{family}-ca-2"}, {"path": "signature_wrong"}),
    ({"aki_serial": 0x1234}, {"path": "authority_key_id_mismatch"}),
    (
        {"aki_issuer": names.ca_name(Family.SIGN, "JPKI-TEST")},
        {"path": "authority_key_id_mismatch"},
    ),
    ({"issuer": names.name(("2.5.4.10", "Foreign CA"))}, {"path": "untrusted"}),
    ({"drop": ("policies",)}, {"profile": "policy_missing"}),
    ({"policy": "1.2.392.200149.8.5.1.1.99"}, {"profile": "policy_unknown"}),
    ({"policy": "2.5.29.32.0"}, {"profile": "policy_unknown"}),
    ({"critical": {"policies": False}}, {"profile": "policy_not_critical"}),
    ({"critical": {"keyUsage": False}}, {"profile": "key_usage"}),
    ({"extra": (UNKNOWN_CRITICAL,)}, {"profile": "critical_extension"}),
    ({"critical": {"crldp": True}}, {"profile": "critical_extension"}),
    ({"values": {"keyUsage": bytes.fromhex("03020106")}}, {"profile": "key_usage"}),
    ({"values": {"keyUsage": bytes.fromhex("030203c8")}}, {"profile": "key_usage"}),
    ({"drop": ("keyUsage",)}, {"profile": "key_usage"}),
    ({"key": "weak-1024"}, {"profile": "weak_key"}),
    ({"signature_hash": "sha1"}, {"path": "weak_algorithm", "profile": "weak_algorithm"}),
    ({"signature_hash": "sha512"}, {"path": "weak_algorithm", "profile": "weak_algorithm"}),
    # Refused while reading: nothing else runs.
    ({"duplicate": "policies"}, {"certificate": "certificate_unreadable"}),
    ({"non_minimal_length": True}, {"certificate": "certificate_unreadable"}),
    ({"serial_content": b"\xff"}, {"certificate": "certificate_unreadable"}),
    ({"serial_content": b"\x00"}, {"certificate": "certificate_unreadable"}),
    ({"serial_content": b"\x01" * 21}, {"certificate": "certificate_unreadable"}),
    ({"inner_hash": "sha512"}, {"certificate": "certificate_unreadable"}),
    ({"trailing": b"\x00"}, {"certificate": "certificate_unreadable"}),
]


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize(("deviation", "wanted"), BOTH)
def test_refused_in_both_families(
    validator: Build,
    pki: SynthPki,
    make: Make,
    family: Family,
    deviation: dict[str, object],
    wanted: dict[str, str],
) -> None:
    if isinstance(signer := deviation.get("signer"), str):
        deviation = {**deviation, "signer": signer.format(family=family.value)}
    verdict = validator(crls=pki.crls()).validate(make(family, **deviation))
    assert bad(verdict) == wanted
    assert verdict.outcome is Outcome.INVALID
    assert verdict.genuine is Headline.NO


@pytest.mark.parametrize("family", Family)
def test_family_asked_for(validator: Build, pki: SynthPki, make: Make, family: Family) -> None:
    other = next(f for f in Family if f is not family)
    verdict = validator(crls=pki.crls()).validate(make(family), family=other)
    assert bad(verdict) == {"profile": "wrong_family"}


@pytest.mark.parametrize(
    ("family", "deviation", "code"),
    [
        # The policy of the other family: name and policy disagree.
        (Family.SIGN, {"policy": "1.2.392.200149.8.5.1.3.30"}, "family_mismatch"),
        (Family.AUTH, {"policy": "1.2.392.200149.8.5.1.1.20"}, "family_mismatch"),
        (Family.AUTH, {"drop": ("extKeyUsage",)}, "extended_key_usage"),
        (
            Family.AUTH,
            {"values": {"extKeyUsage": bytes.fromhex("300a06082b06010505070301")}},
            "extended_key_usage",
        ),
        (
            Family.AUTH,
            {"values": {"extKeyUsage": bytes.fromhex("30060604551d2500")}},
            "extended_key_usage",
        ),
        (Family.AUTH, {"values": {"keyUsage": bytes.fromhex("030206c0")}}, "key_usage"),
        (Family.SIGN, {"values": {"keyUsage": bytes.fromhex("03020780")}}, "key_usage"),
        (Family.SIGN, {"values": {"keyUsage": bytes.fromhex("03020640")}}, "key_usage"),
    ],
)
def test_each_family_to_the_letter(
    validator: Build,
    pki: SynthPki,
    make: Make,
    family: Family,
    deviation: dict[str, object],
    code: str,
) -> None:
    verdict = validator(crls=pki.crls()).validate(make(family, **deviation))
    assert bad(verdict) == {"profile": code}


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("generation", [1, 2])
def test_other_generations_key_under_its_own_key_id(
    validator: Build, pki: SynthPki, make: Make, family: Family, generation: int
) -> None:
    """The key id names the older root, the serial still the newest one."""
    key_id = parse_certificate(pki.ca_certificate(family, generation)).key_id
    certificate = make(family, aki_key_id=key_id, signer=f"{family.value}-ca-{generation}")
    assert bad(validator().validate(certificate))["path"] == "authority_key_id_mismatch"


@pytest.mark.parametrize("family", Family)
def test_unknown_key_under_the_right_name(validator: Build, make: Make, family: Family) -> None:
    certificate = make(family, signer="rogue-ca", aki_key_id=b"\x11" * 20)
    verdict = validator().validate(certificate)
    assert codes(verdict)["path"] == (Outcome.CANNOT_TELL, "unknown_generation")
    assert codes(verdict)["revocation"] == (Outcome.NOT_RUN, "path_first")
    assert verdict.genuine is Headline.CANNOT_TELL


@pytest.mark.parametrize("family", Family)
def test_signed_by_a_holder(validator: Build, make: Make, family: Family) -> None:
    """A holder's certificate is no authority, though its key fits."""
    holder = make(family)
    verdict = validator(chain=[holder]).validate(
        make(family, issuer_certificate=holder, signer="card-00-auth")
    )
    assert bad(verdict)["path"] == "untrusted"
    same_name = make(
        family,
        signer="card-00-auth",
        aki_key_id=parse_certificate(holder).key_id,
    )
    assert codes(validator().validate(same_name))["path"][1] == "unknown_generation"


@pytest.mark.parametrize("family", Family)
def test_without_key_id_the_key_decides(
    validator: Build, pki: SynthPki, make: Make, family: Family
) -> None:
    verdict = validator(crls=pki.crls()).validate(make(family, 2, drop=("aki",)))
    assert codes(verdict)["path"] == (Outcome.VALID, "path_good")
    assert verdict.subject["generation"] == 2
    forged = validator().validate(make(family, drop=("aki",), signer="rogue-ca"))
    assert codes(forged)["path"] == (Outcome.CANNOT_TELL, "unknown_generation")


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-1, "not_yet_valid"), (0, "within_validity")],
)
def test_first_second(validator: Build, make: Make, at: datetime, seconds: int, code: str) -> None:
    certificate = make(not_before=at)
    moment = at + timedelta(seconds=seconds)
    assert codes(validator(now=moment).validate(certificate))["validity"][1] == code


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(0, "within_validity"), (0.9, "within_validity"), (1, "expired")],
)
def test_last_second(validator: Build, make: Make, at: datetime, seconds: float, code: str) -> None:
    certificate = make(not_before=at - timedelta(days=9), not_after=at)
    moment = at + timedelta(seconds=seconds)
    assert codes(validator(now=moment).validate(certificate))["validity"][1] == code


def test_expired_is_genuine_and_not_in_force(
    validator: Build, pki: SynthPki, make: Make, at: datetime
) -> None:
    certificate = make(not_before=at - timedelta(days=900), not_after=at - timedelta(days=1))
    verdict = validator(crls=pki.crls()).validate(certificate)
    assert bad(verdict) == {"validity": "expired"}
    assert (verdict.genuine, verdict.in_force) == (Headline.YES, Headline.NO)


def test_expired_root(validator: Build, make: Make, at: datetime) -> None:
    """Generation 1 ended on 2025-10-19; a certificate that claims to outlive it does not."""
    certificate = make(generation=1, not_after=at + timedelta(days=1))
    verdict = validator().validate(certificate)
    assert bad(verdict) == {"validity": "ca_expired"}
    early = validator(now=datetime(2015, 10, 1, tzinfo=UTC))
    born_early = make(generation=1, not_before=datetime(2015, 9, 1, tzinfo=UTC))
    assert bad(early.validate(born_early)) == {"validity": "ca_not_yet_valid"}


@pytest.mark.parametrize(
    ("deviation", "code"),
    [
        ({"values": {"keyUsage": bytes.fromhex("03020102")}}, "ca_not_allowed"),
        ({"drop": ("keyUsage",)}, "ca_not_allowed"),
    ],
)
def test_root_without_the_right(
    validator: Build, pki: SynthPki, make: Make, deviation: dict[str, object], code: str
) -> None:
    root = pki.ca_certificate(Family.SIGN, 3, overrides=Overrides(**deviation))  # type: ignore[arg-type]
    verdict = validator(TrustStore(Environment.TEST, [root])).validate(make())
    assert bad(verdict) == {"path": code}


def test_root_with_a_weak_key(validator: Build, pki: SynthPki, make: Make) -> None:
    """Its name and right to sign are good, and so is its signature."""
    root = pki.ca_certificate(Family.SIGN, 3, key="weak-1024")
    key_id = parse_certificate(root).key_id
    certificate = make(signer="weak-1024", aki_key_id=key_id)
    verdict = validator(TrustStore(Environment.TEST, [root])).validate(certificate)
    assert bad(verdict) == {"path": "ca_weak_key"}


def test_root_is_no_holder(validator: Build, pki: SynthPki) -> None:
    verdict = validator().validate(pki.ca_certificate(Family.SIGN, 3))
    assert bad(verdict) == {"profile": "not_end_entity"}


def test_curve_of_the_next_card(validator: Build, pki: SynthPki, make: Make) -> None:
    """P-384 is accepted in tests and not in production, where no root has it."""
    from jpki.validation.algorithms import SHA384_ECDSA, algorithm_allowed, key_allowed

    data = make(Family.AUTH, key="nextgen-auth")
    assert validator(crls=pki.crls()).validate(data).outcome is Outcome.VALID
    certificate = parse_certificate(data)
    assert not key_allowed(certificate, Environment.PRODUCTION)
    assert not key_allowed(replace(certificate, key_algorithm="P-256"), Environment.TEST)
    assert algorithm_allowed(SHA384_ECDSA, Environment.TEST)
    assert not algorithm_allowed(SHA384_ECDSA, Environment.PRODUCTION)


def test_dates_count_to_the_second_and_both_ends_are_included(pki: SynthPki) -> None:
    from jpki.validation.path import check_validity

    anchor = TrustStore(Environment.TEST, pki.trust_anchors()).anchors[0]
    root, second, day = anchor.certificate, timedelta(seconds=1), timedelta(days=1)
    first, last = root.not_before, root.not_after
    rows = [
        (first, last, first, "within_validity"),
        (first, last, last, "within_validity"),
        (first + day, last, first + day - second, "not_yet_valid"),
        (first, last - day, last - day + second, "expired"),
        (first - day, last + day, last + second, "ca_expired"),
        (first - day, last + day, first - second, "ca_not_yet_valid"),
    ]
    for begins, ends, moment, code in rows:
        check = check_validity(begins, ends, anchor, moment)
        assert check.code == code
        assert (check.outcome is Outcome.VALID) is (code == "within_validity")


def test_a_signature_fits_the_algorithm_that_is_named_alone() -> None:
    from jpki.synth import stored_key
    from jpki.synth.keystore import stored_ec_key
    from jpki.validation.algorithms import SHA256_RSA, SHA384_ECDSA, signature_fits

    rsa_key, ec_key, data = stored_key("card-15-session"), stored_ec_key("document-issuer"), b"data"
    signed: dict[bytes, tuple[RSAPublicKey | EllipticCurvePublicKey, bytes]] = {
        SHA256_RSA: (rsa_key.public_key(), rsa_key.sign(data, PKCS1v15(), SHA256())),
        SHA384_ECDSA: (ec_key.public_key(), ec_key.sign(data, ECDSA(SHA384()))),
    }
    for own, (key, signature) in signed.items():
        for named in (SHA256_RSA, SHA384_ECDSA, b"", own[:-1]):
            assert signature_fits(key, named, signature, data) is (named == own)


@pytest.mark.parametrize("medium", Medium)
def test_policies_in_production(
    validator: Build, pki: SynthPki, make: Make, medium: Medium
) -> None:
    """The phone's policies are unverified or unknown there; test ones are another's."""
    production = TrustStore(Environment.PRODUCTION)
    faithful = SynthPki(pki.at, faithful_dn=True)
    certificate = make(Family.SIGN, medium=medium, of=faithful)
    profile = codes(validator(production).validate(certificate))["profile"]
    accepted = codes(validator(production, unverified_policies=True).validate(certificate))
    assert accepted["profile"] == (Outcome.VALID, "profile_good")
    if medium is Medium.CARD:
        assert profile == (Outcome.VALID, "profile_good")
    else:
        assert profile == (Outcome.CANNOT_TELL, "policy_unverified")


def test_policy_of_another_environment(validator: Build, pki: SynthPki, make: Make) -> None:
    faithful = SynthPki(pki.at, faithful_dn=True)
    certificate = make(of=faithful, policy="1.2.392.200149.8.5.1.0.20")
    verdict = validator(TrustStore(Environment.PRODUCTION)).validate(certificate)
    assert bad(verdict) == {"profile": "policy_other_environment"}


def test_operators_own_policy(validator: Build, pki: SynthPki, make: Make) -> None:
    from jpki.certificate import PolicyRow

    oid = "1.2.392.200149.8.5.1.3.77"
    row = PolicyRow(oid, Family.AUTH, Medium.PHONE, Environment.TEST, True, "operator")
    certificate = make(Family.AUTH, policy=oid)
    allowed = validator(crls=pki.crls(), policies=[row]).validate(certificate)
    assert allowed.outcome is Outcome.VALID
    assert allowed.subject["medium"] == "phone"


@pytest.mark.parametrize("family", Family)
def test_custom_roots_of_another_name(
    validator: Build, pki: SynthPki, make: Make, family: Family
) -> None:
    """Below files as anchors a foreign name is no claim; the policy tells the family."""
    foreign = names.name(("2.5.4.10", "P8N-MOCK"), ("2.5.4.3", "CA"))
    root = pki.ca_certificate(family, 3, overrides=Overrides(subject=foreign, issuer=foreign))
    store = TrustStore(Environment.CUSTOM, [root])
    certificate = make(family, issuer=foreign, aki_issuer=foreign)
    verdict = validator(store, revocation=RevocationMode.NONE).validate(certificate)
    assert bad(verdict) == {}
    assert codes(verdict)["path"] == (Outcome.VALID, "path_good")
    assert verdict.subject["family"] == family.value
    assert verdict.environment == "custom"
    nobody = make(family, issuer=foreign, aki_issuer=foreign, policy="1.2.392.200149.8.5.1.1.99")
    verdict = validator(store, revocation=RevocationMode.NONE).validate(nobody)
    assert (bad(verdict), verdict.subject["family"]) == ({"profile": "policy_unknown"}, None)


def test_nothing_raises_and_nothing_is_shown(validator: Build, make: Make) -> None:
    """Damage anywhere gives a verdict, and no verdict tells a serial, a CN or a name."""
    data = make()
    secret = parse_certificate(data).serial.reveal()
    check = validator()
    for place in range(0, len(data), 7):
        broken = bytearray(data)
        broken[place] ^= 0x15
        verdict = check.validate(bytes(broken))
        assert verdict.outcome is not Outcome.VALID
        shown = repr(verdict)
        assert "番号" not in shown
        assert secret.hex() not in shown
        assert str(int.from_bytes(secret, "big")) not in shown
