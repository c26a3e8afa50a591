# SPDX-License-Identifier: Apache-2.0
"""券面事項確認AP: what is free to read in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from jpki.card.cv_certificate import CvCertificate, parse_cv_certificate
from jpki.card.records import Place, digits, fields, open_record, record_size, sized
from jpki.card.selection import read_file
from jpki.card_map import SURFACE_AP
from jpki_apdu.channel import Channel


@dataclass(frozen=True, slots=True)
class SurfaceInfo:
    """EF 0003. ``encrypted_number``: 照合番号 for the issuer's eyes; opaque, never shown."""

    version: bytes
    key_id: bytes
    data_version: int
    municipality: str
    encrypted_number: bytes = field(repr=False)


def parse_surface_info(data: bytes) -> SurfaceInfo:
    """EF 0003: ``FF30`` with DF31-DF35. Source: [MY] [MC], A; DF35 B. Raises CardDataError."""
    place = Place("surface", 0x0003)
    outer = open_record(data, 0xFF30, place)
    tags = (0xDF31, 0xDF32, 0xDF33, 0xDF34, 0xDF35)
    spec, key_id, version, municipality, secret = fields(data, outer, tags, place, more=True)[:5]
    return SurfaceInfo(
        version=sized(spec, 4, place),
        key_id=sized(key_id, 16, place),
        data_version=sized(version, 1, place)[0],
        municipality=digits(municipality.value, 5, municipality.value_start, place),
        encrypted_number=sized(secret, 272, place),
    )


class SurfaceAp:
    """券面事項確認AP of one card. SELECTs itself when first used."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def basic_info(self) -> SurfaceInfo:
        """Versions and the issuing municipality. Free to read."""
        return parse_surface_info(read_file(self._channel, SURFACE_AP, "basic-info", record_size))

    def cv_certificate(self) -> CvCertificate:
        """The municipality key's certificate. Free to read."""
        data = read_file(self._channel, SURFACE_AP, "cv-certificate", record_size)
        return parse_cv_certificate(data, "surface")
