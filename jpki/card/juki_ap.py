# SPDX-License-Identifier: Apache-2.0
"""住基AP: a key reference; its services are for municipal terminals."""

from __future__ import annotations

from jpki.card.cv_certificate import key_name
from jpki.card.records import Place
from jpki.card.selection import read_file
from jpki.card_map import JUKI_AP
from jpki_apdu.channel import Channel

_PLACE = Place("juki", 0x0002)


class JukiAp:
    """住基AP of one card. SELECTs itself when first used."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def key_reference(self) -> str:
        """EF 0002 as ``NNNNNNN/NNN``. Source: [MC], grade B. Raises CardDataError."""
        data = read_file(self._channel, JUKI_AP, "key-reference", 16)
        if len(data) < 16:
            raise _PLACE.error("truncated", len(data))
        try:
            return key_name(data[:16])
        except ValueError:
            raise _PLACE.error("bad_key_id", 0) from None
