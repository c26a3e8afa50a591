# SPDX-License-Identifier: Apache-2.0
"""The counter with people of all kinds, in this process: no reader, no pcscd, no network."""

from __future__ import annotations

import pytest
from kiosk.counter import Counter, Screen

from jpki.certificate.kinds import Environment
from jpki.validation import TrustStore

UNSURE = Screen("We cannot check your card at the moment.")
AGAIN = "Please put your card on the reader again."


@pytest.fixture
def counter(test_pki, ocsp_server):
    return Counter(TrustStore(Environment.TEST, test_pki.trust_anchors()), ocsp_server.url)


def log_in(counter, card, pin="1234"):
    return counter.log_in(card.uri, bytearray(pin, "ascii"))


def test_hanako_logs_in(counter, emulated_card, ocsp_server):
    assert log_in(counter, emulated_card) == Screen("Welcome.", logged_in=True)
    assert ocsp_server.count == 1


def test_a_wrong_pin_costs_one_try(counter, emulated_card, ocsp_server):
    assert log_in(counter, emulated_card, "9999").text == "The PIN was wrong. 2 tries are left."
    assert ocsp_server.count == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("blocked", "Please have your PIN reset at the municipal office."),
        ("jiro-expired", "This card cannot be used for logging in."),
        ("copied", "This card cannot be used for logging in."),
    ],
)
def test_cards_that_cannot_be_used(counter, card_factory, name, text):
    assert log_in(counter, card_factory(name)) == Screen(text)


@pytest.mark.parametrize(
    ("mode", "screen"),
    [
        ("good", Screen("Welcome.", logged_in=True)),
        ("revoked", Screen("This card cannot be used for logging in.")),
        ("unknown", UNSURE),
        ("stale", UNSURE),
        ("wrong_nonce", UNSURE),
        ("wrong_responder", UNSURE),
        ("try_later", UNSURE),
        ("unavailable", UNSURE),
        ("html", UNSURE),
        ("oversize", UNSURE),
        ("redirect", UNSURE),
        ("truncated", UNSURE),
        ("slow", UNSURE),
    ],
)
def test_whatever_the_responder_does(counter, emulated_card, ocsp_server, mode, screen):
    ocsp_server.mode = mode
    assert log_in(counter, emulated_card) == screen
    assert ocsp_server.count <= 1  # nobody follows a redirect; a slow answer is not counted yet


@pytest.mark.parametrize("n", range(1, 8))
def test_a_card_pulled_at_any_moment(counter, emulated_card, fault, n):
    fault(emulated_card, f"pull:during@{n}")
    screen = log_in(counter, emulated_card)
    assert screen.text.startswith((AGAIN, "The card left too early.", "Welcome."))


def test_a_card_pulled_while_it_checks_the_pin(counter, emulated_card, fault):
    fault(emulated_card, "pull:during@verify")
    assert (
        log_in(counter, emulated_card).text == "The card left too early. A try may have been used."
    )
