# SPDX-License-Identifier: Apache-2.0
"""Fuzzed: what other machines answer a terminal, a map or a signer, who believe none of it."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fuzz_targets import FindingError, calls
from jpki.certificate.kinds import Environment, Family, Medium
from jpki.certificate.serial import RefKind, SerialRef
from jpki.kiosk.documents.contents import DocumentKind
from jpki.kiosk.server.client import _code
from jpki.kiosk.server.half import Errand
from jpki.kiosk.shelter.client import HttpShelterHalf
from jpki.kiosk.shelter.half import Bundle, CheckIn, Deed
from jpki.kiosk.shelter.watch_half import WatchDeed
from jpki.mapping.index import CertificateRef
from jpki.mapping.platform import PlatformError
from jpki.mapping.platform_http import HttpPlatform
from jpki.mapping.policy import LinkKind, Operation
from jpki.mapping.presentation import Evidence
from jpki.signing.timestamp import _granted, read_token
from jpki.synth import stored_key
from jpki.verifying.challenge import Challenge
from map_bench import NOW, holder

ERRAND: Final = Errand("konbini", "residence", Operation.RESOLVE)
REF: Final = CertificateRef(
    Environment.TEST, Family.AUTH, Medium.CARD, bytes(32), bytes(20),
    SerialRef(RefKind.CERTIFICATE_SERIAL, b"\x01"),
)  # fmt: skip


class _Half(HttpShelterHalf):
    """A server half that answers whatever it is asked with the same bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def _ask(self, path: str, body: object, expected: str = "application/json") -> bytes:
        return self._data


def half(data: bytes) -> None:
    """Every call of a terminal, with this as the answer to it; and as the words of a refusal."""
    one, answered = _Half(data), _answered().response
    calls(
        tuple(
            functools.partial(lambda call, _: call(), call)
            for call in (
                lambda: one.challenge(ERRAND), lambda: one.present(ERRAND, answered),
                lambda: one.document("ticket", DocumentKind.RESIDENCE),
                lambda: one.shelter_challenge(Deed.CHECK_IN), lambda: one.ration(2),
                lambda: one.check_in(CheckIn("an-id-of-22-characters", NOW, answered)),
                one.begin_sync, lambda: one.sync(Bundle("n", b"", (b"",), b"")),
                lambda: one.tell(Deed.ASK, answered), one.counts,
                lambda: one.watch_challenge(WatchDeed.SEE),
                lambda: one.guardian(WatchDeed.SEE, answered),
                lambda: one.child(answered, "12345678"), lambda: one.arrive(answered),
                lambda: _code(401, data),
            )
        ),
        b"",
    )  # fmt: skip


@functools.cache
def _answered() -> Evidence:
    """An answer of somebody's card, which the other side does not look at."""
    until = NOW + timedelta(hours=1)
    challenge = Challenge("an-id-of-22-characters", bytes(32), "https://a.example", "a", NOW, until)
    return holder().answer(challenge)


class _Operator(HttpPlatform):
    """An operator whose answers are all the same."""

    answer: Any = None

    def _ask(self, path: str, body: object) -> Any:
        return self.answer


@functools.cache
def _operator() -> _Operator:
    key = stored_key("tsa").public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _Operator("https://operator.example", der)


def operator(data: bytes) -> None:
    """A platform operator's answers. What is no JSON does not come so far."""
    one = _operator()
    try:
        one.answer = json.loads(data)
    except (ValueError, RecursionError):
        return
    asked: tuple[Callable[[], object], ...] = (
        lambda: one.status(REF), lambda: one.linked(REF, next(iter(LinkKind))),
        lambda: one.latest_info(REF, frozenset({"name", "address"})),
        lambda: one.register(_answered()), lambda: one.login(_answered()),
    )  # fmt: skip
    for ask in asked:
        with contextlib.suppress(PlatformError):
            repr(ask())


def stamp(data: bytes) -> None:
    """A time stamp authority's answer, and the token in it."""

    def both(raw: bytes) -> None:
        token = _granted(raw)
        if token not in raw:
            raise FindingError("a token from elsewhere")
        read_token(token)

    calls((both, read_token), data)
