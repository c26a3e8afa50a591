# SPDX-License-Identifier: Apache-2.0
"""What follows from a card file on a given day: dates, generations, serials, derived PINs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from jpki.card_map import PinKind
from jpki.certificate.kinds import Family
from jpki.emulator.profile import CardProfile
from jpki.errors import CardFileError
from jpki.synth import SynthPki, nth_birthday

_JAPAN = timedelta(hours=9)
# First days of the eras; 照合番号B counts years in them and names none [MC].
_ERAS = (
    date(2019, 5, 1),
    date(1989, 1, 8),
    date(1926, 12, 25),
    date(1912, 7, 30),
    date(1868, 1, 25),
)
_ADULT_AT_18 = date(2022, 4, 1)  # 成年年齢; 20 before [inferred for the card's term]


@dataclass(frozen=True, slots=True)
class CardFacts:
    """A profile on a day. ``issued`` and ``certificate_end`` are UTC; days are Japanese.

    ``card_number``: the 15 digits of the card record; ``derived``: keys that are no choice.
    """

    profile: CardProfile
    issued: datetime
    issue_day: date
    certificate_end: datetime
    card_end: date
    generations: dict[Family, int]
    serials: dict[Family, int] = field(repr=False)
    card_number: str = field(repr=False)
    derived: dict[PinKind, str] = field(repr=False)


def card_facts(profile: CardProfile, pki: SynthPki) -> CardFacts:
    """Work out a profile on the day of ``pki.at``. Raises CardFileError for no such day."""
    day = _issue_day(profile, pki.at)
    if day < profile.holder.birth:
        raise CardFileError(path=profile.name, place="dates", reason="contradiction")
    issued = datetime(day.year, day.month, day.day, 1, 23, 45, tzinfo=UTC)
    card_end = profile.dates.expires or _card_end(profile, day)
    years = 5 if profile.layout is None else profile.layout.certificate_years
    last = datetime(card_end.year, card_end.month, card_end.day, 14, 59, 59, tzinfo=UTC)
    return CardFacts(
        profile=profile,
        issued=issued,
        issue_day=day,
        certificate_end=min(nth_birthday(issued, profile.holder.birth, years), last),
        card_end=card_end,
        generations={family: _generation(profile, pki, family, issued) for family in Family},
        serials={family: _serial(profile, family) for family in Family},
        card_number=f"999{_digest_number(profile.name, 'card') % 10**12:012}",
        derived=_derived(profile, card_end),
    )


def _issue_day(profile: CardProfile, at: datetime) -> date:
    rule = profile.dates
    if rule.issued is not None:
        return rule.issued
    latest = (at.astimezone(UTC) + _JAPAN).date() - timedelta(days=rule.days_before)
    day = date(latest.year, *rule.month_day)
    return day if day <= latest else day.replace(year=latest.year - 1)


def _card_end(profile: CardProfile, issue_day: date) -> date:
    """The 10th birthday after issue; the 5th for a minor."""
    birth = profile.holder.birth
    age = issue_day.year - birth.year - (birthday(birth, issue_day.year) > issue_day)
    adult = age >= (18 if issue_day >= _ADULT_AT_18 else 20)
    passed = birthday(birth, issue_day.year) <= issue_day
    return birthday(birth, issue_day.year + (10 if adult else 5) - (not passed))


def birthday(birth: date, year: int) -> date:
    """The birthday in a year; the 28th for somebody born on 29 February [inferred]."""
    try:
        return birth.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def _generation(profile: CardProfile, pki: SynthPki, family: Family, issued: datetime) -> int:
    """The one the file names, or the newest that was there on the day of issue."""
    named = profile.certificates[family].generation
    if named is not None:
        return named
    begun = [a for a in pki.authorities() if a.family is family and a.not_before <= issued]
    if not begun:
        raise CardFileError(path=profile.name, place="dates", reason="contradiction")
    return max(authority.generation for authority in begun)


def _serial(profile: CardProfile, family: Family) -> int:
    """The one the file names, or four bytes made from the card's name."""
    named = profile.certificates[family].serial
    return named or 0x07000000 + _digest_number(profile.name, family.value) % 0x03000000


def _digest_number(name: str, label: str) -> int:
    digest = hashlib.sha256(f"jpki emulated card {name} {label}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def era_birth(birth: date) -> str:
    """YYMMDD, the year counted in its era: 1980-02-17 is 昭和55 and gives 550217."""
    first = next(begin for begin in _ERAS if birth >= begin)
    return f"{birth.year - first.year + 1:02}{birth:%m%d}"


def _derived(profile: CardProfile, card_end: date) -> dict[PinKind, str]:
    born = era_birth(profile.holder.birth)
    return {
        PinKind.NUMBER_A: profile.holder.number,
        PinKind.NUMBER_B: f"{born}{card_end.year}{profile.security_code}",
        PinKind.BIRTH: born,
    }
