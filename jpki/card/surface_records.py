# SPDX-License-Identifier: Apache-2.0
"""Files of the 券面事項確認AP as typed, immutable records.

Every record keeps the physical bytes that signatures cover; nothing personal is in a
``repr``. Images stay as they are on the card: :mod:`jpki.card.images` looks into them.
Layouts: [MC] [MY], grade A for EF 0002 and 0003, B for the others. All raise CardDataError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from jpki.card.records import (
    Place,
    RsaNumbers,
    code,
    day,
    digits,
    fields,
    is_filler,
    open_record,
    public_key,
    sized,
)
from jpki.card.sex import Sex, sex_of
from jpki.dates import PartialDate
from jpki_apdu.tlv import Tlv

AP = "surface"
_SIGNATURE = 256
_FACE = (
    0xDF21, 0xDF22, 0xDF23, 0xDF24, 0xDF25, 0xDF26, 0xDF27, 0xDF28, 0xDF29, 0xDF2A,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SurfaceInfo:
    """EF 0003. ``encrypted_number``: 照合番号 for the issuer's eyes; opaque, never shown."""

    version: bytes
    key_id: bytes
    data_version: int
    municipality: str
    encrypted_number: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AgeRecord:
    """EF 0001: birth date and the application's key under one signature.

    ``signed``: the two TLVs as they are stored (DF11, DF12).
    """

    birth: date | PartialDate = field(repr=False)
    key: RsaNumbers
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    physical: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """EF 0002: what is printed on the card, and the application's key, under one signature.

    ``name_image``, ``address_image``: PNG of 1 bit; ``photo``: JPEG 2000; not looked into.
    ``segments``: the three stretches that are hashed one by one (dates, sex, key; the two
    texts; photo). ``expiry`` and ``security_code_image`` stand behind the signature: they
    are *not signed*, and neither is the offset table.
    """

    birth: date | PartialDate = field(repr=False)
    sex_code: str = field(repr=False)
    key: RsaNumbers
    name_image: bytes = field(repr=False)
    address_image: bytes = field(repr=False)
    photo: bytes = field(repr=False)
    segments: tuple[bytes, bytes, bytes] = field(repr=False)
    signature: bytes = field(repr=False)
    expiry: date | PartialDate = field(repr=False)
    security_code_image: bytes = field(repr=False)
    physical: bytes = field(repr=False)

    @property
    def sex(self) -> Sex | None:
        """None for a code that is not known."""
        return sex_of(self.sex_code)


@dataclass(frozen=True, slots=True)
class NumberImageRecord:
    """EF 0005: the 個人番号 as a picture (PNG), and the key. ``signed``: DF41 and DF42."""

    image: bytes = field(repr=False)
    key: RsaNumbers
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    physical: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FillerRecord:
    """EF 0006: 16 bytes of FF on every card examined; nobody knows what for [MC]."""

    physical: bytes = field(repr=False)

    @property
    def empty(self) -> bool:
        """Whether it is nothing but filler."""
        return is_filler(self.physical)


def parse_surface_info(data: bytes) -> SurfaceInfo:
    """EF 0003: ``FF30`` with DF31-DF35. Source: [MY] [MC], A; DF35 B."""
    place = Place(AP, 0x0003)
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


def parse_age(data: bytes) -> AgeRecord:
    """EF 0001: ``FF10``, DF11 birth date, DF12 key, DF13 signature; 547 bytes."""
    place = Place(AP, 0x0001)
    outer = open_record(data, 0xFF10, place)
    birth, key, signature = fields(data, outer, (0xDF11, 0xDF12, 0xDF13), place)
    return AgeRecord(
        birth=day(birth, place),
        key=public_key(data, key.value_start, key.end, place),
        signed=data[birth.start : key.end],
        signature=sized(signature, _SIGNATURE, place),
        physical=data,
    )


def parse_face(data: bytes) -> FaceRecord:
    """EF 0002: ``FF20``, an offset table (DF21) and nine fields, DF22 to DF2A, in that order.

    The table must name the start of every field: what it says is not signed, so a reader
    that followed it could be led to other bytes than those the signature covers.
    """
    place = Place(AP, 0x0002)
    outer = open_record(data, 0xFF20, place)
    table, *entries = fields(data, outer, _FACE, place)
    _check_offsets(table, entries, place)
    birth, sex, key, name, address, photo, signature, expiry, security = entries
    return FaceRecord(
        birth=day(birth, place),
        sex_code=code(sex, place),
        key=public_key(data, key.value_start, key.end, place),
        name_image=name.value,
        address_image=address.value,
        photo=photo.value,
        segments=(
            data[birth.start : key.end],
            data[name.start : address.end],
            data[photo.start : photo.end],
        ),
        signature=sized(signature, _SIGNATURE, place),
        expiry=day(expiry, place),
        security_code_image=security.value,
        physical=data,
    )


def _check_offsets(table: Tlv, entries: Sequence[Tlv], place: Place) -> None:
    """Nine starts from the beginning of the file, 16 bits each."""
    expected = b"".join(entry.start.to_bytes(2, "big") for entry in entries)
    if table.value != expected:
        raise place.error("offset_table", table.start)


def parse_number_image(data: bytes) -> NumberImageRecord:
    """EF 0005: ``FF40``, DF41 PNG, DF42 key, DF43 signature."""
    place = Place(AP, 0x0005)
    outer = open_record(data, 0xFF40, place)
    image, key, signature = fields(data, outer, (0xDF41, 0xDF42, 0xDF43), place)
    return NumberImageRecord(
        image=image.value,
        key=public_key(data, key.value_start, key.end, place),
        signed=data[image.start : key.end],
        signature=sized(signature, _SIGNATURE, place),
        physical=data,
    )


def parse_filler(data: bytes) -> FillerRecord:
    """EF 0006: 16 bytes, whatever they are."""
    place = Place(AP, 0x0006)
    if len(data) != 16:
        raise place.error("truncated" if len(data) < 16 else "over_long", len(data))
    return FillerRecord(data)
