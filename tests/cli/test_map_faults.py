# SPDX-License-Identifier: Apache-2.0
"""``jpki map`` and what goes wrong: each ends in a typed error or a refusal, nothing half-done."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from command_line import NOW, Cli, Commands, Result
from jpki.messages import LANGUAGES
from jpki.testing.cards import PluggedCard
from map_cli import LIBRARY, MapCli, edited, error

Watch = Callable[[PluggedCard], Commands]


@pytest.fixture
def table(cli: Cli, tmp_path: Path) -> MapCli:
    made = MapCli(cli, tmp_path)
    assert made.init().code == 0
    return made


def refusal(done: Result) -> tuple[int, str, str, str]:
    """Exit code, outcome, rule and article."""
    answer = done.json
    return done.code, answer["outcome"], answer["rule"], answer["article"]


# what the policy refuses -----------------------------------------------------------------


def purpose(**lines: str) -> str:
    """The library's policy with lines of its first purpose replaced or added."""
    head, mark, rest = LIBRARY.partition('id = "lend"')
    for name, line in lines.items():
        kept = [one for one in rest.split("\n") if not one.startswith(f"{name} =")]
        place = kept.index("[[service.purpose]]")
        rest = "\n".join([*kept[: place - 1], line, *kept[place - 1 :]])
    return head + mark + rest


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("change", "words", "rule", "article"),
    [
        ("", ("--purpose", "unknown"), "R5", "公的個人認証法52条1項"),
        ("", ("--service", "unknown"), "R5", "公的個人認証法52条1項"),
        ("", ("--purpose", "records"), "R5", "個人情報保護法76条"),
        ("valid_until = 2026-05-01", (), "R5", "○○市立図書館条例6条"),
        ("", ("--role", "special-verifier"), "R2", "公的個人認証法38条の2"),
        ("", ("--actor", "web-1"), "R9", "公的個人認証法50条"),
        ("", ("--receiver", "somebody"), "R5", "○○市立図書館条例6条"),
        ("", ("--receiver", "900000000028"), "R17", "番号法20条"),
        ("", ("--key", "sign"), "R15", "○○市立図書館条例6条"),
        ("", ("--child",), "R14", "○○市立図書館条例6条"),
        ("", ("--child", "--guardian", "no"), "R14", "○○市立図書館条例6条"),
    ],
    ids=["unknown purpose", "unknown service", "not for this purpose", "expired", "role",
         "actor", "receiver", "a number", "kind", "child", "guardian"],
)  # fmt: skip
def test_refused_with_rule_and_article_and_recorded(
    table: MapCli, hanako: PluggedCard, watch: Watch, lang: str, change: str,
    words: tuple[str, ...], rule: str, article: str,
) -> None:  # fmt: skip
    if change:
        table.write_policy("changed.toml", purpose(**{change.partition(" ")[0]: change}))
    seen = watch(hanako)
    done = table("resolve", *words, "--reader", hanako.uri, "--json")
    assert refusal(done) == (1, "refused", rule, article)
    assert seen.presented == 0
    told = table("resolve", *words, "--reader", hanako.uri, "--lang", lang)
    assert f"{rule}  {article}" in told.out
    assert "900000000028" not in done.out + told.out + told.err
    assert table.entries() == 2


def test_a_child_with_the_guardians_consent(table: MapCli) -> None:
    assert table("enrol", "--child", "--guardian", "yes", "--reader", "virtual:child").code == 0


def test_missing_consent(cli: Cli, tmp_path: Path) -> None:
    """Enrolled before the purpose asked for consent."""
    table = MapCli(cli, tmp_path)
    table.init()
    table("enrol")
    asking = purpose(consent="consent = true", notice='notice = "1"').replace(
        '"enrol", "resolve"]', '"enrol", "resolve", "withdraw"]'
    )
    table.write_policy("asking.toml", asking)
    done = table("resolve", "--json")
    assert refusal(done) == (1, "refused", "R8", "○○市立図書館条例6条")
    assert done.json["pseudonym"] is None


