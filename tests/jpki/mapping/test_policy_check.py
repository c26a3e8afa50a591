# SPDX-License-Identifier: Apache-2.0
"""What an auditor would say; article numbers that moved; differences; the corporate number."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pytest

from jpki.mapping.articles import Fit, fit_of
from jpki.mapping.check import Level, acceptable, check
from jpki.mapping.corporate_number import check_digit, is_corporate_number
from jpki.mapping.diff import Effect, diff
from jpki.mapping.policy import LegalBasis
from jpki.mapping.policy_file import policy_of
from policies import changed, good, policy, purpose

DAY = date(2026, 6, 14)


def basis(act: str, article: str, as_of: date = DAY, **more: str) -> dict[str, Any]:
    return {"act": act, "article": article, "as_of": as_of, **more}


def test_the_good_one_has_no_findings() -> None:
    assert check(policy()) == ()


@pytest.mark.parametrize(
    ("changes", "level", "code", "rule"),
    [
        ({"alternative_path": None}, "error", "no_alternative_path", "R16"),
        ({"alternative_path": {"ja": "窓口"}}, "note", "one_language", "R16"),
        ({"legal_basis": None}, "error", "no_legal_basis", "R5"),
        ({"legal_basis": basis("図書館法", "1条")}, "warning", "ordinance_not_named", "R5"),
        ({"legal_basis": basis("公的個人認証法", "36条"), "category": "contract"}, "error",
         "contract_without_consent", "R8"),
        ({"consent": True, "notice": "1", "operations": ["enrol", "resolve"], "evidence": None},
         "warning", "consent_without_withdrawal", "R8"),
        ({"category": "statutory", "legal_basis": basis("番号法", "9条1項", matter="x")},
         "warning", "matter_unknown", "R5"),
        ({"data_items": ["number"]}, "error", "number_without_ground", "R8"),
        ({"operations": ["use_number"], "evidence": None, "accept": None,
          "ordinance_scope": {"field": "other", "ordinance": "条例"}}, "error",
         "ordinance_beyond_fields", "R5"),
        ({"operations": ["hand_number"], "evidence": None, "accept": None,
          "ordinance_scope": {"field": "welfare", "ordinance": "条例"}}, "error",
         "passing_without_ground", "R5"),
        ({"actors": None, "staff": None, "online": None, "operations": ["resolve"]}, "error",
         "no_actor", "R9"),
        ({"actors": ["*"]}, "warning", "actor_anyone", "R9"),
        ({"operations": ["enrol", "resolve", "erase"], "evidence": None}, "warning",
         "right_missing", "R6"),
        ({"children": True}, "warning", "child_has_no_sign", "R14"),
        ({"contractor": {"name": "x", "actors": ["k"]}}, "error", "contractor_not_permitted",
         "R9"),
        ({"contractor": {"name": "x", "actors": ["k"], "permitted_by": "y",
                         "sub_contracting": True}}, "error", "sub_contractor_not_permitted",
         "R9"),
        ({"contractor": {"name": "x", "permitted_by": "y"}}, "note",
         "contractor_without_actors", "R9"),
        ({"accept": ["tap", "recheck"]}, "note", "tap_accepted", "R10"),
        ({"certificate": None, "accept": None, "operations": ["resolve", "erase", "disclose"],
          "evidence": None}, "error", "no_certificate_kind", "R15"),
        ({"certificate": {"kind": ["authentication"], "medium": ["card"]}}, "warning",
         "never_reached", "R15"),
    ],
)  # fmt: skip
def test_findings(changes: dict[str, Any], level: str, code: str, rule: str) -> None:
    found = {(f.level.value, f.code, f.rule) for f in check(purpose(**changes))}
    assert (level, code, rule) in found


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        ("organisation.roles", ["signature_verifier"], "role_missing"),
        ("organisation.roles", ["authentication_verifier"], "role_missing"),
        ("organisation.registration", None, "registration_missing"),
        ("switches", {"lift_phone_hold": True}, "switch_on"),
    ],
)
def test_findings_about_the_organisation(place: str, value: Any, code: str) -> None:
    assert code in {f.code for f in check(policy(place, value))}


def test_the_number_wants_an_assessment() -> None:
    document = changed("organisation.pia", None)
    document["service"][0]["purpose"][0]["data_items"] = ["number"]
    assert "pia" in {f.code for f in check(policy_of(document))}


def test_a_provider_keeps_no_serial() -> None:
    document = changed("organisation.roles", ["service_provider"])
    document["service"][0]["purpose"][0]["stores_serial"] = True
    assert "provider_keeps_serial" in {f.code for f in check(policy_of(document))}


def test_no_map_without_another_way() -> None:
    assert acceptable(policy())
    assert not acceptable(purpose(alternative_path=None))


# articles ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("article", "as_of", "matter", "fit", "expected"),
    [
        # passing within one municipality by ordinance: 19条9号, then 11号
        ("19条9号", date(2015, 5, 12), "ordinance_passing", None, ""),
        ("19条9号", date(2022, 10, 18), "ordinance_passing", Fit.MOVED, "19条11号"),
        ("第19条第9号", date(2022, 10, 18), "ordinance_passing", Fit.MOVED, "19条11号"),
        ("１９条９号", date(2022, 10, 18), "ordinance_passing", Fit.MOVED, "19条11号"),
        ("19条11号", date(2022, 10, 18), "ordinance_passing", None, ""),
        ("19条11号", date(2015, 5, 12), "ordinance_passing", Fit.MOVED, "19条9号"),
        ("19条9号", date(2019, 1, 1), "ordinance_passing", Fit.UNCLEAR, ""),
        # linkage by committee rule: 19条14号, then 9号
        ("19条14号", date(2015, 5, 12), "committee_rule", None, ""),
        ("19条14号", date(2022, 10, 18), "committee_rule", Fit.MOVED, "19条9号"),
        ("19条9号", date(2022, 10, 18), "committee_rule", None, ""),
        ("19条9号", date(2015, 5, 12), "committee_rule", Fit.MOVED, "19条14号"),
        # the number alone: right for one matter and wrong for another
        ("19条9号", date(2022, 10, 18), "", Fit.UNCLEAR, "19条11号"),
        ("19条14号", date(2022, 10, 18), "", Fit.MOVED, "19条9号"),
        ("19条11号", date(2015, 5, 12), "", Fit.MOVED, "19条9号"),
        # PIA
        ("27条", date(2015, 5, 12), "", None, ""),
        ("27条", date(2022, 10, 18), "", Fit.MOVED, "28条"),
        ("28条", date(2015, 5, 12), "", Fit.MOVED, "27条"),
        # own uses by ordinance did not move
        ("9条2項", date(2015, 5, 12), "", None, ""),
        ("9条2項", date(2022, 10, 18), "", None, ""),
    ],
)
def test_articles_that_moved(
    article: str, as_of: date, matter: str, fit: Fit | None, expected: str
) -> None:
    found = fit_of(LegalBasis("番号法", article, as_of, matter=matter))
    assert (found.fit if found else None) is fit
    assert (found.expected if found else "") == expected


@pytest.mark.parametrize(
    ("act", "article", "as_of", "matter", "fit"),
    [
        ("公的個人認証法", "18条3項", date(2016, 1, 1), "card_phone_number", None),
        ("公的個人認証法", "18条3項", date(2026, 1, 1), "card_phone_number", Fit.MOVED),
        ("公的個人認証法", "18条3項", date(2026, 1, 1), "latest_info", None),
        ("公的個人認証法", "18条3項", date(2016, 1, 1), "latest_info", Fit.MOVED),
        ("犯収法施行規則", "6条1項1号カ", date(2026, 6, 14), "jpki", None),
        ("犯収法施行規則", "6条1項1号カ", date(2027, 4, 1), "jpki", Fit.MOVED),
        ("犯収法施行規則", "6条1項1号ヌ", date(2027, 4, 1), "jpki", None),
        ("マイナンバー法", "27条", date(2022, 10, 18), "", Fit.MOVED),
        ("図書館法", "27条", date(2022, 10, 18), "", None),
    ],
)
def test_articles_of_other_acts(
    act: str, article: str, as_of: date, matter: str, fit: Fit | None
) -> None:
    found = fit_of(LegalBasis(act, article, as_of, matter=matter))
    assert (found.fit if found else None) is fit


def test_article_and_item_may_stand_apart() -> None:
    joined = LegalBasis("番号法", "19条", date(2022, 1, 1), "9号", "ordinance_passing")
    found = fit_of(joined)
    assert found is not None
    assert found.expected == "19条11号"


@pytest.mark.parametrize(
    ("number", "as_of", "code"),
    [
        ("19条9号", date(2022, 10, 18), "article_moved"),
        ("19条9号", date(2019, 10, 18), "article_unclear"),
        ("19条11号", date(2022, 10, 18), None),
    ],
)
def test_a_policy_that_cites_the_old_number_is_flagged(
    number: str, as_of: date, code: str | None
) -> None:
    scope = {"field": "welfare", "ordinance": "条例", "passing": basis("番号法", number, as_of)}
    codes = {f.code: f.level for f in check(purpose(ordinance_scope=scope))}
    assert set(codes) == ({code} if code else set())
    if code == "article_moved":
        assert codes[code] is Level.ERROR


# diff --------------------------------------------------------------------------------------


def test_a_policy_does_not_differ_from_itself() -> None:
    assert diff(policy(), policy()) == ()


@pytest.mark.parametrize(
    ("place", "value", "effect"),
    [
        ("organisation.roles", ["signature_verifier"], Effect.NARROWER),
        ("switches", {"lift_phone_hold": True}, Effect.WIDER),
        ("service.0.purpose.0.actors", ["kiosk-*", "web"], Effect.WIDER),
        ("service.0.purpose.0.data_items", [], Effect.NARROWER),
        ("service.0.purpose.0.assurance", {"resolve": "sign"}, Effect.NARROWER),
        ("service.0.purpose.0.assurance", {"resolve": "tap"}, Effect.WIDER),
        ("service.0.purpose.0.assurance", {"resolve": "auth"}, Effect.OTHER),
        ("service.0.purpose.0.valid_until", date(2030, 1, 1), Effect.WIDER),
        ("service.0.purpose.0.valid_until", date(2026, 12, 31), Effect.NARROWER),
        ("service.0.purpose.0.valid_until", None, Effect.WIDER),
        ("service.0.purpose.0.valid_from", date(2026, 1, 1), Effect.WIDER),
        ("service.0.purpose.0.valid_from", date(2026, 5, 1), Effect.NARROWER),
        ("service.0.purpose.0.children", True, Effect.WIDER),
        ("service.0.purpose.0.retention", "none", Effect.OTHER),
        ("organisation.pia", "other", Effect.OTHER),
    ],
)
def test_effects(place: str, value: Any, effect: Effect) -> None:
    [change] = diff(policy(), policy(place, value))
    assert change.effect is effect
    [back] = diff(policy(place, value), policy())
    opposite = {Effect.WIDER: Effect.NARROWER, Effect.NARROWER: Effect.WIDER}
    assert back.effect is opposite.get(effect, Effect.OTHER)
    assert (back.before, back.after) == (change.after, change.before)


def test_consent_narrows() -> None:
    changes = {c.place: c.effect for c in diff(policy(), purpose(notice="1", consent=True))}
    assert changes["library/lend.consent"] is Effect.NARROWER


def test_a_whole_purpose_is_one_change() -> None:
    document = good()
    document["service"][0]["purpose"].append({**document["service"][0]["purpose"][0], "id": "b"})
    [change] = diff(policy(), policy_of(document))
    assert (change.place, change.effect) == ("library/b", Effect.WIDER)


# corporate number --------------------------------------------------------------------------


def _invented(base: str) -> str:
    return f"{check_digit(base)}{base}"


@pytest.mark.parametrize(
    ("base", "digit"),
    [
        ("0" * 12, 9),  # remainder 0
        ("000000000001", 8),  # right-most place counts once
        ("000000000010", 7),  # the next twice
        ("700110005901", 8),  # the example in the ministry's rule, as remembered
        ("000012050002", 7),  # 国税庁 itself: 7000012050002, public
    ],
)
def test_check_digits(base: str, digit: int) -> None:
    assert check_digit(base) == digit


def test_one_wrong_digit_is_found_unless_it_is_nine_for_nought() -> None:
    """By remainders of 9, only a swap of 0 and 9 stays unseen."""
    rng = random.Random(5)
    for _ in range(200):
        number = _invented("".join(str(rng.randrange(10)) for _ in range(12)))
        place, digit = rng.randrange(13), str(rng.randrange(10))
        other = number[:place] + digit + number[place + 1 :]
        same = {digit, number[place]} <= {"0", "9"} and place > 0
        assert is_corporate_number(other) is (other == number or same), (number, other)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("7000012050002", True),
        ("７０００012050002", True),
        ("7-0000-1205-0002", True),
        (" 7000012050002\n", True),
        ("8000012050002", False),
        ("700001205000", False),
        ("70000120500020", False),
        ("", False),
        ("T000012050002", False),
        ("٧000012050002", False),
    ],
)
def test_what_is_a_corporate_number(text: str, good: bool) -> None:
    assert is_corporate_number(text) is good


@pytest.mark.parametrize("base", ["", "1", "12345678901x", "1234567890123", "٧00001205000"])
def test_bad_bases_are_refused(base: str) -> None:
    with pytest.raises(ValueError, match="twelve digits"):
        check_digit(base)
