# SPDX-License-Identifier: Apache-2.0
"""The time stamp authority of the test PKI over HTTP. Source: RFC 3161 3.4."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from jpki.synth import der, tsa
from jpki.testing.http import Answer, LocalServer, Request

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"


class TsaMode(StrEnum):
    """What the server does; the last six are lies of the transport."""

    GOOD = "good"
    PAST = "past"  # a stamp of the day before
    FUTURE = "future"  # a stamp of tomorrow
    WRONG_NONCE = "wrong_nonce"
    NO_NONCE = "no_nonce"
    WRONG_IMPRINT = "wrong_imprint"  # a good stamp over something else
    BAD_SIGNATURE = "bad_signature"
    REFUSED = "refused"  # rejection: timeNotAvailable
    SLOW = "slow"
    UNAVAILABLE = "unavailable"
    HTML = "html"
    OVERSIZE = "oversize"
    REDIRECT = "redirect"
    TRUNCATED = "truncated"


_SHIFTS = {TsaMode.PAST: -timedelta(days=1), TsaMode.FUTURE: timedelta(days=1)}


class TsaServer(LocalServer[TsaMode]):
    """Stamps what is posted to it, at any path. What is no query gets badDataFormat.

    ``at``: the day it begins with (default now); it ticks from there.
    """

    modes = TsaMode

    def __init__(
        self,
        at: datetime | None = None,
        mode: TsaMode | str = TsaMode.GOOD,
        *,
        delay: float = 2.0,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__(at or datetime.now(UTC), mode, delay=delay, clock=clock)

    @property
    def certificate(self) -> bytes:
        """DER of the authority's certificate: the trust anchor of its stamps."""
        return tsa.tsa_certificate()

    def respond(self, request: Request, mode: TsaMode) -> Answer:
        """The stamp, or 405, 415."""
        if request.method != "POST":
            return Answer(b"POST only\n", status=405, headers=(("Allow", "POST"),))
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != QUERY:
            return Answer(b"this is a time stamp authority\n", status=415)
        return Answer(self._answer(request.body, mode), REPLY)

    def _answer(self, query: bytes, mode: TsaMode) -> bytes:
        try:
            asked = tsa.read_request(query)
        except ValueError:
            return tsa.time_stamp_answer(query, self.now())
        if mode is TsaMode.REFUSED:
            # PKIStatus 2, timeNotAvailable is bit 14 of PKIFailureInfo.
            failure = der.bit_string(b"\x00\x02", 1)
            return der.sequence(der.sequence(der.integer(2), failure))
        if mode is TsaMode.NO_NONCE:
            asked = replace(asked, nonce=b"")
        elif mode is TsaMode.WRONG_NONCE:
            other = int.from_bytes(hashlib.sha256(asked.nonce).digest()[:8], "big")
            asked = replace(asked, nonce=der.integer(other))
        elif mode is TsaMode.WRONG_IMPRINT:
            asked = replace(asked, imprint=_other(asked.imprint))
        at = (self.now() + _SHIFTS.get(mode, timedelta())).replace(microsecond=0)
        token = tsa.time_stamp_token(asked, at, damage_signature=mode is TsaMode.BAD_SIGNATURE)
        return der.sequence(der.sequence(der.integer(0)), token)


def _other(imprint: bytes) -> bytes:
    """The same algorithm, another digest: its last byte is changed."""
    return imprint[:-1] + bytes((imprint[-1] ^ 1,))
