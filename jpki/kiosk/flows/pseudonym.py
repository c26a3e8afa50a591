# SPDX-License-Identifier: Apache-2.0
"""Services that know a person by a pseudonym of their own (U3, U8, U12, U16, U20, U21).

Library card, points, school, city id, staff card: registered at first use, then recognised.
The terminal learns no pseudonym; the service asks the server half for it, by the ticket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from jpki.certificate.kinds import Family
from jpki.kiosk.endings import ending_of_answer
from jpki.kiosk.flows.common import Place, demand_yes, login, login_again
from jpki.kiosk.server.half import Answer, ServerHalf
from jpki.kiosk.visit import Close, Ending, Line, Option, Page, Question, Visit
from jpki.mapping.answers import Outcome
from jpki.mapping.policy import Operation, Policy, Proof

SERVICES: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "library": ("library", "library", "lend"),
        "points": ("points", "points", "collect-and-spend"),
        "city_id": ("city-id", "city-id", "login"),
        "phone": ("phone", "phone", "login-by-phone"),
        "school": ("school", "school", "learn"),
        "entry": ("entry", "entry", "enter"),
        "staff": ("staff", "staff-card", "log-in-at-work"),
    }
)
"""Flows made of this class alone: preset, service and purpose, by the flow's id."""
HandOver = Callable[[str], None]
"""Told the ticket: the service's own process asks its LocalServer for the pseudonym."""


def nobody(ticket: str) -> None:
    """The service watches its server half by itself."""


class PseudonymService:
    """Recognises who presents in one service; registers who is not known, if they want it.

    ``id``: names its words and its picture. A purpose that wants the sign certificate to
    register (``assurance``) gets it, after the person was told what that certificate says.
    """

    def __init__(
        self,
        id: str,
        server: ServerHalf,
        policy: Policy,
        service: str,
        purpose: str,
        *,
        hand_over: HandOver = nobody,
    ) -> None:
        self.id = id
        self._server = server
        self._place = Place(policy, service, purpose)
        self._hand_over = hand_over
        self.first_screen = self._place.first_screen(id)
        signed = self._place.found().lowest(Operation.ENROL) is Proof.SIGN
        self._family = Family.SIGN if signed else Family.AUTH

    def run(self, visit: Visit) -> Ending:
        """As the Protocol has it."""
        guardian = self._ask_guardian(visit)
        if self._family is Family.SIGN:
            demand_yes(visit, Page("sign_certificate"))
        errand = replace(self._place.errand(Operation.RESOLVE), guardian=guardian)
        answer = login(visit, self._server, errand, family=self._family)
        code = "recognised"
        if answer.outcome is Outcome.UNREGISTERED:
            answer, code = self._register(visit, guardian), "registered"
        if answer.outcome is not Outcome.RESOLVED:
            return ending_of_answer(answer)
        self._hand_over(answer.ticket)
        return Ending(Close.DONE, code)

    def _ask_guardian(self, visit: Visit) -> bool:
        """Where children come too: whose card it is, and that a guardian agrees (R14)."""
        if not self._place.found().children:
            return False
        options = (Option("own_card", "own_card"), Option("child_card", "child_card"))
        if visit.desk.choose(Question("whose_card", options)) == "own_card":
            return False
        demand_yes(visit, Page("guardian"))
        return True

    def _register(self, visit: Visit, guardian: bool) -> Answer:
        """Register under the PIN that was presented; what is agreed to is said before."""
        demand_yes(visit, self._consent_page())
        errand = replace(self._place.errand(Operation.ENROL), guardian=guardian)
        return login_again(visit, self._server, errand, family=self._family)

    def _consent_page(self) -> Page:
        purpose = self._place.found()
        lines = [
            Line("purpose", purpose.title),
            Line("ground", self.first_screen.article),
        ]
        if purpose.consent:
            lines.append(Line("notice", purpose.notice))
        return Page("consent" if purpose.consent else "register", tuple(lines))
