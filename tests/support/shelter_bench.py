# SPDX-License-Identifier: Apache-2.0
"""A city with shelters and a school with a gate, for tests: people, desks, lines, a clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from jpki.certificate.kinds import Environment, Family
from jpki.kiosk.server.half import ServerHalfError
from jpki.kiosk.shelter.desk import ShelterDesk
from jpki.kiosk.shelter.half import Deed, Mark, Outcome, Relation, ShelterHalf, Told
from jpki.kiosk.shelter.local import CHECK_IN, LocalShelter, Shelters
from jpki.kiosk.shelter.queue import DeskKeys
from jpki.kiosk.shelter.watch import Gates, LocalWatch
from jpki.kiosk.shelter.watch_half import ArrivalNotice, Channel, WatchDeed, WatchTold
from jpki.mapping.answers import Outcome as MapOutcome
from jpki.mapping.opening import create_map
from jpki.mapping.policy import Operation
from jpki.mapping.policy_file import load_policy
from jpki.mapping.presentation import Evidence
from jpki.mapping.records import pseudonym_text
from jpki.mapping.service import Map, open_map
from jpki.mapping.sitting import Asker
from jpki.verifying.challenge import Challenge, Response
from map_bench import NOW, ORIGIN, Clock, Holder, holder, validator

DESK, OTHER_DESK = "shelter-1", "shelter-2"
PLACE, OTHER_PLACE = "中里小学校", "清瀬第三中学校"
GATE, SCHOOL = "gate-1", "中里小学校 正門"
STAFF = Asker(actor="staff-3", service="shelter", document="非開示申出 12")


class Line:
    """The line of a desk. ``cut``: nothing gets through; ``lost``: the next answer does not."""

    def __init__(self, half: LocalShelter) -> None:
        self._half = half
        self.cut = False
        self.lost = 0

    def __getattr__(self, name: str) -> Callable[..., object]:
        call = getattr(self._half, name)

        def through(*arguments: object, **named: object) -> object:
            if self.cut:
                raise ServerHalfError("server_down")
            answer = call(*arguments, **named)
            if self.lost:
                self.lost -= 1
                raise ServerHalfError("server_slow")
            return answer

        return through


@dataclass
class City:
    """A map under the preset ``shelter``, two desks, and who was enrolled."""

    map: Map
    clock: Clock
    folder: Path
    key: X25519PrivateKey
    city_key: X25519PrivateKey
    signing: dict[str, Ed25519PrivateKey]
    pseudonyms: dict[int, str] = field(default_factory=dict)
    desks: dict[str, Ed25519PublicKey] = field(default_factory=dict)

    @property
    def shelters(self) -> Shelters:
        places = {DESK: PLACE, OTHER_DESK: OTHER_PLACE}
        return Shelters(self.map, places, self.desks, self.key, ORIGIN, self.clock)

    def half(self, desk: str = DESK) -> LocalShelter:
        return LocalShelter(self.shelters, desk)

    def line(self, desk: str = DESK) -> Line:
        return Line(self.half(desk))

    def desk(
        self, half: object | None = None, name: str = DESK, clock: Clock | None = None
    ) -> ShelterDesk:
        keys = DeskKeys(name, self.signing[name], self.key.public_key(), self.city_key.public_key())
        own: ShelterHalf = half or self.half(name)  # type: ignore[assignment]
        return ShelterDesk(own, self.folder / name, keys, clock or self.clock)

    def enrolled(self) -> Holder:
        """Somebody who registered before."""
        who = holder()
        challenge = self.map.issue_challenge(
            Operation.ENROL, origin=ORIGIN, service="shelter", purpose=CHECK_IN
        )
        asker = Asker(actor=DESK, service="shelter", purpose=CHECK_IN)
        resolution = self.map.enrol(self.map.verify(who.answer(challenge)), asker)
        assert resolution.pseudonym is not None
        self.pseudonyms[who.serial] = pseudonym_text(resolution.pseudonym)
        return who

    def suppress(self, who: Holder, *, lift: bool = False) -> None:
        done = self.map.suppress(self.pseudonyms[who.serial], STAFF, lift=lift)
        assert done.outcome is MapOutcome.DONE

    def tell(
        self,
        who: Holder,
        deed: Deed,
        *,
        mark: Mark | None = None,
        code: str = "",
        relation: Relation | None = None,
    ) -> Told:
        half = self.half()
        response = answered(who, half.shelter_challenge(deed))
        return half.tell(deed, response, mark=mark, code=code, relation=relation)

    def named(self, person: Holder, viewer: Holder, relation: Relation, mark: Mark) -> None:
        """The viewer gets a code, the person names who has it."""
        code = self.tell(viewer, Deed.MARK, mark=mark).code
        told = self.tell(person, Deed.NAME, code=code, relation=relation)
        assert told.outcome is Outcome.DONE

    def check_in(
        self,
        who: Holder,
        shared: Sequence[Relation] = (),
        *,
        leaving: bool = False,
        desk: ShelterDesk | None = None,
    ) -> Outcome | None:
        at = desk or self.desk()
        entry = at.entry(answered(who, at.challenge()), shared=frozenset(shared), leaving=leaving)
        receipt = at.check_in(entry)
        return None if receipt is None else receipt.outcome


def answered(who: Holder, challenge: Challenge) -> Response:
    return who.answer(challenge).response


def city(url: str, folder: Path) -> City:
    """A new city on an empty database."""
    clock, policy = Clock(), load_policy("shelter")
    create_map(url, folder / "map.keys", policy, Environment.TEST, now=NOW)
    opened = open_map(url, folder / "map.keys", policy, validator(clock), clock=clock)
    signing = {name: Ed25519PrivateKey.generate() for name in (DESK, OTHER_DESK)}
    made = City(
        opened, clock, folder, X25519PrivateKey.generate(), X25519PrivateKey.generate(), signing
    )
    made.desks.update({name: key.public_key() for name, key in signing.items()})
    made.shelters.prepare()
    return made


@dataclass
class School:
    """A map under the preset ``watch``, one gate, and what guardians were told."""

    map: Map
    clock: Clock
    heard: list[tuple[str, Channel, ArrivalNotice]] = field(default_factory=list)
    silent: bool = False

    @property
    def gates(self) -> Gates:
        return Gates(self.map, {GATE: SCHOOL}, self._notify, ORIGIN, self.clock)

    def _notify(self, guardian: str, channel: Channel, notice: ArrivalNotice) -> None:
        if self.silent:
            raise OSError("no line")
        self.heard.append((guardian, channel, notice))

    def half(self) -> LocalWatch:
        return LocalWatch(self.gates, GATE)

    def guardian(self, who: Holder, deed: WatchDeed, channel: Channel | None = None) -> WatchTold:
        half = self.half()
        return half.guardian(deed, answered(who, half.watch_challenge(deed)), channel=channel)

    def child(self, who: Holder, code: str) -> WatchTold:
        half = self.half()
        return half.child(answered(who, half.watch_challenge(WatchDeed.CHILD)), code)

    def arrive(self, who: Holder) -> WatchTold:
        half = self.half()
        return half.arrive(answered(who, half.watch_challenge(WatchDeed.ARRIVE)))

    def family(self, channel: Channel = Channel.APP) -> tuple[Holder, Holder]:
        """A guardian who consented, and the child whose card was registered."""
        guardian, child = holder(Family.SIGN), holder(slot=1)
        code = self.guardian(guardian, WatchDeed.CONSENT, channel).code
        assert self.child(child, code).outcome is Outcome.DONE
        return guardian, child

    def pseudonym(self, who: Holder) -> str:
        """Of a child, as staff have it."""
        challenge = self.map.issue_challenge(
            Operation.RESOLVE, origin=ORIGIN, service="watch", purpose="arrival-notice"
        )
        asker = Asker(actor=GATE, service="watch", purpose="arrival-notice")
        found = self.map.resolve(self.map.verify(Evidence(answered(who, challenge))), asker)
        assert found.pseudonym is not None
        return pseudonym_text(found.pseudonym)


def school(url: str, folder: Path) -> School:
    """A new school on an empty database."""
    clock, policy = Clock(), load_policy("watch")
    create_map(url, folder / "watch.keys", policy, Environment.TEST, now=NOW)
    opened = open_map(url, folder / "watch.keys", policy, validator(clock), clock=clock)
    made = School(opened, clock)
    made.gates.prepare()
    return made


DAY = timedelta(days=1)
