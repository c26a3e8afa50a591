# SPDX-License-Identifier: Apache-2.0
"""The card level (MF): data objects that belong to no application, read with GET DATA.

They answer while the card manager is selected. **Selecting it makes the card forget every
PIN**: whoever wants these and a PIN's data reads these first, or when all else is done.
Most of them are not signed by anybody; :data:`UNSIGNED` names them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from jpki.card.cv_certificate import CvCertificate, key_name, parse_cv_contents
from jpki.card.opaque import CardSerial
from jpki.card.records import Place, digits, is_filler
from jpki.card_map import CARD_OBJECTS, ISD_AID
from jpki.dates import parse_date
from jpki_apdu.channel import Channel
from jpki_apdu.errors import StatusWordError, TlvError
from jpki_apdu.tlv import Tlv, parse_all

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

APPLICATION = "mf"
UNSIGNED: tuple[str, ...] = tuple(e.name for e in CARD_OBJECTS.values() if not e.signed)
"""Objects that nothing proves: whoever makes a card can write anything there."""

# «No such object»: 6A88 [MC], 6A82; and what a token without a card level says instead
# of it, the command being unknown there or meant otherwise [inferred].
_ABSENT = frozenset((0x6A88, 0x6A82, 0x6A86, 0x6A81, 0x6D00, 0x6E00, 0x6985))
_NO_MANAGER = frozenset((0x6A82, 0x6A86, 0x6A81, 0x6999, 0x6D00, 0x6E00))
_KEY_ID = 16


@dataclass(frozen=True, slots=True)
class KeyReference:
    """A key by its id, 16 bytes. ``name``: ``9000024/001``."""

    id: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Recognition:
    """GlobalPlatform card recognition data: object identifiers (dotted) by the tag around them.

    60 version of GlobalPlatform, 63 how the card is identified, 64 secure channel [GP].
    """

    oids: tuple[tuple[int, str], ...]

    @property
    def version(self) -> str | None:
        """Version of GlobalPlatform, ``2.2``."""
        start = "1.2.840.114283.2."
        found = (oid for tag, oid in self.oids if tag == 0x60 and oid.startswith(start))
        return next((oid.removeprefix(start) for oid in found), None)


@dataclass(frozen=True, slots=True)
class MasterObjects:
    """What the card level holds; None = the card does not have it.

    ``card_number`` is the equal of an identifier of the holder. ``contact_atr``: with its
    first byte 3B, which the card does not store.
    """

    issuer_key: KeyReference | None = None
    card_number: CardSerial | None = field(default=None, repr=False)
    recognition: Recognition | None = None
    municipality: str | None = None
    expiry: date | None = None
    intermediate_key: KeyReference | None = None
    intermediate: CvCertificate | None = None
    lower: CvCertificate | None = None
    contact_atr: bytes | None = None


class MasterFile:
    """The card level of one card.

    Every method selects the card manager first, which makes the card forget its PINs, and
    returns None for an object the card does not have. Raises CardDataError for one that
    is not what it should be, StatusWordError for any other refusal.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def select(self) -> bool:
        """Select the card manager; False if the token has none. No APDU if it is current."""
        try:
            self._channel.select(ISD_AID)
        except StatusWordError as exc:
            if exc.sw not in _NO_MANAGER:
                raise
            return False
        return True

    def issuer_key(self) -> KeyReference | None:
        """0042: the issuer's key reference."""
        return self._read(0x0042, parse_key_reference)

    def card_number(self) -> CardSerial | None:
        """0045: card identification number. The equal of an identifier of the holder."""
        return self._read(0x0045, parse_card_number)

    def recognition(self) -> Recognition | None:
        """0066: what the card manager can do."""
        return self._read(0x0066, parse_recognition)

    def municipality(self) -> str | None:
        """00F0: municipality code, five digits."""
        return self._read(0x00F0, lambda data, place: digits(data, 5, 0, place))

    def expiry(self) -> date | None:
        """00F2: the card's last day."""
        return self._read(0x00F2, parse_day)

    def intermediate_key(self) -> KeyReference | None:
        """00F7: the key that signs 7F21."""
        return self._read(0x00F7, parse_key_reference)

    def intermediate(self) -> CvCertificate | None:
        """00F8: certificate of the intermediate key, by a CA key. About 561 bytes."""
        return self._read(0x00F8, parse_cv_contents)

    def lower(self) -> CvCertificate | None:
        """7F21: certificate of the key below it. Older cards do not have it."""
        return self._read(0x7F21, parse_cv_contents)

    def contact_atr(self) -> bytes | None:
        """5F51: the ATR of the contact interface, with 3B, over either interface."""
        return self._read(0x5F51, parse_contact_atr)

    def read_all(self) -> MasterObjects:
        """All of them: one SELECT, one command each, one more for each large one."""
        with self._channel.turn():
            return self._read_all()

    def _read_all(self) -> MasterObjects:
        if not self.select():
            return MasterObjects()
        return MasterObjects(
            issuer_key=self.issuer_key(),
            card_number=self.card_number(),
            recognition=self.recognition(),
            municipality=self.municipality(),
            expiry=self.expiry(),
            intermediate_key=self.intermediate_key(),
            intermediate=self.intermediate(),
            lower=self.lower(),
            contact_atr=self.contact_atr(),
        )

    def _read(self, tag: int, parse: Callable[[bytes, Place], _T]) -> _T | None:
        with self._channel.turn():
            data = get_object(self._channel, tag) if self.select() else None
        return None if data is None else parse(data, Place(APPLICATION, tag))


