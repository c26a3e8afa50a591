# SPDX-License-Identifier: Apache-2.0
"""Steps that flows share: the first screen from the policy, and one answered challenge."""

from __future__ import annotations

from jpki.card_map import PinKind
from jpki.errors import ConfigurationError
from jpki.kiosk.server.half import Answer, Errand, ServerHalf
from jpki.kiosk.visit import FirstScreen, Visit, refuse_at_floor
from jpki.mapping.policy import LegalBasis, Policy
from jpki.verifying.login import respond


def first_screen(flow: str, policy: Policy, service: str, purpose: str) -> FirstScreen:
    """What is said before a card is asked for, as the policy has it.

    Raises ConfigurationError (``flow_no_purpose``, ``flow_no_alternative_path``): such a flow does
    not start (R16).
    """
    found = policy.find(service, purpose)[1]
    if found is None:
        raise ConfigurationError("flow_no_purpose", path=policy.name)
    if not any(words.strip() for words in found.alternative_path.values()):
        raise ConfigurationError("flow_no_alternative_path", path=policy.name)
    return FirstScreen(flow, found.id, article(found.legal_basis), found.alternative_path)


def article(basis: LegalBasis | None) -> str:
    """Act and article as one text; empty where the policy names none."""
    return "" if basis is None else f"{basis.act}{basis.article}"


def login(visit: Visit, server: ServerHalf, errand: Errand) -> Answer:
    """One errand with the auth certificate: challenge, counter, PIN, signature, answer.

    The challenge comes before the PIN, so that a server that is down costs nobody an entry.
    Raises PinError, CancelledError, CardError, ServerHalfError.
    """
    challenge = server.challenge(errand)
    counter = visit.card.pins.counter(PinKind.AUTH)
    refuse_at_floor(counter)
    pin = visit.desk.pin(counter)
    visit.desk.progress("sign", 0, 2)
    response = respond(visit.card, challenge, pin, now=visit.clock())
    visit.desk.progress("ask_server", 1, 2)
    answer = server.present(errand, response)
    visit.desk.progress("ask_server", 2, 2)
    return answer
