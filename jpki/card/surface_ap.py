# SPDX-License-Identifier: Apache-2.0
"""券面事項確認AP: what is printed on the card, as data, and what proves it."""

from __future__ import annotations

from jpki.card.cv_certificate import CV_CERTIFICATE_SIZE, CvCertificate, parse_cv_certificate
from jpki.card.my_number import NumberPurpose
from jpki.card.records import record_size
from jpki.card.selection import read_file
from jpki.card.surface_records import (
    AgeRecord,
    FaceRecord,
    FillerRecord,
    NumberImageRecord,
    SurfaceInfo,
    parse_age,
    parse_face,
    parse_filler,
    parse_number_image,
    parse_surface_info,
)
from jpki.card_map import SURFACE_AP
from jpki.errors import NumberNotAllowedError
from jpki_apdu.channel import Channel

# Bytes of the files that are as long on every card [MC]: where long replies come, one command.
_ABOUT = {"age-record": 547, "basic-info": 320, "cv-certificate": CV_CERTIFICATE_SIZE}


class SurfaceAp:
    """券面事項確認AP of one card. SELECTs itself when first used.

    Raises SecurityStatusError ``file_needs_pin`` before the PIN, CardDataError for a file
    that is not what it should be.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def age(self) -> AgeRecord:
        """Birth date and nothing else of the person (生年月日 key)."""
        return parse_age(self._read("age-record"))

    def face(self) -> FaceRecord:
        """What is printed: dates, sex, images of name and address, photo (照合番号A or B).

        About 10 kB; costs ⌈size / 256⌉ commands, or two where the reader carries long replies.
        """
        return parse_face(self._read("face"))

    def basic_info(self) -> SurfaceInfo:
        """Versions and the issuing municipality. Free to read."""
        return parse_surface_info(self._read("basic-info"))

    def cv_certificate(self) -> CvCertificate:
        """The municipality key's certificate. Free to read."""
        return parse_cv_certificate(self._read("cv-certificate"), "surface")

    def number_image(self, purpose: NumberPurpose) -> NumberImageRecord:
        """The 個人番号 as a picture (照合番号A only). Not read without a purpose."""
        if not isinstance(purpose, NumberPurpose):
            raise NumberNotAllowedError(reason="no_purpose")
        return parse_number_image(self._read("number-image"))

    def filler(self) -> FillerRecord:
        """16 bytes of unknown purpose (照合番号A or B)."""
        return parse_filler(read_file(self._channel, SURFACE_AP, "filler", 16))

    def _read(self, name: str) -> bytes:
        return read_file(self._channel, SURFACE_AP, name, record_size, about=_ABOUT.get(name))
