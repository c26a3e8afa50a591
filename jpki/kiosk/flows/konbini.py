# SPDX-License-Identifier: Apache-2.0
"""コンビニ交付 (U1): card, choice, PIN, login, fee, document."""

from __future__ import annotations

from typing import Protocol

from jpki.kiosk.documents.contents import DocumentKind
from jpki.kiosk.endings import ending_of_answer
from jpki.kiosk.flows.common import Place, first_screen_of, login
from jpki.kiosk.server.half import Answer, ServerHalf
from jpki.kiosk.server.local import PURPOSES
from jpki.kiosk.visit import CancelledError, Close, Ending, Line, Option, Page, Question, Visit
from jpki.mapping.answers import Outcome
from jpki.mapping.policy import Operation, Policy


class CoinSlot(Protocol):
    """Takes the fee. A prototype's is a stub; a real one is the vendor's.

    What is held and not kept when the process of the presentation ends (the card was taken, the
    power went) is given back by the slot itself.
    """

    def hold(self, yen: int) -> None:
        """Wait until ``yen`` are in. Raises CancelledError; what was put in comes back."""
        ...

    def keep(self) -> None:
        """Keep what is held: the document is there."""
        ...

    def give_back(self) -> None:
        """Give back what is held: nothing was issued."""
        ...


class StubCoins:
    """A slot that is always paid. ``balance``: yen in the box; ``held``: yen not in it yet."""

    def __init__(self) -> None:
        self.balance = self.held = 0

    def hold(self, yen: int) -> None:
        """As the Protocol has it."""
        self.held = yen

    def keep(self) -> None:
        """As the Protocol has it."""
        self.balance, self.held = self.balance + self.held, 0

    def give_back(self) -> None:
        """As the Protocol has it."""
        self.held = 0


class Konbini:
    """Issues 住民票の写し, 印鑑登録証明書 and 課税証明書 at a terminal."""

    id = "konbini"

    def __init__(
        self, server: ServerHalf, policy: Policy, coins: CoinSlot, *, service: str = "konbini"
    ) -> None:
        self._server = server
        self._coins = coins
        self._places = {kind: Place(policy, service, purpose) for kind, purpose in PURPOSES.items()}
        self.first_screen = first_screen_of(self.id, tuple(self._places.values()))

    def run(self, visit: Visit) -> Ending:
        """As the Protocol has it."""
        options = tuple(Option(kind.value, kind.value) for kind in DocumentKind)
        kind = DocumentKind(visit.desk.choose(Question("document", options)))
        answer = login(visit, self._server, self._places[kind].errand(Operation.RESOLVE))
        if answer.outcome is not Outcome.RESOLVED:
            return ending_of_answer(answer)
        if kind not in answer.fees:
            return Ending(Close.REFUSED, "not_registered")
        return self._sell(visit, answer, kind)

    def _sell(self, visit: Visit, answer: Answer, kind: DocumentKind) -> Ending:
        """Fee first; if no document comes of it, the fee goes back."""
        fee = answer.fees[kind]
        if fee and not visit.desk.confirm(Page("fee", (Line("fee", f"{fee:,}"),))):
            raise CancelledError
        self._coins.hold(fee)
        try:
            visit.desk.progress("issue", 0, 1)
            pdf = self._server.document(answer.ticket, kind)
            visit.desk.progress("issue", 1, 1)
        except BaseException:
            self._coins.give_back()
            raise
        self._coins.keep()
        values = {"document": kind.value, "fee": fee}
        return Ending(Close.DONE, "issued", values, pdf, "application/pdf")
