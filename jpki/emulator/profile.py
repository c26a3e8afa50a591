# SPDX-License-Identifier: Apache-2.0
"""Who and what an emulated card is: the content of a card file, as frozen values.

A card file is TOML, read strictly by :mod:`jpki.emulator.profile_file`::

    schema = "jpki.card/1"
    name = "hanako"                     # letters, digits, hyphens
    applications = ["jpki", "surface", "text", "common", "juki"]    # these, unless said; "licence"

    [holder]                            # an invented person
    name = "番号　花子"                  # as in the data: U+3000 between the names
    address = "東京都清瀬市…"
    birth = 1980-02-17
    sex = "female"                      # male, female, other
    number = "537686677188"             # invented, with a good check digit
    name_flags = "00000"                # substitute characters, one digit each; optional
    address_flags = "…"                 # likewise

    [municipality]
    code = "13221"                      # one the test PKI issues for

    [dates]
    issued = 2019-04-10                 # either this …
    month_day = "10-27"                 # … or the latest such day, at least
    days_before = 365                   # so many days before the card's «today»
    expires = 2035-02-17                # optional; else the 10th birthday (5th for a minor)

    [card]
    security_code = "2285"              # printed on the face, part of 照合番号B
    token = "JPKIAPICCTOKEN2"           # label of EF 0006
    transport = "contactless"           # or contact
    atr = "3B88…"                       # optional, hex

    [certificates.auth]                 # and [certificates.sign]
    present = true
    generation = 3                      # 1-4; else the newest of 1-3 that issued on that day
    serial = 123456789                  # else made from the card's name
    status = "good"                     # or revoked
    reason = "affiliationChanged"       # with revoked
    revoked_days = 7                    # days before «today», with revoked
    file = "own.der"                    # own certificate instead of all of the above,
    key = "own.pem"                     # with its private key, both beside the card file

    [pins]                              # auth sign text juki common, and licence if it is there
    auth = "1234"
    unset = ["sign"]                    # never set: no try from the beginning

    [tries]                             # tries left at the start, any PIN kind
    auth = 0

    [licence]                           # with that application; see jpki.emulator.licence_profile

    [quirks]                            # see jpki.emulator.quirks

    [alter]                             # how a forged card differs from a genuine one
    text_name = "番号　太郎"             # name in the text data, and an altered name image;
                                        # digests and signatures are those of the right name
    keys = 11                           # private keys of another slot than the records name

    [keys]
    slot = 0                            # stored keys, 0-14

    [layout]                            # a card that is not as the card map has it, with
                                        # P-384 keys; see jpki.emulator.own_layout

    [[faults]]                          # any number; see jpki.emulator.faults
    kind = "reply:cut"
    value = 100                         # where the kind takes one; "2s", "6F00" in quotes
    when = 7                            # or "verify", "verify#2", "any"

    [[free_area]]                       # any number; see jpki.emulator.free_area

    [timing]                            # off unless said; see jpki.emulator.timing
    link = "106"                        # contact, 106, 212, 424, 848
    sleep = true                        # really take the time, or only add it up
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from jpki.card_map import PinKind, TokenKind
from jpki.certificate.kinds import Family, Medium
from jpki.emulator.faults import Fault
from jpki.emulator.free_area import ApplicationProfile
from jpki.emulator.licence_profile import LicenceProfile
from jpki.emulator.own_layout import OwnLayout
from jpki.emulator.quirks import Quirks
from jpki.emulator.timing import Timing

SCHEMA = "jpki.card/1"

USUAL_APPLICATIONS = ("jpki", "surface", "text", "common", "juki")
APPLICATION_NAMES = (*USUAL_APPLICATIONS, "licence")

CONTACT_ATR = bytes.fromhex("3bda13ff8131fb468012392f31c173c601c03b")  # A [OS] [PT]
CONTACTLESS_ATR = bytes.fromhex("3b888001000005e0b381a1007f")  # A [PT]


@dataclass(frozen=True, slots=True)
class Holder:
    """An invented person. ``sex`` is the digit of the data: 1 male, 2 female, 9 other."""

    name: str = field(repr=False)
    address: str = field(repr=False)
    birth: date = field(repr=False)
    sex: str = field(repr=False)
    number: str = field(repr=False)
    name_flags: str | None = field(default=None, repr=False)
    address_flags: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class DateRule:
    """Day of issue: ``issued``, or the latest ``month_day`` at least ``days_before`` today."""

    issued: date | None = None
    month_day: tuple[int, int] = (10, 27)
    days_before: int = 365
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class CertificateProfile:
    """One of the two certificates. ``reason`` (a CRL reason) only if it is revoked."""

    present: bool = True
    generation: int | None = None
    serial: int | None = field(default=None, repr=False)
    reason: str | None = None
    revoked_days: int = 7
    file: Path | None = None
    key: Path | None = None

    @property
    def revoked(self) -> bool:
        return self.reason is not None


@dataclass(frozen=True, slots=True)
class CardProfile:
    """A whole card file. ``pins``: values that differ from «never set»; ``tries``: at the start.

    ``slot``: stored keys that certificates and records name; ``operating_slot``: keys the
    card computes with; another one only on a copied card. ``text_name``: altered name.
    ``timed``: whether modelled time is really taken.
    """

    name: str
    holder: Holder
    municipality: str
    dates: DateRule
    security_code: str = field(repr=False)
    token: TokenKind
    atr: bytes
    applications: tuple[str, ...]
    certificates: Mapping[Family, CertificateProfile]
    pins: Mapping[PinKind, str] = field(repr=False)
    tries: Mapping[PinKind, int]
    quirks: Quirks
    slot: int
    operating_slot: int
    text_name: str | None = field(default=None, repr=False)
    licence: LicenceProfile | None = None
    faults: tuple[Fault, ...] = ()
    timing: Timing | None = None
    timed: bool = True
    layout: OwnLayout | None = None
    free_area: tuple[ApplicationProfile, ...] = ()

    @property
    def medium(self) -> Medium:
        """Card or phone, by the token's kind."""
        phone = self.token in (TokenKind.ANDROID, TokenKind.IPHONE)
        return Medium.PHONE if phone else Medium.CARD
