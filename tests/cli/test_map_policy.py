# SPDX-License-Identifier: Apache-2.0
"""``jpki map policy``: the same decisions as the library, in words and as JSON."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from command_line import Cli
from jpki.mapping.policy import ActorKind, LinkKind, Operation, Proof, Role
from jpki.mapping.policy_file import PRESETS
from jpki.mapping.request import Deed
from jpki.messages import LANGUAGES, has
from jpki_cli import maps
from jpki_cli.commands import map_policy
from policies import GOOD
from proposals import Proposal, proposals

KONBINI = ["--policy", "konbini", "--purpose", "issue-residence-certificate",
           "--operation", "resolve"]  # fmt: skip
EXITS = {"allowed": 0, "conditional": 5, "refused": 1}


def explain(cli: Cli, *words: str) -> Any:
    at = [] if "--at" in words else ["--at", "2026-06-14T12:00:00+09:00"]
    return cli("map", "policy", "explain", *words, *at)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("preset", PRESETS)
def test_presets_check_out(cli: Cli, preset: str, lang: str) -> None:
    done = cli("map", "policy", "check", "--policy", preset, "--lang", lang)
    assert (done.code, done.err) == (0, "")
    assert preset in done.out
    assert cli("map", "policy", "check", "--policy", preset, "--json").json["errors"] == 0


def test_the_example_of_the_design(cli: Cli) -> None:
    done = explain(cli, *KONBINI, "--actor", "kiosk-07")
    assert done.code == 0
    assert done.out.startswith("allowed  R5  住民基本台帳法12条\n")
    for article in ("公的個人認証法36条", "技術的基準31条3項", "公的個人認証法50条"):
        assert article in done.out
    assert "Without a card: Ask at the counter" in done.out


def test_the_same_from_home_is_refused_with_the_article(cli: Cli) -> None:
    done = explain(cli, *KONBINI, "--actor", "web-home")
    assert done.code == 1
    assert done.out.startswith("refused  R15  情報通信技術活用法6条1項\n")
    result = explain(cli, *KONBINI, "--actor", "kiosk-1", "--channel", "online", "--json")
    assert result.code == 1
    assert result.json["decision"]["code"] == "online_needs_signature"


def test_what_is_assumed_is_said(cli: Cli) -> None:
    assumed = explain(cli, *KONBINI, "--actor", "kiosk-1", "--json").json
    assert assumed["assumed"] == {"proof": "auth", "medium": "card"}
    given = explain(cli, *KONBINI, "--actor", "kiosk-1", "--proof", "tap", "--json").json
    assert given["assumed"] == {"medium": "card"}
    assert given["decision"]["code"] == "weak_proof_not_accepted"


def test_consent_is_never_assumed(cli: Cli) -> None:
    words = ["--policy", "points", "--purpose", "collect-and-spend", "--operation", "resolve",
             "--actor", "shop-1"]  # fmt: skip
    assert explain(cli, *words).code == 5
    assert explain(cli, *words, "--consent", "yes").code == 0
    assert explain(cli, *words, "--consent", "no").code == 1


def _words(proposal: Proposal) -> list[str]:
    """A proposal's facts as options."""
    names = {"items": "item", "deeds": "deed", "minor": "child"}
    coded = ("operation", "role", "link", "deeds")
    found: list[str] = []
    for name, value in proposal.facts.items():
        for one in value if isinstance(value, list) else [value]:
            option = f"--{names.get(name, name).replace('_', '-')}"
            if name == "link_evidence":
                continue  # assumed: both in one sitting
            if name == "minor":
                found.append(option)
            elif isinstance(one, bool):
                found += [option, "yes" if one else "no"]
            else:
                found += [option, one.replace("_", "-") if name in coded else one]
    return found


PLAIN = [p for p in proposals() if not {"declares", "organisation", "switches"} & set(p.entry)]


@pytest.mark.parametrize("proposal", PLAIN, ids=lambda proposal: proposal.id)
def test_the_corpus_by_the_command_line(cli: Cli, proposal: Proposal) -> None:
    done = explain(cli, "--policy", proposal.entry["policy"], *_words(proposal), "--json")
    decision = done.json["decision"]
    assert decision["outcome"] == proposal.entry["decision"]
    assert decision["article"] == proposal.entry["article"]
    assert done.code == EXITS[decision["outcome"]]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("proposal", proposals()[::6], ids=lambda proposal: proposal.id)
def test_the_corpus_in_words(cli: Cli, proposal: Proposal, lang: str) -> None:
    words = _words(proposal)
    done = explain(cli, "--policy", proposal.entry["policy"], *words, "--lang", lang)
    assert done.err == ""
    assert "?" not in done.out
    assert max(map(len, done.out.splitlines())) <= 100


