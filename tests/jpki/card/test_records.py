# SPDX-License-Identifier: Apache-2.0
"""Every record of a card: the documented examples, truncation at every length, wrong contents."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from card_files import (
    CA_ID,
    CITY_ID,
    NUMBER,
    ap_key_file,
    attributes_file,
    cv_file,
    der,
    digests_file,
    key_value,
    number_file,
    tlv,
    token_file,
)
from jpki.card.common_ap import parse_card_record
from jpki.card.cv_certificate import key_name, parse_cv_certificate
from jpki.card.jpki_ap import certificate_der, certificate_size
from jpki.card.records import record_size
from jpki.card.surface_records import parse_surface_info
from jpki.card.text_records import (
    parse_ap_key,
    parse_attributes,
    parse_basic_info,
    parse_digests,
    parse_number,
    parse_session_key,
)
from jpki.card.token import Presence, parse_availability, parse_token_info
from jpki.card_map import TokenKind
from jpki.errors import CardDataError, NoCertificateError

KEY = rsa.generate_private_key(65537, 2048)
BASIC_INFO = tlv(
    0xFF40,
    tlv(0xDF41, bytes.fromhex("01030E01"))
    + tlv(0xDF42, CA_ID)
    + tlv(0xDF43, bytes(32) + b"\xff" * 96, b"\x82\x00\x80"),
    b"\x82\x00\x9f",
)
SURFACE_INFO = tlv(
    0xFF30,
    tlv(0xDF31, bytes.fromhex("06030E01"))
    + tlv(0xDF32, CA_ID)
    + tlv(0xDF33, b"\0")
    + tlv(0xDF34, b"13221")
    + tlv(0xDF35, CITY_ID + bytes(256)),
)
CARD_RECORD = b"\x01\x1c" + b"000000000012345" + b"13221" + b"20350217"

Parser = Callable[[bytes], object]

RECORDS: dict[str, tuple[Parser, bytes]] = {
    "number": (parse_number, number_file()),
    "attributes": (parse_attributes, attributes_file()),
    "attributes long": (parse_attributes, attributes_file(address="町" * 60, long=True)),
    "digests": (parse_digests, digests_file(KEY, number_file(), b"x")),
    "cv text": (lambda data: parse_cv_certificate(data, "text"), cv_file(KEY, KEY)),
    "cv surface": (lambda data: parse_cv_certificate(data, "surface"), cv_file(KEY, KEY)),
    "basic info": (parse_basic_info, BASIC_INFO),
    "session key": (parse_session_key, tlv(0xA1, key_value(KEY))),
    "ap key": (parse_ap_key, ap_key_file(KEY, KEY)),
    "surface info": (parse_surface_info, SURFACE_INFO),
    "card record": (parse_card_record, CARD_RECORD),
    "certificate": (lambda data: certificate_der(data, "auth"), der(300)),
}
SIZES = {
    "number": 17,
    "digests": 336,
    "cv text": 568,
    "cv surface": 568,
    "ap key": 536,
    "surface info": 320,
    "card record": 30,
}
each_record = pytest.mark.parametrize("name", RECORDS)


@each_record
def test_whole_records_parse_and_have_the_documented_size(name: str) -> None:
    parse, data = RECORDS[name]
    parse(data)
    assert len(data) == SIZES.get(name, len(data))


@each_record
def test_truncation_at_every_length(name: str) -> None:
    parse, data = RECORDS[name]
    for length in range(len(data)):
        with pytest.raises((CardDataError, NoCertificateError)) as caught:
            parse(data[:length])
        if length > 4:
            assert caught.value.values["reason"] == "truncated", length


@each_record
@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_nothing_but_filler(name: str, byte: int) -> None:
    parse, data = RECORDS[name]
    with pytest.raises((CardDataError, NoCertificateError)):
        parse(bytes((byte,)) * len(data))


@each_record
def test_wrong_outer_tag(name: str) -> None:
    parse, data = RECORDS[name]
    with pytest.raises(CardDataError) as caught:
        parse(bytes((data[0] ^ 0x04,)) + data[1:])
    assert caught.value.values["reason"] == "wrong_tag"


@each_record
def test_something_after_the_record(name: str) -> None:
    parse, data = RECORDS[name]
    with pytest.raises(CardDataError) as caught:
        parse(data + b"\x01")
    assert caught.value.values["reason"] == "over_long"


@pytest.mark.parametrize(
    "name", [name for name in RECORDS if name not in ("number", "card record")]
)
def test_filler_after_the_record_is_tolerated(name: str) -> None:
    parse, data = RECORDS[name]
    assert parse(data + b"\xff" * 40) is not None
    assert parse(data + bytes(40)) is not None


@each_record
def test_no_error_shows_what_is_on_the_card(name: str) -> None:
    parse, data = RECORDS[name]
    assert NUMBER not in repr(parse(data))
    assert "花子" not in repr(parse(data))
    with pytest.raises((CardDataError, NoCertificateError)) as caught:
        parse(data[: len(data) // 2])
    assert NUMBER[:4] not in f"{caught.value!s}{caught.value!r}{caught.value.values}"


@each_record
@given(data=st.data())
def test_any_change_parses_or_is_a_typed_error(name: str, data: st.DataObject) -> None:
    parse, good = RECORDS[name]
    place = data.draw(st.integers(0, min(len(good), 64) - 1))
    changed = bytearray(good)
    changed[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CardDataError, NoCertificateError):
        parse(bytes(changed))


@pytest.mark.parametrize(
    "value",
    [
        tlv(0x90, b"\x01\x00\x01") + tlv(0x91, bytes(256)),
        tlv(0x90, b"\x01\x00\x01") + tlv(0x91, b"\x80" + bytes(255)),  # even
        tlv(0x90, b"\x01\x00\x01") + tlv(0x91, b"\xff" * 128),  # 1024 bits
        tlv(0x90, b"\x01") + tlv(0x91, b"\xff" * 256),  # exponent 1
        tlv(0x90, b"\x01\x00\x00") + tlv(0x91, b"\xff" * 256),
    ],
)
def test_keys_that_cannot_be_used(value: bytes) -> None:
    with pytest.raises(CardDataError) as caught:
        parse_session_key(tlv(0xA1, value))
    assert caught.value.values["reason"] == "bad_key"


def test_key_names() -> None:
    assert key_name(CITY_ID) == "1322121/000"
    assert key_name(bytes.fromhex("353030303032300805303031000000A8")) == "5000020/001"
    no_generation = CITY_ID[:9] + b"x" + CITY_ID[10:]
    for bad in (CITY_ID[:15], CITY_ID + b"\0", b"\xff" * 16, b"x" + CITY_ID[1:], no_generation):
        with pytest.raises(ValueError, match="key id"):
            key_name(bad)


def test_cv_certificate_with_a_strange_key_id() -> None:
    with pytest.raises(CardDataError) as caught:
        parse_cv_certificate(cv_file(KEY, KEY, issuer=b"\xff" * 16), "text")
    assert caught.value.values["reason"] == "bad_key_id"


def test_card_record() -> None:
    record = parse_card_record(CARD_RECORD)
    assert (record.municipality, record.expiry) == ("13221", date(2035, 2, 17))
    assert record.serial.reveal() == "000000000012345"
    assert "12345" not in repr(record)
    for changed in (b"2035021x", b"20350230", b"20350200"):
        with pytest.raises(CardDataError):
            parse_card_record(CARD_RECORD[:-8] + changed)


def test_token_info() -> None:
    info = parse_token_info(token_file())
    assert info.label == TokenKind.CARD.value
    assert info.details is not None
    assert info.details.model == "E16R01NJ"
    assert (info.details.min_pin_length, info.details.max_pin_length) == (6, 16)
    assert (info.details.hardware_version, info.details.firmware_version) == ("03", "01")
    assert info.details.flags == 0x40D
    assert info.details.serial.reveal() == "0000000020500003"
    assert "20500003" not in repr(info)


@pytest.mark.parametrize("length", range(161))
def test_token_info_at_every_length(length: int) -> None:
    data = token_file()[:length]
    if length < 32:
        with pytest.raises(CardDataError):
            parse_token_info(data)
    else:
        info = parse_token_info(data)
        assert info.label == "JPKIAPICCTOKEN2"
        assert (info.details is None) == (length < 160)


def test_token_label_padded_with_nul() -> None:
    assert parse_token_info(b"JPKIAPGPSETOKEN".ljust(32, b"\0")).label == TokenKind.ANDROID.value
    with pytest.raises(CardDataError):
        parse_token_info(b"JPKI\x1b[2J".ljust(32))


@pytest.mark.parametrize(
    ("data", "sign", "auth"),
    [
        ("8F8F00", Presence.PRESENT, Presence.PRESENT),
        ("008F00", Presence.ABSENT, Presence.PRESENT),
        ("8F00", Presence.PRESENT, Presence.ABSENT),
        ("FFFF00", Presence.UNKNOWN, Presence.UNKNOWN),
    ],
)
def test_availability(data: str, sign: Presence, auth: Presence) -> None:
    found = parse_availability(bytes.fromhex(data))
    assert (found.sign, found.auth) == (sign, auth)
    for length in range(2):
        with pytest.raises(CardDataError):
            parse_availability(bytes.fromhex(data)[:length])


@pytest.mark.parametrize(
    ("head", "size"),
    [
        ("", None),
        ("308206", None),
        ("3082062E", 1586),
        ("3082062E30", 1586),
        ("30810500", 8),
        ("30050000", 7),
        ("FFFFFFFF", 4),
        ("00000000", 4),
        ("31820100", 4),
        ("3083FFFF", 4),
        ("3082FFFF", 4),
        ("30800000", 4),
    ],
)
def test_certificate_size(head: str, size: int | None) -> None:
    assert certificate_size(bytes.fromhex(head)) == size


def test_certificate_without_filler() -> None:
    assert certificate_der(der() + b"\xff" * 100, "auth") == der()
    for empty in (b"", b"\xff" * 2000, bytes(2000), b"\xff\xff\xff\xff"):
        with pytest.raises(NoCertificateError):
            certificate_der(empty, "sign")
    for wrong in (b"\x30\x83\x01\x00\x00", b"\x30\x82\xff\xff", b"\x30\x80\x00\x00"):
        with pytest.raises(CardDataError) as caught:
            certificate_der(wrong + bytes(100), "auth")
        assert caught.value.values["reason"] == "over_long"


@pytest.mark.parametrize(
    ("head", "size"),
    [
        ("FF", None),
        ("FF10", None),
        ("FF200300", 6),
        ("FF308201", None),
        ("FF3082014B", 336),
        ("7F21820233", 568),
        ("FFFFFFFF", 4),
        ("00000000", 4),
        ("FF30847FFFFFFF", 7),
        ("FF308000", 4),
    ],
)
def test_record_size_never_fails(head: str, size: int | None) -> None:
    assert record_size(bytes.fromhex(head)) == size


def test_fields_missing_or_in_excess() -> None:
    for inside, reason in (
        (tlv(0xDF31, bytes(32)), "truncated"),
        (tlv(0xDF31, bytes(32)) + tlv(0xDF32, bytes(33)) + tlv(0xDF33, bytes(256)), "over_long"),
        (tlv(0xDF31, bytes(32)) + tlv(0xDF32, bytes(32)) + tlv(0xDF33, bytes(255)), "truncated"),
        (DIGESTS + tlv(0xDF34, b""), "over_long"),
        (DIGESTS + b"\x00", "truncated"),
    ):
        with pytest.raises(CardDataError) as caught:
            parse_digests(tlv(0xFF30, inside))
        assert caught.value.values["reason"] == reason


DIGESTS = tlv(0xDF31, bytes(32)) + tlv(0xDF32, bytes(32)) + tlv(0xDF33, bytes(256))


def test_a_record_that_declares_too_much() -> None:
    for data in (b"\xff\x30\x84\x7f\xff\xff\xff", b"\xff\x30\x83\x01\x00\x00"):
        with pytest.raises(CardDataError) as caught:
            parse_digests(data + bytes(100))
        assert caught.value.values["reason"] == "over_long"
