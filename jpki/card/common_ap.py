# SPDX-License-Identifier: Apache-2.0
"""共通カードAP: the card record (製造番号, municipality, expiry)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from jpki.card.opaque import CardSerial
from jpki.card.records import Place, digits
from jpki.card.selection import select_application
from jpki.card_map import COMMON_AP
from jpki.dates import parse_date
from jpki_apdu.channel import Channel

_TAG, _LENGTH = 0x01, 28
_PLACE = Place("common", 0x0001)


@dataclass(frozen=True, slots=True)
class CardRecord:
    """Record 1. Not signed. ``serial`` identifies the holder for as long as the card lives."""

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
