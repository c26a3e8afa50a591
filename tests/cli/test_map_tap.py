# SPDX-License-Identifier: Apache-2.0
"""``jpki map``: a card that is bound at enrolment opens without a PIN, where the policy says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from command_line import NOW, Cli, Commands
from jpki.mapping.policy import Proof
from jpki.testing.cards import PluggedCard
from jpki_cli.tapping import PROOFS
from map_cli import AUTH, MapCli, error

Watch = Callable[[PluggedCard], Commands]
TEXT = "1234"
ENTER = ("--purpose", "enter")


@pytest.fixture
def gate(cli: Cli, tmp_path: Path) -> MapCli:
    made = MapCli(cli, tmp_path, "entry", actor="gate-1")
    assert made.init().code == 0
    return made


def tap(gate: MapCli, *words: str) -> dict[str, object]:
    return gate.answer("resolve", *ENTER, "--proof", "tap", *words, typed=[])


def test_a_tap_finds_who_enrolled_with_the_card(
    gate: MapCli, hanako: PluggedCard, watch: Watch
) -> None:
    seen = watch(hanako)
    reader = ("--reader", hanako.uri)
    enrolled = gate.answer("enrol", *ENTER, "--bind-card", *reader, pins=[TEXT, AUTH])
    assert seen.presented == 2
    assert enrolled["outcome"] == "resolved"
    assert tap(gate, *reader)["pseudonym"] == enrolled["pseudonym"]
    assert seen.presented == 2
    assert tap(gate, "--reader", "virtual:driver")["outcome"] == "unregistered"
    assert gate.entries() == 3


def test_a_card_that_was_not_bound_taps_in_vain(gate: MapCli) -> None:
    gate("enrol", *ENTER)
    assert tap(gate)["outcome"] != "resolved"


def test_a_copied_card_does_not_answer(gate: MapCli) -> None:
    gate("enrol", *ENTER, "--bind-card", pins=[TEXT, AUTH])
    assert tap(gate, "--reader", "virtual:copied")["outcome"] != "resolved"


def test_read_again_after_a_confirmation(cli: Cli, tmp_path: Path) -> None:
    table = MapCli(cli, tmp_path, "eligibility")
    table.init()
    words = ("--purpose", "confirm-eligibility")
    enrolled = table.answer("enrol", *words, "--bind-card", pins=[TEXT, AUTH])
    again = table.answer("resolve", *words, "--proof", "recheck", typed=[])
    assert again["outcome"] == "resolved"
    assert again["pseudonym"] == enrolled["pseudonym"]


def test_the_person_sees_that_the_card_is_bound(gate: MapCli) -> None:
    gate("enrol", *ENTER, "--bind-card", pins=[TEXT, AUTH])
    shown = gate("disclose", "--actor", "terminal-1")
    assert shown.code == 0
    assert "the card itself, for taps" in shown.out


@pytest.mark.parametrize("card", ["hanako", "taro-moved"])
def test_stored_certificates_are_asked_about_again(cli: Cli, tmp_path: Path, card: str) -> None:
    """現況確認: both auth certificates are in force, so nobody is named."""
    table = MapCli(cli, tmp_path, "eligibility", reader=f"virtual:{card}")
    table.init()
    pseudonym = table.answer("enrol")["pseudonym"]
    again = table.staff("recheck", "--json", actor="terminal-1", document="")
    assert (again.code, again.json["checked"], again.json["changes"]) == (0, 1, [])
    one = table.staff("recheck", "--only", pseudonym, actor="terminal-1", document="")
    assert "Checked: 1." in one.out
    none = table.staff("recheck", "--revocation", "none", "--json", actor="terminal-1", document="")
    assert none.json["unknown"] == 1


def test_certificates_that_expired_are_named(cli: Cli, tmp_path: Path) -> None:
    table = MapCli(cli, tmp_path, "eligibility")
    table.init()
    pseudonym = table.answer("enrol")["pseudonym"]
    cli.clock = lambda: NOW + timedelta(days=6 * 365)
    done = table.staff("recheck", "--json", actor="terminal-1", document="")
    (change,) = done.json["changes"]
    assert (change["pseudonym"], change["after"]) == (pseudonym, "needs_relink")


def test_nobody_is_rechecked_where_the_policy_does_not_say_so(cli: Cli, tmp_path: Path) -> None:
    table = MapCli(cli, tmp_path)
    table.init()
    refused = table.staff("recheck", "--json", actor="terminal-1", document="")
    assert (refused.code, refused.json["outcome"]) == (1, "refused")


@pytest.mark.parametrize("proof", PROOFS)
def test_where_the_policy_does_not_say_so(
    cli: Cli, tmp_path: Path, hanako: PluggedCard, watch: Watch, proof: str
) -> None:
    table = MapCli(cli, tmp_path)
    table.init()
    seen = watch(hanako)
    refused = table.answer("resolve", "--proof", proof, "--reader", hanako.uri, typed=[])
    assert refused["outcome"] == "refused"
    assert seen.seen == []
    assert table.entries() == 1


def test_a_wrong_text_pin_enrols_nobody(gate: MapCli) -> None:
    done = gate("enrol", *ENTER, "--bind-card", "--json", pins=["9999", AUTH])
    assert error(done) == (4, "pin_incorrect")
    assert gate.entries() == 0


@pytest.mark.parametrize(
    "words", [("enrol", "--bind-card"), ("resolve", "--proof", "tap")], ids=["bind", "tap"]
)
def test_only_with_the_card_in_the_reader(gate: MapCli, words: tuple[str, ...]) -> None:
    file = gate.presentation(words[0], *ENTER)
    done = gate.brought(words[0], file, *ENTER, *words[1:], "--json")
    assert error(done) == (2, "usage_live_only")


def test_the_option_takes_weak_proofs_alone() -> None:
    assert {Proof(one) for one in PROOFS} == {Proof.TAP, Proof.RECHECK}
