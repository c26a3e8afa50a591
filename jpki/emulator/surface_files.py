# SPDX-License-Identifier: Apache-2.0
"""Personalises the surface application (券面事項確認). Source: [MC] [MY], grade A/B."""

from __future__ import annotations

from jpki.card_map import SURFACE_AP
from jpki.emulator.build import Builder, files_of, key_reference
from jpki.emulator.files import ApplicationImage
from jpki.emulator.images import grey_photo, png
from jpki.emulator.layout import public_key, sign, sign_segments, with_offsets
from jpki.synth import MUNICIPALITIES
from jpki_apdu import tlv

_SIGNATURE_SIZE = 256


class SurfaceFiles:
    """Contents of the surface application, each made when it is read."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._profile = builder.facts.profile

    def _birth(self) -> bytes:
        return f"{self._profile.holder.birth:%Y%m%d}".encode("ascii")

    def _public_key(self) -> bytes:
        return public_key(self._builder.record_key("surface"))

    def age_record(self) -> bytes:
        """EF 0001: birth date and public key, signed; 547 bytes."""
        signed = tlv.encode(0xDF11, self._birth()) + tlv.encode(0xDF12, self._public_key())
        signature = sign(self._builder.issuer(), signed)
        return tlv.encode(0xFF10, signed + tlv.encode(0xDF13, signature))

    def face(self) -> bytes:
        """EF 0002: what is printed. Expiry and code stand behind the signature, unsigned.

        A forged card shows another name here too, under the signature over the first.
        """
        profile = self._profile
        place = MUNICIPALITIES[profile.municipality]
        signed = [
            (0xDF22, self._birth()),
            (0xDF23, profile.holder.sex.encode("ascii")),
            (0xDF24, self._public_key()),
            (0xDF25, png(f"TEST CARD {profile.name}", height=16)),
            (0xDF26, png(f"TEST {place.code} {place.name}", height=16)),
            (0xDF27, grey_photo()),
        ]
        parts = [tlv.encode(tag, value) for tag, value in signed]
        segments = (b"".join(parts[:3]), b"".join(parts[3:5]), parts[5])
        if profile.text_name:
            signed[3] = (0xDF25, png(f"TEST CARD {profile.name} ALTERED", height=16))
        return with_offsets(
            0xFF20,
            0xDF21,
            [
                *signed,
                (0xDF28, sign_segments(self._builder.issuer(), segments)),
                (0xDF29, f"{self._builder.facts.card_end:%Y%m%d}".encode("ascii")),
                (0xDF2A, png(profile.security_code, 24)),
            ],
        )

    def basic_info(self) -> bytes:
        """EF 0003: version, key id, municipality, and 照合番号 sealed for the issuer; 320 bytes."""
        sealed = key_reference("9900025") + self._builder.opaque("sealed keys", _SIGNATURE_SIZE)
        return tlv.encode(
            0xFF30,
            tlv.encode(0xDF31, bytes.fromhex("06030e01"))
            + tlv.encode(0xDF32, key_reference())
            + tlv.encode(0xDF33, b"\x00")
            + tlv.encode(0xDF34, self._profile.municipality.encode("ascii"))
            + tlv.encode(0xDF35, sealed),
        )

    def number_image(self) -> bytes:
        """EF 0005: the number as printed, 72 by 12 pixels, signed."""
        signed = tlv.encode(0xDF41, png(self._profile.holder.number, 72))
        signed += tlv.encode(0xDF42, self._public_key())
        signature = sign(self._builder.issuer(), signed)
        return tlv.encode(0xFF40, signed + tlv.encode(0xDF43, signature))


def surface_application(builder: Builder) -> ApplicationImage:
    """The application with every file of the card map."""
    made = SurfaceFiles(builder)
    contents = {
        "age-record": made.age_record,
        "face": made.face,
        "basic-info": made.basic_info,
        "cv-certificate": lambda: builder.cv_certificate("surface"),
        "number-image": made.number_image,
        "filler": lambda: b"\xff" * 16,
    }
    keys = {"ap-key": builder.own_key("surface")}
    files = files_of(builder, SURFACE_AP, contents, keys)
    return ApplicationImage(
        SURFACE_AP.name, SURFACE_AP.aid, files, default_key=SURFACE_AP.file("ap-key").fid
    )
