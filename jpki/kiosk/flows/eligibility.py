# SPDX-License-Identifier: Apache-2.0
"""オンライン資格確認 at a counter (U11): login without storing; a re-read for who was here before.

The re-read (公的個人認証法38条の4) takes no PIN. It is offered only where the policy has it, and
opens only for a card that was bound and confirmed before: the server half says so.
"""

from __future__ import annotations

from jpki.certificate.kinds import Family
from jpki.kiosk.endings import ending_of_answer, ending_without_pin
from jpki.kiosk.flows.common import Place, ask_challenge, demand_certificate
from jpki.kiosk.flows.pseudonym import HandOver, PseudonymService, nobody
from jpki.kiosk.server.half import Answer, ServerHalf
from jpki.kiosk.visit import Close, Ending, Option, Question, Visit
from jpki.mapping.answers import Outcome
from jpki.mapping.card_answer import read_again
from jpki.mapping.policy import Operation, Policy, Proof
from jpki.verifying.challenge import Response

_SERVICE, _PURPOSE = "eligibility", "confirm-eligibility"


class Eligibility:
    """Confirms who is insured, at the counter. The terminal keeps and learns nothing."""

    id = "eligibility"

    def __init__(self, server: ServerHalf, policy: Policy, *, hand_over: HandOver = nobody) -> None:
        self._server = server
        self._place = Place(policy, _SERVICE, _PURPOSE)
        self._login = PseudonymService(
            self.id, server, policy, _SERVICE, _PURPOSE, hand_over=hand_over
        )
        self._hand_over = hand_over
        self.first_screen = self._login.first_screen
        found = self._place.found()
        self._rereads = Operation.RECHECK in found.operations and Proof.RECHECK in found.accept

    def run(self, visit: Visit) -> Ending:
        """As the Protocol has it."""
        if not self._rereads or self._first_time(visit):
            return self._login.run(visit)
        answer = self._reread(visit)
        if answer.outcome is not Outcome.RESOLVED:
            return ending_without_pin(ending_of_answer(answer))
        self._hand_over(answer.ticket)
        return Ending(Close.DONE, "recognised")

    def _first_time(self, visit: Visit) -> bool:
        options = (Option("with_pin", "with_pin"), Option("here_before", "here_before"))
        return visit.desk.choose(Question("confirm_by", options)) == "with_pin"

    def _reread(self, visit: Visit) -> Answer:
        """The certificate as it lies on the card, and the card's own answer."""
        errand = self._place.errand(Operation.RECHECK)
        challenge = ask_challenge(visit, self._server, errand)
        demand_certificate(visit, Family.AUTH)
        visit.desk.progress("read", 0, 2)
        read = read_again(visit.card, challenge, now=visit.clock())
        visit.desk.progress("ask_server", 1, 2)
        return self._server.present(
            errand, Response(read.challenge, read.certificate, read.signature)
        )
