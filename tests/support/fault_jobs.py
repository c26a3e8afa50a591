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

AT_COMMAND = (
    "pull:before", "pull:during", "pull:after", "reinsert", "reset",
    "reply:cut=1", "reply:cut=2", "reply:cut=100", "reply:flip", "reply:flip=0", "reply:repeat",
    "reply:delay=2s", "reply:delay=60s", "reply:never",
    "sw=6F00", "sw=6982", "sw=6A82", "sw=9000", "sw=63C2", "sw=61FF", "sw=6C10", "sw:after=6985",
)  # fmt: skip
SIZES = (128, 224, 250, 255)
SMALL = tuple(f"reader:{how}={size}" for how in ("6700", "cut", "trim") for size in SIZES)
LYING = ("extended:6700", "extended:cut=256", "extended:trim=256", "extended:cut=1000")
PATIENT = ("card:6F00", "card:61xx=1", "card:61xx=100", "card:61xx=255", "card:6Cxx")
BREAKING = ("reader:break=128", "extended:break", "busy:open", "busy:exclusive")
FORGED = ("wrong:auth-certificate", "wrong:sign-certificate", "wrong:answer")
STANDING = (*SMALL, *LYING, *PATIENT, *BREAKING, *FORGED)
"""Every fault that stands all the time; those above are set at one command."""

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
