# SPDX-License-Identifier: Apache-2.0
"""``jpki map`` from the outside: one person's life in a map, and what is told about it."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from command_line import NOW, Cli, Commands, validate
from jpki.mapping.answers import GROUNDS, Outcome
from jpki.mapping.lifecycle import State
from jpki.mapping.policy import LinkEvidence, LinkKind, Operation, Role
from jpki.messages import LANGUAGES, has
from jpki.testing.cards import PluggedCard
from jpki_cli.commands import map_challenge
from map_cli import AUTH, SIGN, MapCli
from soft_token import PIN as TOKEN_PIN
from soft_token import make_token

Watch = Callable[[PluggedCard], Commands]


@pytest.fixture
def table(cli: Cli, tmp_path: Path) -> MapCli:
    made = MapCli(cli, tmp_path)
    assert made.init().code == 0
    return made


def made(cli: Cli, folder: Path, policy: str) -> MapCli:
    new = MapCli(cli, folder, policy)
    assert new.init().code == 0
    return new


def test_init_makes_database_and_keys_for_their_owner_alone(cli: Cli, tmp_path: Path) -> None:
    table = MapCli(cli, tmp_path)
    arguments = ("map", "init", *table.place, "--policy", "library", "--trust", "test", "--json")
    assert cli(*arguments).json["services"] == ["library"]
    for path in (table.db, table.keys):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert table.entries() == 0
    again = cli(*arguments)
    assert (again.code, again.json["code"]) == (1, "map_key_file")
    assert table.entries() == 0


def test_a_map_without_trust_is_for_production(cli: Cli, tmp_path: Path) -> None:
    table = MapCli(cli, tmp_path, trust=())
    done = cli("map", "init", *table.place, "--policy", "library", "--json")
    assert done.json["environment"] == "production"


def test_enrol_and_resolve(table: MapCli) -> None:
    enrolled = table.answer("enrol")
    assert enrolled["outcome"] == "resolved"
    assert enrolled["decision"]["purpose"] == "lend"  # not named: only one enrols
    resolved = table("resolve", "--json")
    assert (resolved.code, resolved.json["pseudonym"]) == (0, enrolled["pseudonym"])
    again = table("enrol", "--json")
    assert (again.code, again.json["outcome"], again.json["pseudonym"]) == (1, "duplicate", None)
    other = table("resolve", "--reader", "virtual:driver", "--json")
    assert (other.code, other.json["outcome"]) == (1, "unregistered")
    assert table.entries() == 4


def test_the_answer_in_words(table: MapCli) -> None:
    shown = table("enrol")
    assert "TEST CARD" in shown.out
    pseudonym = table.answer("resolve")["pseudonym"]
    assert pseudonym in shown.out
    refused = table("resolve", "--actor", "stranger")
    assert refused.code == 1
    assert "refused  R9  公的個人認証法50条" in refused.out


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_first_screen_of_enrolment(table: MapCli, lang: str) -> None:
    """R16: before the PIN the holder reads for what, on which article, and the other way."""
    done = table("enrol", "--lang", lang, typed=["9999"])
    assert done.code == 4
    other = {"en": "The library's own card stays valid.", "ja": "これまでどおり使えます。"}[lang]
    for told in (other, "○○市立図書館条例6条", "○○市", "library/lend: enrol"):
        assert told in done.err
    assert table.entries() == 0


def test_one_pin_one_verify(table: MapCli, hanako: PluggedCard, watch: Watch) -> None:
    seen = watch(hanako)
    assert table("enrol", "--reader", hanako.uri).code == 0
    assert seen.presented == 1


def test_what_the_policy_refuses_costs_no_pin(
    table: MapCli, hanako: PluggedCard, watch: Watch
) -> None:
    seen = watch(hanako)
    done = table("resolve", "--reader", hanako.uri, "--actor", "stranger", "--json")
    assert (done.code, done.json["rule"], done.json["article"]) == (1, "R9", "公的個人認証法50条")
    assert seen.seen == []
    assert table.entries() == 1


def test_presented_by_a_file(table: MapCli) -> None:
    pseudonym = table.answer("enrol")["pseudonym"]
    done = table.brought("resolve", table.presentation("resolve"), "--json")
    assert (done.code, done.json["pseudonym"]) == (0, pseudonym)


def test_the_sign_key_where_the_policy_asks_for_it(cli: Cli, tmp_path: Path) -> None:
    table = made(cli, tmp_path, "city-id")
    weak = table("enrol", "--key", "auth", "--json")
    assert (weak.code, weak.json["rule"]) == (1, "R10")
    assert table("enrol", pins=[SIGN]).code == 0
    file = table.respond(table.challenge("enrol"), "--key", "sign", pin=SIGN)
    assert table.brought("enrol", file, "--json").json["outcome"] == "duplicate"


def test_link_both_certificates_of_a_card(cli: Cli, tmp_path: Path) -> None:
    table = made(cli, tmp_path, "city-id")
    pseudonym = table.answer("enrol", pins=[SIGN])["pseudonym"]
    assert table.answer("resolve")["outcome"] == "unregistered"
    linked = table.answer("link", "--kind", "sign-auth", "--key", "auth", pins=[SIGN, AUTH])
    assert linked["outcome"] == "resolved"
    # The consent was given for logging in, and goes with the person.
    assert table.answer("resolve")["pseudonym"] == pseudonym
    shown = table("disclose")
    assert "sign and auth certificate" in shown.out


def test_link_a_phone_to_the_card(cli: Cli, tmp_path: Path) -> None:
    table = made(cli, tmp_path, "phone")
    pseudonym = table.answer("enrol")["pseudonym"]
    phone = ("--reader", "virtual:android")
    linked = table.answer(
        "link", "--kind", "card-phone", "--known-reader", "virtual:hanako", *phone,
        pins=[AUTH, AUTH],
    )  # fmt: skip
    assert linked["outcome"] == "resolved"
    assert table.answer("resolve", *phone)["pseudonym"] == pseudonym


def test_link_by_files_that_answer_one_challenge(cli: Cli, tmp_path: Path) -> None:
    table = made(cli, tmp_path, "phone")
    pseudonym = table.answer("enrol")["pseudonym"]
    asked = table.challenge("link", "--link", "card-phone")
    new = table.respond(asked, "--reader", "virtual:android").rename(tmp_path / "new")
    known = table.respond(asked)
    words = ("--kind", "card-phone", "--known", str(known), "--json")
    assert table.brought("link", new, *words).json["pseudonym"] == pseudonym
    apart = table.respond(table.challenge("link", "--link", "card-phone"))
    other = table.brought("link", new, "--kind", "card-phone", "--known", str(apart), "--json")
    assert (other.code, other.json["outcome"]) == (1, "refused")


def test_consent_given_and_withdrawn(cli: Cli, tmp_path: Path) -> None:
    table = made(cli, tmp_path, "city-id")
    who = ("--purpose", "login")
    table("enrol", pins=[SIGN])
    assert table("withdraw", "--key", "sign", pins=[SIGN]).code == 2  # it stands under consent
    assert table("consent", "withdraw", *who, "--key", "sign", pins=[SIGN]).code == 0
    refused = table("resolve", "--key", "sign", "--json", pins=[SIGN])
    assert (refused.code, refused.json["rule"]) == (1, "R8")
    assert table("consent", "give", *who, pins=[SIGN]).code == 0
    assert table("resolve", "--key", "sign", pins=[SIGN]).code == 0
    view = table.answer("disclose", "--key", "sign", pins=[SIGN])
    assert [c["state"] for c in view["consents"]] == ["withdrawn", "given"]


def test_the_persons_own_view(table: MapCli) -> None:
    """R6: who looked, when, for what, on which article; by role; of oneself alone."""
    table("enrol")
    table("resolve", "--actor", "terminal-7")
    table("enrol", "--reader", "virtual:driver")
    view = table.answer("disclose")
    assert [(a["operation"], a["purpose"], a["article"]) for a in view["accesses"]] == [
        ("resolve", "lend", "○○市立図書館条例6条"), ("enrol", "lend", "○○市立図書館条例6条"),
    ]  # fmt: skip
    assert {a["who"] for a in view["accesses"]} == {"authentication_verifier,signature_verifier"}
    shown = table("disclose")
    assert "looked up" in shown.out
    assert "terminal-7" not in shown.out
    stranger = table("disclose", "--reader", "virtual:android", "--json")
    assert (stranger.code, stranger.json["accesses"]) == (1, [])


def test_erased(table: MapCli) -> None:
    table("enrol")
    assert table("erase").code == 0
    assert table.answer("resolve")["outcome"] == "unregistered"
    assert table.entries() == 3  # and whole


def test_a_suppressed_person_is_answered_like_nobody(table: MapCli) -> None:
    pseudonym = table.answer("enrol")["pseudonym"]
    words = ("resolve", "--json")
    assert table.staff("suppress", "--pseudonym", pseudonym).code == 0
    hidden, unknown = table(*words), table(*words, "--reader", "virtual:driver")
    assert (hidden.code, hidden.raw, hidden.err) == (unknown.code, unknown.raw, unknown.err)
    shown = table("resolve"), table("resolve", "--reader", "virtual:driver")
    assert shown[0].out.split("\n")[1:] == shown[1].out.split("\n")[1:]
    assert "suppress" not in table.upkeep("report", "--json").out.replace('"suppress"', "")
    assert table.staff("suppress", "--lift", "--pseudonym", pseudonym).code == 0
    assert table.answer("resolve")["pseudonym"] == pseudonym


def test_staff_suspend_and_close(table: MapCli) -> None:
    pseudonym = table.answer("enrol")["pseudonym"]
    assert table.staff("suspend", "--pseudonym", pseudonym).code == 0
    refused = table("resolve", "--json")
    assert (refused.code, refused.json["reason"], refused.json["rule"]) == (1, "suspended", "R12")
    assert table.staff("close", "--pseudonym", pseudonym).code == 0
    assert table.answer("resolve")["outcome"] == "unregistered"


@pytest.mark.parametrize(
    ("actor", "document", "code"),
    [("terminal-1", "2026-1", "actor_not_staff"), ("staff-1", "", "document_reference")],
)
def test_staff_operations_want_staff_and_a_document(
    table: MapCli, actor: str, document: str, code: str
) -> None:
    words = ("suppress", "--pseudonym", "a" * 26, "--json")
    done = table.staff(*words, actor=actor, document=document)
    assert (done.code, done.json["decision"]["code"], done.json["rule"]) == (1, code, "R9")


def test_what_is_no_pseudonym_is_nobodys(table: MapCli) -> None:
    done = table.staff("suspend", "--pseudonym", "900000000028", "--json")
    assert (done.code, done.json["outcome"]) == (1, "unregistered")
    assert "900000000028" not in done.out


def test_rotated_keys_find_everybody(table: MapCli) -> None:
    old = table.keys.read_bytes()
    pseudonym = table.answer("enrol")["pseudonym"]
    assert table.upkeep("rotate", "--json").json == {
        "schema": "jpki.map.rotation/1", "service": "library", "epoch": 2,
    }  # fmt: skip
    assert table.answer("resolve")["pseudonym"] == pseudonym
    table.keys.write_bytes(old)
    stolen = table("resolve", "--json")
    assert (stolen.code, stolen.json["code"]) == (1, "map_key_file")


def test_keys_in_a_token(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token's PIN is the first line, the card's the next."""
    token = make_token(tmp_path, "map-cli", monkeypatch)
    where = ("--db", str(tmp_path / "map.db"), "--key-file", token.uri())
    policy = ("--policy", "library", "--trust", "test")
    wrong = cli("map", "init", *where, *policy, "--json", pins=["wrong-pin"])
    assert (wrong.code, wrong.json["code"]) == (4, "pin_of_token")
    assert not (tmp_path / "map.db").exists()
    assert cli("map", "init", *where, *policy, pins=[TOKEN_PIN]).code == 0
    terminal = ("--actor", "terminal-1", "--reader", "virtual:hanako", "--json")
    enrolled = cli("map", "enrol", *where, *policy, *terminal, pins=[TOKEN_PIN, AUTH])
    assert enrolled.json["outcome"] == "resolved"
    resolved = cli("map", "resolve", *where, *policy, *terminal, pins=[TOKEN_PIN, AUTH])
    assert resolved.json["pseudonym"] == enrolled.json["pseudonym"]
    assert cli("map", "ledger", "verify", *where, "--json", pins=[TOKEN_PIN]).json["entries"] == 2
    assert cli("map", "ledger", "verify", *where).code == 2  # nobody to ask


