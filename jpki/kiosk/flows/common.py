# SPDX-License-Identifier: Apache-2.0
"""Steps that flows share: the first screen and the decision by the policy, answered challenges."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from jpki.card.token import Presence
from jpki.card_map import PinKind
from jpki.certificate import parse_certificate
from jpki.certificate.kinds import Family
from jpki.errors import ConfigurationError, NoCertificateError, NotPermittedError
from jpki.kiosk.server.half import Answer, Errand, ServerHalf
from jpki.kiosk.visit import CancelledError, ExpiredError, FirstScreen, Page, Visit
from jpki.mapping.decision import decide
from jpki.mapping.policy import Operation, Policy, Purpose
from jpki.mapping.request import Request
from jpki.verifying.challenge import Challenge
from jpki.verifying.login import demand_in_time, respond, respond_again
from jpki_apdu.errors import SecurityStatusError


@dataclass(frozen=True, slots=True)
class Place:
    """Where a flow stands in a policy. ``actor``: this terminal, by the policy's words."""

    policy: Policy
    service: str
    purpose: str
    actor: str = ""

    def found(self) -> Purpose:
        """The purpose. Raises ConfigurationError ``flow_no_purpose``."""
        found = self.policy.find(self.service, self.purpose)[1]
        if found is None:
            raise ConfigurationError("flow_no_purpose", path=self.policy.name)
        return found

    def first_screen(self, flow: str) -> FirstScreen:
        """What is said before a card is asked for, as the policy has it.

        Raises ConfigurationError ``flow_no_purpose``, ``flow_no_alternative_path`` (R16).
        """
        found = self.found()
        if not any(words.strip() for words in found.alternative_path.values()):
            raise ConfigurationError("flow_no_alternative_path", path=self.policy.name)
        basis = str(found.legal_basis or "")
        return FirstScreen(flow, found.title, basis, found.alternative_path)

    def errand(self, operation: Operation, *, reference: str = "") -> Errand:
        """What is asked of the server half."""
        return Errand(self.service, self.purpose, operation, reference)

    def demand(self, visit: Visit, operation: Operation, items: Collection[str] = ()) -> None:
        """Have the policy decide on what only this terminal does, before any PIN.

        Raises NotPermittedError with rule and article.
        """
        request = Request(
            operation, self.actor, visit.clock(), self.service, self.purpose, items=frozenset(items)
        )
        decision = decide(self.policy, request)
        if not decision.allowed:
            raise NotPermittedError(
                rule=decision.rule, article=decision.article, reason=decision.code
            )


def first_screen_of(flow: str, places: Sequence[Place]) -> FirstScreen:
    """One first screen for several purposes: each is named, with its ground.

    Raises as ``Place.first_screen``.
    """
    screens = [place.first_screen(flow) for place in places]
    languages = dict.fromkeys(language for screen in screens for language in screen.title)
    title = {
        language: " / ".join(filter(None, (screen.title.get(language) for screen in screens)))
        for language in languages
    }
    article = " / ".join(dict.fromkeys(screen.article for screen in screens if screen.article))
    return FirstScreen(flow, title, article, screens[0].alternative_path)


def demand_yes(visit: Visit, page: Page) -> None:
    """Show a page; who says no has stopped. Raises CancelledError."""
    if not visit.desk.confirm(page):
        raise CancelledError


def demand_certificate(visit: Visit, family: Family) -> None:
    """Refuse before the PIN a card whose certificate is not there or has ended.

    The sign certificate's dates are read only after its PIN. Raises NoCertificateError,
    ExpiredError, CertificateError, CardError.
    """
    if family is Family.SIGN:
        if visit.card.jpki.availability().sign is Presence.ABSENT:
            raise NoCertificateError(which="sign")
        return
    try:
        certificate = parse_certificate(visit.card.jpki.certificate("auth"))
    except SecurityStatusError:
        return  # a phone gives it after the PIN
    if certificate.not_after < visit.clock():
        raise ExpiredError


def ask_challenge(visit: Visit, server: ServerHalf, errand: Errand) -> Challenge:
    """A challenge for the errand; the person sees who is waited for.

    Raises ServerHalfError, ChallengeError ``expired``: a clock is wrong, here or there, which
    is said before anybody enters a PIN for nothing.
    """
    visit.desk.progress("ask_server", 0, 2)
    challenge = server.challenge(errand)
    demand_in_time(challenge, visit.clock())
    return challenge


def login(
    visit: Visit, server: ServerHalf, errand: Errand, *, family: Family = Family.AUTH
) -> Answer:
    """One errand with a certificate: challenge, certificate, counter, PIN, signature, answer.

    The challenge comes before the PIN, so that a server that is down costs nobody an entry.
    Raises PinError, CancelledError, CardError, ServerHalfError, and as demand_certificate.
    """
    challenge = ask_challenge(visit, server, errand)
    kind = PinKind.SIGN if family is Family.SIGN else PinKind.AUTH
    demand_certificate(visit, family)
    pin = visit.ask_pin(kind)
    visit.desk.progress("sign", 0, 2)
    response = respond(visit.card, challenge, pin, now=visit.clock(), family=family)
    visit.desk.progress("ask_server", 1, 2)
    answer = server.present(errand, response)
    visit.desk.progress("ask_server", 2, 2)
    return answer


def login_again(
    visit: Visit,
    server: ServerHalf,
    errand: Errand,
    *,
    family: Family = Family.AUTH,
    challenge: Challenge | None = None,
) -> Answer:
    """One more errand under the PIN that was presented: nobody enters it twice.

    ``challenge``: of this errand, where it was asked for before the PIN. Raises as login.
    """
    challenge = challenge or ask_challenge(visit, server, errand)
    visit.desk.progress("sign", 0, 2)
    response = respond_again(visit.card, challenge, now=visit.clock(), family=family)
    visit.desk.progress("ask_server", 1, 2)
    answer = server.present(errand, response)
    visit.desk.progress("ask_server", 2, 2)
    return answer
