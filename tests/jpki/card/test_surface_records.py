# SPDX-License-Identifier: Apache-2.0
"""Files of the surface application: the documented forms, and what must not be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from card_files import Keys, key_value, tlv
from jpki.card.sex import Sex
from jpki.card.surface_records import (
    parse_age,
    parse_face,
    parse_filler,
    parse_number_image,
)
from jpki.dates import PartialDate
from jpki.errors import CardDataError
from surface_card_files import age_file, face_file, face_of, number_image_file

Files = dict[str, bytes]
PARSERS: dict[str, Callable[[bytes], object]] = {
    "0001": parse_age,
    "0002": parse_face,
    "0005": parse_number_image,
    "0006": parse_filler,
}


@pytest.fixture(scope="module")
def files(keys: Keys) -> Files:
    return {
        "0001": age_file(keys.city, keys.ap),
        "0002": face_file(keys.city, keys.ap),
        "0005": number_image_file(keys.city, keys.ap),
        "0006": b"\xff" * 16,
    }


def reason(file: str, data: bytes) -> str:
    with pytest.raises(CardDataError) as caught:
        PARSERS[file](data)
    values = caught.value.values
    assert (values["application"], values["file"]) == ("surface", file)
    return str(values["reason"])


def test_age_record_byte_for_byte(files: Files) -> None:
    # [MC]: 547 bytes; FF10 82021E, DF11 08, DF12 820109 with 90 03 010001, 91 820100, DF13 820100.
    data = files["0001"]
    assert len(data) == 547
    assert data[:8].hex() == "ff1082021edf1108"
    assert data[8:16] == b"19800217"
    assert data[16:30].hex() == "df128201099003010001" + "91820100"
    assert data[286:291].hex() == "df13820100"
    record = parse_age(data)
    assert record.birth == date(1980, 2, 17)
    assert record.signed == data[5:286]
    assert len(record.signed) == 281
    assert record.signature == data[-256:]
    assert record.physical == data


def test_face_byte_for_byte(files: Files) -> None:
    # [MC]: FF20 82 LLLL, DF21 12 with nine offsets, the first of which is 001A = 5 + 3 + 18.
    data = files["0002"]
    assert data[:3].hex() == "ff2082"
    assert int.from_bytes(data[3:5], "big") == len(data) - 5
    assert data[5:10].hex() == "df2112001a"
    assert data[0x1A:0x1D].hex() == "df2208"
    record = parse_face(data)
    assert (record.birth, record.expiry) == (date(1980, 2, 17), date(2035, 2, 17))
    assert (record.sex_code, record.sex) == ("2", Sex.FEMALE)
    assert record.name_image == b"a picture of a name"
    assert record.address_image == b"a picture of an address"
    assert (record.photo, record.security_code_image) == (b"a photo", b"a picture of a code")
    joined = b"".join(record.segments)
    assert data[0x1A : 0x1A + len(joined)] == joined  # nothing between them, nothing left out
    assert [part[:2].hex() for part in record.segments] == ["df22", "df25", "df27"]


def test_number_image_byte_for_byte(files: Files) -> None:
    data = files["0005"]
    assert data.startswith(b"\xff\x40\x82")
    record = parse_number_image(data)
    assert record.image == b"a picture of digits"
    assert record.signed == data[5:-261]


def test_the_unused_file() -> None:
    assert parse_filler(b"\xff" * 16).empty
    kept = parse_filler(bytes(range(16)))  # whatever it is, it is kept
    assert not kept.empty
    assert kept.physical == bytes(range(16))


@pytest.mark.parametrize("file", sorted(PARSERS))
def test_every_truncation_is_an_error(files: Files, file: str) -> None:
    data = files[file]
    for length in range(len(data)):
        assert reason(file, data[:length]) in ("truncated", "filler_only"), length


@pytest.mark.parametrize("file", sorted(PARSERS))
def test_one_byte_too_many(files: Files, file: str) -> None:
    assert reason(file, files[file] + b"\x01") == "over_long"


@pytest.mark.parametrize("file", ["0001", "0002", "0005"])
def test_filler_after_the_record_is_no_part_of_it(files: Files, file: str) -> None:
    for filler in (b"\xff" * 7, bytes(7)):
        PARSERS[file](files[file] + filler)


def parts(data: bytes) -> list[bytes]:
    """The nine TLVs of EF 0002 after the table."""
    offsets = [int.from_bytes(data[8 + 2 * i : 10 + 2 * i], "big") for i in range(9)]
    return [data[a:b] for a, b in zip(offsets, [*offsets[1:], len(data)], strict=True)]


def test_every_byte_of_the_table_counts(files: Files) -> None:
    data = files["0002"]
    assert face_of(parts(data)) == data
    for place in range(8, 26):
        changed = bytearray(data)
        changed[place] ^= 0x01
        assert reason("0002", bytes(changed)) == "offset_table"


def test_a_table_of_another_length(files: Files) -> None:
    for table in (b"", b"\x00\x1a" * 8, b"\x00\x1a" * 10):
        assert reason("0002", face_of(parts(files["0002"]), table)) == "offset_table"


def test_fields_missing_doubled_or_out_of_order(files: Files) -> None:
    nine = parts(files["0002"])
    for index in range(9):
        without = nine[:index] + nine[index + 1 :]
        assert reason("0002", face_of(without)) in ("wrong_tag", "truncated", "offset_table")
        assert reason("0002", face_of([*nine[: index + 1], *nine[index:]])) in (
            "wrong_tag",
            "over_long",
        )
    assert reason("0002", face_of([nine[1], nine[0], *nine[2:]])) == "wrong_tag"
    assert reason("0002", face_of([*nine, tlv(0xDF2B, b"more")])) == "over_long"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"birth": "19801317"}, "bad_date"),
        ({"birth": "1980021"}, "truncated"),
        ({"birth": "1980021x"}, "bad_digits"),
        ({"expiry": "20350230"}, "bad_date"),
        ({"sex": "12"}, "over_long"),
        ({"sex": ""}, "truncated"),
        ({"sex": "\n"}, "bad_text"),
        ({"signature": bytes(255)}, "truncated"),
        ({"signature": bytes(257)}, "over_long"),
    ],
)
def test_face_with_a_bad_field(keys: Keys, change: dict[str, str], expected: str) -> None:
    data = face_file(keys.city, keys.ap, **change)  # type: ignore[arg-type]
    assert reason("0002", data) == expected


def test_a_birth_date_with_unknown_parts(keys: Keys) -> None:
    record = parse_age(age_file(keys.city, keys.ap, "19800000"))
    assert record.birth == PartialDate(1980, None, None)


def test_keys_that_are_none(keys: Keys) -> None:
    good = key_value(keys.ap)
    for bad in (good[:-1] + b"\x00", good[:5] + b"\x91\x01\x05", good + b"\x92\x00"):
        data = tlv(0xFF10, tlv(0xDF11, b"19800217") + tlv(0xDF12, bad) + tlv(0xDF13, bytes(256)))
        assert reason("0001", data) in ("bad_key", "wrong_tag")


def test_a_length_beyond_what_a_card_can_address() -> None:
    assert reason("0002", b"\xff\x20\x83\x01\x00\x00" + bytes(40)) == "over_long"


def test_nothing_personal_is_shown(files: Files) -> None:
    for file in ("0001", "0002", "0005", "0006"):
        shown = repr(PARSERS[file](files[file]))
        for secret in ("1980", "2035", "picture", "photo", "'2'", "xff", "xdf"):
            assert secret not in shown