def test_online_residence_records_want_a_signature(cli: Cli, tmp_path: Path) -> None:
    table = MapCli(cli, tmp_path, "konbini", actor="kiosk-7")
    table.init()
    words = ("enrol", "--purpose", "issue-residence-certificate", "--json")
    assert refusal(table(*words, "--channel", "online"))[2:] == ("R15", "情報通信技術活用法6条1項")
    assert table(*words).code == 0


# presentations ---------------------------------------------------------------------------


def test_replayed(table: MapCli) -> None:
    table("enrol")
    file = table.presentation("resolve")
    assert table.brought("resolve", file).code == 0
    for _ in range(2):
        again = table.brought("resolve", file, "--json")
        assert refusal(again) == (1, "refused", "R10", "公的個人認証法38条")
        assert again.json["reason"] == "challenge_used"
    assert table.entries() == 4
    rows = table.upkeep("report", "--json").json["rows"]
    assert [r["article"] for r in rows if r["outcome"] == "refused"] == ["公的個人認証法38条"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"purpose": "library/lend: enrol"}, "challenge_edited"),
        ({"origin": "https://elsewhere.example"}, "challenge_edited"),
        ({"nonce": "A" * 43 + "="}, "challenge_edited"),
        ({"id": "A" * 22}, "challenge_foreign"),
    ],
)
def test_edited(table: MapCli, changes: dict[str, str], reason: str) -> None:
    file = edited(table.presentation("resolve"), **changes)
    done = table.brought("resolve", file, "--json")
    assert refusal(done) == (1, "refused", "R10", "公的個人認証法38条")
    assert (done.json["reason"], done.json["pseudonym"]) == (reason, None)


def test_another_persons_certificate_with_the_own_signature(table: MapCli) -> None:
    table("enrol")
    challenge = table.challenge("resolve")
    mine = json.loads(table.respond(challenge, "--reader", "virtual:driver").read_text("utf-8"))
    file = table.respond(challenge, "--force")
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")),
                                "signature": mine["signature"]}))  # fmt: skip
    done = table.brought("resolve", file, "--json")
    assert refusal(done)[:3] == (1, "refused", "R2")
    assert done.json["reason"] == "signature_wrong"


def test_edited_before_it_was_signed(table: MapCli) -> None:
    challenge = table.challenge("resolve")
    raw = json.loads(challenge.read_text("utf-8"))
    raw["origin"] = "https://elsewhere.example"
    challenge.write_text(json.dumps(raw), encoding="utf-8")
    done = table.brought("resolve", table.respond(challenge), "--json")
    assert (done.code, done.json["reason"]) == (1, "challenge_edited")


