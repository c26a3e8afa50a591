# SPDX-License-Identifier: Apache-2.0
"""個人番号の提供 (U10): the number to who may have it by law, after the person agreed to it.

It is read for a named purpose, proven genuine, handed over, and forgotten: it is in no
ending, no log and no repr. Agreeing alone opens nothing: the policy decides first (R8).
"""

from __future__ import annotations

from collections.abc import Callable

from jpki.card import NumberPurpose
from jpki.card.authenticity import CvKeys
from jpki.card.my_number import MyNumber
from jpki.errors import NumberNotAllowedError
from jpki.kiosk.flows.common import Place, demand_yes
from jpki.kiosk.flows.reading import read_number
from jpki.kiosk.visit import Close, Ending, Line, Page, Visit
from jpki.mapping.policy import Operation, Policy

Receiver = Callable[[MyNumber], None]
"""Takes the number, for its own file (番号法20条). What it raises ends the visit."""


class NumberGiving:
    """Gives the number to ``receiver``, who asks for it in the named ``role``.

    Raises NumberNotAllowedError ``no_legal_basis`` where the purpose stands on no article.
    """

    id = "number_giving"

    def __init__(
        self,
        policy: Policy,
        cv_keys: CvKeys,
        receiver: Receiver,
        *,
        role: str,
        actor: str,
        service: str = "number",
        purpose: str = "give-number",
    ) -> None:
        self._place = Place(policy, service, purpose, actor)
        self._cv_keys = cv_keys
        self._receiver = receiver
        self.first_screen = self._place.first_screen(self.id)
        basis = self._place.found().legal_basis
        if basis is None:
            raise NumberNotAllowedError(reason="no_legal_basis")
        self._purpose = NumberPurpose.under(basis.act, basis.article + basis.item, role)
        self._organisation = policy.organisation.name

    def run(self, visit: Visit) -> Ending:
        """As the Protocol has it."""
        self._place.demand(visit, Operation.USE_NUMBER, ["number"])
        demand_yes(visit, self._page())
        number = read_number(visit, self._cv_keys, self._purpose)
        if isinstance(number, Ending):
            return number
        visit.desk.progress("hand_over", 0, 1)
        self._receiver(number)
        return Ending(Close.DONE, "number_given")

    def _page(self) -> Page:
        """For what, on which ground, and to whom: before the PIN."""
        lines = (
            Line("purpose", self._place.found().title),
            Line("ground", self.first_screen.article),
            Line("receiver", f"{self._organisation} ({self._purpose.role})"),
        )
        return Page("give_number", lines)
