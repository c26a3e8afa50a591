# SPDX-License-Identifier: Apache-2.0
"""What every part of personalisation works from: facts, test PKI, keys; and plain files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

from jpki.card_map import PIN_RULES, Application, FileEntry, FileKind, PinKind
from jpki.emulator.ecdsa import EcKey
from jpki.emulator.facts import CardFacts
from jpki.emulator.files import (
    ChangeCommand,
    ElementaryFile,
    KeyUse,
    Once,
    PinReference,
    content,
)
from jpki.emulator.rsa import SigningKey
from jpki.synth import SynthPki, card_key, key_id, stored_ec_key

Contents = Mapping[str, Callable[[], bytes]]
Keys = Mapping[str, Once[SigningKey] | None]

_CHANGE = {
    PinKind.AUTH: ChangeCommand.ISO,
    PinKind.SIGN: ChangeCommand.ISO,
    PinKind.TEXT: ChangeCommand.ISO,
    PinKind.COMMON: ChangeCommand.JICSAP,
    PinKind.JUKI: ChangeCommand.JICSAP,
}
UNKNOWN_PIN_TRIES = 10  # keys that answer the query and whose purpose nobody knows [inferred]


@dataclass(frozen=True, slots=True)
class Builder:
    """The card being made. Keys of ``records`` are named by records, those of ``own`` compute."""

    facts: CardFacts
    pki: SynthPki

    def record_key(self, role: str) -> tuple[int, int]:
        """Public numbers of the key that a record or certificate names."""
        numbers = card_key(self.facts.profile.slot, role).public_key().public_numbers()
        return numbers.n, numbers.e

    def own_key(self, role: str) -> Once[SigningKey]:
        """The private key on the card; on a copied card not the one its records name."""
        slot = self.facts.profile.operating_slot
        return Once(lambda: SigningKey(card_key(slot, role)))

    def ec_key(self, role: str) -> Once[EcKey] | None:
        """The P-384 key of a card with a layout of its own; None for every other card."""
        layout = self.facts.profile.layout
        if layout is None:
            return None
        return Once(lambda: EcKey(stored_ec_key(f"nextgen-{role}"), layout.p1, layout.form))

    def issuer(self) -> rsa.RSAPrivateKey:
        """The municipality's key, which signs the records."""
        return self.pki.municipality_key(self.facts.profile.municipality)

    def cv_certificate(self, chain: str) -> bytes:
        """EF 0004 of the surface or text application, 568 bytes."""
        place = self.facts.profile.municipality
        numbers = self.issuer().public_key().public_numbers()
        subject = self.pki.municipality_key_id(place)
        return self.pki.cv_certificate(chain, subject, (numbers.n, numbers.e))

    def opaque(self, label: str, size: int) -> bytes:
        """Bytes in the place of values nobody can read; the same for equal cards."""
        name = self.facts.profile.name
        parts = (
            self.pki.random_bytes(f"card {name} {label} {number}", 64)
            for number in range(-(-size // 64))
        )
        return b"".join(parts)[:size]

    def pin(self, application: Application, entry: FileEntry) -> PinReference:
        """The reference behind a PIN file, with its counter at personalisation."""
        profile, key = self.facts.profile, f"{application.name}/{entry.fid:04x}"
        kind = entry.pin
        if kind is None:
            tries = 0 if "blocked" in entry.source else UNKNOWN_PIN_TRIES
            return PinReference(key, UNKNOWN_PIN_TRIES, tries)
        layout = profile.layout
        rule = (PIN_RULES if layout is None else layout.rules)[kind]
        value = self.facts.derived.get(kind) or profile.pins.get(kind, "")
        return PinReference(
            key=key,
            max_tries=rule.tries,
            tries=profile.tries.get(kind, rule.tries) if value else 0,
            value=value.encode("ascii"),
            kind=kind,
            change=_CHANGE.get(kind, ChangeCommand.NONE),
            min_length=rule.min_length,
            max_length=rule.max_length,
        )


def key_reference(number: str = "9000024", version: str = "001") -> bytes:
    """A 16-byte key id of the test family 9…"""
    return key_id(number, version)


def files_of(
    builder: Builder,
    application: Application,
    contents: Contents,
    keys: Keys | None = None,
    *,
    uses: Mapping[str, KeyUse] | None = None,
    ec_keys: Mapping[str, Once[EcKey] | None] | None = None,
) -> list[ElementaryFile]:
    """All files the card map lists for an application, filled from ``contents`` and ``keys``."""
    by_kind = {entry.pin: entry.fid for entry in application.files.values() if entry.pin}
    made = []
    for entry in application.files.values():
        make = contents.get(entry.name)
        kind = entry.kind
        hidden = False
        if kind is FileKind.UNKNOWN:
            # Working files lie below 0010; a sweep finds them closed [MC] [inferred].
            hidden = entry.fid < 0x10
            kind = FileKind.TRANSPARENT if make is not None else kind
        made.append(
            ElementaryFile(
                fid=entry.fid,
                kind=kind,
                opened_by=frozenset(by_kind[pin] for pin in entry.opened_by),
                content=None if make is None else content(make),
                pin=builder.pin(application, entry) if kind is FileKind.PIN else None,
                key=(keys or {}).get(entry.name),
                ec_key=(ec_keys or {}).get(entry.name),
                use=(uses or {}).get(entry.name, KeyUse.SIGN),
                hidden=hidden,
            )
        )
    return made
