# SPDX-License-Identifier: Apache-2.0
"""Names a card that is not ours: what it is, never what is on it.

Only after the JPKI application was refused, and only with SELECT: at most six, no PIN, no
read. A card is named by what it selects; memory cards, which select nothing, by the ATR
that a PC/SC reader makes up for them.
"""

from __future__ import annotations

import logging
from enum import StrEnum

from jpki.card_map import FOREIGN_APPLICATIONS, ForeignApplication
from jpki_apdu.channel import Channel
from jpki_apdu.command import CommandApdu
from jpki_apdu.errors import MalformedResponseError

_log = logging.getLogger(__name__)

# [PCSC] part 3, 3.1.3.2.3: 3B 8F 80 01 80 4F 0C, the workgroup's RID, then the standard
# (1 byte), the card's name (2 bytes), 4 bytes for later, TCK.
_STORAGE = bytes.fromhex("3B8F8001804F0CA000000306")
_STANDARD, _NAME = len(_STORAGE), slice(len(_STORAGE) + 1, len(_STORAGE) + 3)
_FELICA_STANDARD, _FELICA_NAME = 0x11, 0x003B
_MIFARE_NAMES = frozenset((0x0001, 0x0002, 0x0003, 0x0026, 0x0036, 0x0037, 0x0038, 0x0039, 0x003A))

_SELECTED = frozenset((0x9000, 0x6283))  # 6283: there, and switched off by its issuer


class SeenCard(StrEnum):
    """What a card that is not ours turned out to be."""

    RESIDENCE_CARD = "residence_card"  # 在留カード, 特別永住者証明書
    LICENCE_CARD = "licence_card"  # 運転免許証 (not マイナ免許証)
    PASSPORT = "passport"
    JUKI_CARD = "juki_card"  # 住民基本台帳カード
    PAYMENT_CARD = "payment_card"
    FELICA = "felica"  # transit and electronic money
    MIFARE = "mifare"
    MEMORY_CARD = "memory_card"  # another card without a processor
    UNKNOWN = "unknown"


def recognise(channel: Channel) -> SeenCard:
    """What the card behind ``channel`` is, JPKI having been refused. Raises TransportError."""
    storage = storage_card(channel.connection.atr)
    if storage is not None:
        return storage
    for application in FOREIGN_APPLICATIONS:
        if _has(channel, application):
            return SeenCard(application.name)
    return SeenCard.UNKNOWN


def _has(channel: Channel, application: ForeignApplication) -> bool:
    """Whether ``application`` can be selected. What the card tells along with it is dropped."""
    p2, le = (0x00, 256) if application.fci else (0x0C, None)
    try:
        _, sw = channel.transmit(CommandApdu(0x00, 0xA4, 0x04, p2, application.aid, le))
    except MalformedResponseError:
        return False
    _log.debug("SELECT %s: %s", application.name, sw)
    return sw in _SELECTED


def storage_card(atr: bytes) -> SeenCard | None:
    """The memory card behind an ATR that a contactless reader made up; None for any other."""
    if not atr.startswith(_STORAGE) or len(atr) < _NAME.stop:
        return None
    name = int.from_bytes(atr[_NAME], "big")
    if atr[_STANDARD] == _FELICA_STANDARD or name == _FELICA_NAME:
        return SeenCard.FELICA
    return SeenCard.MIFARE if name in _MIFARE_NAMES else SeenCard.MEMORY_CARD
