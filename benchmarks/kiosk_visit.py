# SPDX-License-Identifier: Apache-2.0
"""From the card on the reader to the issued PDF, beside what the card itself takes.

The card answers in the time of a contactless link at 106 kbit/s; its RSA is the emulator's own.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import _bench
from jpki.card_map import PinKind
from jpki.emulator import EmulatedCard
from jpki.kiosk.flows.common import login
from jpki.kiosk.flows.konbini import Konbini, StubCoins
from jpki.kiosk.scripted import ScriptedDesk
from jpki.kiosk.server.half import Answer, Errand, ServerHalf
from jpki.kiosk.visit import Close, Visit
from jpki.open import emulated_card, load_trust, open_card, plug, unplug
from jpki.verifying.material import ValidationOptions
from map_bench import NOW
from server_half import Town, town

PINS = {PinKind.AUTH: "1234"}
LIMIT = 1.2  # times the card's own time
TAPS = 4 + 6  # choices, fee and the document; a PIN of four digits and its end
PER_TAP, TARGET = 3.0, 60.0  # seconds; the second is the state's own


def _enrolled(folder: Path) -> Town:
    """A town in which hanako's card is registered."""
    place = town(f"sqlite:///{folder / 'map.db'}", folder)
    place.map = place.bench.again(ValidationOptions(at=NOW).validator(load_trust("test", at=NOW)))

    def ask(half: ServerHalf, errand: Errand) -> Answer:
        with open_card("virtual:hanako", at=NOW).card as card:
            return login(Visit(card, ScriptedDesk(pins=PINS), place.bench.clock), half, errand)

    place.enrol(ask)
    return place


class _Watch:
    """Takes the time that is spent in a card."""

    def __init__(self, card: EmulatedCard) -> None:
        self.seconds = 0.0
        self._transmit = card.transmit
        card.transmit = self._timed  # type: ignore[method-assign]

    def _timed(self, apdu: bytes | bytearray) -> bytes:
        begin = time.perf_counter()
        try:
            return self._transmit(apdu)
        finally:
            self.seconds += time.perf_counter() - begin


def _visit(place: Town) -> tuple[float, float]:
    """Seconds of a visit in which nobody hesitates, and those of its card."""
    card = emulated_card("hanako", at=NOW, timing="106")
    watch = _Watch(card)
    uri = plug(card)
    flow = Konbini(place.half(), place.bench.policy, StubCoins())
    desk = ScriptedDesk(choices={"document": "residence"}, pins=PINS)
    begin = time.perf_counter()
    with open_card(uri, at=NOW, trust="test").card as opened:
        ending = flow.run(Visit(opened, desk, place.bench.clock))
    total = time.perf_counter() - begin
    unplug(uri)
    assert ending.close is Close.DONE
    return total, watch.seconds


def measure(report: _bench.Report, quick: bool) -> None:
    """Each visit beside its own card; the first is not counted."""
    with TemporaryDirectory(prefix="jpki-visit-") as name:
        place = _enrolled(Path(name))
        _visit(place)
        visits = [_visit(place) for _ in range(3 if quick else 11)]
        place.bench.close()
    total = statistics.median(visit[0] for visit in visits)
    shares = statistics.median(visit[0] / visit[1] for visit in visits)
    report.add("the card: link and RSA", statistics.median(v[1] for v in visits), "s", rival=True)
    report.add("from the card to the issued PDF", total, "s")
    report.add("times the card", shares, "x", limit=LIMIT)
    report.add(f"a visit of {TAPS} taps, {PER_TAP:g} s each", total + TAPS * PER_TAP, "s", TARGET)


if __name__ == "__main__":
    _bench.main(
        "from the card on the reader to the issued PDF takes at most 1.2 times the card's own "
        "time, and a visit at 3 s a tap ends within 60 s",
        measure,
    )
