# SPDX-License-Identifier: Apache-2.0
"""共通カードAP: the card record (製造番号, municipality, expiry), a key reference, a key that
answers challenges without a PIN."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import date

from jpki.card.cv_certificate import signature_fits
from jpki.card.mf import KeyReference, parse_key_reference
from jpki.card.opaque import CardSerial
from jpki.card.records import Place, RsaNumbers, digits
from jpki.card.selection import read_file, select_application
from jpki.card_map import COMMON_AP
from jpki.dates import parse_date
from jpki.verdict import Check, Outcome
from jpki_apdu.channel import Channel
from jpki_apdu.command import CommandApdu
from jpki_apdu.errors import MalformedResponseError, StatusWordError

_INTERNAL_AUTHENTICATE = 0x88
CHALLENGE_SIZE = 32  # bytes
_TAG, _LENGTH = 0x01, 28
_PLACE = Place("common", 0x0001)


@dataclass(frozen=True, slots=True)
class CardRecord:
    """Record 1. Not signed. ``serial`` (15 digits) identifies the holder while the card lives.

    ``municipality``: five digits; a name for them is in ``card.municipalities``.
    """

    serial: CardSerial = field(repr=False)
    municipality: str
    expiry: date


def parse_card_record(data: bytes) -> CardRecord:
    """Simple-TLV ``01 1C`` and 28 digits: serial 15, municipality 5, expiry YYYYMMDD.

    Source: [MY] [MC], grade A. Raises CardDataError.
    """
    if len(data) < 2:
        raise _PLACE.error("truncated", len(data))
    if data[0] != _TAG:
        raise _PLACE.error("wrong_tag", 0)
    if data[1] != _LENGTH:
        raise _PLACE.error("bad_length", 1)
    value = digits(data[2:], _LENGTH, 2, _PLACE)
    try:
        expiry = parse_date(value[20:])
    except ValueError:
        raise _PLACE.error("bad_date", 22) from None
    if not isinstance(expiry, date):
        raise _PLACE.error("bad_date", 22)
    return CardRecord(CardSerial(value[:15]), value[15:20], expiry)


class CommonAp:
    """共通カードAP of one card. SELECTs itself when first used. Free to read."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def card_record(self) -> CardRecord:
        """The card record. Its serial is the equal of a certificate's serial number."""
        select_application(self._channel, COMMON_AP)
        fid = COMMON_AP.file("card-record").fid
        return parse_card_record(self._channel.read_record(COMMON_AP.aid, fid, 1))

    def key_reference(self) -> KeyReference:
        """EF 0002, the same as in 住基AP. Source: [MC], grade B. Raises CardDataError."""
        data = read_file(self._channel, COMMON_AP, "key-reference", 16)
        return parse_key_reference(data, Place("common", 0x0002))

    def internal_authenticate(self, challenge: bytes) -> bytes:
        """INTERNAL AUTHENTICATE (``00 88 00 99``): the card's signature over ``challenge``.

        1-255 bytes; RSASSA-PKCS1-v1_5 with SHA-256, 256 bytes, the same every time; no
        PIN. Source: [MC], grade B. The answer is as good an identifier of the card as its
        製造番号. Raises StatusWordError.
        """
        if not 1 <= len(challenge) <= 255:
            raise ValueError("challenge has 1 to 255 bytes")
        p2 = 0x80 | COMMON_AP.file("internal-authentication-key").sfi
        command = CommandApdu(0, _INTERNAL_AUTHENTICATE, 0, p2, challenge, le=256)
        with self._channel.turn():
            select_application(self._channel, COMMON_AP)
            return self._channel.exchange(command)


def check_internal_authentication(common: CommonAp, key: RsaNumbers | None = None) -> Check:
    """Challenge the common application's key.

    Its public key is on no card and was never published: without ``key`` nothing is sent
    and the answer is cannot_tell ``key_not_public``. Raises TransportError.
    """
    name = "internal_authentication"
    if key is None:
        return Check(name, Outcome.CANNOT_TELL, "key_not_public")
    challenge = os.urandom(CHALLENGE_SIZE)
    try:
        answer = common.internal_authenticate(challenge)
    except StatusWordError as exc:
        return Check(name, Outcome.CANNOT_TELL, "challenge_unanswered", {"sw": str(exc.sw)})
    except MalformedResponseError:
        return Check(name, Outcome.CANNOT_TELL, "challenge_incomplete")
    if not signature_fits(key, answer, challenge):
        return Check(name, Outcome.INVALID, "internal_authentication_wrong")
    return Check(name, Outcome.VALID, "internal_authentication_right")
