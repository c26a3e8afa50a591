# SPDX-License-Identifier: Apache-2.0
"""Policy files: read strictly, every fault with its place; presets; the published schema."""

from __future__ import annotations

import copy
import json
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from jpki.errors import ConfigurationError
from jpki.mapping.check import Level, check
from jpki.mapping.policy import Operation, Proof, Role
from jpki.mapping.policy_file import PRESETS, digest_of, load_policy, parse_policy, policy_of
from policies import GOOD, changed, good, preset

P = "service.0.purpose.0"
BASIS = {"act": "番号法", "article": "16条", "as_of": date(2026, 6, 14)}
QUESTIONS = ("law", "ordinances and rules", "systems", "business process",
             "safety measures, PIA", "residents and other bodies", "other")  # fmt: skip
PRESET_FILES = resources.files("jpki.mapping") / "presets"

# place to change, value, place of the fault, reason, whether the schema refuses it, too
FAULTS: list[tuple[str, Any, str, str, bool]] = [
    ("schema", "jpki.policy/2", "schema", "bad_value", True),
    ("schema", None, "schema", "missing", True),
    ("extra", 1, "extra", "unknown_key", True),
    ("service", None, "service", "missing", True),
    ("service", {}, "service", "wrong_type", True),
    ("service", [], "service", "missing", True),
    ("service.0.purpose", [], "service[1].purpose", "missing", True),
    ("organisation.name", None, "organisation.name", "missing", True),
    ("organisation.name", "", "organisation.name", "bad_value", True),
    ("organisation.name", "a\x1b[2J", "organisation.name", "bad_value", False),
    ("organisation.roles", ["king"], "organisation.roles", "bad_value", True),
    ("organisation.roles", "signature_verifier", "organisation.roles", "wrong_type", True),
    ("organisation.roles", ["service_provider", "signature_verifier"], "organisation.roles",
     "provider_with_other_role", False),
    ("organisation.colour", "red", "organisation.colour", "unknown_key", True),
    ("switches", {"everything": True}, "switches.everything", "unknown_key", True),
    ("switches", {"lift_phone_hold": 1}, "switches.lift_phone_hold", "wrong_type", True),
    ("service.0.id", "Große", "service[1].id", "bad_value", True),
    (f"{P}.id", "a b", "service[1].purpose[1].id", "bad_value", True),
    (f"{P}.category", "whatever", "service[1].purpose[1].category", "bad_value", True),
    (f"{P}.category", None, "service[1].purpose[1].category", "missing", True),
    (f"{P}.operations", [], "service[1].purpose[1].operations", "missing", True),
    (f"{P}.operations", ["fly"], "service[1].purpose[1].operations", "bad_value", True),
    (f"{P}.operations", ["enrol", "enrol"], "service[1].purpose[1].operations", "bad_value",
     True),
    (f"{P}.operations", ["export"], "service[1].purpose[1].operations", "export_never", True),
    (f"{P}.valid_from", "2026-04-01 or so", "service[1].purpose[1].valid_from", "wrong_type",
     True),
    (f"{P}.valid_from", datetime(2026, 4, 1), "service[1].purpose[1].valid_from", "wrong_type",
     False),
    (f"{P}.valid_until", date(2026, 3, 31), "service[1].purpose[1].valid_until",
     "ends_before_begin", False),
    (f"{P}.certificate", {"kind": ["auth"], "medium": ["card"]},
     "service[1].purpose[1].certificate.kind", "bad_value", True),
    (f"{P}.certificate", {"kind": ["authentication"]},
     "service[1].purpose[1].certificate.medium", "missing", False),
    (f"{P}.accept", ["auth"], "service[1].purpose[1].accept", "bad_value", True),
    (f"{P}.accept", ["tap"], "service[1].purpose[1].accept", "recheck_not_accepted", False),
    (f"{P}.staff", None, "service[1].purpose[1].staff", "staff_missing", False),
    (f"{P}.evidence", None, "service[1].purpose[1].evidence", "missing", False),
    (f"{P}.evidence", {"years": 0, "legal_basis": BASIS},
     "service[1].purpose[1].evidence.years", "bad_value", True),
    (f"{P}.evidence", {"years": True, "legal_basis": BASIS},
     "service[1].purpose[1].evidence.years", "wrong_type", True),
    (f"{P}.evidence", {"years": 7}, "service[1].purpose[1].evidence.legal_basis", "missing",
     True),
    (f"{P}.consent", True, "service[1].purpose[1].notice", "consent_without_notice", False),
    (f"{P}.consent", "yes", "service[1].purpose[1].consent", "wrong_type", True),
    (f"{P}.data_items", ["serial"], "service[1].purpose[1].data_items", "serial_never", False),
    (f"{P}.data_items", ["card_serial"], "service[1].purpose[1].data_items", "serial_never",
     False),
    (f"{P}.assurance", {"disclose": "tap"}, "service[1].purpose[1].assurance.disclose",
     "below_floor", False),
    (f"{P}.assurance", {"consent": "auth"}, "service[1].purpose[1].assurance.consent",
     "below_floor", False),
    (f"{P}.assurance", {"resolve": "none"}, "service[1].purpose[1].assurance.resolve",
     "bad_value", True),
    (f"{P}.assurance", {"suspend": "auth"}, "service[1].purpose[1].assurance.suspend",
     "unknown_key", True),
    (f"{P}.assurance", {"check_age": "auth"}, "service[1].purpose[1].assurance",
     "operation_not_listed", False),
    (f"{P}.retention", "for ever", "service[1].purpose[1].retention", "bad_value", True),
    (f"{P}.legal_basis", {"act": "番号法", "article": "16条"},
     "service[1].purpose[1].legal_basis.as_of", "missing", True),
    (f"{P}.legal_basis", {**BASIS, "mood": "x"}, "service[1].purpose[1].legal_basis.mood",
     "unknown_key", True),
    (f"{P}.contractor", {"permitted_by": "x"}, "service[1].purpose[1].contractor.name",
     "missing", True),
    (f"{P}.ordinance_scope", {"field": "war", "ordinance": "x"},
     "service[1].purpose[1].ordinance_scope.field", "bad_value", True),
    (f"{P}.alternative_path", {"fr": "x"}, "service[1].purpose[1].alternative_path.fr",
     "unknown_key", True),
    (f"{P}.actors", ["x"] * 2, "service[1].purpose[1].actors", "bad_value", True),
    (f"{P}.number", "1", "service[1].purpose[1].number", "unknown_key", True),
]  # fmt: skip


