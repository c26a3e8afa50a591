# SPDX-License-Identifier: Apache-2.0
"""What a validator may read, what it is asked, and how the answer is put together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from jpki.certificate import Environment, Family, parse_certificate
from jpki.errors import ConfigurationError, CrlStoreError
from jpki.synth.municipalities import KIYOSE
from jpki.synth.overrides import Overrides
from jpki.synth.pki import SynthPki
from jpki.validation import (
    RevocationMode,
    TrustStore,
    Validator,
    VerifierDeclaration,
    VerifierRole,
)
from jpki.validation.crl_index import CrlIndexStore
from jpki.validation.named import name_of
from jpki.verdict import Check, Headline, Outcome

Make = Callable[..., bytes]
Build = Callable[..., Validator]


def declaration(*roles: VerifierRole) -> VerifierDeclaration:
    return VerifierDeclaration(
        roles=frozenset(roles),
        registration="invented-1",
        responsible="責任者",
        as_of=date(2026, 4, 1),
        purposes=("signature_verification",),
    )


class Untouchable:
    """Revocation data that must not even be looked at."""

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("read without permission")


def revocation(validator: Validator, certificate: bytes) -> Check:
    found = validator.validate(certificate).check("revocation")
    assert found is not None
    return found


@pytest.fixture
def faithful(pki: SynthPki) -> SynthPki:
    return SynthPki(pki.at, faithful_dn=True)


def test_production_without_declaration_reads_nothing(
    validator: Build, faithful: SynthPki, make: Make
) -> None:
    production = validator(
        TrustStore(Environment.PRODUCTION), crls=Untouchable(), ocsp=Untouchable()
    )
    found = revocation(production, make(of=faithful))
    assert (found.outcome, found.code) == (Outcome.CANNOT_TELL, "not_permitted")
    assert production.validate(make(of=faithful)).in_force is Headline.CANNOT_TELL


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("role", VerifierRole)
def test_a_role_covers_its_family_only(
    validator: Build, faithful: SynthPki, make: Make, family: Family, role: VerifierRole
) -> None:
    production = validator(TrustStore(Environment.PRODUCTION), verifier=declaration(role))
    covers = {
        (Family.SIGN, VerifierRole.SIGNATURE),
        (Family.AUTH, VerifierRole.AUTHENTICATION),
    }
    code = revocation(production, make(family, of=faithful)).code
    # Permitted, it stops at the path: no pinned root is at hand here.
    assert code == ("path_first" if (family, role) in covers else "not_permitted")


def test_production_with_a_declaration_reads_what_it_is_given(
    validator: Build, faithful: SynthPki
) -> None:
    read = iter([*faithful.crls(), b"nothing"])
    roles = declaration(VerifierRole.SIGNATURE)
    validator(TrustStore(Environment.PRODUCTION), verifier=roles, crls=read)
    assert list(read) == []


def test_of_no_family_nothing_is_permitted_in_production(validator: Build) -> None:
    production = validator(TrustStore(Environment.PRODUCTION), verifier=declaration(*VerifierRole))
    assert [production.permitted(family) for family in (None, *Family)] == [False, True, True]
    assert validator().permitted(None)


def test_a_store_of_another_environment_is_refused(
    validator: Build, pki: SynthPki, make: Make, put: Callable[..., object], path: Path
) -> None:
    put(*pki.crls())
    store = CrlIndexStore(path)
    assert revocation(validator(crl_store=store), make()).code == "crl_good"
    custom = TrustStore(Environment.CUSTOM, [pki.ca_certificate(Family.SIGN, 3)])
    for trust in (custom, TrustStore(Environment.PRODUCTION)):
        with pytest.raises(CrlStoreError, match="crl_store_environment"):
            validator(trust, crl_store=store)


@pytest.mark.parametrize("missing", ["roles", "registration", "responsible", "purposes"])
def test_declarations_are_complete(missing: str) -> None:
    values: dict[str, object] = {
        "roles": frozenset(VerifierRole),
        "registration": "invented-1",
        "responsible": "責任者",
        "as_of": date(2026, 4, 1),
        "purposes": ("audit",),
    }
    values[missing] = type(values[missing])()
    with pytest.raises(ConfigurationError) as caught:
        VerifierDeclaration(**values)  # type: ignore[arg-type]
    assert caught.value.values == {"path": f"verifier.{missing}", "reason": "empty"}
    assert "責任者" not in repr(declaration(VerifierRole.SIGNATURE))


@pytest.mark.parametrize(
    "environment", [Environment.TEST, Environment.JLIS_TEST, Environment.CUSTOM]
)
def test_elsewhere_nobody_is_asked_who_they_are(
    validator: Build, pki: SynthPki, make: Make, environment: Environment
) -> None:
    from jpki.synth import names

    organisation = {Environment.JLIS_TEST: "JPKI-TEST"}.get(environment, "JPKI-SYNTH")
    name = names.ca_name(Family.SIGN, organisation)
    root = pki.ca_certificate(Family.SIGN, 3, overrides=Overrides(subject=name, issuer=name))
    checked = validator(TrustStore(environment, [root]), crls=pki.crls())
    policy = "1.2.392.200149.8.5.1.0.20"
    verdict = checked.validate(make(issuer=name, aki_issuer=name, policy=policy))
    assert verdict.environment == environment.value
    assert verdict.genuine is Headline.YES
    # The lists are those of JPKI-SYNTH: of another issuer below J-LIS's test name.
    expected = "crl_missing" if environment is Environment.JLIS_TEST else "crl_good"
    found = verdict.check("revocation")
    assert found is not None
    assert found.code == expected


def test_modes(validator: Build, pki: SynthPki, make: Make) -> None:
    none = validator(revocation=RevocationMode.NONE, crls=Untouchable())
    verdict = none.validate(make())
    assert verdict.outcome is Outcome.VALID
    assert (verdict.genuine, verdict.in_force) == (Headline.YES, Headline.NOT_RUN)
    found = verdict.check("revocation")
    assert found is not None
    assert (found.outcome, found.code) == (Outcome.NOT_RUN, "revocation_not_asked")
    for mode in (RevocationMode.REQUIRE, RevocationMode.LEAF):
        assert revocation(validator(revocation=mode, crls=pki.crls()), make()).code == "crl_good"
        assert revocation(validator(revocation=mode), make()).code == "crl_missing"


def test_revoked_is_genuine_and_not_in_force(validator: Build, pki: SynthPki, make: Make) -> None:
    day = datetime.fromisoformat("2026-11-01T00:00:00Z")
    lists = [pki.crl(Family.SIGN, 3, KIYOSE, [(0x0700ABCD, day, 3)])]
    verdict = validator(crls=lists).validate(make(serial=0x0700ABCD))
    assert verdict.outcome is Outcome.INVALID
    assert (verdict.genuine, verdict.in_force) == (Headline.YES, Headline.NO)


def test_what_is_not_genuine_is_not_looked_up(validator: Build, pki: SynthPki, make: Make) -> None:
    """A list that does not name it would say that it is in force."""
    verdict = validator(crls=pki.crls()).validate(make(signer="rogue-ca"))
    found = verdict.check("revocation")
    assert found is not None
    assert (found.outcome, found.code) == (Outcome.NOT_RUN, "path_first")
    assert verdict.in_force is not Headline.YES


@pytest.mark.parametrize(
    ("serial", "key_id", "wanted"),
    [
        (0x0700ABCE, None, (Outcome.VALID, "crl_good")),
        (0x0700ABCD, None, (Outcome.INVALID, "revoked")),
        (0x0700ABCE, b"\x11" * 20, (Outcome.NOT_RUN, "path_first")),
    ],
    ids=["good", "revoked", "of a key that is no root's"],
)
def test_the_status_of_a_certificate_that_is_only_named(
    validator: Build,
    pki: SynthPki,
    make: Make,
    serial: int,
    key_id: bytes | None,
    wanted: tuple[Outcome, str],
) -> None:
    lists = [pki.crl(Family.SIGN, 3, KIYOSE, [(0x0700ABCD, pki.at - timedelta(days=9), 3)])]
    named = name_of(parse_certificate(make(serial=serial)))
    if key_id is not None:
        named = replace(named, issuer_key_id=key_id)
    found = validator(crls=lists).status(named)
    assert (found.outcome, found.code) == wanted


PRODUCTION, TEST = Environment.PRODUCTION, Environment.TEST
NOT_ASKED = (Outcome.NOT_RUN, "revocation_not_asked")


@pytest.mark.parametrize(
    ("environment", "declared", "mode", "revoked", "wanted"),
    [
        (TEST, False, RevocationMode.REQUIRE, False, (Outcome.VALID, "crl_good")),
        (TEST, False, RevocationMode.REQUIRE, True, (Outcome.INVALID, "revoked")),
        (TEST, False, RevocationMode.NONE, True, NOT_ASKED),
        (PRODUCTION, False, RevocationMode.REQUIRE, True, (Outcome.CANNOT_TELL, "not_permitted")),
        (PRODUCTION, True, RevocationMode.REQUIRE, True, (Outcome.INVALID, "revoked")),
        (PRODUCTION, True, RevocationMode.NONE, True, NOT_ASKED),
    ],
)
def test_the_status_of_a_certificate_below_an_issuer_that_the_caller_believes(
    validator: Build,
    pki: SynthPki,
    make: Make,
    environment: Environment,
    declared: bool,
    mode: RevocationMode,
    revoked: bool,
    wanted: tuple[Outcome, str],
) -> None:
    entries = [(0x0700ABCD, pki.at - timedelta(days=9), 3)] if revoked else []
    judge = validator(
        TrustStore(environment),
        crls=[pki.crl(Family.SIGN, 3, KIYOSE, entries)],
        verifier=declaration(VerifierRole.SIGNATURE) if declared else None,
        revocation=mode,
    )
    certificate = parse_certificate(make(serial=0x0700ABCD))
    issuer = parse_certificate(pki.ca_certificate(Family.SIGN, 3))
    found = judge.status_below(certificate, issuer, pki.at)
    assert (found.outcome, found.code) == wanted


def test_whose_root_is_not_known_has_no_anchor(validator: Build, make: Make) -> None:
    found = validator().anchor_of(parse_certificate(make()))
    assert found is not None
    assert (found.family, found.generation) == (Family.SIGN, 3)
    unknown = make(signer="rogue-ca", aki_key_id=b"\x11" * 20)
    assert validator().anchor_of(parse_certificate(unknown)) is None


def test_unreadable_certificate(validator: Build) -> None:
    verdict = validator().validate(b"no certificate")
    assert [check.outcome for check in verdict.checks] == [
        Outcome.INVALID,
        *[Outcome.NOT_RUN] * 4,
    ]
    assert dict(verdict.checks[0].values) == {"reason": "truncated", "field": "certificate"}
    assert dict(verdict.subject) == {}
    assert (verdict.genuine, verdict.in_force) == (Headline.NO, Headline.NOT_RUN)


def test_many(validator: Build, pki: SynthPki, make: Make) -> None:
    checked = validator(crls=pki.crls())
    verdicts = checked.validate_many([make(), b"", make(Family.AUTH)], family=Family.SIGN)
    assert [verdict.outcome for verdict in verdicts] == [
        Outcome.VALID,
        Outcome.INVALID,
        Outcome.INVALID,
    ]


def test_times_need_a_zone(validator: Build) -> None:
    with pytest.raises(ValueError, match="zone"):
        validator(at=datetime(2026, 11, 21))
    with pytest.raises(ValueError, match="zone"):
        validator().validate(b"", at=datetime(2026, 11, 21))


def test_a_time_ahead_of_the_clock(validator: Build, pki: SynthPki, make: Make) -> None:
    """Asked about a later time, nothing of today is from the future, and lists grow old."""
    later = datetime.fromisoformat("2026-11-22T21:00:00Z")
    assert revocation(validator(crls=pki.crls(), at=later), make()).code == "crl_good"
    after = datetime.fromisoformat("2026-11-22T21:00:01Z")
    assert revocation(validator(crls=pki.crls(), at=after), make()).code == "crl_expired"


def test_a_list_is_checked_once(
    validator: Build, pki: SynthPki, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jpki.validation import algorithms, crl

    calls: list[bytes] = []
    real = algorithms.signature_fits

    def counted(*arguments: object) -> bool:
        calls.append(b"")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(crl, "signature_fits", counted)
    checked = validator(crls=pki.crls())
    for _ in range(5):
        assert checked.validate(make()).outcome is Outcome.VALID
    assert len(calls) == 1


def test_nothing_about_a_person_is_logged_or_shown(
    validator: Build, pki: SynthPki, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    data = make()
    certificate = parse_certificate(data)
    checked = validator(crls=[*pki.crls(), b"\x30\x00"], ocsp=[pki.ocsp_response(data)])
    verdict = checked.validate(data)
    serial = certificate.serial.reveal()
    number = str(int.from_bytes(serial, "big"))
    shown = repr(verdict) + repr(certificate) + caplog.text + repr(checked.trust.anchors)
    for secret in (serial.hex(), number, "番号", "清瀬市", "19800217"):
        assert secret not in shown