def test_a_map_takes_up_services_that_came_later(table: MapCli, tmp_path: Path) -> None:
    from importlib import resources

    presets = resources.files("jpki.mapping") / "presets"
    library, school = (
        (presets / f"{name}.toml").read_text("utf-8") for name in ("library", "school")
    )
    table.write_policy("both.toml", library + "\n" + school[school.index("[[service]]") :])
    words = ("--service", "school", "--purpose", "learn")
    missing = table("enrol", *words, "--json")
    assert (missing.code, missing.json["code"]) == (1, "map_key_file")
    arguments = ("map", "init", "--extend", *table.place, "--policy", table.policy, "--json")
    assert table.cli(*arguments).json["services"] == ["school"]
    assert table("enrol", *words).code == 0


def test_ledger_and_checkpoint(table: MapCli, tmp_path: Path) -> None:
    table("enrol")
    kept = tmp_path / "kept.json"
    made = table.upkeep("ledger", "checkpoint", "--out", str(kept), "--json").json
    assert made == json.loads(kept.read_text("utf-8"))
    validate(made)
    table("resolve")
    done = table.upkeep("ledger", "verify", "--checkpoint", str(kept), "--json")
    assert done.code == 0
    found = done.json
    assert (found["intact"], found["entries"], found["checkpoints"]) == (True, 2, 1)
    assert found["last_checkpoint"] == made
    shown = table.upkeep("ledger", "verify")
    assert shown.out.startswith("whole  Entries: 2\n")
    assert "Last checkpoint: entry 1" in shown.out


