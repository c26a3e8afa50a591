# SPDX-License-Identifier: Apache-2.0
"""窓口での顔写真確認 (U9b): is the card genuine, and is it this person? A clerk decides by eye.

No machine compares faces, and nothing is kept.
"""

from __future__ import annotations

from jpki.card.images import demand_extra, to_png
from jpki.card.records import Place as FilePlace
from jpki.card_map import PinKind
from jpki.kiosk.flows.common import Place, demand_yes
from jpki.kiosk.flows.reading import ending_unless_genuine
from jpki.kiosk.visit import Close, Ending, Page, Visit
from jpki.mapping.policy import Operation, Policy
from jpki.verifying.material import TrustMaterial
from jpki.verifying.surface_check import read_surface

_FACE = FilePlace("surface", 0x0002)


class FaceCheck:
    """Shows a clerk the photo on the card, after saying whether the card is genuine.

    Raises MissingExtraError without the extra ``images``.
    """

    id = "face_check"

    def __init__(self, policy: Policy, trust: TrustMaterial, *, actor: str) -> None:
        demand_extra()
        self._place = Place(policy, "identity", "face-at-counter", actor)
        self._trust = trust
        self.first_screen = self._place.first_screen(self.id)

    def run(self, visit: Visit) -> Ending:
        """As the Protocol has it."""
        self._place.demand(visit, Operation.READ_ITEMS, ["photo"])
        visit.present_pin(PinKind.NUMBER_B)
        visit.desk.progress("read", 0, 1)
        found = read_surface(visit.card, self._trust, [PinKind.NUMBER_B], None)
        ending = ending_unless_genuine([*found.checks, found.present])
        if ending is not None and ending.code == "not_genuine":
            return ending  # no photo of it is shown
        if ending is not None:
            demand_yes(visit, Page("face_not_known"))
        assert found.evidence.face is not None
        photo = to_png(found.evidence.face.photo, _FACE)
        if not visit.desk.confirm(Page("face", image=photo)):
            return Ending(Close.REFUSED, "face_differs")
        return Ending(Close.DONE, "face_matches" if ending is None else "face_matches_not_known")
