# SPDX-License-Identifier: Apache-2.0
"""The card level in a whole-card check: said where it verifies, never what decides."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jpki.card import Card
from jpki.emulator import VirtualConnection, load_card
from jpki.open import load_trust
from jpki.verdict import Check, Outcome
from jpki.verifying.mf_check import card_level
from jpki_apdu.connection import ReplyLimits

AT = datetime(2026, 11, 21, tzinfo=UTC)
RAN = [Check("path", Outcome.VALID, "path_good")]
NOTHING_RAN = [Check("login", Outcome.NOT_RUN, "login_needs_pin")]


def told(trust: str, others: list[Check], limits: ReplyLimits | None = None) -> tuple[str, str]:
    with Card(VirtualConnection(load_card("hanako", at=AT), limits)) as card:
        check = card_level(card, load_trust(trust, at=AT), others)
    return check.outcome.value, check.code


def test_a_chain_that_verifies() -> None:
    assert told("test", RAN) == ("valid", "mf_chain_genuine")


def test_it_alone_makes_no_verdict_valid() -> None:
    assert told("test", NOTHING_RAN) == ("not_run", "mf_chain_genuine")


def test_an_unknown_key_in_production_is_no_doubt_about_the_card() -> None:
    assert told("production", RAN) == ("not_run", "cv_unknown_key")


def test_a_reader_without_extended_length() -> None:
    assert told("test", RAN, ReplyLimits(256, 0)) == ("not_run", "mf_needs_extended")


@pytest.mark.parametrize("name", ["android", "iphone"])
def test_phones_have_no_card_level(name: str) -> None:
    from jpki.verifying.card_check import check_card
    from jpki.verifying.material import ValidationOptions

    with Card(VirtualConnection(load_card(name, at=AT))) as card:
        report = check_card(card, load_trust("test", at=AT), ValidationOptions(at=AT), {})
    assert report.verdict.check("mf_chain") is None
