# SPDX-License-Identifier: Apache-2.0
"""Personalises the マイナ免許証. Source: [HM] [TB] after [NPA v010], grade B.

All fields are there, empty ones with length 0 as on the card that was examined [HM].
Lengths above 127 take the 82 form: so the sizes of the specification come out [inferred].
The signer's key is a published test key; no such signature means anything.
"""

from __future__ import annotations

import calendar
import dataclasses
import hashlib
from collections.abc import Iterable
from datetime import date

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jpki.card_map import LICENCE_AP, PinKind
from jpki.emulator.build import Builder, files_of
from jpki.emulator.facts import birthday
from jpki.emulator.files import ApplicationImage, ElementaryFile
from jpki.emulator.images import grey_photo
from jpki.emulator.layout import sign
from jpki.emulator.licence_profile import HELD, LicenceProfile, x0208
from jpki.synth import stored_key

_MARK = "ＴＥＳＴ　ＣＡＲＤ　見本"
_CONDITIONS = (0xC6, 0xC7, 0xC8, 0xC9, *range(0xCC, 0xD4))
_GAIJI = (0xCA, 0xCB, 0xD4, 0xD5, 0xD6)  # pictures 1 to 5, 256 bytes each
_ERAS = (
    (date(2019, 5, 1), "5", 2018),
    (date(1989, 1, 8), "4", 1988),
    (date(1926, 12, 25), "3", 1925),
    (date(1912, 7, 30), "2", 1911),
    (date(1868, 1, 1), "1", 1867),
)


def field(tag: int, value: bytes, *, ber: bool = False) -> bytes:
    """One field. ``ber``: tags of 100 and above in the long form of BER, private class."""
    if tag < 0x100:
        head = bytes((tag,))
    elif ber:
        head = bytes((0xDF, 0x80 | tag >> 7, tag & 0x7F))
    else:
        head = tag.to_bytes(2, "big")
    size = len(value)
    length = bytes((size,)) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return head + length + value


def era_date(day: date | None) -> bytes:
    """Era digit and YYMMDD; empty for no day."""
    if day is None:
        return b""
    digit, before = next((digit, before) for first, digit, before in _ERAS if day >= first)
    return f"{digit}{day.year - before:02}{day:%m%d}".encode("ascii")


class LicenceFiles:
    """Contents of the licence application, each made when it is read."""

    def __init__(self, builder: Builder, licence: LicenceProfile) -> None:
        self._builder = builder
        self._licence = licence
        self._ber = builder.facts.profile.quirks.licence_tags == "ber"

    def pin_set(self) -> bytes:
        """WEF01."""
        return b"\xc1\x01" + bytes((PinKind.LICENCE in self._builder.facts.profile.pins,))

    def licence(self) -> bytes:
        """WEF02: tags C2 to 107, rising."""
        values = {**self._dates(), **self._texts(), **self._codes()}
        values[0x107] = grey_photo() if self._licence.photo else b""
        tags = range(0xC2, 0x108)
        return b"".join(field(tag, values.get(tag, b""), ber=self._ber) for tag in tags)

    def _dates(self) -> dict[int, bytes]:
        licence, facts = self._licence, self._builder.facts
        end = licence.expires or _expiry(facts.profile.holder.birth, facts.issue_day)
        days = {
            0xC2: licence.recorded or facts.issue_day,
            0xC5: end,
            0xE9: licence.small,
            0xEA: licence.others,
            0xEB: licence.second,
        }
        return {tag: era_date(day) for tag, day in days.items()}

    def _texts(self) -> dict[int, bytes]:
        licence = self._licence
        remarks = (*licence.remarks, _MARK)
        lines = [*zip(_CONDITIONS, licence.conditions, strict=False), *enumerate(remarks, 0xD7)]
        values = {tag: x0208(line) for tag, line in lines}
        values[0xC4] = x0208(licence.colour)
        values[0xE7] = licence.number.encode("ascii")
        values[0xE8] = licence.history_number.encode("ascii")
        return {**values, **self._pictures((licence.colour, *licence.conditions, *remarks))}

    def _pictures(self, texts: Iterable[str]) -> dict[int, bytes]:
        """For every 外字 that is used and has a place for its picture."""
        used = set("".join(texts))
        return {
            tag: self._builder.opaque(f"licence picture {number}", 256)
            for number, tag in enumerate(_GAIJI, 1)
            if chr(0xE000 + number) in used
        }

    def _codes(self) -> dict[int, bytes]:
        held = {tag: bytes((name in self._licence.held,)) for tag, name in enumerate(HELD, 0xEC)}
        return {0xC3: bytes((self._licence.category,)), **held}

    def signature(self) -> bytes:
        """WEF03: tags 108 to 10D, 584 bytes."""
        key = stored_key("licence-signer")
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        values = (
            sign(key, self.licence()),
            b"TEST000000000001",
            b" " * 48,
            b"TEST CARD ISSUER, JPKI-SYNTH".ljust(80),
            b"TEST CARD SIGNER OF LICENCES, JPKI-SYNTH".ljust(130),
            hashlib.sha256(public).digest(),
        )
        return b"".join(field(tag, value, ber=self._ber) for tag, value in enumerate(values, 0x108))


def _expiry(birth: date, issued: date) -> date:
    """A month after the fifth birthday to come; in a shorter month its last day [inferred]."""
    passed = birthday(birth, issued.year) <= issued
    day = birthday(birth, issued.year + (5 if passed else 4))
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def licence_application(builder: Builder) -> ApplicationImage:
    """The application with every file of the card map."""
    profile = builder.facts.profile
    assert profile.licence is not None  # the card file was read so
    made = LicenceFiles(builder, profile.licence)
    contents = {
        "pin-set": made.pin_set,
        "licence": made.licence,
        "licence-signature": made.signature,
    }
    files = files_of(builder, LICENCE_AP, contents)
    if PinKind.LICENCE not in profile.pins:
        files = [_unset(file, profile.quirks.licence_unset) for file in files]
    return ApplicationImage(LICENCE_AP.name, LICENCE_AP.aid, files)


def _unset(file: ElementaryFile, way: str) -> ElementaryFile:
    """A file of a card without a licence PIN. Which way is right nobody has published."""
    if way == "open":
        return dataclasses.replace(file, opened_by=frozenset())
    if file.pin is None:
        return file
    most = file.pin.max_tries
    return dataclasses.replace(
        file, pin=dataclasses.replace(file.pin, value=b"****", tries=most, kind=None)
    )
