# SPDX-License-Identifier: Apache-2.0
"""Identity proofing (U19): the sign certificate once, and the evidence a law wants kept.

What is kept lies in a store of its own on the server's side, under the organisation's
reference; the terminal keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from jpki.certificate.kinds import Family
from jpki.kiosk.endings import ending_of_answer
from jpki.kiosk.flows.common import Place, ask_challenge, demand_yes, login, login_again
from jpki.kiosk.server.half import ServerHalf
from jpki.kiosk.visit import Close, Ending, Line, Page, Visit
from jpki.mapping.answers import Outcome
from jpki.mapping.policy import Operation, Policy

_KNOWN = (Outcome.RESOLVED, Outcome.DUPLICATE)  # registered now, or before


class IdentityProofing:
    """Proves who opens an account. ``reference``: the organisation's, of this contract."""

    id = "identity_proofing"

    def __init__(self, server: ServerHalf, policy: Policy, reference: Callable[[], str]) -> None:
        self._server = server
        self._place = Place(policy, "account", "identity-proofing")
        self._reference = reference
        self.first_screen = self._place.first_screen(self.id)

    def run(self, visit: Visit) -> Ending:
        """As the Protocol has it."""
        reference = self._reference()
        demand_yes(visit, self._page())
        keep = self._place.errand(Operation.KEEP_EVIDENCE, reference=reference)
        # Asked for now: where no evidence can be kept, nobody enters a password.
        challenge = ask_challenge(visit, self._server, keep)
        enrol = self._place.errand(Operation.ENROL)
        answer = login(visit, self._server, enrol, family=Family.SIGN)
        if answer.outcome not in _KNOWN:
            return ending_of_answer(answer)
        kept = login_again(visit, self._server, keep, family=Family.SIGN, challenge=challenge)
        if kept.outcome is not Outcome.DONE:
            return ending_of_answer(kept)
        return Ending(Close.DONE, "proofed", {"reference": reference})

    def _page(self) -> Page:
        """What the certificate says, and for how long it is kept on which ground."""
        evidence = self._place.found().evidence
        kept = () if evidence is None else (
            Line("kept_years", str(evidence.years)),
            Line("ground", str(evidence.legal_basis)),
        )  # fmt: skip
        return Page("sign_certificate", kept)