# files -------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_a_policy_without_another_way_fails_the_check(cli: Cli, file: Path) -> None:
    text = GOOD.replace('alternative_path = { ja = "窓口", en = "counter" }\n', "")
    file.write_text(text, encoding="utf-8")
    done = cli("map", "policy", "check", "--policy", str(file))
    assert done.code == 1
    assert "番号法17条1項" in done.out
    result = cli("map", "policy", "check", "--policy", str(file), "--json").json
    assert [f["code"] for f in result["findings"]] == ["no_alternative_path"]


def test_an_article_that_does_not_fit_its_day_is_told(cli: Cli, file: Path) -> None:
    passing = (
        'ordinance_scope = { field = "welfare", ordinance = "条例", passing = '
        '{ act = "番号法", article = "19条9号", as_of = 2022-10-18 } }\n'
    )
    file.write_text(GOOD + passing, encoding="utf-8")
    done = cli("map", "policy", "check", "--policy", str(file))
    assert done.code == 1
    assert "expected 19条11号" in done.out


@pytest.mark.parametrize("command", ["check", "explain", "diff"])
def test_a_policy_that_cannot_be_read(cli: Cli, file: Path, command: str) -> None:
    file.write_text(GOOD + "colour = 1\n", encoding="utf-8")
    words = {
        "check": ["--policy", str(file)],
        "explain": ["--policy", str(file), "--operation", "resolve", "--actor", "x"],
        "diff": ["library", str(file)],
    }[command]
    done = cli("map", "policy", command, *words)
    assert done.code == 2
    assert done.out == ""
    assert "service[1].purpose[1].colour" in done.err
    assert cli("map", "policy", command, *words, "--json").json["code"] == "policy_file"


def test_no_such_preset(cli: Cli) -> None:
    done = cli("map", "policy", "check", "--policy", "nosuch")
    assert done.code == 2
    assert "no preset of that name" in done.err


def test_an_empty_fact_is_refused_not_ignored(cli: Cli) -> None:
    done = explain(cli, *KONBINI, "--actor", "")
    assert done.code == 1


# diff --------------------------------------------------------------------------------------


def test_diff_of_a_policy_with_itself(cli: Cli) -> None:
    done = cli("map", "policy", "diff", "library", "library", "--json")
    assert done.code == 0
    assert done.json["changes"] == []


def test_diff_says_what_allows_more(cli: Cli, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(GOOD.replace('["kiosk-*"]\nstaff', '["kiosk-*", "bus-*"]\nstaff'), "utf-8")
    done = cli("map", "policy", "diff", str(file), str(other))
    assert "allows more   library/lend.actors: bus-*   added" in done.out
    [change] = cli("map", "policy", "diff", str(file), str(other), "--json").json["changes"]
    assert change["effect"] == "wider"


# words -------------------------------------------------------------------------------------


def test_the_options_take_what_the_library_knows() -> None:
    def spelled(members: Any) -> set[str]:
        return {member.value.replace("_", "-") for member in members}

    assert set(map_policy.OPERATIONS) == spelled(Operation)
    assert set(maps.ROLES) == spelled(Role)
    assert set(map_policy.PROOFS) == spelled(Proof)
    assert set(map_policy.DEEDS) == spelled(Deed)
    assert set(maps.LINKS) == spelled(LinkKind)
    assert set(maps.CHANNELS) == spelled(ActorKind)


def test_every_step_and_finding_has_words() -> None:
    """Found in the source: what is said of a condition, with the outcome it is said of."""
    import ast
    import inspect

    from jpki.mapping import check, number_use, permissions
    from jpki.mapping.prohibitions import PROHIBITIONS

    keys = {f"policy.prohibition.{p.code}" for p in PROHIBITIONS}
    for module in (permissions, number_use, check):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call):
                keys |= _keys(node)
    keys.add("policy.step.purpose_unknown.failed")
    assert len(keys) > 90
    assert {k for k in keys if not all(has(k, lang) for lang in LANGUAGES)} == set()


def _keys(node: Any) -> set[str]:
    import ast

    texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    name = ast.unparse(node.func)
    code = {"passed": 2, "failed": 2, "needed": 2}.get(name)
    if name in ("_error", "_warning"):
        return {f"policy.finding.{texts[0]}"}
    if name == "Finding" and texts:
        return {f"policy.finding.{texts[0]}"}
    if code is not None and isinstance(node.args[2], ast.Constant):
        return {f"policy.step.{node.args[2].value!s}.{name}"}
    if isinstance(node.func, ast.IfExp) and isinstance(node.args[2], ast.Constant):
        both = [ast.unparse(node.func.body), ast.unparse(node.func.orelse)]
        return {f"policy.step.{node.args[2].value!s}.{one}" for one in both}
    return set()


def test_days_of_the_presets() -> None:
    """The presets begin on a day that the examples in the guides lie after."""
    from jpki.mapping.policy_file import load_policy

    for name in PRESETS:
        for service in load_policy(name).services:
            for purpose in service.purposes:
                assert purpose.valid_from <= date(2026, 6, 14)
