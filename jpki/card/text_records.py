# SPDX-License-Identifier: Apache-2.0
"""Files of the 券面事項入力補助AP as typed, immutable records.

Every record keeps the physical bytes that signatures and digests cover; they are never
shown. Layouts: [MC] [PM], grades in the card map. All raise CardDataError.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from jpki.card.my_number import MyNumber
from jpki.card.records import (
    Place,
    RsaNumbers,
    code,
    day,
    digits,
    fields,
    open_record,
    public_key,
    sized,
    text,
)
from jpki.card.sex import Sex, sex_of
from jpki.dates import PartialDate
from jpki_apdu.errors import TlvError
from jpki_apdu.tlv import Tlv, parse_one

_AP = "text"
NUMBER_SIZE = 17  # bytes of EF 0001: 15 of TLV and 2 of filler, all of them hashed [MC] [PM]
_OFFSETS_AT_LEAST = 4


@dataclass(frozen=True, slots=True)
class NumberRecord:
    """EF 0001: the 個人番号, and the 17 physical bytes its digest covers."""

    number: MyNumber = field(repr=False)
    physical: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TextAttributes:
    """EF 0002: the four attributes (基本4情報).

    ``name``: family and given name, usually with U+3000 between. ``sex_code``: one ASCII
    character as the card has it. ``physical``: the file; ``signed_start``: where its
    digest begins (DF22), ``end``: where the record ends (bytes from the start).
    """

    name: str = field(repr=False)
    address: str = field(repr=False)
    birth: date | PartialDate = field(repr=False)
    sex_code: str = field(repr=False)
    physical: bytes = field(repr=False)
    signed_start: int
    end: int

    @property
    def sex(self) -> Sex | None:
        """None for a code that is not known."""
        return sex_of(self.sex_code)

    @property
    def signed(self) -> bytes:
        """The bytes that DF32 of EF 0003 is the SHA-256 of."""
        return self.physical[self.signed_start : self.end]


@dataclass(frozen=True, slots=True)
class DigestRecord:
    """EF 0003: SHA-256 of EF 0001 and EF 0002, and a signature over both TLVs (70 bytes)."""

    number_digest: bytes = field(repr=False)
    attributes_digest: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BasicInfo:
    """EF 0005: version bytes (4) and a 16-byte key id; the rest is not understood."""

    version: bytes
    key_id: bytes


@dataclass(frozen=True, slots=True)
class ApKeyRecord:
    """EF 0007: the application's public key and the municipality's signature over it."""

    key: RsaNumbers
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse_number(data: bytes) -> NumberRecord:
    """EF 0001: ``FF10 0C``, 12 digits, 2 bytes of filler; 17 bytes in all."""
    place = Place(_AP, 0x0001)
    outer = open_record(data, 0xFF10, place)
    value = digits(outer.value, 12, outer.value_start, place)
    if len(data) != NUMBER_SIZE:
        raise place.error("truncated" if len(data) < NUMBER_SIZE else "over_long", len(data))
    return NumberRecord(MyNumber(value), data)


def parse_attributes(data: bytes) -> TextAttributes:
    """EF 0002: ``FF20``, offset table DF21, then name, address, birth, sex (DF22-DF25).

    Lengths in any BER form. Fields after DF25 are tolerated: they are covered by the
    digest, and cards may grow.
    """
    place = Place(_AP, 0x0002)
    outer = open_record(data, 0xFF20, place)
    found = fields(data, outer, (0xDF21, 0xDF22, 0xDF23, 0xDF24, 0xDF25), place, more=True)
    table, name, address, birth, sex = found[:5]
    _check_offsets(table, found[1:], place)
    return TextAttributes(
        name=text(name, place),
        address=text(address, place),
        birth=day(birth, place),
        sex_code=code(sex, place),
        physical=data,
        signed_start=name.start,
        end=outer.end,
    )


def _check_offsets(table: Tlv, entries: list[Tlv], place: Place) -> None:
    """The table names the start of every field, from the start of the file (16 bits each)."""
    raw = table.value
    offsets = [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]
    starts = [entry.start for entry in entries]
    fits = len(raw) % 2 == 0 and _OFFSETS_AT_LEAST <= len(offsets) <= len(starts)
    if not fits or offsets != starts[: len(offsets)]:
        raise place.error("offset_table", table.start)


def parse_digests(data: bytes) -> DigestRecord:
    """EF 0003: ``FF30``, DF31 and DF32 (32 bytes each), DF33 (256 bytes)."""
    place = Place(_AP, 0x0003)
    outer = open_record(data, 0xFF30, place)
    number, attributes, signature = fields(data, outer, (0xDF31, 0xDF32, 0xDF33), place)
    return DigestRecord(
        number_digest=sized(number, 32, place),
        attributes_digest=sized(attributes, 32, place),
        signed=data[number.start : attributes.end],
        signature=sized(signature, 256, place),
    )


def parse_basic_info(data: bytes) -> BasicInfo:
    """EF 0005: ``FF40``, DF41 (4 bytes), DF42 (16 bytes); what follows is not interpreted."""
    place = Place(_AP, 0x0005)
    outer = open_record(data, 0xFF40, place)
    # Only the first two: how DF43 encodes its length is not established.
    try:
        version = parse_one(data, outer.value_start, outer.end)
        key_id = parse_one(data, version.end, outer.end)
    except TlvError as exc:
        raise place.error("truncated", outer.end) from exc
    for tlv, tag in ((version, 0xDF41), (key_id, 0xDF42)):
        if tlv.tag != tag:
            raise place.error("wrong_tag", tlv.start)
    return BasicInfo(sized(version, 4, place), sized(key_id, 16, place))


def parse_session_key(data: bytes) -> RsaNumbers:
    """EF 0006: ``A1 { 90 exponent, 91 modulus }``."""
    place = Place(_AP, 0x0006)
    outer = open_record(data, 0xA1, place)
    return public_key(data, outer.value_start, outer.end, place)


def parse_ap_key(data: bytes) -> ApKeyRecord:
    """EF 0007: ``FF50``, DF51 key, DF52 signature over the DF51 TLV."""
    place = Place(_AP, 0x0007)
    outer = open_record(data, 0xFF50, place)
    key, signature = fields(data, outer, (0xDF51, 0xDF52), place)
    return ApKeyRecord(
        key=public_key(data, key.value_start, key.end, place),
        signed=data[key.start : key.end],
        signature=sized(signature, 256, place),
    )
