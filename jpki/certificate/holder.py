# SPDX-License-Identifier: Apache-2.0
"""The four attributes of a sign certificate: six otherNames, keyed by OID.

Source: [SIGN-DUMMY], [MC], [NAKAMURA]. Every value is text. Partly unknown birth dates have
zeros in place of month or day, so a date here may have holes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from jpki.certificate import der
from jpki.dates import PartialDate

ATTRIBUTE_ARC: Final = "1.2.392.200149.8.5.5"
_NAME, _NAME_FLAGS, _SEX, _BIRTH, _ADDRESS, _ADDRESS_FLAGS = (
    f"{ATTRIBUTE_ARC}.{n}" for n in range(1, 7)
)


class Era(StrEnum):
    """The first digit of a birth date."""

    UNKNOWN = "0"
    MEIJI = "1"
    TAISHO = "2"
    SHOWA = "3"
    HEISEI = "4"
    REIWA = "5"


class Sex(StrEnum):
    """What the digit means. Sources disagree whether «other» is 3 or 9; both are read."""

    MALE = "male"
    FEMALE = "female"
    OTHER = "other"


_SEXES: Final = {"1": Sex.MALE, "2": Sex.FEMALE, "3": Sex.OTHER, "9": Sex.OTHER}


@dataclass(frozen=True, slots=True)
class Birth:
    """``raw``: era digit and ``YYYYMMDD``. ``era`` and ``date`` None where it cannot be read."""

    raw: str = field(repr=False)
    era: Era | None = field(repr=False)
    date: PartialDate | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class HolderAttributes:
    """What the certificate says of its holder; None for what it leaves out.

    ``name_substituted``, ``address_substituted``: one digit per character, 1 where the
    character stands for another one that has no code. ``other``: otherNames of OIDs not
    known here (a text, or None when it is no text). ``warnings``: codes, never fatal.
    """

    name: str | None = field(repr=False)
    name_substituted: str | None = field(repr=False)
    birth: Birth | None = field(repr=False)
    sex: Sex | None = field(repr=False)
    sex_raw: str | None = field(repr=False)
    address: str | None = field(repr=False)
    address_substituted: str | None = field(repr=False)
    other: Mapping[str, str | None] = field(repr=False)
    warnings: tuple[str, ...] = ()


def read_holder(alt_name: bytes) -> HolderAttributes | None:
    """Attributes from the value of subjectAltName, or None when it has none of them.

    Raises DerError: not DER, an attribute twice, or a known one that is not a UTF8String.
    """
    found: dict[str, str | None] = {}
    known = {_NAME, _NAME_FLAGS, _SEX, _BIRTH, _ADDRESS, _ADDRESS_FLAGS}
    for name in der.whole(alt_name).reader().rest():
        if name.tag != 0xA0:
            continue
        reader = name.reader()
        oid = der.oid(reader.next(der.OBJECT_ID))
        wrapped = reader.next(0xA0)
        reader.done()
        if oid in found:
            raise der.DerError("duplicate", name.start)
        inner = wrapped.reader()
        value = inner.next()
        inner.done()
        if value.tag == der.UTF8_STRING:
            found[oid] = value.value.decode("utf-8")
        elif oid in known:
            raise der.DerError("bad_text", name.start)
        else:
            found[oid] = None
    return _holder(found, known) if known & found.keys() else None


def _holder(found: Mapping[str, str | None], known: set[str]) -> HolderAttributes:
    warnings: list[str] = []
    sex_raw = found.get(_SEX)
    if sex_raw is not None and sex_raw not in _SEXES:
        warnings.append("sex_unknown")
    return HolderAttributes(
        name=found.get(_NAME),
        name_substituted=_flags(found, _NAME, _NAME_FLAGS, "name_flags", warnings),
        birth=_birth(found.get(_BIRTH), warnings),
        sex=_SEXES.get(sex_raw or ""),
        sex_raw=sex_raw,
        address=found.get(_ADDRESS),
        address_substituted=_flags(found, _ADDRESS, _ADDRESS_FLAGS, "address_flags", warnings),
        other=MappingProxyType({oid: text for oid, text in found.items() if oid not in known}),
        warnings=tuple(warnings),
    )


def _flags(
    found: Mapping[str, str | None], text: str, flags: str, code: str, warnings: list[str]
) -> str | None:
    value = found.get(flags)
    if value is not None and (len(value) != len(found.get(text) or "") or set(value) - set("01")):
        # The one published model has such lengths too, so this is told and not refused.
        warnings.append(code)
    return value


def _birth(raw: str | None, warnings: list[str]) -> Birth | None:
    if raw is None:
        return None
    try:
        return Birth(raw, Era(raw[:1]), PartialDate.from_digits(raw[1:]))
    except ValueError:
        warnings.append("birth_unreadable")
        return Birth(raw, None, None)
