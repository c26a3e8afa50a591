# SPDX-License-Identifier: Apache-2.0
"""The whole-card check on every built-in card: outcome, headlines, tries spent, APDUs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jpki.card import Card, NumberPurpose, PinCounter
from jpki.card_map import PinKind
from jpki.certificate.kinds import Environment
from jpki.emulator import ApduTrace, EmulatedCard, VirtualConnection, load_card
from jpki.errors import (
    NumberNotAllowedError,
    PinBlockedError,
    PinError,
    PinIncorrectError,
    PinOutcomeUnknownError,
)
from jpki.open import load_trust
from jpki.validation.declaration import VerifierDeclaration, VerifierRole
from jpki.validation.policy import RevocationMode
from jpki.validation.trust import TrustStore
from jpki.verdict import Headline, Outcome
from jpki.verifying.card_check import CardReport, PinSource, check_card
from jpki.verifying.material import TrustMaterial, ValidationOptions
from jpki_apdu.errors import CardRemovedError

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ALL = (PinKind.TEXT, PinKind.AUTH, PinKind.SIGN)

YES, NO, TELL, NOT = Headline.YES, Headline.NO, Headline.CANNOT_TELL, Headline.NOT_RUN
VALID, INVALID = Outcome.VALID, Outcome.INVALID


@pytest.fixture(scope="module")
def trust() -> TrustMaterial:
    return load_trust("test", at=AT)


def source(value: str) -> PinSource:
    return lambda counter: bytearray(value, "ascii")


def pins(card: EmulatedCard, *kinds: PinKind) -> dict[PinKind, PinSource]:
    known = card.pins()
    return {kind: source(known.get(kind.value.replace("-", "_"), "1234")) for kind in kinds}


def check(
    card: EmulatedCard,
    trust: TrustMaterial,
    *kinds: PinKind,
    options: ValidationOptions | None = None,
    purpose: NumberPurpose | None = None,
) -> CardReport:
    with Card(VirtualConnection(card)) as reader:
        return check_card(
            reader,
            trust,
            options or ValidationOptions(at=AT),
            pins(card, *kinds),
            number_purpose=purpose,
        )


# Card, PINs, outcome, genuine, in force, and the checks that decide it.
CASES = [
    ("hanako", ALL, VALID, YES, YES, {}),
    ("hanako", (PinKind.TEXT, PinKind.AUTH), VALID, YES, YES, {}),
    ("hanako", (PinKind.TEXT,), VALID, YES, YES, {"holder_bound": "text_key_unbound"}),
    ("hanako", (PinKind.NUMBER_B,), VALID, YES, YES, {"surface_face": "record_genuine"}),
    ("hanako", (PinKind.NUMBER_A,), VALID, YES, YES, {"holder_bound": "face_binds_key"}),
    ("hanako", (), VALID, NOT, YES, {"text_data": "text_needs_pin", "login": "login_needs_pin"}),
    ("taro-moved", ALL, INVALID, YES, NO, {"sign_revocation": "revoked"}),
    ("taro-moved", (PinKind.AUTH,), VALID, YES, YES, {"auth_revocation": "crl_good"}),
    ("jiro-expired", ALL, INVALID, YES, NO, {"auth_validity": "expired"}),
    ("child", (PinKind.AUTH,), VALID, YES, YES, {"sign_certificate": "certificate_absent"}),
    ("old-g1", (PinKind.AUTH,), INVALID, YES, NO, {"auth_validity": "expired"}),
    ("old-g2", ALL, VALID, YES, YES, {}),
    ("android", (PinKind.AUTH, PinKind.SIGN), VALID, YES, YES, {"text_data": "text_absent"}),
    ("iphone", (PinKind.AUTH, PinKind.SIGN), VALID, YES, YES, {"text_data": "text_absent"}),
    ("iphone", (), Outcome.CANNOT_TELL, NOT, NOT, {"auth_certificate": "certificate_needs_pin"}),
    ("forged", ALL, INVALID, NO, YES, {"text_data": "digest_mismatch"}),
    ("copied", (PinKind.TEXT,), INVALID, NO, YES, {"card_present": "challenge_wrong"}),
    ("copied", (PinKind.AUTH,), INVALID, NO, YES, {"login": "login_signature_wrong"}),
    ("copied", (), VALID, NOT, YES, {"card_present": None}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kinds", "outcome", "genuine", "in_force", "codes"), CASES)
def test_built_in_cards(
    trust: TrustMaterial,
    name: str,
    kinds: tuple[PinKind, ...],
    outcome: Outcome,
    genuine: Headline,
    in_force: Headline,
    codes: dict[str, str | None],
) -> None:
    verdict = check(load_card(name, at=AT), trust, *kinds).verdict
    assert (verdict.outcome, verdict.genuine, verdict.in_force) == (outcome, genuine, in_force)
    for check_name, code in codes.items():
        found = verdict.check(check_name)
        assert (found.code if found else None) == code
    assert verdict.environment == "test"


def test_the_number_is_read_only_with_a_purpose_and_stays_masked(trust: TrustMaterial) -> None:
    card = load_card("hanako", at=AT)
    without = check(card, trust, PinKind.TEXT)
    assert without.number is None
    assert without.verdict.check("text_number").outcome is Outcome.NOT_RUN  # type: ignore[union-attr]
    report = check(card, trust, PinKind.TEXT, purpose=NumberPurpose.own_card())
    assert report.number is not None
    assert report.number.reveal() == card.pins()["number_a"]
    assert card.pins()["number_a"] not in repr(report)
    assert report.verdict.check("text_number").outcome is VALID  # type: ignore[union-attr]


def test_the_number_without_a_pin_that_opens_it_is_refused_before_the_card(
    trust: TrustMaterial,
) -> None:
    card = load_card("hanako", at=AT)
    with pytest.raises(NumberNotAllowedError):
        check(card, trust, PinKind.AUTH, purpose=NumberPurpose.own_card())
    assert card.apdus == 0


def test_no_repr_shows_the_holder(trust: TrustMaterial) -> None:
    report = check(load_card("hanako", at=AT), trust, *ALL)
    assert report.attributes is not None
    assert report.sign_holder is not None
    shown = repr(report)
    for part in ("花子", "清瀬", "1980", "中里"):
        assert part not in shown


def test_a_wrong_pin_ends_the_check_and_costs_one_try(trust: TrustMaterial) -> None:
    card = load_card("hanako", at=AT)
    wrong = {PinKind.TEXT: source("9999"), PinKind.AUTH: source("1234")}
    with Card(VirtualConnection(card)) as reader:
        with pytest.raises(PinIncorrectError) as caught:
            check_card(reader, trust, ValidationOptions(at=AT), wrong)
        assert caught.value.attempts_left == 2
        left = {c.kind: c.attempts_left for c in reader.pins.counters(PinKind.TEXT, PinKind.AUTH)}
    assert left == {PinKind.TEXT: 2, PinKind.AUTH: 3}


@pytest.mark.parametrize("name", ["face-only", "blocked"])
def test_a_blocked_pin_is_not_presented(trust: TrustMaterial, name: str) -> None:
    with pytest.raises(PinBlockedError):
        check(load_card(name, at=AT), trust, PinKind.AUTH)


def test_a_pin_the_token_lacks_is_an_error_and_costs_nothing(trust: TrustMaterial) -> None:
    with pytest.raises(PinError) as caught:
        check(load_card("android", at=AT), trust, PinKind.TEXT)
    assert caught.value.code == "pin_absent"


def test_each_pin_is_asked_for_once_with_its_counter(trust: TrustMaterial) -> None:
    asked: list[PinCounter] = []

    def ask(counter: PinCounter) -> bytearray:
        asked.append(counter)
        return bytearray(b"1234")

    card = load_card("hanako", at=AT)
    with Card(VirtualConnection(card)) as reader:
        check_card(
            reader,
            trust,
            ValidationOptions(at=AT),
            {PinKind.TEXT: ask, PinKind.AUTH: ask},
        )
    assert [(c.kind, c.attempts_left) for c in asked] == [(PinKind.TEXT, 3), (PinKind.AUTH, 3)]


def test_old_card_in_its_own_day() -> None:
    # Historic validation: the CRLs of that day are made from the day.
    then = datetime(2022, 1, 1, tzinfo=UTC)
    card = load_card("old-g1", at=then)
    verdict = check(
        card, load_trust("test", at=then), PinKind.AUTH, options=ValidationOptions(at=then)
    ).verdict
    assert (verdict.outcome, verdict.in_force) == (VALID, YES)


@pytest.mark.parametrize("days", [0, 40, 200, 370, 800, 3000])
def test_hanako_is_good_on_any_day(days: int) -> None:
    day = AT + timedelta(days=days)
    card = load_card("hanako", at=day)
    report = check(card, load_trust("test", at=day), *ALL, options=ValidationOptions(at=day))
    assert report.verdict.outcome is VALID


def test_revocation_none_leaves_in_force_unsaid(trust: TrustMaterial) -> None:
    options = ValidationOptions(at=AT, revocation=RevocationMode.NONE)
    verdict = check(load_card("taro-moved", at=AT), trust, *ALL, options=options).verdict
    assert verdict.outcome is VALID
    assert verdict.in_force is NOT
    expired = check(load_card("jiro-expired", at=AT), trust, *ALL, options=options).verdict
    assert (expired.outcome, expired.in_force) == (INVALID, NO)


DECLARED = VerifierDeclaration(
    roles=frozenset((VerifierRole.AUTHENTICATION, VerifierRole.SIGNATURE)),
    registration="invented",
    responsible="invented",
    as_of=AT.date(),
    purposes=("test",),
)


@pytest.mark.parametrize("declaration", [None, DECLARED])
def test_a_test_card_is_never_genuine_under_production(
    declaration: VerifierDeclaration | None,
) -> None:
    options = ValidationOptions(at=AT, verifier=declaration)
    verdict = check(
        load_card("hanako", at=AT), load_trust("production", at=AT), *ALL, options=options
    ).verdict
    assert verdict.environment == "production"
    assert verdict.outcome is INVALID
    assert verdict.genuine is NO
    assert verdict.check("auth_path").code == "test_root"  # type: ignore[union-attr]
    assert verdict.check("text_data").code == "cv_unknown_key"  # type: ignore[union-attr]


def test_roots_without_cv_keys_leave_text_data_open(trust: TrustMaterial) -> None:
    # Files as anchors bring no CV keys: nothing is proven about 券面 data, and that is said.
    bare = TrustMaterial(TrustStore(Environment.TEST, _anchors(trust)), {}, trust.crls)
    verdict = check(load_card("hanako", at=AT), bare, *ALL).verdict
    assert verdict.check("text_data").code == "cv_unknown_key"  # type: ignore[union-attr]
    assert (verdict.outcome, verdict.genuine) == (Outcome.CANNOT_TELL, TELL)


def _anchors(trust: TrustMaterial) -> list[bytes]:
    return [anchor.certificate.der for anchor in trust.store.anchors]


@pytest.fixture(scope="module")
def commands(trust: TrustMaterial) -> list[ApduTrace]:
    """Every command of a whole check."""
    card, seen = load_card("hanako", at=AT), list[ApduTrace]()
    card.log = seen.append
    check(card, trust, *ALL)
    return seen


@pytest.mark.parametrize("point", ["before", "during"])
def test_pulled_at_every_command(
    trust: TrustMaterial, commands: list[ApduTrace], point: str
) -> None:
    """One typed error each time; «outcome unknown» exactly when a PIN was under way."""
    unknown = 0
    for number, command in enumerate(commands, start=1):
        card = load_card("hanako", at=AT, faults=[f"pull:{point}@{number}"])
        with pytest.raises((CardRemovedError, PinOutcomeUnknownError)) as caught:
            check(card, trust, *ALL)
        pin_under_way = command.header[1] == 0x20 and command.lc > 0
        assert isinstance(caught.value, PinOutcomeUnknownError) is pin_under_way
        unknown += pin_under_way
        assert card.tries() == load_card("hanako", at=AT).tries()
    assert unknown == len(ALL)


def test_trust_from_a_file(tmp_path: Path, trust: TrustMaterial) -> None:
    anchors = tmp_path / "roots"
    anchors.mkdir()
    for number, der in enumerate(_anchors(trust)):
        (anchors / f"{number}.der").write_bytes(der)
    material = load_trust(str(anchors))
    assert material.store.environment is Environment.CUSTOM
    options = ValidationOptions(at=AT, crls=trust.crls)
    verdict = check(load_card("hanako", at=AT), material, PinKind.AUTH, options=options).verdict
    assert (verdict.outcome, verdict.environment) == (VALID, "custom")
