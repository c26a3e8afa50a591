# SPDX-License-Identifier: Apache-2.0
"""マイナ免許証: the driver's licence on a My Number card, where its holder had it recorded."""

from __future__ import annotations

from jpki.card.licence_check import LicenceEvidence
from jpki.card.licence_records import (
    LicenceRecord,
    LicenceSignature,
    parse_licence,
    parse_pin_set,
    parse_signature,
)
from jpki.card.licence_tags import LongTags
from jpki.card.pin import PinGuard
from jpki.card.pin_format import DEFAULT_LICENCE_PIN
from jpki.card.selection import read_file
from jpki.card_map import LICENCE_AP, PinKind
from jpki.errors import PinError
from jpki_apdu.channel import Channel
from jpki_apdu.errors import SecurityStatusError

_FLAG = 3  # bytes of WEF01


class LicenceAp:
    """The licence application of one card. SELECTs itself when first used.

    ``long_tags``: how tags of 100 and above are read; may be set before a read. Raises
    FileNotFoundOnCardError ``application_absent`` on a card without a licence,
    SecurityStatusError ``file_needs_pin``, CardDataError.
    """

    def __init__(self, channel: Channel, pins: PinGuard) -> None:
        self._channel = channel
        self._pins = pins
        self.long_tags = LongTags.AUTO

    def pin_set(self) -> bool:
        """Whether the holder set a PIN (WEF01). Free to read."""
        return parse_pin_set(read_file(self._channel, LICENCE_AP, "pin-set", _FLAG))

    def licence(self) -> LicenceRecord:
        """The licence (WEF02), after the licence PIN. Read to its end: a signature covers it."""
        return parse_licence(read_file(self._channel, LICENCE_AP, "licence"), self.long_tags)

    def signature(self) -> LicenceSignature:
        """The signature over the licence (WEF03), after the licence PIN."""
        data = read_file(self._channel, LICENCE_AP, "licence-signature")
        return parse_signature(data, self.long_tags)

    def evidence(self) -> LicenceEvidence:
        """Licence and signature, for ``check_licence``. Nothing else of the card is read."""
        return LicenceEvidence(self.licence(), self.signature())

    def evidence_without_pin(
        self, *, default_pin: bool = False, last_try: bool = False
    ) -> LicenceEvidence:
        """As :meth:`evidence`, on a card whose holder set no PIN (WEF01 says so).

        One description says that the files are open then [TB], grade C, so they are
        tried first. Where they are closed, ``default_pin`` presents four asterisks, as
        conventional licence cards want; whether this application knows them is
        unverified, and wrong ones cost a try. Raises PinError ``licence_pin_set`` or
        ``licence_closed_without_pin`` (nothing presented), else as ``PinGuard.verify``.
        """
        if self.pin_set():
            raise PinError(PinKind.LICENCE, None, "licence_pin_set")
        try:
            return self.evidence()
        except SecurityStatusError as exc:
            if not default_pin:
                raise PinError(PinKind.LICENCE, None, "licence_closed_without_pin") from exc
        self._pins.verify(PinKind.LICENCE, bytearray(DEFAULT_LICENCE_PIN), last_try=last_try)
        return self.evidence()
