# SPDX-License-Identifier: Apache-2.0
"""What programs do with a card, each as one function, to be run on cards that misbehave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from card_bench import opened, read_all
from jpki.card import Card
from jpki.card_map import PinKind
from jpki.emulator import ApduTrace, EmulatedCard, load_card
from jpki.open import load_trust
from jpki.synth import SynthPki
from jpki.verdict import Verdict
from jpki.verifying.card_check import check_card
from jpki.verifying.challenge import new_challenge
from jpki.verifying.login import respond, verify_response
from jpki.verifying.material import TrustMaterial, ValidationOptions
from virtual_terminal import AT

RIGHT, WRONG, NEW, SECRET = b"1234", b"9999", b"8765", b"ABC123"


@dataclass
class Bench:
    """One run: the PIN buffers handed out, to see that they were wiped."""

    pins: list[bytearray] = field(default_factory=list)

    def pin(self, value: bytes) -> bytearray:
        self.pins.append(bytearray(value))
        return self.pins[-1]


@cache
def pki() -> SynthPki:
    return SynthPki(AT)


@cache
def trust() -> TrustMaterial:
    return load_trust("test", at=AT)


def info(card: Card, bench: Bench) -> object:
    told = card.info()
    return told.token.kind, told.interface, told.applications, told.certificates, told.counters


def read(card: Card, bench: Bench) -> object:
    """Text data, and all certificates that can be had."""
    card.pins.verify(PinKind.TEXT, bench.pin(RIGHT))
    text = read_all(card)
    assert text.number is not None
    certificates = [card.jpki.certificate(w) for w in ("auth", "auth-ca", "sign-ca")]
    return (
        text.cv_certificate,
        text.digests,
        text.attributes,
        text.ap_key,
        text.number.physical,
        certificates,
    )


def read_sign(card: Card, bench: Bench) -> object:
    card.pins.verify(PinKind.SIGN, bench.pin(SECRET))
    return card.jpki.certificate("sign")


def check(card: Card, bench: Bench) -> tuple[Verdict, object]:
    options = ValidationOptions(at=AT, crls=trust().crls)
    pins = {kind: lambda counter: bench.pin(RIGHT) for kind in (PinKind.TEXT, PinKind.AUTH)}
    report = check_card(card, trust(), options, pins)
    return report.verdict, report.attributes


def login(card: Card, bench: Bench) -> tuple[Verdict, object]:
    challenge = new_challenge("https://example.jp", "login", now=AT)
    response = respond(card, challenge, bench.pin(RIGHT), now=AT)
    validator = ValidationOptions(at=AT, crls=trust().crls).validator(trust())
    return verify_response(response, challenge, validator, now=AT), response.certificate


def right_pin(card: Card, bench: Bench) -> object:
    return card.pins.verify(PinKind.AUTH, bench.pin(RIGHT))


def wrong_pin(card: Card, bench: Bench) -> object:
    return card.pins.verify(PinKind.AUTH, bench.pin(WRONG))


def change_pin(card: Card, bench: Bench) -> object:
    return card.pins.change(PinKind.AUTH, bench.pin(RIGHT), bench.pin(NEW))


def sign(card: Card, bench: Bench) -> object:
    card.pins.verify(PinKind.AUTH, bench.pin(RIGHT))
    return card.jpki.authenticate(b"a text to sign")


Job = Callable[[Card, Bench], object]
JOBS: dict[str, Job] = {
    job.__name__: job
    for job in (info, read, read_sign, check, login, right_pin, wrong_pin, change_pin, sign)
}


@dataclass
class Run:
    """What came of a job: a value or an error, and the card after it."""

    card: EmulatedCard
    bench: Bench
    value: object = None
    error: BaseException | None = None


def run(job: Job, *faults: str) -> Run:
    """A job on a fresh card with these faults. Takes no real time."""
    emulated = load_card("hanako", at=AT, pki=pki(), faults=faults)
    emulated.sleep = None
    result = Run(emulated, Bench())
    try:
        with opened(emulated) as card:
            result.value = job(card, result.bench)
    except Exception as error:
        result.error = error
    return result


@cache
def undisturbed(name: str) -> tuple[Run, tuple[ApduTrace, ...]]:
    """The job without a fault, and its commands."""
    emulated = load_card("hanako", at=AT, pki=pki())
    seen: list[ApduTrace] = []
    emulated.log = seen.append
    result = Run(emulated, Bench())
    try:
        with opened(emulated) as card:
            result.value = JOBS[name](card, result.bench)
    except Exception as error:
        result.error = error
    return result, tuple(seen)
