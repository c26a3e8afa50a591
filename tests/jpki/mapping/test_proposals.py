# SPDX-License-Identifier: Apache-2.0
"""The acceptance table: every proposal gets the decision it was given, on the same article."""

from __future__ import annotations

import re

import pytest

from jpki.mapping.check import Level, check
from jpki.mapping.decision import decide
from jpki.mapping.explain import explain, request_from
from proposals import AT, Proposal, proposals

CORPUS = proposals()
REQUIRED_USES = {f"U{n}" for n in range(1, 24)} | {"U9b"}
# The municipalities whose cases the rules rest on.
CITIES = (
    "前橋市", "会津若松市", "山口市", "つくば市", "養父市", "更別村", "加賀市", "仙台市",
    "小田原市", "吉備中央町", "苫小牧市", "秋田市", "久留米市", "鹿児島市",
)  # fmt: skip


@pytest.mark.parametrize("proposal", CORPUS, ids=lambda proposal: proposal.id)
def test_same_decision_on_the_same_article(proposal: Proposal) -> None:
    explained = proposal.explained()
    decision = explained.decision
    assert (decision.outcome.value, decision.article) == (
        proposal.entry["decision"],
        proposal.entry["article"],
    ), decision.code
    # What is explained before is what is decided then.
    assert decide(proposal.policy(), explained.request) == decision


@pytest.mark.parametrize("proposal", CORPUS, ids=lambda proposal: proposal.id)
def test_the_policies_are_as_an_auditor_would_have_them(proposal: Proposal) -> None:
    """A refusal that comes only from a sloppy policy would prove nothing."""
    declared = {"organisation", "declares"} & proposal.entry.keys()
    errors = [f.code for f in check(proposal.policy()) if f.level is Level.ERROR]
    assert errors == [] or declared


def test_every_use_and_every_city_is_there() -> None:
    assert {p.entry["use"] for p in CORPUS} == REQUIRED_USES
    sources = " ".join(p.entry["source"] for p in CORPUS)
    assert [city for city in CITIES if city not in sources] == []


def test_entries_are_complete_and_unique() -> None:
    ids = [p.id for p in CORPUS]
    assert len(set(ids)) == len(ids)
    for proposal in CORPUS:
        entry = proposal.entry
        assert set(entry["proposed"]) == {"ja", "en"}, proposal.id
        assert entry["decision"] in ("allowed", "conditional", "refused")
        assert entry["rules"], proposal.id
        assert all(re.fullmatch(r"R([1-9]|1[0-7])", rule) for rule in entry["rules"])


@pytest.mark.parametrize("outcome", ["allowed", "conditional", "refused"])
def test_all_three_outcomes_occur(outcome: str) -> None:
    assert sum(p.entry["decision"] == outcome for p in CORPUS) >= 5


REFUSED = [p for p in CORPUS if p.entry["decision"] != "allowed"]


@pytest.mark.parametrize("proposal", REFUSED, ids=lambda proposal: proposal.id)
def test_the_decisive_rule_is_one_the_case_is_about(proposal: Proposal) -> None:
    assert proposal.explained().decision.rule in proposal.entry["rules"]


NUMBER = [p for p in REFUSED if p.facts["operation"] in ("use_number", "hand_number")]


@pytest.mark.parametrize("proposal", NUMBER, ids=lambda proposal: proposal.id)
def test_consent_opens_nothing_about_the_number(proposal: Proposal) -> None:
    facts = {**proposal.facts, "consent": True}
    assert not explain(proposal.policy(), request_from(facts, AT)).decision.allowed
