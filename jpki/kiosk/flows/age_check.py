# SPDX-License-Identifier: Apache-2.0
"""Age check (U18): yes or no, from the birth-date key. Nothing else is read, and nothing leaves."""

from __future__ import annotations

from typing import Final

from jpki.card import SurfaceEvidence
from jpki.card.authenticity import CvKeys
from jpki.card_map import SURFACE_AP, PinKind
from jpki.dates import is_at_least, japan_day
from jpki.kiosk.flows.common import Place
from jpki.kiosk.flows.reading import ending_unless_surface_genuine
from jpki.kiosk.visit import Close, Ending, Visit
from jpki.mapping.policy import Operation, Policy

OF_AGE: Final = 20  # years: alcohol and tobacco


class AgeCheck:
    """Whether who shows a card is ``years`` old. The ending is the whole answer."""

    id = "age_check"

    def __init__(self, policy: Policy, cv_keys: CvKeys, *, actor: str, years: int = OF_AGE) -> None:
        self._place = Place(policy, "age", "of-age", actor)
        self._cv_keys = cv_keys
        self._years = years
        self.first_screen = self._place.first_screen(self.id)

    def run(self, visit: Visit) -> Ending:
        """As the Protocol has it."""
        self._place.demand(visit, Operation.CHECK_AGE, ["of_age"])
        visit.present_pin(PinKind.BIRTH, SURFACE_AP)
        visit.desk.progress("read", 0, 1)
        record = visit.card.surface.age()
        evidence = SurfaceEvidence(visit.card.surface.cv_certificate(), age=record)
        ending = ending_unless_surface_genuine(visit, evidence, self._cv_keys)
        if ending is not None:
            return ending
        old_enough = is_at_least(record.birth, self._years, japan_day(visit.clock()))
        values = {"years": self._years}
        if old_enough is None:
            return Ending(Close.FAILED, "age_unknown", values)
        if old_enough:
            return Ending(Close.DONE, "of_age", values)
        return Ending(Close.REFUSED, "under_age", values)
