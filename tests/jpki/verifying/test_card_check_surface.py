# SPDX-License-Identifier: Apache-2.0
"""The whole-card check with the 券面事項確認AP: who is told from whom, and what nobody signed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jpki.card import Card, NumberPurpose, PinCounter
from jpki.card_map import SURFACE_AP, TEXT_AP, PinKind
from jpki.emulator import EmulatedCard, VirtualConnection, load_card
from jpki.errors import PinError, PinIncorrectError
from jpki.open import load_trust
from jpki.verdict import Check, Headline, Outcome, Verdict
from jpki.verifying.card_check import CardReport, PinSource, check_card
from jpki.verifying.material import TrustMaterial, ValidationOptions

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
TEXT, AUTH, SIGN = PinKind.TEXT, PinKind.AUTH, PinKind.SIGN
A, B, BIRTH = PinKind.NUMBER_A, PinKind.NUMBER_B, PinKind.BIRTH
EVERY = (TEXT, A, B, BIRTH, AUTH, SIGN)


@pytest.fixture(scope="module")
def trust() -> TrustMaterial:
    return load_trust("test", at=AT)


def source(value: str) -> PinSource:
    return lambda counter: bytearray(value, "ascii")


def pins(card: EmulatedCard, *kinds: PinKind) -> dict[PinKind, PinSource]:
    known = card.pins()
    return {kind: source(known[kind.value.replace("-", "_")]) for kind in kinds}


def check(
    card: EmulatedCard,
    trust: TrustMaterial,
    *kinds: PinKind,
    purpose: NumberPurpose | None = None,
) -> CardReport:
    with Card(VirtualConnection(card)) as reader:
        return check_card(
            reader, trust, ValidationOptions(at=AT), pins(card, *kinds), number_purpose=purpose
        )


def found(verdict: Verdict, name: str) -> Check:
    one = verdict.check(name)
    assert one is not None, name
    return one


def test_everything_of_a_good_card(trust: TrustMaterial) -> None:
    report = check(load_card("hanako", at=AT), trust, *EVERY, purpose=NumberPurpose.own_card())
    verdict = report.verdict
    assert (verdict.outcome, verdict.genuine, verdict.in_force) == (
        Outcome.VALID, Headline.YES, Headline.YES,
    )  # fmt: skip
    outcomes = {c.name: c.outcome.value for c in verdict.checks}
    assert outcomes.pop("unsigned_data") == "not_run"
    assert set(outcomes.values()) == {"valid"}
    assert {
        "text_data", "text_number", "card_present", "surface_face", "surface_age",
        "surface_number", "surface_keys", "surface_present", "holder_bound", "login",
        "cross_birth", "cross_sex", "cross_name", "cross_address",
    } <= set(outcomes)  # fmt: skip
    unsigned = found(verdict, "unsigned_data").values["unsigned"]
    assert unsigned == ("expiry", "security-code", "offset-table")
    assert report.face is not None
    assert report.age is not None
    assert report.face.birth == report.age.birth


# Card, PINs, outcome, genuine, and the codes that say why.
CASES = [
    ("hanako", (), Outcome.VALID, Headline.NOT_RUN, {"surface_face": "surface_needs_pin"}),
    ("hanako", (B,), Outcome.VALID, Headline.YES, {"holder_bound": "face_binds_key"}),
    ("hanako", (BIRTH,), Outcome.VALID, Headline.YES, {"holder_bound": "birth_binds_key"}),
    ("hanako", (TEXT,), Outcome.VALID, Headline.YES, {"holder_bound": "text_key_unbound",
                                                       "cross_birth": None}),
    ("hanako", (TEXT, B), Outcome.VALID, Headline.YES, {"cross_birth": "cross_agree",
                                                         "cross_name": None}),
    ("hanako", (TEXT, SIGN), Outcome.VALID, Headline.YES, {"cross_name": "cross_agree"}),
    ("android", (), Outcome.CANNOT_TELL, Headline.NOT_RUN, {"surface_face": "surface_absent"}),
    # Another card's records without its keys: genuine signatures, and no answer that fits.
    ("copied", (B,), Outcome.INVALID, Headline.NO, {"surface_face": "record_genuine",
                                                     "surface_present": "challenge_wrong",
                                                     "holder_bound": None}),
    ("copied", (BIRTH,), Outcome.INVALID, Headline.NO, {"surface_age": "record_genuine",
                                                         "surface_present": "challenge_wrong"}),
    # An altered name: the face knows, the birth date record is untouched.
    ("forged", (B,), Outcome.INVALID, Headline.NO, {"surface_face": "record_signature_wrong"}),
    ("forged", (BIRTH,), Outcome.VALID, Headline.YES, {"surface_age": "record_genuine"}),
    ("forged", (B, BIRTH), Outcome.INVALID, Headline.NO, {"surface_present": "challenge_answered",
                                                           "holder_bound": "birth_binds_key"}),
    ("forged", (TEXT, SIGN), Outcome.INVALID, Headline.NO, {"cross_name": "cross_contradiction"}),
    ("jiro-expired", (TEXT, B), Outcome.INVALID, Headline.YES, {"surface_face": "record_genuine"}),
    ("child", (TEXT, B, BIRTH), Outcome.VALID, Headline.YES, {"cross_birth": "cross_agree"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kinds", "outcome", "genuine", "codes"), CASES)
def test_built_in_cards(
    trust: TrustMaterial,
    name: str,
    kinds: tuple[PinKind, ...],
    outcome: Outcome,
    genuine: Headline,
    codes: dict[str, str | None],
) -> None:
    verdict = check(load_card(name, at=AT), trust, *kinds).verdict
    for check_name, code in codes.items():
        one = verdict.check(check_name)
        assert (one.code if one else None) == code, check_name
    assert (verdict.outcome, verdict.genuine) == (outcome, genuine)


def test_without_cv_keys_the_surface_proves_nothing() -> None:
    trust = load_trust("production", at=AT)
    verdict = check(load_card("hanako", at=AT), trust, B, BIRTH).verdict
    for name in ("surface_face", "surface_age", "surface_present"):
        assert (found(verdict, name).outcome, found(verdict, name).code) == (
            Outcome.CANNOT_TELL, "cv_unknown_key",
        )  # fmt: skip
    assert verdict.check("holder_bound") is None


# One entry of a PIN is one VERIFY, in one application.


def verifications(card: EmulatedCard, use: Callable[[], object]) -> list[tuple[str, int]]:
    """Application and P2 of every VERIFY with data."""
    seen: list[tuple[str, int]] = []
    at = {"now": ""}
    names = {SURFACE_AP.aid: "surface", TEXT_AP.aid: "text"}
    transmit = card.transmit

    def watched(apdu: bytes | bytearray) -> bytes:
        raw = bytes(apdu)
        if raw.startswith(bytes.fromhex("00A4040C")):
            at["now"] = names.get(raw[5 : 5 + raw[4]], "other")
        if raw[:2] == b"\x00\x20" and len(raw) > 5:
            seen.append((at["now"], raw[4]))
        return transmit(apdu)

    card.transmit = watched  # type: ignore[method-assign]
    use()
    return seen


def test_a_reference_number_goes_to_the_surface_application_once(trust: TrustMaterial) -> None:
    card = load_card("hanako", at=AT)
    assert verifications(card, lambda: check(card, trust, A, B)) == [
        ("surface", 14), ("surface", 12),
    ]  # fmt: skip
    other = load_card("hanako", at=AT)
    assert verifications(other, lambda: check(other, trust, TEXT, B, BIRTH)) == [
        ("text", 4), ("surface", 14), ("surface", 6),
    ]  # fmt: skip


def test_a_wrong_reference_number_ends_the_check(trust: TrustMaterial) -> None:
    card = load_card("hanako", at=AT)
    asked: list[PinCounter] = []

    def wrong(counter: PinCounter) -> bytearray:
        asked.append(counter)
        return bytearray(b"55021720350000")

    with Card(VirtualConnection(card)) as reader:
        with pytest.raises(PinIncorrectError) as caught:
            check_card(reader, trust, ValidationOptions(at=AT), {B: wrong, BIRTH: wrong})
        left = {(c.application_name, c.kind): c.attempts_left for c in reader.pins.counters(B)}
    assert caught.value.attempts_left == 9
    assert [c.application_name for c in asked] == ["surface"]
    assert left == {("text", B): 10, ("surface", B): 9}


def test_the_picture_of_the_number_only_for_a_purpose(trust: TrustMaterial) -> None:
    card = load_card("hanako", at=AT)
    assert check(card, trust, A).verdict.check("surface_number") is None
    read = check(load_card("hanako", at=AT), trust, A, purpose=NumberPurpose.own_card())
    assert found(read.verdict, "surface_number").outcome is Outcome.VALID
    with_b = check(load_card("hanako", at=AT), trust, TEXT, B, purpose=NumberPurpose.own_card())
    assert found(with_b.verdict, "surface_number").code == "number_image_needs_a"


def test_no_repr_shows_the_face(trust: TrustMaterial) -> None:
    report = check(load_card("hanako", at=AT), trust, *EVERY, purpose=NumberPurpose.own_card())
    shown = repr(report) + repr(report.face) + repr(report.age)
    for part in ("1980", "2035-02", "jP  ", "PNG", "537686677188"):
        assert part not in shown


# A card put together from two: each record is genuine.


MIXED = """
schema = "jpki.card/1"
name = "mixed"
[holder]
name = "番号　別人"
address = "東京都清瀬市中里五丁目８４２番地"
birth = {birth}
sex = "{sex}"
number = "900000000770"
[municipality]
code = "13221"
[dates]
month_day = "10-27"
days_before = 365
[card]
security_code = "2285"
[keys]
slot = 0
"""


@pytest.mark.parametrize(
    ("birth", "sex", "wrong"),
    [("1981-02-17", "female", "cross_birth"), ("1980-02-17", "male", "cross_sex")],
)
def test_two_persons_on_one_card(
    trust: TrustMaterial, tmp_path: Path, birth: str, sex: str, wrong: str
) -> None:
    """The text application of hanako, the surface application of somebody else: both genuine."""
    path = tmp_path / "mixed.toml"
    path.write_text(MIXED.format(birth=birth, sex=sex), encoding="utf-8")
    card, other = load_card("hanako", at=AT), load_card(str(path), at=AT)
    own, answers = card.transmit, {"card": card.transmit}

    def either(apdu: bytes | bytearray) -> bytes:
        if bytes(apdu[:4]) == bytes.fromhex("00A4040C"):
            surface = bytes(apdu[5:15]) == SURFACE_AP.aid
            answers["card"] = other.transmit if surface else own
        return answers["card"](apdu)

    card.transmit = either  # type: ignore[method-assign]
    other.power_on()
    given = {**pins(card, TEXT), **pins(other, B)}
    with Card(VirtualConnection(card)) as reader:
        verdict = check_card(reader, trust, ValidationOptions(at=AT), given).verdict
    assert found(verdict, "text_data").outcome is Outcome.VALID
    assert found(verdict, "surface_face").outcome is Outcome.VALID
    assert found(verdict, "surface_present").outcome is Outcome.VALID
    contradiction = found(verdict, wrong)
    assert (contradiction.outcome, contradiction.code) == (
        Outcome.INVALID, "cross_contradiction",
    )  # fmt: skip
    assert contradiction.values["facts"] == ("text", "face")
    assert (verdict.outcome, verdict.genuine) == (Outcome.INVALID, Headline.NO)


# A licence: read when asked, and no headline rests on it.


def test_a_licence_is_never_more_than_cannot_tell(trust: TrustMaterial) -> None:
    card = load_card("driver", at=AT)
    without = check(card, trust, B).verdict
    assert found(without, "licence_data").outcome is Outcome.NOT_RUN
    assert (without.outcome, without.genuine) == (Outcome.VALID, Headline.YES)
    driver = load_card("driver", at=AT)
    verdict = check(driver, trust, B, PinKind.LICENCE).verdict
    assert found(verdict, "licence_data").code == "licence_signer_unknown"
    assert (verdict.outcome, verdict.genuine) == (Outcome.CANNOT_TELL, Headline.YES)
    assert check(load_card("hanako", at=AT), trust).verdict.check("licence_data") is None


def test_a_licence_that_is_not_there_spends_no_pin(trust: TrustMaterial) -> None:
    card = load_card("hanako", at=AT)
    given = {**pins(card, AUTH), PinKind.LICENCE: source("1234")}

    def use() -> None:
        with Card(VirtualConnection(card)) as reader, pytest.raises(PinError) as caught:
            check_card(reader, trust, ValidationOptions(at=AT), given)
        assert caught.value.code == "pin_absent"

    assert verifications(card, use) == []
