# SPDX-License-Identifier: Apache-2.0
"""子どもの見守り (U7, R14): a guardian consents, a child's card is registered, a tap is an arrival.

The guardian signs; a child under 15 has no sign certificate and is asked for none.
"""

from __future__ import annotations

from jpki.certificate.kinds import Family
from jpki.kiosk.endings import ending_without_pin
from jpki.kiosk.flows.common import Place, demand_yes, first_screen_of
from jpki.kiosk.flows.shelter import answer, ask_code, choose, ending_of_told, show_code, tap
from jpki.kiosk.shelter.codes import is_code
from jpki.kiosk.shelter.half import Outcome
from jpki.kiosk.shelter.watch import ARRIVAL, GUARDIAN
from jpki.kiosk.shelter.watch_half import SERVICE, Channel, WatchDeed, WatchHalf
from jpki.kiosk.visit import Close, Ending, Line, Page, Visit
from jpki.mapping.policy import Policy, Proof
from jpki.verifying.challenge import Challenge, Response

SAFETY = Page("watch_safety", tuple(Line(f"safety_{number}", "") for number in range(1, 6)))
"""What a guardian is told before a child carries a card (R14)."""
_ACTIONS = ("arrive", "register_child", "consent", "see", "withdraw")


class Watch:
    """Takes a guardian's consent, registers a child's card, tells of arrivals."""

    id = "watch"

    def __init__(self, half: WatchHalf, policy: Policy) -> None:
        self._half = half
        place = Place(policy, SERVICE, ARRIVAL)
        consents = Place(policy, SERVICE, GUARDIAN)
        self.first_screen = first_screen_of(self.id, (place, consents))
        self._tap = Proof.TAP in place.found().accept

    def run(self, visit: Visit) -> Ending:
        """As the Protocol has it."""
        match choose(visit, "watch_action", _ACTIONS, pictures=True):
            case "arrive":
                return self._arrive(visit)
            case "register_child":
                return self._register(visit)
            case "consent":
                return self._consent(visit)
            case "see":
                return self._see(visit)
            case _:
                response = self._signed(visit, WatchDeed.WITHDRAW)
                told = self._half.guardian(WatchDeed.WITHDRAW, response)
                return ending_of_told(told, "watch_withdrawn")

    def _arrive(self, visit: Visit) -> Ending:
        challenge = self._challenge(visit, WatchDeed.ARRIVE)
        by_tap = self._tap and choose(visit, "watch_proof", ("tap", "auth")) == "tap"
        evidence = tap(visit, challenge) if by_tap else answer(visit, challenge)
        visit.desk.progress("ask_server", 1, 2)
        ending = ending_of_told(self._half.arrive(evidence), "watch_arrived")
        return ending_without_pin(ending) if by_tap else ending

    def _register(self, visit: Visit) -> Ending:
        demand_yes(visit, SAFETY)
        code = ask_code(visit)
        if not is_code(code):
            return Ending(Close.FAILED, "code_unknown")
        response = answer(visit, self._challenge(visit, WatchDeed.CHILD))
        return ending_of_told(self._half.child(response, code), "watch_registered")

    def _consent(self, visit: Visit) -> Ending:
        demand_yes(visit, SAFETY)
        channel = Channel(choose(visit, "watch_channel", tuple(Channel)))
        response = self._signed(visit, WatchDeed.CONSENT)
        told = self._half.guardian(WatchDeed.CONSENT, response, channel=channel)
        if told.outcome is Outcome.DONE:
            show_code(visit, "watch_code", told.code)
        return ending_of_told(told, "watch_consented")

    def _see(self, visit: Visit) -> Ending:
        told = self._half.guardian(WatchDeed.SEE, self._signed(visit, WatchDeed.SEE))
        if told.outcome is Outcome.DONE:
            lines = [Line("arrival", f"{at:%m-%d %H:%M} {place}") for place, at in told.arrivals]
            visit.desk.show(Page("watch_arrivals", tuple(lines)))
        return ending_of_told(told, "shelter_answered")

    def _signed(self, visit: Visit, deed: WatchDeed) -> Response:
        return answer(visit, self._challenge(visit, deed), Family.SIGN)

    def _challenge(self, visit: Visit, deed: WatchDeed) -> Challenge:
        visit.desk.progress("ask_server", 0, 2)
        return self._half.watch_challenge(deed)