def test_a_foreign_challenge(table: MapCli, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    elsewhere = MapCli(table.cli, other)
    elsewhere.init()
    done = table.brought("resolve", elsewhere.presentation("resolve"), "--json")
    assert refusal(done) == (1, "refused", "R10", "公的個人認証法38条")
    assert done.json["reason"] == "challenge_foreign"


def test_a_challenge_for_something_else(table: MapCli) -> None:
    done = table.brought("resolve", table.presentation("enrol"), "--json")
    assert (done.code, done.json["reason"]) == (1, "challenge_other_purpose")


def test_too_late(table: MapCli) -> None:
    file = table.presentation("resolve")
    table.cli.clock = lambda: NOW + timedelta(minutes=6)
    done = table.brought("resolve", file, "--json")
    assert (done.code, done.json["reason"]) == (1, "challenge_expired")


def test_a_challenge_never_outlives_a_day(table: MapCli, tmp_path: Path) -> None:
    out = tmp_path / "long.json"
    done = table.cli(
        "map", "challenge", *table.place, "--policy", "library", "--trust", "test",
        "--operation", "resolve", "--ttl", "86401", "--out", str(out), "--json",
    )  # fmt: skip
    assert error(done) == (1, "challenge")
    assert not out.exists()


@pytest.mark.parametrize("length", [0, 1, 40, 400, 1200])
def test_a_presentation_cut_short(table: MapCli, length: int) -> None:
    file = table.presentation("resolve")
    file.write_bytes(file.read_bytes()[:length])
    assert error(table.brought("resolve", file, "--json")) == (1, "challenge")


def test_a_file_that_is_not_there(table: MapCli, tmp_path: Path) -> None:
    assert error(table.brought("resolve", tmp_path / "none", "--json")) == (1, "input_file")


# certificates and environments -----------------------------------------------------------


def test_a_test_card_in_a_production_map(
    cli: Cli, tmp_path: Path, hanako: PluggedCard, watch: Watch
) -> None:
    table = MapCli(cli, tmp_path, trust=())
    table.init()
    seen = watch(hanako)
    done = table("enrol", "--reader", hanako.uri, "--json")
    assert refusal(done) == (1, "refused", "R9", "公的個人認証法50条")
    assert done.json["reason"] == "environments_mixed"
    assert seen.presented == 0
    assert table.entries() == 1


def test_a_test_cards_answer_in_a_production_map(cli: Cli, tmp_path: Path) -> None:
    table = MapCli(cli, tmp_path, trust=())
    table.init()
    done = table.brought("enrol", table.presentation("enrol"), "--json")
    assert refusal(done)[:3] == (1, "refused", "R2")
    assert done.json["reason"] == "path_not_valid"


@pytest.mark.parametrize("words", [("resolve",), ("enrol",), ("disclose",)])
def test_trust_stands_on_the_command_line_alone(table: MapCli, words: tuple[str, ...]) -> None:
    table.trust = ()
    table.cli.env["JPKI_TRUST"] = "test"
    folder = table.folder / "etc"
    folder.mkdir()
    (folder / "config.toml").write_text('trust = "test"\n')
    table.cli.env["JPKI_CONFIG"] = str(folder / "config.toml")
    assert error(table(*words, "--json")) == (1, "map_environment")


def test_upkeep_needs_no_trust_and_refuses_a_wrong_one(table: MapCli) -> None:
    assert table.upkeep("ledger", "verify").code == 0
    assert table.upkeep("ledger", "verify", "--trust", "test").code == 0
    wrong = table.upkeep("ledger", "verify", "--trust", "production", "--json")
    assert error(wrong) == (1, "map_environment")


@pytest.mark.parametrize("trust", ["jlis-test", "ROOT"])
def test_a_map_is_for_production_or_for_tests(cli: Cli, tmp_path: Path, trust: str) -> None:
    table = MapCli(cli, tmp_path, trust=("--trust", trust))
    done = cli("map", "init", *table.place, "--policy", "library", *table.trust, "--json")
    assert error(done) == (1, "map_environment")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("card", "pin", "outcome"), [("taro-moved", "auth", "resolved"), ("jiro-expired", "auth", "")]
)
def test_certificates_that_are_no_longer_in_force(
    table: MapCli, card: str, pin: str, outcome: str
) -> None:
    """The moved man's auth certificate is good; an expired one enrols nobody."""
    done = table("enrol", "--reader", f"virtual:{card}", "--json")
    expected = (0, outcome) if outcome else (1, "refused")
    assert (done.code, done.json["outcome"]) == expected


def test_no_answer_without_a_revocation_check(table: MapCli) -> None:
    table("enrol")
    done = table("resolve", "--revocation", "none", "--json")
    assert refusal(done) == (1, "refused", "R2", "公的個人認証法19条")
    assert done.json["reason"] == "status_unknown"


def test_a_wrong_pin_leaves_no_trace(table: MapCli) -> None:
    done = table("enrol", "--json", pins=["9999"])
    assert (done.code, done.json["attempts_left"]) == (4, 2)
    assert table.entries() == 0


def test_no_pin_no_card(table: MapCli, hanako: PluggedCard, watch: Watch) -> None:
    seen = watch(hanako)
    done = table("enrol", "--reader", hanako.uri, pins=[])
    assert (done.code, seen.seen) == (2, [])
