# SPDX-License-Identifier: Apache-2.0
"""Which roots enter which store. No real root's bytes are here, so pins are tested by value."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from der_edit import Item, resigned
from jpki.certificate import Environment, Family
from jpki.synth import names
from jpki.synth.overrides import Overrides
from jpki.synth.pki import SynthPki
from jpki.validation import PINS, TrustRootError, TrustStore, Validator, trust
from jpki.verdict import Outcome

Make = Callable[..., bytes]
JLIS = Overrides(
    subject=names.ca_name(Family.SIGN, "JPKI-TEST"), issuer=names.ca_name(Family.SIGN, "JPKI-TEST")
)


@pytest.fixture
def faithful(pki: SynthPki) -> SynthPki:
    """Roots under the production name, which are ours all the same."""
    return SynthPki(pki.at, faithful_dn=True)


@pytest.fixture
def pinned(faithful: SynthPki, monkeypatch: pytest.MonkeyPatch) -> SynthPki:
    """As if our six roots under the production name were the real ones."""
    import hashlib

    from jpki.certificate import parse_certificate

    pins = []
    for pin in PINS:
        der = faithful.ca_certificate(pin.family, pin.generation)
        sha256 = hashlib.sha256(der).digest()
        pins.append(pin._replace(sha256=sha256, key_id=parse_certificate(der).key_id))
    monkeypatch.setattr(trust, "PINS", tuple(pins))
    monkeypatch.setattr("jpki.validation.path.PINS", tuple(pins))
    monkeypatch.setattr(trust, "_BY_HASH", {pin.sha256: pin for pin in pins})
    return faithful


def test_pins_are_six_and_distinct() -> None:
    assert [(pin.family, pin.generation) for pin in PINS] == [
        (family, generation) for family in Family for generation in (1, 2, 3)
    ]
    assert len({pin.sha256 for pin in PINS} | {pin.key_id for pin in PINS}) == 12
    for pin in PINS:
        assert (len(pin.sha256), len(pin.key_id)) == (32, 20)
        assert pin.not_after.year - pin.not_before.year == 10
        assert pin.not_after.strftime("%H%M%S") == "145959"  # [CA-DER]


def refusal(environment: Environment, *anchors: bytes) -> object:
    with pytest.raises(TrustRootError) as caught:
        TrustStore(environment, anchors)
    assert caught.value.values["environment"] == environment.value
    return caught.value.values["reason"]


def test_kinds_do_not_mix(pki: SynthPki, faithful: SynthPki, make: Make) -> None:
    synth = pki.ca_certificate(Family.SIGN, 3)
    jlis = pki.ca_certificate(Family.SIGN, 3, overrides=JLIS)
    real_name = faithful.ca_certificate(Family.SIGN, 3)
    assert refusal(Environment.PRODUCTION, synth) == "test_root"
    assert refusal(Environment.PRODUCTION, jlis) == "test_root"
    assert refusal(Environment.PRODUCTION, real_name) == "not_pinned"
    assert refusal(Environment.TEST, jlis) == "other_environment"
    assert refusal(Environment.TEST, real_name) == "other_environment"
    assert refusal(Environment.JLIS_TEST, synth) == "other_environment"
    assert refusal(Environment.CUSTOM, synth, real_name) == "mixed_kinds"
    assert refusal(Environment.CUSTOM, make()) == "not_a_ca"
    assert refusal(Environment.TEST, b"\x30\x00") == "unreadable"
    for environment, root in (
        (Environment.TEST, synth),
        (Environment.JLIS_TEST, jlis),
        (Environment.CUSTOM, real_name),
    ):
        assert len(TrustStore(environment, [root, root]).anchors) == 1


def test_generations_are_counted_by_age(pki: SynthPki) -> None:
    store = TrustStore(Environment.TEST, reversed(pki.trust_anchors()))
    numbered = {(a.family, a.generation): a.certificate.der for a in store.anchors}
    assert numbered == {
        (family, n): pki.ca_certificate(family, n) for family in Family for n in (1, 2, 3)
    }


def test_production_takes_only_pinned_candidates(pki: SynthPki, pinned: SynthPki) -> None:
    store = TrustStore(Environment.PRODUCTION)
    assert store.anchors == ()
    impostor = pinned.ca_certificate(Family.AUTH, 3, key="rogue-ca")
    unwanted = [pki.ca_certificate(Family.AUTH, 3), impostor, b"", b"\x30\x00"]
    assert store.with_candidates(unwanted) is store
    grown = store.with_candidates([*unwanted, pinned.ca_certificate(Family.AUTH, 2)])
    assert [(a.family, a.generation) for a in grown.anchors] == [(Family.AUTH, 2)]
    assert store.anchors == ()


def test_other_environments_take_no_candidates(pki: SynthPki) -> None:
    store = TrustStore(Environment.TEST, [pki.ca_certificate(Family.AUTH, 3)])
    assert store.with_candidates([pki.ca_certificate(Family.AUTH, 2)]) is store


def test_pins_count_under_production_alone(pinned: SynthPki) -> None:
    """Elsewhere a real root is one of many, and none comes with a certificate."""
    sign, auth = pinned.ca_certificate(Family.SIGN, 3), pinned.ca_certificate(Family.AUTH, 3)
    custom = TrustStore(Environment.CUSTOM, [sign])
    assert custom.with_candidates([auth]) is custom
    assert [anchor.generation for anchor in custom.anchors] == [1]
    real = TrustStore(Environment.PRODUCTION, [sign])
    assert real.with_candidates([sign]) is real
    assert [anchor.generation for anchor in real.anchors] == [3]
    [own] = [pin for pin in trust.PINS if (pin.family, pin.generation) == (Family.SIGN, 3)]
    assert trust.pin_by_key_id(Family.SIGN, own.key_id) is own
    assert trust.pin_by_key_id(Family.AUTH, own.key_id) is None


def test_a_root_whose_key_cannot_be_read(pki: SynthPki) -> None:
    def unknown_curve(whole: Item) -> None:
        whole.parts[0].parts[6].parts[0].parts[0].value = b"\x2a\x03"

    root = resigned(pki.ca_certificate(Family.SIGN, 3), pki.ca_key(Family.SIGN, 3), unknown_curve)
    assert refusal(Environment.TEST, pki.ca_certificate(Family.SIGN, 2), root) == "unreadable"


def path(validator: Validator, certificate: bytes, *chain: bytes) -> tuple[Outcome, str]:
    check = validator.validate(certificate, chain=chain).check("path")
    assert check is not None
    return check.outcome, check.code


@pytest.mark.parametrize("family", Family)
def test_production_without_pins_is_unknown_generation(
    validator: Callable[..., Validator], faithful: SynthPki, make: Make, family: Family
) -> None:
    """The right name and a root at hand whose hash is not pinned: cannot tell."""
    production = validator(TrustStore(Environment.PRODUCTION))
    certificate = make(family, of=faithful)
    root = faithful.ca_certificate(family, 3)
    assert path(production, certificate, root) == (Outcome.CANNOT_TELL, "unknown_generation")


def test_production_refuses_test_and_foreign_issuers(
    validator: Callable[..., Validator], pki: SynthPki, make: Make
) -> None:
    production = validator(TrustStore(Environment.PRODUCTION))
    root = pki.ca_certificate(Family.SIGN, 3)
    assert path(production, make(), root) == (Outcome.INVALID, "test_root")
    jlis = make(issuer=names.ca_name(Family.SIGN, "JPKI-TEST"))
    assert path(production, jlis) == (Outcome.INVALID, "test_root")
    foreign = make(issuer=names.ca_name(Family.SIGN, "P8N-MOCK"))
    assert path(production, foreign) == (Outcome.INVALID, "untrusted")
    almost = make(issuer=names.name(("2.5.4.10", "JPKI")))
    assert path(production, almost) == (Outcome.INVALID, "untrusted")


@pytest.mark.parametrize("family", Family)
def test_production_without_a_key_id(
    validator: Callable[..., Validator], pinned: SynthPki, make: Make, family: Family
) -> None:
    """Which roots are missing counts by family; with all at hand, an unknown one may exist."""
    other = Family.AUTH if family is Family.SIGN else Family.SIGN
    roots = {f: [pinned.ca_certificate(f, g) for g in (1, 2, 3)] for f in Family}
    unnamed = make(family, of=pinned, signer="rogue-ca", drop=("aki",))
    rows = [
        (roots[other], "root_certificate_missing", 3),
        ([*roots[other], *roots[family][1:]], "root_certificate_missing", 1),
        (roots[family], "unknown_generation", None),
    ]
    for held, code, generation in rows:
        production = validator(TrustStore(Environment.PRODUCTION, held))
        check = production.validate(unnamed).check("path")
        assert check is not None
        assert (check.outcome, check.code) == (Outcome.CANNOT_TELL, code)
        assert check.values.get("generation") == generation


@pytest.mark.parametrize("family", Family)
def test_production_with_pins(
    validator: Callable[..., Validator], pinned: SynthPki, make: Make, family: Family
) -> None:
    production = validator(TrustStore(Environment.PRODUCTION))
    certificate = make(family, of=pinned)
    other = pinned.ca_certificate(family, 2)
    missing = (Outcome.CANNOT_TELL, "root_certificate_missing")
    assert path(production, certificate) == missing
    assert path(production, certificate, other) == missing
    assert path(production, make(family, of=pinned, drop=("aki",))) == missing
    root = pinned.ca_certificate(family, 3)
    assert path(production, certificate, root) == (Outcome.VALID, "path_good")
    assert path(production, certificate) == missing  # a chain counts once
    forged = make(family, of=pinned, signer="rogue-ca")
    assert path(production, forged, root) == (Outcome.INVALID, "signature_wrong")
    assert production.validate(certificate, chain=[root]).environment == "production"