def test_the_report_counts_and_names_nobody(table: MapCli) -> None:
    pseudonym = table.answer("enrol")["pseudonym"]
    for actor in ("terminal-1", "terminal-1", "terminal-2"):
        table("resolve", "--actor", actor)
    table("resolve", "--actor", "stranger")
    done = table.upkeep("report", "--json")
    rows = {(r["operation"], r["actor"], r["outcome"]): r["entries"] for r in done.json["rows"]}
    assert rows == {
        ("enrol", "terminal-1", "resolved"): 1,
        ("resolve", "stranger", "refused"): 1,
        ("resolve", "terminal-1", "resolved"): 2,
        ("resolve", "terminal-2", "resolved"): 1,
    }
    assert {r["article"] for r in done.json["rows"]} == {
        "○○市立図書館条例6条", "公的個人認証法50条",
    }  # fmt: skip
    shown = table.upkeep("report")
    assert "Entries: 5" in shown.out
    assert pseudonym not in done.out + shown.out


def test_the_report_of_a_time(table: MapCli) -> None:
    def count(*words: str) -> int:
        return int(table.upkeep("report", *words, "--json").json["entries"])

    def text(moment: datetime) -> str:
        return moment.isoformat()

    table("enrol")
    table.cli.clock = lambda: NOW + timedelta(hours=1)
    table("resolve")
    between = text(NOW + timedelta(minutes=30))
    assert (count(), count("--since", between), count("--until", between)) == (2, 1, 1)
    assert count("--service", "elsewhere") == 0


