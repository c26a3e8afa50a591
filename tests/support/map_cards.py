# SPDX-License-Identifier: Apache-2.0
"""Emulated cards at a map: presented with a PIN, tapped, read again, bound."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from jpki.card import Card
from jpki.card_map import PinKind
from jpki.certificate import parse_certificate
from jpki.certificate.kinds import Environment, Family
from jpki.emulator import VirtualConnection, load_card, populate
from jpki.mapping.answers import Resolution
from jpki.mapping.card_answer import (
    BindingEvidence,
    RereadEvidence,
    TapEvidence,
    read_again,
    read_binding,
    read_tap,
)
from jpki.mapping.opening import create_map
from jpki.mapping.policy import Operation, Policy, Proof
from jpki.mapping.presentation import Evidence
from jpki.mapping.service import open_map
from jpki.synth import Reason, SynthPki
from jpki.synth.municipalities import KIYOSE
from jpki.validation.trust import TrustStore
from jpki.validation.validator import Validator
from jpki.verifying.challenge import Challenge
from jpki.verifying.login import respond
from map_bench import NOW, ORIGIN, Bench, Clock, changed, two_services

WEAK = frozenset({Proof.TAP, Proof.RECHECK})


@functools.cache
def pki() -> SynthPki:
    """The test PKI that issued the built-in cards, and knows which of them are revoked."""
    made = SynthPki(NOW)
    populate(made)
    return made


def validator(clock: Clock, *, revoked: tuple[tuple[str, Reason], ...] = ()) -> Validator:
    """The map's own validator, with the auth certificates of these cards revoked."""

    authority = SynthPki(NOW)
    populate(authority)
    for name, reason in revoked:
        certificate = parse_certificate(certificate_of(name))
        serial = int.from_bytes(certificate.serial.reveal(), "big")
        authority.revoke(Family.AUTH, 3, KIYOSE.code, serial, NOW - timedelta(days=2), reason)
    return Validator(
        TrustStore(Environment.TEST, authority.trust_anchors()), crls=authority.crls(),
        unverified_policies=True, clock=clock,
    )  # fmt: skip


def weak_policy(**purpose: object) -> Policy:
    """Two services that take taps and re-reads and keep serials for 現況確認."""
    policy = two_services()
    own = policy.services[0].purposes[0]
    facts = {
        "accept": WEAK,
        "operations": own.operations | {Operation.RECHECK},
        "stores_serial": True,
    }
    return changed(policy, **{**facts, **purpose})


def card_bench(url: str, folder: Path, policy: Policy) -> Bench:
    """A map that knows the CV keys of the test PKI."""
    clock, key_file = Clock(), folder / "map.keys"
    create_map(url, key_file, policy, Environment.TEST, now=NOW)
    opened = open_map(
        url, key_file, policy, validator(clock), cv_keys=pki().cv_ca_keys(), clock=clock
    )
    return Bench(url, key_file, policy, clock, opened, "library")


@dataclass
class AtTheReader:
    """One emulated card, read anew each time as at a reader."""

    name: str

    def open(self) -> Card:
        """The card, freshly powered."""
        return Card(VirtualConnection(load_card(self.name, at=NOW)))

    def present(self, challenge: Challenge) -> Evidence:
        with self.open() as card:
            return Evidence(respond(card, challenge, bytearray(b"1234"), now=NOW))

    def tap(self, challenge: Challenge) -> TapEvidence:
        with self.open() as card:
            return read_tap(card, challenge, now=NOW)

    def again(self, challenge: Challenge) -> RereadEvidence:
        with self.open() as card:
            return read_again(card, challenge, now=NOW)

    def binding(self, challenge: Challenge) -> BindingEvidence:
        with self.open() as card:
            card.pins.verify(PinKind.TEXT, bytearray(b"1234"))
            return read_binding(card, challenge, now=NOW)


@functools.cache
def certificate_of(name: str) -> bytes:
    with AtTheReader(name).open() as card:
        return card.jpki.certificate("auth")


def bind(bench: Bench, name: str = "hanako", other: str | None = None) -> Resolution:
    """Enrol with a card that is bound in the same sitting; ``other``: another card is bound."""
    challenge = bench.map.issue_challenge(
        Operation.ENROL, origin=ORIGIN, service="library", binds_card=True
    )
    presentation = bench.map.verify(AtTheReader(name).present(challenge))
    card = AtTheReader(other or name).binding(challenge)
    return bench.map.enrol(presentation, bench.asker(), card=card)


def tap(bench: Bench, name: str = "hanako") -> Resolution:
    challenge = bench.map.issue_challenge(Operation.RESOLVE, origin=ORIGIN, service="library")
    return bench.map.tap(AtTheReader(name).tap(challenge), bench.asker())


def reread(bench: Bench, name: str = "hanako") -> Resolution:
    challenge = bench.map.issue_challenge(Operation.RECHECK, origin=ORIGIN, service="library")
    return bench.map.reread(AtTheReader(name).again(challenge), bench.asker())
