# SPDX-License-Identifier: Apache-2.0
"""What the server half does for shelters and gates: a request's members in, an answer's out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jpki.kiosk.server.half import ServerHalfError
from jpki.kiosk.server.wire import RequestMalformedError, read_response
from jpki.kiosk.shelter import wire
from jpki.kiosk.shelter.entries import read_entry
from jpki.kiosk.shelter.half import Deed, Mark, Relation, ShelterHalf
from jpki.kiosk.shelter.local import LocalShelter, Shelters
from jpki.kiosk.shelter.watch import Gates, LocalWatch
from jpki.kiosk.shelter.watch_half import Channel, WatchDeed, WatchHalf

Members = Mapping[str, Any]
Work = Callable[[str, Members], dict[str, object]]
"""Does one request of the terminal of that name."""


@dataclass(frozen=True, slots=True)
class ShelterRoutes:
    """The paths of shelters and gates, where an office has them."""

    shelters: Shelters | None = None
    gates: Gates | None = None

    def works(self) -> dict[str, Work]:
        """What is done under each path."""
        return {
            **{path: self._shelter(work) for path, work in _SHELTER.items()},
            **{path: self._gate(work) for path, work in _WATCH.items()},
        }

    def _shelter(self, work: Callable[[ShelterHalf, Members], dict[str, object]]) -> Work:
        def run(terminal: str, raw: Members) -> dict[str, object]:
            if self.shelters is None:
                raise ServerHalfError("errand_unknown")
            return work(LocalShelter(self.shelters, terminal), raw)

        return run

    def _gate(self, work: Callable[[WatchHalf, Members], dict[str, object]]) -> Work:
        def run(terminal: str, raw: Members) -> dict[str, object]:
            if self.gates is None:
                raise ServerHalfError("errand_unknown")
            return work(LocalWatch(self.gates, terminal), raw)

        return run


def _challenge(half: ShelterHalf, raw: Members) -> dict[str, object]:
    return dict(half.shelter_challenge(wire.read_choice(raw, "deed", Deed)).to_object())


def _ration(half: ShelterHalf, raw: Members) -> dict[str, object]:
    count = raw.get("count")
    if not isinstance(count, int) or count < 0:
        raise RequestMalformedError(member="count")
    return {"challenges": [each.to_object() for each in half.ration(count)]}


def _check_in(half: ShelterHalf, raw: Members) -> dict[str, object]:
    return wire.receipts_object([half.check_in(read_entry(raw))])


def _begin(half: ShelterHalf, _: Members) -> dict[str, object]:
    return {"nonce": half.begin_sync()}


def _sync(half: ShelterHalf, raw: Members) -> dict[str, object]:
    return wire.receipts_object(half.sync(wire.read_bundle(raw)))


def _tell(half: ShelterHalf, raw: Members) -> dict[str, object]:
    told = half.tell(
        wire.read_choice(raw, "deed", Deed), read_response(raw),
        mark=wire.read_choice_or_none(raw, "mark", Mark), code=wire.read_digits(raw),
        relation=wire.read_choice_or_none(raw, "relation", Relation),
    )  # fmt: skip
    return wire.told_object(told)


def _counts(half: ShelterHalf, _: Members) -> dict[str, object]:
    return wire.counts_object(half.counts())


def _watch_challenge(half: WatchHalf, raw: Members) -> dict[str, object]:
    return dict(half.watch_challenge(wire.read_choice(raw, "deed", WatchDeed)).to_object())


def _guardian(half: WatchHalf, raw: Members) -> dict[str, object]:
    channel = wire.read_choice_or_none(raw, "channel", Channel)
    deed = wire.read_choice(raw, "deed", WatchDeed)
    return wire.watch_told_object(half.guardian(deed, read_response(raw), channel=channel))


def _child(half: WatchHalf, raw: Members) -> dict[str, object]:
    return wire.watch_told_object(half.child(read_response(raw), wire.read_digits(raw)))


def _arrive(half: WatchHalf, raw: Members) -> dict[str, object]:
    evidence = wire.read_tap(raw) if "tap" in raw else read_response(raw)
    return wire.watch_told_object(half.arrive(evidence))


_SHELTER: Final = {
    wire.CHALLENGE: _challenge, wire.RATION: _ration, wire.CHECK_IN: _check_in,
    wire.BEGIN: _begin, wire.SYNC: _sync, wire.TELL: _tell, wire.COUNTS: _counts,
}  # fmt: skip
_WATCH: Final = {
    wire.WATCH_CHALLENGE: _watch_challenge, wire.GUARDIAN: _guardian, wire.CHILD: _child,
    wire.ARRIVE: _arrive,
}  # fmt: skip
