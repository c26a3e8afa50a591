# SPDX-License-Identifier: Apache-2.0
"""JPKI-shaped cases by number: the same number is the same case, on every machine.

A case is a certificate and the list it is judged with; each may be right, wrong in a named
way, or have one wrong byte.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jpki.certificate import Family, Medium
from jpki.synth.end_entity import EndEntityRequest
from jpki.synth.keystore import any_stored_key
from jpki.synth.municipalities import KIYOSE, SHIBUYA
from jpki.synth.overrides import CrlOverrides, Overrides
from jpki.synth.people import HolderData
from jpki.synth.pki import SynthPki

AT = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)
GENERATIONS = (2, 3)
_FIRST_SERIAL = 0x0700_0000
_DAMAGED_LISTS = 12
_LISTED = 50
_HOLDER = HolderData(name="番号　花子", address="東京都清瀬市", birth=AT.date(), sex="2")

# What may be wrong with a certificate. «{family}» stands for sign or auth.
CERTIFICATES: Mapping[str, Mapping[str, object]] = {
    "right": {},
    "wrong byte": {},
    "expired": {"not_after": AT - DAY / 86400},
    "not yet valid": {"not_before": AT + DAY / 86400},
    "last second": {"not_after": AT},
    "rogue key": {"signer": "rogue-ca"},
    "key of the other generation": {"signer": "{family}-ca-{other}"},
    "damaged signature": {"damage_signature": True},
    "unknown critical extension": {"extra_critical": True},
    "no policy": {"drop": ("policies",)},
    "unknown policy": {"policy": "1.2.392.200149.8.5.1.1.99"},
    "policy not critical": {"critical": {"policies": False}},
    "usage of a CA": {"values": {"keyUsage": bytes.fromhex("03020106")}},
    "no usage": {"drop": ("keyUsage",)},
    "SHA-1": {"signature_hash": "sha1"},
    "SHA-512": {"signature_hash": "sha512"},
    "short key": {"key": "weak-1024"},
    "extension twice": {"duplicate": "policies"},
    "length not minimal": {"non_minimal_length": True},
    "algorithms differ": {"inner_hash": "sha512"},
    "serial of the authority wrong": {"aki_serial": 0x1234},
    "points not there": {"drop": ("crldp",)},
}
# What may be wrong with a list.
LISTS: Mapping[str, CrlOverrides | None] = {
    "right": CrlOverrides(),
    "none": None,
    "other municipality": CrlOverrides(partition=SHIBUYA),
    "expired": CrlOverrides(this_update=AT - 3 * DAY, next_update=AT - DAY / 86400),
    "from the future": CrlOverrides(this_update=AT + DAY, next_update=AT + 2 * DAY),
    "damaged signature": CrlOverrides(damage_signature=True),
    "rogue key": CrlOverrides(signer="rogue-ca"),
    "unknown critical extension": CrlOverrides(extra_critical=True),
    "unknown critical entry extension": CrlOverrides(entry_extra_critical=True),
    "for CAs": CrlOverrides(scope="ca"),
    "for all": CrlOverrides(idp_absent=True),
    "some reasons": CrlOverrides(only_some_reasons=b"\x40"),
    "delta": CrlOverrides(delta_base=1),
    "number not there": CrlOverrides(number_absent=True),
    "SHA-1": CrlOverrides(signature_hash="sha1"),
    "v3": CrlOverrides(version=3),
}


@dataclass(frozen=True, slots=True)
class Case:
    """``wrong``: what is wrong with the certificate. ``group``: which list it goes with."""

    number: int
    wrong: str
    der: bytes
    group: Group
    listed: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Everything that cases share: the root and the list. ``damage``: which wrong byte."""

    family: Family
    generation: int
    wrong: str
    damage: int | None = None


@functools.cache
def pki() -> SynthPki:
    return SynthPki(AT)


def case(number: int) -> Case:
    """The case of that number."""
    chance = random.Random(number)
    family = chance.choice(list(Family))
    generation = chance.choice(GENERATIONS)
    wrong = chance.choice([*CERTIFICATES, *["right"] * 6, *["wrong byte"] * 4])
    # One thing at a time is wrong, or two.
    at_fault = chance.random() < 0.5 if wrong == "right" else chance.random() < 0.15
    damage = chance.randrange(_DAMAGED_LISTS) if at_fault and chance.random() < 0.3 else None
    list_wrong = chance.choice(list(LISTS)) if at_fault and damage is None else "right"
    listed = chance.random() < 0.2
    # Even serials are on the lists.
    serial = _FIRST_SERIAL + 2 * (number % _LISTED) + (0 if listed else 1)
    der = _certificate(wrong, family, generation, serial, chance)
    return Case(number, wrong, der, Group(family, generation, list_wrong, damage), listed)


def _certificate(
    wrong: str, family: Family, generation: int, serial: int, chance: random.Random
) -> bytes:
    options = dict(CERTIFICATES[wrong])
    if isinstance(signer := options.get("signer"), str):
        other = GENERATIONS[GENERATIONS[0] == generation]
        options["signer"] = signer.format(family=family.value, other=other)
    key = any_stored_key(str(options.pop("key", "card-00-auth"))).public_key()
    dates = {name: options.pop(name) for name in ("not_before", "not_after") if name in options}
    request = EndEntityRequest(
        family=family,
        generation=generation,
        medium=Medium.CARD,
        public_key=key,
        serial=serial,
        holder=_HOLDER,
        overrides=Overrides(**options),  # type: ignore[arg-type]
        **dates,  # type: ignore[arg-type]
    )
    data = pki().end_entity(request)
    return _flip(data, chance) if wrong == "wrong byte" else data


@functools.cache
def list_of(group: Group) -> bytes | None:
    """The list of a group: every even serial of the cases is on it."""
    overrides = LISTS[group.wrong]
    if overrides is None:
        return None
    revoked = [(_FIRST_SERIAL + 2 * n, AT - 3 * DAY, 3) for n in range(_LISTED)]
    data = pki().crl(group.family, group.generation, KIYOSE, revoked, overrides)
    if group.damage is None:
        return data
    return _flip(data, random.Random(f"{group.family} {group.generation} {group.damage}"))


def root_of(group: Group) -> bytes:
    return pki().ca_certificate(group.family, group.generation)


def _flip(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]
