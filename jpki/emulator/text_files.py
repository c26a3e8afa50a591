# SPDX-License-Identifier: Apache-2.0
"""Personalises the text application (券面事項入力補助). Source: [MC] [PM] [MY]."""

from __future__ import annotations

import dataclasses
import hashlib

from jpki.card_map import TEXT_AP, FileKind, PinKind
from jpki.emulator.build import Builder, files_of, key_reference
from jpki.emulator.files import ApplicationImage, ElementaryFile
from jpki.emulator.layout import long_form, padded, public_key, sign, with_offsets
from jpki_apdu import tlv


class TextFiles:
    """Contents of the text application, each made when it is read."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._long = builder.facts.profile.quirks.nonminimal_lengths

    def number(self) -> bytes:
        """EF 0001: 17 bytes; the two of filler belong to what is hashed."""
        number = self._builder.facts.profile.holder.number
        return tlv.encode(0xFF10, number.encode("ascii")) + b"\xff\xff"

    def attributes(self) -> bytes:
        """EF 0002 as read: on a forged card with another name than the digests know."""
        return self._attributes(self._builder.facts.profile.text_name)

    def _attributes(self, name: str | None) -> bytes:
        holder = self._builder.facts.profile.holder
        fields = (
            (0xDF22, (name or holder.name).encode()),
            (0xDF23, holder.address.encode()),
            (0xDF24, f"{holder.birth:%Y%m%d}".encode("ascii")),
            (0xDF25, holder.sex.encode("ascii")),
        )
        return with_offsets(0xFF20, 0xDF21, fields, long=self._long)

    def digests(self) -> bytes:
        """EF 0003: hashes of the number file and of the attributes without their offsets."""
        attributes = tlv.parse_one(self._attributes(None)).value[11:]
        signed = tlv.encode(0xDF31, hashlib.sha256(self.number()).digest())
        signed += tlv.encode(0xDF32, hashlib.sha256(attributes).digest())
        signature = sign(self._builder.issuer(), signed)
        return tlv.encode(0xFF30, signed + tlv.encode(0xDF33, signature))

    def basic_info(self) -> bytes:
        """EF 0005: version, key id, and 32 bytes nobody has explained; 256 in all."""
        opaque = self._builder.opaque("text basic information", 32) + b"\xff" * 96
        encode = long_form if self._long else tlv.encode
        body = (
            tlv.encode(0xDF41, bytes.fromhex("01030e01"))
            + tlv.encode(0xDF42, key_reference("9000034"))
            + encode(0xDF43, opaque)
        )
        return padded(encode(0xFF40, body), 256)

    def session_key(self) -> bytes:
        """EF 0006: the public key for SET SESSION KEY."""
        return tlv.encode(0xA1, public_key(self._builder.record_key("session")))

    def ap_public_key(self) -> bytes:
        """EF 0007: the application's public key and the municipality's signature over it."""
        signed = tlv.encode(0xDF51, public_key(self._builder.record_key("text")))
        signature = sign(self._builder.issuer(), signed)
        return tlv.encode(0xFF50, signed + tlv.encode(0xDF52, signature))


def text_application(builder: Builder) -> ApplicationImage:
    """The application with every file of the card map."""
    made = TextFiles(builder)
    contents = {
        "number": made.number,
        "attributes": made.attributes,
        "digests": made.digests,
        "cv-certificate": lambda: builder.cv_certificate("text"),
        "basic-info": made.basic_info,
        "session-key": made.session_key,
        "ap-public-key": made.ap_public_key,
        "unknown-0008": lambda: b"\xff" * 16,
    }
    keys = {"ap-key": builder.own_key("text")}
    files = [_close(file) for file in files_of(builder, TEXT_AP, contents, keys)]
    return ApplicationImage(
        TEXT_AP.name,
        TEXT_AP.aid,
        files,
        default_key=TEXT_AP.file("ap-key").fid,
        session_key=builder.own_key("session"),
        session_pin=TEXT_AP.pin_file(PinKind.TEXT).fid,
    )


def _close(file: ElementaryFile) -> ElementaryFile:
    """What opens EF 0008 is not known; like its neighbours, one of the PINs [inferred]."""
    if file.fid != 0x0008 or file.kind is not FileKind.TRANSPARENT:
        return file
    return dataclasses.replace(file, opened_by=frozenset({0x0011, 0x0014, 0x0015}))
