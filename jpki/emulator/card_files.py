# SPDX-License-Identifier: Apache-2.0
"""Personalises the common and juki applications, the card level, and the card as a whole."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable

from jpki.card_map import COMMON_AP, JPKI_AP, JUKI_AP, Application, FileKind, TokenKind
from jpki.certificate.kinds import Medium
from jpki.emulator import words
from jpki.emulator.build import Builder, files_of, key_reference
from jpki.emulator.files import (
    ApplicationImage,
    CardImage,
    ElementaryFile,
    KeyUse,
    Once,
    content,
)
from jpki.emulator.free_area import free_area_application
from jpki.emulator.jpki_files import jpki_application
from jpki.emulator.licence_files import licence_application
from jpki.emulator.profile import CONTACT_ATR
from jpki.emulator.surface_files import surface_application
from jpki.emulator.text_files import text_application
from jpki.synth import card_key, key_id
from jpki_apdu import tlv

_MF_PADDING = bytes.fromhex("000000a8")
_INTERMEDIATE = key_id("9000021", "000", _MF_PADDING)
_LOWER = key_id("9000022", "000", _MF_PADDING)
# The chain of the card level has no stored keys of its own: it borrows two of slot 15,
# which no card uses.
_CHAIN_SLOT = 15


def common_application(builder: Builder) -> ApplicationImage:
    """共通カードAP: the card's number, and a key that answers without a PIN [MC] [MY]."""
    facts = builder.facts

    def record() -> bytes:
        text = f"{facts.card_number}{facts.profile.municipality}{facts.card_end:%Y%m%d}"
        return tlv.encode(0x01, text.encode("ascii"))

    files = files_of(
        builder,
        COMMON_AP,
        {"key-reference": key_reference},
        {"internal-authentication-key": builder.own_key("common")},
        uses={"internal-authentication-key": KeyUse.INTERNAL_AUTHENTICATE},
    )
    fid = COMMON_AP.file("card-record").fid
    files = [
        dataclasses.replace(file, records=(content(record),)) if file.fid == fid else file
        for file in files
    ]
    return ApplicationImage(COMMON_AP.name, COMMON_AP.aid, files)


def juki_application(builder: Builder) -> ApplicationImage:
    """住基AP: a key reference and a PIN [MC]."""
    files = files_of(builder, JUKI_AP, {"key-reference": key_reference})
    return ApplicationImage(JUKI_AP.name, JUKI_AP.aid, files, session_refusal=words.SECURITY_STATUS)


_APPLICATIONS: dict[str, Callable[[Builder], ApplicationImage]] = {
    "jpki": jpki_application,
    "surface": surface_application,
    "text": text_application,
    "common": common_application,
    "juki": juki_application,
    "licence": licence_application,
}


def personalise(builder: Builder) -> CardImage:
    """The whole card. Contents are made when they are first read."""
    facts, profile = builder.facts, builder.facts.profile
    bound = f"{profile.name}|{profile.token.value}|{facts.card_number}|{profile.applications}"
    if profile.free_area:
        bound += f"|{[(one.id, one.aid.hex()) for one in profile.free_area]}"
    phone = profile.medium is Medium.PHONE
    return CardImage(
        name=profile.name,
        atr=profile.atr,
        applications=(
            *_made(builder),
            *(free_area_application(one) for one in profile.free_area),
        ),
        objects={} if phone else _objects(builder),
        master_files={} if phone else {0x001E: ElementaryFile(0x001E, FileKind.UNKNOWN)},
        identity=hashlib.sha256(bound.encode()).hexdigest(),
        last_command_indicator=profile.token is TokenKind.IPHONE,
    )


def _made(builder: Builder) -> tuple[ApplicationImage, ...]:
    profile = builder.facts.profile
    if profile.layout is None:
        return tuple(_APPLICATIONS[name](builder) for name in profile.applications)
    return tuple(_own_application(builder, entry) for entry in profile.layout.applications)


def _own_application(builder: Builder, application: Application) -> ApplicationImage:
    """One that the card file describes: certificates in ``jpki``, random bytes elsewhere."""
    if application.name == JPKI_AP.name:
        return jpki_application(builder, application)

    def opaque(name: str) -> Callable[[], bytes]:
        return lambda: builder.opaque(f"{application.name} {name}", 256)

    contents = {e.name: opaque(e.name) for e in application.files.values() if e.readable}
    files = files_of(builder, application, contents)
    return ApplicationImage(application.name, application.aid, files)


def _objects(builder: Builder) -> dict[int, Once[bytes]]:
    """GET DATA at card level, by tag. Source: [MC], grade B."""
    facts, profile = builder.facts, builder.facts.profile
    made: dict[int, Callable[[], bytes]] = {
        0x0042: key_reference,
        0x0045: lambda: f"TEST{facts.card_number[-12:]}".encode("ascii"),
        0x0066: _recognition_data,
        0x00F0: lambda: profile.municipality.encode("ascii"),
        0x00F2: lambda: f"{facts.card_end:%Y%m%d}".encode("ascii"),
        0x00F7: lambda: _INTERMEDIATE,
        0x00F8: lambda: _intermediate_certificate(builder),
        0x5F51: lambda: CONTACT_ATR[1:],
    }
    if profile.quirks.mf_intermediate:
        made[0x7F21] = lambda: _lower_certificate(builder)
    return {tag: content(make) for tag, make in made.items()}


def _public(role: str) -> tuple[int, int]:
    numbers = card_key(_CHAIN_SLOT, role).public_key().public_numbers()
    return numbers.n, numbers.e


def _intermediate_certificate(builder: Builder) -> bytes:
    whole = builder.pki.cv_certificate("mf", _INTERMEDIATE, _public("common"))
    return tlv.parse_one(whole).value


def _lower_certificate(builder: Builder) -> bytes:
    whole = builder.pki.cv_certificate(
        "mf",
        _LOWER,
        _public("session"),
        issuer_key_id=_INTERMEDIATE,
        signer=card_key(_CHAIN_SLOT, "common"),
    )
    return tlv.parse_one(whole).value


def _recognition_data() -> bytes:
    """GlobalPlatform card recognition data: the object identifiers below 1.2.840.114283."""
    arc = bytes.fromhex("2a864886fc6b")

    def oid(*last: int) -> bytes:
        return tlv.encode(0x06, arc + bytes(last))

    return tlv.encode(
        0x66,
        tlv.encode(
            0x73,
            oid(1)
            + tlv.encode(0x60, oid(2, 2, 2))
            + tlv.encode(0x63, oid(3))
            + tlv.encode(0x64, oid(4, 2, 0x15)),
        ),
    )
