# SPDX-License-Identifier: Apache-2.0
"""P-384 with SHA-384 through path, profile, CRL and OCSP: in tests; in production it is not law."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from jpki.certificate import Environment, Family, parse_certificate
from jpki.errors import CertificateError
from jpki.synth import SynthPki
from jpki.validation import TrustStore, Validator
from jpki.validation.algorithms import (
    SHA256_RSA,
    SHA384_ECDSA,
    algorithm_allowed,
    algorithm_not_in_law,
    key_allowed,
)
from jpki.verdict import Outcome, Verdict

Build = Callable[..., Validator]
Make = Callable[..., bytes]


@pytest.fixture(scope="module")
def both(pki: SynthPki) -> TrustStore:
    """All eight roots of the test PKI."""
    return TrustStore(Environment.TEST, (*pki.trust_anchors(), *pki.next_trust_anchors()))


def codes(verdict: Verdict) -> dict[str, str]:
    return {check.name: check.code for check in verdict.checks}


def bad(verdict: Verdict) -> dict[str, str]:
    return {c.name: c.code for c in verdict.checks if c.outcome is not Outcome.VALID}


def of_next(make: Make, family: Family, **deviations: object) -> bytes:
    return make(family, 4, key=f"nextgen-{family.value}", **deviations)


@pytest.mark.parametrize("family", Family)
def test_good(
    validator: Build, pki: SynthPki, both: TrustStore, make: Make, family: Family
) -> None:
    data = of_next(make, family)
    verdict = validator(both, crls=pki.next_crls()).validate(data, family=family)
    assert verdict.outcome is Outcome.VALID, bad(verdict)
    assert verdict.subject["generation"] == 4
    assert codes(verdict)["revocation"] == "crl_good"


def test_both_kinds_in_one_validator(
    validator: Build, pki: SynthPki, both: TrustStore, make: Make
) -> None:
    one = validator(both, crls=(*pki.crls(), *pki.next_crls()))
    for generation, key in ((3, "card-00-auth"), (4, "nextgen-auth"), (3, "nextgen-auth")):
        verdict = one.validate(make(Family.AUTH, generation, key=key))
        assert verdict.outcome is Outcome.VALID, bad(verdict)
        assert verdict.subject["generation"] == generation


def test_revoked(validator: Build, at: datetime, both: TrustStore, make: Make) -> None:
    own = SynthPki(at)
    data = of_next(make, Family.SIGN, serial=0x0A10CAFE)
    own.revoke(Family.SIGN, 4, "13221", 0x0A10CAFE, at - timedelta(days=3), 3)
    verdict = validator(both, crls=own.next_crls()).validate(data)
    assert bad(verdict) == {"revocation": "revoked"}


@pytest.mark.parametrize(("status", "outcome"), [(None, "valid"), ("revoked", "invalid")])
def test_ocsp(
    validator: Build, pki: SynthPki, both: TrustStore, make: Make, status: str | None, outcome: str
) -> None:
    data = of_next(make, Family.AUTH)
    answer = pki.ocsp_response(data, status)
    verdict = validator(both, ocsp=[answer]).validate(data)
    assert verdict.outcome.value == outcome, bad(verdict)


def test_answer_of_the_rsa_generation_is_no_answer(
    validator: Build, pki: SynthPki, both: TrustStore, make: Make
) -> None:
    data = of_next(make, Family.AUTH)
    answer = pki.ocsp_response(data, responder="other-generation")
    verdict = validator(both, ocsp=[answer]).validate(data)
    assert verdict.outcome is Outcome.CANNOT_TELL
    assert set(bad(verdict)) == {"revocation"}


@pytest.mark.parametrize(
    ("deviations", "path"),
    [
        ({"damage_signature": True}, "signature_wrong"),
        ({"signer": "nextgen-sign"}, "signature_wrong"),
        ({"signer": "auth-ca-3"}, "signature_wrong"),
        ({"signer": "auth-ca-4", "signature_hash": "sha256"}, "weak_algorithm"),
        ({"signer": "auth-ca-4", "signature_hash": "sha512"}, "weak_algorithm"),
    ],
)
def test_forged(
    validator: Build,
    pki: SynthPki,
    both: TrustStore,
    make: Make,
    deviations: dict[str, object],
    path: str,
) -> None:
    data = of_next(make, Family.AUTH, **deviations)
    verdict = validator(both, crls=pki.next_crls()).validate(data)
    assert verdict.outcome is Outcome.INVALID
    assert codes(verdict)["path"] == path


def test_list_of_another_generation_says_nothing(
    validator: Build, pki: SynthPki, both: TrustStore, make: Make
) -> None:
    verdict = validator(both, crls=pki.crls()).validate(of_next(make, Family.AUTH))
    assert verdict.outcome is Outcome.CANNOT_TELL
    assert set(bad(verdict)) == {"revocation"}


def test_not_even_the_six_roots_vouch_for_it(
    validator: Build, trust: TrustStore, make: Make
) -> None:
    verdict = validator(trust).validate(of_next(make, Family.AUTH))
    assert codes(verdict)["path"] == "unknown_generation"


@pytest.mark.parametrize("generation", [3, 4])
@pytest.mark.parametrize("faithful", [False, True])
def test_never_valid_in_production(
    validator: Build, at: datetime, make: Make, generation: int, faithful: bool
) -> None:
    """施行規則2条 fixes RSA: neither the key nor the signature counts, whatever the names say."""
    data = make(Family.AUTH, generation, key="nextgen-auth", of=SynthPki(at, faithful_dn=faithful))
    verdict = validator(TrustStore(Environment.PRODUCTION)).validate(data)
    assert verdict.outcome is Outcome.INVALID
    assert codes(verdict)["profile"] == "algorithm_not_in_law"


@pytest.mark.parametrize("environment", Environment)
def test_where_it_counts(make: Make, environment: Environment) -> None:
    here = environment is Environment.TEST
    assert algorithm_allowed(SHA384_ECDSA, environment) is here
    assert algorithm_not_in_law(SHA384_ECDSA, environment) is not here
    assert algorithm_allowed(SHA256_RSA, environment)
    assert not algorithm_not_in_law(SHA256_RSA, environment)
    assert key_allowed(parse_certificate(of_next(make, Family.AUTH)), environment) is here


def test_every_truncation_is_refused(make: Make) -> None:
    data = of_next(make, Family.SIGN)
    for size in range(len(data)):
        with pytest.raises(CertificateError):
            parse_certificate(data[:size])
