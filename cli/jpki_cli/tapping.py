# SPDX-License-Identifier: Apache-2.0
"""A card that proves itself without a PIN: bound at enrolment, tapped or read again afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jpki.card_map import PinKind
from jpki_cli.answering import answer, pin_of
from jpki_cli.cards import head_of
from jpki_cli.clicks import UsageFault
from jpki_cli.maps import asker_of, opened_map
from jpki_cli.pin_desk import PinDesk
from jpki_cli.pin_desk import present as present_pin
from jpki_cli.presenting import (
    Answered,
    Hand,
    as_evidence,
    challenged,
    is_test,
    of_other_environment,
)
from jpki_cli.session import Session
from jpki_cli.validation import Asked

if TYPE_CHECKING:
    from datetime import datetime

    from jpki.card import Card
    from jpki.mapping.answers import Resolution
    from jpki.mapping.service import Map
    from jpki.mapping.sitting import Asker
    from jpki.verifying.challenge import Challenge

PROOFS = ("tap", "recheck")
"""What ``--proof`` takes, where the policy accepts it."""


def resolve_without_pin(session: Session, given: dict[str, Any], proof: str) -> Answered:
    """Resolve by a tap, or by the certificate read again (38条の4); no PIN is asked."""
    from jpki.mapping.foresight import foresee
    from jpki.mapping.policy import Operation, Proof

    hand = _live(given, "--proof")
    operation = Operation.RESOLVE if proof == Proof.TAP else Operation.RECHECK
    with opened_map(session, given, Asked.from_options(given)) as table:
        asker, test = asker_of(given), is_test(table)
        if refused := foresee(table, operation, asker, Proof(proof)):
            return Answered(refused, test)
        with session.card(wait=hand.wait, at=hand.at) as opened:
            head = head_of(opened)
            if refused := of_other_environment(table, operation, asker, proof, head):
                return Answered(refused, test, head)
            challenge = challenged(session, table, operation, asker)
            now = session.app.clock() if hand.at is None else hand.at
            done = _shown(table, opened.card, challenge, asker, proof, now)
    return Answered(done, test, head)


def _shown(
    table: Map, card: Card, challenge: Challenge, asker: Asker, proof: str, now: datetime
) -> Resolution:
    from jpki.mapping.card_answer import read_again, read_tap

    if proof == "tap":
        return table.tap(read_tap(card, challenge, now=now), asker)
    return table.reread(read_again(card, challenge, now=now), asker)


def enrol_with_card(session: Session, given: dict[str, Any]) -> Answered:
    """Enrol and bind the card: the text PIN shows whose key answers, then the usual PIN."""
    from jpki.mapping.card_answer import read_binding
    from jpki.mapping.foresight import foresee
    from jpki.mapping.policy import Operation, Proof

    hand, enrol = _live(given, "--bind-card"), Operation.ENROL
    with opened_map(session, given, Asked.from_options(given)) as table:
        asker, test = asker_of(given), is_test(table)
        key = hand.key_for(table.policy.find(asker.service, asker.purpose, enrol)[1], enrol)
        with PinDesk(session, [PinKind.TEXT, pin_of(key)], hand.pin_fd) as desk:
            if refused := foresee(table, enrol, asker, Proof(key)):
                return Answered(refused, test)
            with session.card(wait=hand.wait, at=hand.at, needs_pin=True) as opened:
                head = head_of(opened)
                if refused := of_other_environment(table, enrol, asker, key, head):
                    return Answered(refused, test, head)
                challenge = challenged(session, table, enrol, asker, binds_card=True)
                now = session.app.clock() if hand.at is None else hand.at
                present_pin(opened.card, desk, PinKind.TEXT, last_try=hand.last_try)
                bound = read_binding(opened.card, challenge, now=now)
                response = answer(
                    opened.card, challenge, desk, now, key=key, last_try=hand.last_try
                )
        done = table.enrol(table.verify(as_evidence(response)), asker, card=bound)
    return Answered(done, test, head)


def _live(given: dict[str, Any], option: str) -> Hand:
    """What only a card in the reader can do."""
    hand = Hand.from_options(given)
    if hand.file is not None:
        raise UsageFault("usage_live_only", option=option)
    return hand
