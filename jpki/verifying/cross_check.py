# SPDX-License-Identifier: Apache-2.0
"""Whether the applications of one card say the same of one person.

Each record may be genuine and still be about somebody else; only together do they make a
card. What is compared stays here: a check names the field and the two sources.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations

from jpki.card.sex import Sex
from jpki.card.surface_records import AgeRecord, FaceRecord
from jpki.card.text_records import TextAttributes
from jpki.certificate import HolderAttributes
from jpki.dates import PartialDate
from jpki.verdict import Check, Outcome

# 1 male, 2 female; 3 and 9 are both «other», depending on the profile [MC] [SIGN-DUMMY].
_SEX = {Sex.MALE: 1, Sex.FEMALE: 2, Sex.OTHER: 3, Sex.NOT_APPLICABLE: 3}
# Hyphens and dashes that stand for one another in addresses.
_DASHES = frozenset("-‐‑‒–—―−ー－")
_SUBSTITUTED = "1"


@dataclass(frozen=True, slots=True)
class Facts:
    """What one source says; None = nothing. Flags: one digit a character, 1 = substituted."""

    source: str
    birth: date | PartialDate | None = field(default=None, repr=False)
    sex_code: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)
    name_flags: str = field(default="", repr=False)
    address_flags: str = field(default="", repr=False)


def facts_of_text(record: TextAttributes) -> Facts:
    """Of EF 0002 of the text application."""
    return Facts("text", record.birth, record.sex_code, record.name, record.address)


def facts_of_face(record: FaceRecord) -> Facts:
    """Of EF 0002 of the surface application: its name and address are pictures."""
    return Facts("face", record.birth, record.sex_code)


def facts_of_age(record: AgeRecord) -> Facts:
    """Of EF 0001 of the surface application."""
    return Facts("age", record.birth)


def facts_of_certificate(holder: HolderAttributes) -> Facts:
    """Of a sign certificate."""
    return Facts(
        "certificate",
        holder.birth.date if holder.birth else None,
        holder.sex_raw,
        holder.name,
        holder.address,
        holder.name_substituted or "",
        holder.address_substituted or "",
    )


def cross_checks(sources: Sequence[Facts]) -> tuple[Check, ...]:
    """One check for each field that at least two sources know: ``cross_birth``, ``cross_sex``,
    ``cross_name``, ``cross_address``.

    Invalid on a contradiction (``cross_contradiction``, with the two sources); cannot_tell
    where something is written in a way that cannot be compared (``cross_incomparable``).
    """
    compare: tuple[tuple[str, Callable[[Facts, Facts], bool | None]], ...] = (
        ("cross_birth", _births),
        ("cross_sex", _sexes),
        ("cross_name", _names),
        ("cross_address", _addresses),
    )
    known: dict[str, Callable[[Facts], object]] = {
        "cross_birth": lambda facts: facts.birth,
        "cross_sex": lambda facts: facts.sex_code,
        "cross_name": lambda facts: facts.name,
        "cross_address": lambda facts: facts.address,
    }
    checks = []
    for name, same in compare:
        having = [facts for facts in sources if known[name](facts) is not None]
        if len(having) > 1:
            checks.append(_check(name, having, same))
    return tuple(checks)


def _check(
    name: str, sources: Sequence[Facts], same: Callable[[Facts, Facts], bool | None]
) -> Check:
    unclear: tuple[str, ...] = ()
    for one, other in combinations(sources, 2):
        answer = same(one, other)
        if answer is False:
            values = {"facts": (one.source, other.source)}
            return Check(name, Outcome.INVALID, "cross_contradiction", values)
        if answer is None:
            unclear = unclear or (one.source, other.source)
    if unclear:
        return Check(name, Outcome.CANNOT_TELL, "cross_incomparable", {"facts": unclear})
    agreeing = tuple(facts.source for facts in sources)
    return Check(name, Outcome.VALID, "cross_agree", {"facts": agreeing})


def _births(one: Facts, other: Facts) -> bool | None:
    """An unknown part fits everything."""
    pairs = zip(_parts(one.birth), _parts(other.birth), strict=True)
    return all(a == b for a, b in pairs if a is not None and b is not None)


def _parts(birth: date | PartialDate | None) -> tuple[int | None, int | None, int | None]:
    return (None, None, None) if birth is None else (birth.year, birth.month, birth.day)


def _sexes(one: Facts, other: Facts) -> bool | None:
    if one.sex_code == other.sex_code:
        return True
    try:
        return _SEX[Sex(one.sex_code or "")] == _SEX[Sex(other.sex_code or "")]
    except ValueError:
        return None


def _names(one: Facts, other: Facts) -> bool | None:
    return _texts((one.name or "", one.name_flags), (other.name or "", other.name_flags))


def _addresses(one: Facts, other: Facts) -> bool | None:
    return _texts(
        (one.address or "", one.address_flags), (other.address or "", other.address_flags)
    )


def _texts(one: tuple[str, str], other: tuple[str, str]) -> bool | None:
    """Character by character; one that is flagged as substituted fits every other one.

    None: the lengths differ and characters were substituted, so that nobody can say which
    stands for which.
    """
    first, second = list(_characters(*one)), list(_characters(*other))
    if len(first) != len(second):
        loose = any(free for _, free in (*first, *second))
        return None if loose else False
    return all(
        a == b or free_a or free_b for (a, free_a), (b, free_b) in zip(first, second, strict=True)
    )


def _characters(text: str, flags: str) -> Iterator[tuple[str, bool]]:
    """Each character in its plainest form and whether it is a substitute; no spaces.

    Full and half width are the same, and so are dashes; a variation selector says only how
    a character is drawn.
    """
    for index, char in enumerate(text):
        if char.isspace() or 0xFE00 <= ord(char) <= 0xFE0F or 0xE0100 <= ord(char) <= 0xE01EF:
            continue
        plain = "-" if char in _DASHES else unicodedata.normalize("NFKC", char)
        yield plain, flags[index : index + 1] == _SUBSTITUTED
