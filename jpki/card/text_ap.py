# SPDX-License-Identifier: Apache-2.0
"""券面事項入力補助AP: the four attributes, the 個人番号, and what proves them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from jpki.card.cv_certificate import CV_CERTIFICATE_SIZE, CvCertificate, parse_cv_certificate
from jpki.card.my_number import NumberPurpose
from jpki.card.records import RsaNumbers, record_size
from jpki.card.selection import read_file
from jpki.card.text_records import (
    NUMBER_SIZE,
    ApKeyRecord,
    BasicInfo,
    DigestRecord,
    NumberRecord,
    TextAttributes,
    parse_ap_key,
    parse_attributes,
    parse_basic_info,
    parse_digests,
    parse_number,
    parse_session_key,
)
from jpki.card_map import TEXT_AP
from jpki.errors import NumberNotAllowedError, SecureMessagingError
from jpki_apdu.channel import Channel, SizeOf
from jpki_apdu.errors import SecurityStatusError

if TYPE_CHECKING:
    from jpki.card.secure_messaging import SecureMessaging


# Bytes of the files that are as long on every card [MC]: where long replies come, one command.
_ABOUT = {"cv-certificate": CV_CERTIFICATE_SIZE, "digests": 336, "session-key": 269,
          "ap-public-key": 536}  # fmt: skip


class TextAp:
    """券面事項入力補助AP of one card. SELECTs itself when first used.

    Every read costs one command where the reader carries the file in one reply and short
    EF identifiers work. Raises SecurityStatusError ``file_needs_pin`` before the PIN,
    CardDataError for a file that is not what it should be.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._secure: SecureMessaging | None = None

    def begin_secure_messaging(self, random: Callable[[int], bytes] = os.urandom) -> None:
        """Encrypt every file that is read from here on; against listeners only.

        The text PIN is verified before (in the clear; 照合番号 are not enough), and again
        before it is begun anew. From then on a read costs two commands, and raises
        SecureMessagingError where the session has ended. Source: [MC], grade B.
        """
        from jpki.card.secure_messaging import SecureMessaging

        if not self._channel.limits.extended:
            raise SecureMessagingError("sm_needs_extended")
        self._secure = None
        try:
            key = self.session_key()
        except SecurityStatusError as exc:
            raise SecureMessagingError("sm_needs_pin", sw=str(exc.sw)) from exc
        self._secure = SecureMessaging.begin(self._channel, TEXT_AP, key, random)

    def end_secure_messaging(self) -> None:
        """Read in the clear again."""
        self._secure = None

    def number(self, purpose: NumberPurpose) -> NumberRecord:
        """The 個人番号 (text PIN or 照合番号A). Not read without a purpose."""
        if not isinstance(purpose, NumberPurpose):
            raise NumberNotAllowedError(reason="no_purpose")
        return parse_number(self._read("number", NUMBER_SIZE))

    def attributes(self) -> TextAttributes:
        """Name, address, birth, sex (text PIN or 照合番号B)."""
        return parse_attributes(self._read("attributes"))

    def digests(self) -> DigestRecord:
        """Digests of number and attributes, signed (text PIN, 照合番号A or B)."""
        return parse_digests(self._read("digests"))

    def cv_certificate(self) -> CvCertificate:
        """The municipality key's certificate. Free to read."""
        return parse_cv_certificate(self._read("cv-certificate"), "text")

    def basic_info(self) -> BasicInfo:
        """Version of the application. Free to read."""
        return parse_basic_info(self._read("basic-info"))

    def session_key(self) -> RsaNumbers:
        """Public key for secure messaging (text PIN, 照合番号A or B)."""
        return parse_session_key(self._read("session-key"))

    def ap_key(self) -> ApKeyRecord:
        """Public key of the application's own signing key (text PIN, 照合番号A or B)."""
        return parse_ap_key(self._read("ap-public-key"))

    def _read(self, name: str, size: SizeOf | int = record_size) -> bytes:
        if self._secure is not None:
            return self._secure.read_file(name, size)
        return read_file(self._channel, TEXT_AP, name, size, about=_ABOUT.get(name))
