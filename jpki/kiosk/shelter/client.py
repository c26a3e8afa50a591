# SPDX-License-Identifier: Apache-2.0
"""Shelter and gate as a terminal reaches them: the client of the server half, with their calls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from jpki.kiosk.server.client import HttpServerHalf
from jpki.kiosk.server.half import ServerHalfError
from jpki.kiosk.server.wire import read_challenge, read_object
from jpki.kiosk.shelter import wire
from jpki.kiosk.shelter.entries import entry_object, tap_object
from jpki.kiosk.shelter.half import Bundle, CheckIn, Deed, Mark, Receipt, Relation, Told
from jpki.kiosk.shelter.watch_half import Channel, WatchDeed, WatchTold
from jpki.mapping.card_answer import TapEvidence
from jpki.verifying.challenge import Challenge, Response


class HttpShelterHalf(HttpServerHalf):
    """A ShelterHalf and a WatchHalf behind a URL."""

    def shelter_challenge(self, deed: Deed) -> Challenge:
        """As the Protocol has it."""
        return read_challenge(self._ask(wire.CHALLENGE, {"deed": deed.value}))

    def ration(self, count: int) -> Sequence[Challenge]:
        """As the Protocol has it."""
        raw = read_object(self._ask(wire.RATION, {"count": count}))
        challenges = raw.get("challenges")
        if not isinstance(challenges, list):
            raise ServerHalfError("server_nonsense")
        return [read_challenge(json.dumps(each).encode("utf-8")) for each in challenges]

    def check_in(self, entry: CheckIn) -> Receipt:
        """As the Protocol has it."""
        receipts = wire.read_receipts(self._ask(wire.CHECK_IN, entry_object(entry)))
        if len(receipts) != 1 or receipts[0].id != entry.id:
            raise ServerHalfError("server_nonsense")
        return receipts[0]

    def begin_sync(self) -> str:
        """As the Protocol has it."""
        return str(read_object(self._ask(wire.BEGIN, {})).get("nonce", ""))

    def sync(self, bundle: Bundle) -> Sequence[Receipt]:
        """As the Protocol has it. An answer that names fewer check-ins than were sent is none."""
        receipts = wire.read_receipts(self._ask(wire.SYNC, wire.bundle_object(bundle)))
        if len(receipts) != len(bundle.records):
            raise ServerHalfError("server_nonsense")
        return receipts

    def tell(
        self,
        deed: Deed,
        response: Response,
        *,
        mark: Mark | None = None,
        code: str = "",
        relation: Relation | None = None,
    ) -> Told:
        """As the Protocol has it."""
        body = {"deed": deed, "response": response.to_object(), "mark": mark, "code": code,
                "relation": relation}  # fmt: skip
        return wire.read_told(self._ask(wire.TELL, body))

    def counts(self) -> Mapping[str, int | None]:
        """As the Protocol has it."""
        return wire.read_counts(self._ask(wire.COUNTS, {}))

    def watch_challenge(self, deed: WatchDeed) -> Challenge:
        """As the Protocol has it."""
        return read_challenge(self._ask(wire.WATCH_CHALLENGE, {"deed": deed.value}))

    def guardian(
        self, deed: WatchDeed, response: Response, *, channel: Channel | None = None
    ) -> WatchTold:
        """As the Protocol has it."""
        body = {"deed": deed, "response": response.to_object(), "channel": channel}
        return wire.read_watch_told(self._ask(wire.GUARDIAN, body))

    def child(self, response: Response, code: str) -> WatchTold:
        """As the Protocol has it."""
        body = {"response": response.to_object(), "code": code}
        return wire.read_watch_told(self._ask(wire.CHILD, body))

    def arrive(self, evidence: Response | TapEvidence) -> WatchTold:
        """As the Protocol has it."""
        body = (
            {"tap": tap_object(evidence)}
            if isinstance(evidence, TapEvidence)
            else {"response": evidence.to_object()}
        )
        return wire.read_watch_told(self._ask(wire.ARRIVE, body))
