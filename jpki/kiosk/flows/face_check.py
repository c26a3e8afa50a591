# SPDX-License-Identifier: Apache-2.0
"""窓口での顔写真確認 (U9b): is the card genuine, and is it this person? A clerk decides by eye.

No machine compares faces, and nothing is kept.
"""

from __future__ import annotations

from jpki.card import SurfaceEvidence
from jpki.card.authenticity import CvKeys
from jpki.card.images import demand_extra, to_png
from jpki.card.records import Place as FilePlace
from jpki.card_map import SURFACE_AP, PinKind
from jpki.kiosk.flows.common import Place, demand_yes
from jpki.kiosk.flows.reading import ending_unless_surface_genuine
from jpki.kiosk.visit import Close, Ending, Page, Visit
from jpki.mapping.policy import Operation, Policy

_FACE = FilePlace("surface", 0x0002)


class FaceCheck:
    """Shows a clerk the photo on the card, after saying whether the card is genuine.

    Raises MissingExtraError without the extra ``images``.
    """

    id = "face_check"

    def __init__(self, policy: Policy, cv_keys: CvKeys, *, actor: str) -> None:
        demand_extra()
        self._place = Place(policy, "identity", "face-at-counter", actor)
        self._cv_keys = cv_keys
        self.first_screen = self._place.first_screen(self.id)

    def run(self, visit: Visit) -> Ending:
        """As the Protocol has it."""
        self._place.demand(visit, Operation.READ_ITEMS, ["photo"])
        visit.present_pin(PinKind.NUMBER_B, SURFACE_AP)
        visit.desk.progress("read", 0, 1)
        face = visit.card.surface.face()
        evidence = SurfaceEvidence(visit.card.surface.cv_certificate(), face=face)
        ending = ending_unless_surface_genuine(visit, evidence, self._cv_keys)
        if ending is not None and ending.code == "not_genuine":
            return ending  # no photo of it is shown
        if ending is not None:
            demand_yes(visit, Page("face_not_known"))
        photo = to_png(face.photo, _FACE)
        if not visit.desk.confirm(Page("face", image=photo)):
            return Ending(Close.REFUSED, "face_differs")
        return Ending(Close.DONE, "face_matches" if ending is None else "face_matches_not_known")