def get_object(channel: Channel, tag: int) -> bytes | None:
    """GET DATA where the card stands now; None if it has no such object there."""
    try:
        return channel.get_data(tag)
    except StatusWordError as exc:
        if exc.sw not in _ABSENT:
            raise
        _log.debug("GET DATA %04X: %s", tag, exc.sw)
        return None


def parse_key_reference(data: bytes, place: Place) -> KeyReference:
    """16 bytes that name a key. Raises CardDataError."""
    if len(data) != _KEY_ID:
        raise place.error("truncated" if len(data) < _KEY_ID else "over_long", 0)
    try:
        return KeyReference(data, key_name(data))
    except ValueError:
        raise place.error("bad_key_id", 0) from None


def parse_card_number(data: bytes, place: Place) -> CardSerial:
    """Printable ASCII, 1-32 characters. Raises CardDataError without showing any of it."""
    if not data or len(data) > 32:
        raise place.error("over_long" if data else "truncated", 0)
    if not all(0x20 <= byte < 0x7F for byte in data):
        raise place.error("bad_text", 0)
    return CardSerial(data.decode("ascii"))


def parse_day(data: bytes, place: Place) -> date:
    """YYYYMMDD, every part known. Raises CardDataError."""
    try:
        day = parse_date(digits(data, 8, 0, place))
    except ValueError:
        raise place.error("bad_date", 0) from None
    if not isinstance(day, date):
        raise place.error("bad_date", 0)
    return day


def parse_contact_atr(data: bytes, place: Place) -> bytes:
    """The ATR with 3B put before it. Raises CardDataError.

    Source: [MC], grade B. The last byte makes the XOR of all these zero [ISO3 8.2.5]; it is
    there whenever a protocol other than T=0 is named, as all these cards do.
    """
    if not 2 <= len(data) <= 32:
        raise place.error("over_long" if len(data) > 32 else "truncated", 0)
    total = 0
    for byte in data:
        total ^= byte
    if total:
        raise place.error("bad_check_byte", len(data) - 1)
    return b"\x3b" + data


def parse_recognition(data: bytes, place: Place) -> Recognition:
    """``66 { 73 { 06 …, 60 { 06 … }, … } }``, with or without the outer tags [GP H.2].

    Raises CardDataError.
    """
    if is_filler(data):
        raise place.error("filler_only" if data else "truncated", 0)
    start, end = 0, len(data)
    items = _items(data, start, end, place)
    for tag in (0x66, 0x73):
        if len(items) == 1 and items[0].tag == tag:
            start, end = items[0].value_start, items[0].end
            items = _items(data, start, end, place)
    found: list[tuple[int, str]] = []
    for item in items:
        if item.tag == 0x06:
            found.append((0x06, _oid(item, place)))
        elif 0x60 <= item.tag <= 0x7E and item.tag != 0x73:
            inner = _items(data, item.value_start, item.end, place)
            found += [(item.tag, _oid(one, place)) for one in inner if one.tag == 0x06]
    if not found:
        raise place.error("wrong_tag", 0)
    return Recognition(tuple(found))


def _items(data: bytes, start: int, end: int, place: Place) -> list[Tlv]:
    try:
        return parse_all(data, start, end)
    except TlvError as exc:
        offset = exc.values.get("offset")
        raise place.error("truncated", offset if isinstance(offset, int) else None) from exc


def _oid(item: Tlv, place: Place) -> str:
    """Dotted decimal of an object identifier. Source: [X690 8.19]."""
    arcs: list[int] = []
    value, open_arc = 0, False
    for byte in item.value:
        value, open_arc = value << 7 | byte & 0x7F, bool(byte & 0x80)
        if not open_arc:
            arcs.append(value)
            value = 0
    if open_arc or not arcs or len(item.value) > 32:
        raise place.error("bad_length", item.start)
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


__all__ = [
    "UNSIGNED",
    "KeyReference",
    "MasterFile",
    "MasterObjects",
    "Recognition",
    "get_object",
    "parse_card_number",
    "parse_contact_atr",
    "parse_day",
    "parse_key_reference",
    "parse_recognition",
]