def as_json(document: dict[str, Any]) -> Any:
    """TOML as the schema sees it: dates as strings."""
    return json.loads(json.dumps(document, default=lambda day: day.isoformat()))


def schema() -> Draft202012Validator:
    text = (resources.files("jpki") / "schemas" / "policy-1.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


@pytest.mark.parametrize(
    ("place", "value", "at", "reason", "in_schema"), FAULTS, ids=lambda v: str(v)[:40]
)
def test_faults_name_their_place(
    place: str, value: Any, at: str, reason: str, in_schema: bool
) -> None:
    document = changed(place, value)
    with pytest.raises(ConfigurationError) as caught:
        policy_of(document, "p.toml")
    assert caught.value.values == {"path": "p.toml", "place": at, "reason": reason}
    assert caught.value.code == "policy_file"
    if in_schema:
        assert not schema().is_valid(as_json(document))


def test_ids_are_unique() -> None:
    document = good()
    document["service"].append(document["service"][0])
    with pytest.raises(ConfigurationError) as caught:
        policy_of(document)
    assert caught.value.values["reason"] == "twice"
    document = good()
    document["service"][0]["purpose"] *= 2
    with pytest.raises(ConfigurationError):
        policy_of(document)


def test_the_good_one_is_good_by_reader_and_schema() -> None:
    read = parse_policy(GOOD.encode())
    assert read == policy_of(good())
    schema().validate(as_json(good()))
    purpose = read.services[0].purposes[0]
    assert read.organisation.roles == {Role.SIGNATURE_VERIFIER, Role.AUTHENTICATION_VERIFIER}
    assert purpose.lowest(Operation.RESOLVE) is Proof.AUTH
    assert purpose.lowest(Operation.CONSENT) is Proof.SIGN
    assert str(purpose.legal_basis) == "○○市立図書館条例6条"
    assert purpose.valid_until == date(2027, 3, 31)


@pytest.mark.parametrize("raw", [b"\xff", b"schema = ", b"a = 1\na = 2", b"\x00"])
def test_what_is_no_toml(raw: bytes) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_policy(raw)
    assert caught.value.values["reason"] == "not_toml"


def test_truncated_anywhere_it_is_refused_or_still_whole() -> None:
    """At no length does a cut file pass for another policy."""
    raw = GOOD.encode()
    whole = policy_of(good())
    for length in range(len(raw)):
        try:
            read = parse_policy(raw[:length])
        except ConfigurationError:
            continue
        # A cut may fall between two optional keys: then less is allowed, never more.
        [was], [now] = whole.services[0].purposes, read.services[0].purposes
        assert now.operations == was.operations
        assert set(now.actors) <= set(was.actors)
        assert now.accept <= was.accept


def test_too_large() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_policy(GOOD.encode() + b"#" * 300_000)
    assert caught.value.values["reason"] == "too_large"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("nosuch", "no_such_preset"), ("no/such.toml", "not_readable"), ("x.toml", "not_readable"),
     ("a\0b", "no_such_preset")],
)  # fmt: skip
def test_what_is_not_there(name: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_policy(name)
    assert caught.value.values["reason"] == reason


def test_a_file_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert load_policy(str(path)).name == "mine"


def test_the_digest_is_of_the_content_not_the_layout() -> None:
    first = parse_policy(GOOD.encode())
    again = parse_policy(("# a comment\n" + GOOD.replace(" = ", "=", 1)).encode())
    assert first.digest == again.digest == digest_of(good())
    assert first.version == f"sha256:{first.digest[:16]}"
    assert policy_of(changed(f"{P}.children", True)).digest != first.digest
    assert policy_of(changed("version", "2026-1")).version == "2026-1"


# presets -----------------------------------------------------------------------------------


def test_presets_are_the_files() -> None:
    files = {entry.name.removesuffix(".toml") for entry in PRESET_FILES.iterdir()}
    assert files == set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_read_and_without_errors(name: str) -> None:
    read = load_policy(name)
    assert read.name == name
    assert [f for f in check(read) if f.level is Level.ERROR] == []
    schema().validate(as_json(preset(name)))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_answer_the_seven_questions(name: str) -> None:
    text = (PRESET_FILES / f"{name}.toml").read_text(encoding="utf-8")
    header = text.partition("\nschema")[0]
    at = [header.find(f"\n# {question}: ") for question in QUESTIONS]
    assert -1 not in at
    assert at == sorted(at)


@pytest.mark.parametrize("name", PRESETS)
def test_every_purpose_of_a_preset_has_words_and_another_way(name: str) -> None:
    for service in load_policy(name).services:
        assert set(service.title) == {"ja", "en"}
        for purpose in service.purposes:
            # In easy Japanese too, or in none: what a terminal shows (tests/jpki/kiosk).
            assert set(purpose.title) >= {"ja", "en"}, purpose.id
            assert set(purpose.alternative_path) == set(purpose.title), purpose.id


def test_a_preset_is_not_changed_by_reading_it() -> None:
    before = preset("konbini")
    policy_of(copy.deepcopy(before))
    assert preset("konbini") == before