def test_the_database_from_the_environment(table: MapCli) -> None:
    words = ("map", "ledger", "verify", "--key-file", str(table.keys))
    assert table.cli(*words).code == 2
    assert table.cli(*words, env={"JPKI_MAP_DB": str(table.db)}).code == 0


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_that_a_map_says_has_words(lang: str) -> None:
    faults = ("no_head", "head_seal", "checkpoint_signature", "checkpoint_differs", "changed",
              "missing", "order", "time", "truncated", "inserted")  # fmt: skip
    keys = [
        *(f"map.outcome.{one.value}" for one in Outcome),
        *(f"map.meaning.{one.value}" for one in Outcome),
        *(f"map.link.{one.value}" for one in LinkKind),
        *(f"map.evidence.{one.value}" for one in LinkEvidence),
        *(f"map.role.{one.value}" for one in Role),
        *(f"map.state.{one.value}" for one in State),
        "map.link.card",
        *(f"map.operation.{one.replace('-', '_')}" for one in map_challenge.OPERATIONS),
        *(f"map.fault.{one}" for one in faults),
        *(f"reason.{one}" for one in GROUNDS),
        "map.ledger.intact", "map.ledger.damaged", "map.consent.given", "map.consent.withdrawn",
        "map.environment.test", "map.environment.production",
    ]  # fmt: skip
    assert [key for key in keys if not has(key, lang)] == []
    known = {one.value.replace("_", "-") for one in Operation}
    assert set(map_challenge.OPERATIONS) <= known
