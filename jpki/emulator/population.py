# SPDX-License-Identifier: Apache-2.0
"""The built-in cards, loading a card by name or file, and what the test PKI knows of them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

from jpki.certificate.kinds import Family
from jpki.emulator.build import Builder
from jpki.emulator.card import EmulatedCard
from jpki.emulator.card_files import personalise
from jpki.emulator.facts import card_facts
from jpki.emulator.faults import Fault, faults_of
from jpki.emulator.files import Once, content
from jpki.emulator.jpki_files import end_entity
from jpki.emulator.pins import PinStore
from jpki.emulator.profile import CardProfile
from jpki.emulator.profile_file import load_profile, parse_profile
from jpki.emulator.refusal import refuse
from jpki.emulator.state import StateFile
from jpki.errors import CardFileError
from jpki.synth import Reason, SynthPki
from jpki.synth.crl import published

BUILT_IN: tuple[str, ...] = (
    "hanako",
    "taro-moved",
    "jiro-expired",
    "child",
    "face-only",
    "blocked",
    "old-g1",
    "old-g2",
    "android",
    "iphone",
    "driver",
    "nextgen",
    "library",
    "forged",
    "copied",
)
"""Names of the cards that come with the toolkit. All their holders are invented."""

_REASONS = {
    "unspecified": Reason.UNSPECIFIED,
    "keyCompromise": Reason.KEY_COMPROMISE,
    "affiliationChanged": Reason.AFFILIATION_CHANGED,
    "superseded": Reason.SUPERSEDED,
    "cessationOfOperation": Reason.CESSATION_OF_OPERATION,
    "certificateHold": Reason.CERTIFICATE_HOLD,
}


@functools.cache
def built_in(name: str) -> CardProfile:
    """The profile of a built-in card. Raises KeyError."""
    if name not in BUILT_IN:
        raise KeyError(name)
    raw = (resources.files("jpki.emulator") / "cards" / f"{name}.toml").read_bytes()
    return parse_profile(raw, f"{name}.toml")


def find_profile(name_or_path: str) -> CardProfile:
    """A built-in card by name, any other by the path of its card file. Raises CardFileError."""
    if name_or_path in BUILT_IN:
        return built_in(name_or_path)
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.exists():
        raise CardFileError(path=name_or_path, place="file", reason="unknown_card")
    return load_profile(path)


def load_card(
    name_or_path: str,
    *,
    at: datetime | None = None,
    state_file: Path | None = None,
    pki: SynthPki | None = None,
    faults: Iterable[Fault | str] = (),
) -> EmulatedCard:
    """An emulated card, ready for power.

    ``at``: the day its dates are worked out for (default now). ``state_file``: where
    counters and changed PINs are kept; in memory without it. ``pki``: the test PKI that
    signs; by default a new one as of ``at``. ``faults``: what goes wrong, besides what the
    card file says. Raises CardFileError, FaultSpecError, ForgeryRefusedError.
    """
    profile = find_profile(name_or_path)
    if pki is None:
        pki = SynthPki(at)
    else:
        refuse(pki.ca_certificate(Family.AUTH, 3))  # one that writes O=JPKI makes no cards
    image = personalise(Builder(card_facts(profile, pki), pki))
    state = None if state_file is None else StateFile(state_file, image.identity)
    card = EmulatedCard(
        image, PinStore(image.pins(), state), profile.quirks, others=_of_another(profile, pki)
    )
    card.faults = (*profile.faults, *faults_of(faults))
    card.timing = profile.timing
    if not profile.timed:
        card.sleep = None
    return card


def _of_another(profile: CardProfile, pki: SynthPki) -> dict[int, Once[bytes]]:
    """The certificates of somebody else, for a card that holds the wrong ones."""

    def certificate(family: Family) -> bytes:
        other = built_in("taro-moved" if profile.name == "hanako" else "hanako")
        return end_entity(Builder(card_facts(other, pki), pki), family)

    return {
        0x000A: content(lambda: certificate(Family.AUTH)),
        0x0001: content(lambda: certificate(Family.SIGN)),
    }


def register(pki: SynthPki, profile: CardProfile) -> None:
    """Record at the test PKI what the profile says is revoked."""
    for family in Family:
        certificate = profile.certificates[family]
        if certificate.reason is None or not certificate.present:
            continue
        facts = card_facts(profile, pki)
        # Counted from the day, not the second: lists of one day are equal byte for byte. 02:00
        # UTC is 11:00 in Japan, an hour at which a municipal office works.
        when = published(pki.at) + timedelta(hours=5) - timedelta(days=certificate.revoked_days)
        pki.revoke(
            family,
            facts.generations[family],
            profile.municipality,
            facts.serials[family],
            when,
            _REASONS[certificate.reason],
        )


def populate(pki: SynthPki) -> None:
    """Record the revocations of all built-in cards, as of the day of ``pki``.

    A card that could not have been issued by then (before the first root, say) has none.
    """
    for name in BUILT_IN:
        with contextlib.suppress(CardFileError):
            register(pki, built_in(name))


def current_crls(at: datetime | None = None) -> list[bytes]:
    """DER of the test PKI's current lists, with the built-in cards' revocations on them."""
    pki = SynthPki(at if at is not None else datetime.now(UTC))
    populate(pki)
    return pki.crls()
