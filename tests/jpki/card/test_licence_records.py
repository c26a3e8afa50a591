# SPDX-License-Identifier: Apache-2.0
"""The マイナ免許証 as records: every field, what is refused, what is never shown."""

from __future__ import annotations

import hashlib
import re
from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from card_files import Keys
from jpki.card.jis import Gaiji
from jpki.card.licence_check import LicenceEvidence, check_licence
from jpki.card.licence_records import (
    CLASS_TAGS,
    LicenceClass,
    era_day,
    parse_licence,
    parse_pin_set,
    parse_signature,
)
from jpki.card.records import Place
from jpki.dates import PartialDate
from jpki.errors import CardDataError
from jpki.verdict import Outcome
from licence_files import GLASSES, PHOTO, SIGNATURE, SIGNED, licence, signature

PLACE = Place("licence", 0x001B)


def refused(changes: dict[int, bytes]) -> dict[str, object]:
    data = licence(changes=changes) if min(changes) < 0x108 else signature(changes=changes)
    with pytest.raises(CardDataError) as caught:
        parse_licence(data) if min(changes) < 0x108 else parse_signature(data)
    assert caught.value.__cause__ is None
    return caught.value.values


@pytest.mark.parametrize("form", ["raw", "ber"])
def test_every_field(form: str) -> None:
    record = parse_licence(licence(form))
    assert (record.recorded, record.category) == (date(2024, 11, 1), 1)
    assert (str(record.colour), record.expires) == ("優良", date(2030, 7, 12))
    assert [str(one) for one in record.conditions] == ["眼鏡等", "眼鏡等〓"]
    assert record.conditions[1].parts[1] == Gaiji(1, b"\x01" * 256)
    assert [str(one) for one in record.remarks] == ["〓眼鏡等"]
    assert (record.spare, dict(record.gaiji)) == ((), {1: b"\x01" * 256})
    assert (record.number, record.history_number) == ("991204567893", "990000004321")
    assert (record.small, record.others) == (date(2006, 9, 1), date(2008, 7, 15))
    assert record.second is None
    assert record.held == (LicenceClass.MOPED, LicenceClass.SEMI_MEDIUM)
    assert record.classes[LicenceClass.ORDINARY] == 0
    assert (record.photo, record.reserved, record.unknown) == (PHOTO, (), ())


def test_the_card_that_was_examined_had_empty_fields() -> None:
    # C2 00 C3 00, then C4: what [HM] skips.
    data = licence(changes={0xC2: b"", 0xC3: b""})
    assert data[:4] == bytes.fromhex("C200C300")
    record = parse_licence(data)
    assert (record.recorded, record.category) == (None, None)
    assert record.expires == date(2030, 7, 12)


def test_all_empty() -> None:
    record = parse_licence(licence(changes=dict.fromkeys(range(0xC2, 0x108), b"")))
    assert record.photo is None
    assert not record.colour
    assert (record.number, record.held, record.conditions) == ("", (), ())


@pytest.mark.parametrize(("tag", "name"), CLASS_TAGS.items())
def test_classes(tag: int, name: LicenceClass) -> None:
    none = dict.fromkeys(CLASS_TAGS, b"\x00")
    assert parse_licence(licence(changes={**none, tag: b"\x01"})).held == (name,)
    odd = parse_licence(licence(changes={**none, tag: b"\x07"}))
    assert odd.held == ()
    assert odd.classes[name] == 7


def test_reserved_and_unknown_fields_are_kept() -> None:
    record = parse_licence(b"\x5a\x01x" + licence(changes={0xFB: b"7 bytes", 0x106: b"yes"}))
    assert [(one.name, one.value) for one in record.reserved] == [
        ("FB", b"7 bytes"),
        ("106", b"yes"),
    ]
    assert [one.name for one in record.unknown] == ["5A"]


def test_another_way_of_writing_long_tags_leaves_the_rest_readable() -> None:
    data = licence("other")
    record = parse_licence(data)
    assert record.expires == date(2030, 7, 12)
    assert record.photo is None
    assert PHOTO in record.tiling.tail
    assert record.data == data
    found = parse_signature(signature("other"))
    assert (found.signature, found.issuer, found.key_id) == (None, None, None)
    assert found.tiling.tail == signature("other")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({0xC2: b"506110"}, "bad_length"),
        ({0xC2: b"50611011"}, "over_long"),
        ({0xC5: b"5061301"}, "bad_date"),
        ({0xC5: b"6061201"}, "bad_date"),
        ({0xC5: b"0061201"}, "bad_date"),
        ({0xC5: b"5001201"}, "bad_date"),
        ({0xC5: b"50612a1"}, "bad_digits"),
        ({0xC5: "５".encode("shift_jis") + b"12345"}, "bad_digits"),
        ({0xC3: b"\x00\x01"}, "over_long"),
        ({0xC4: GLASSES + b"!!"}, "over_long"),
        ({0xC6: GLASSES * 14}, "over_long"),
        ({0xC6: b"!!!"}, "bad_length"),
        ({0xC6: b"\x1b[2J"}, "bad_text"),
        ({0xD7: "眼鏡".encode()}, "bad_text"),
        ({0xCA: bytes(257)}, "over_long"),
        ({0xE7: b"1234567890123"}, "over_long"),
        ({0xE7: b"99120456\x1b893"}, "bad_text"),
        ({0xEC: b"\x01\x01"}, "over_long"),
        ({0x107: bytes(2001)}, "over_long"),
        ({0x108: bytes(255)}, "bad_length"),
        ({0x108: bytes(257)}, "over_long"),
        ({0x10B: b"\n"}, "bad_text"),
        ({0x10C: b" " * 131}, "over_long"),
        ({0x10D: bytes(31)}, "bad_length"),
    ],
)
def test_malformed(changes: dict[int, bytes], reason: str) -> None:
    values = refused(changes)
    assert values["reason"] == reason
    assert values["application"] == "licence"
    assert isinstance(values["offset"], int)


@pytest.mark.parametrize("form", ["raw", "ber"])
def test_truncated_at_every_length(form: str) -> None:
    for parse, data in ((parse_licence, licence(form)), (parse_signature, signature(form))):
        for size in range(len(data)):
            with pytest.raises(CardDataError):
                parse(data[:size])


@pytest.mark.parametrize(
    ("digits", "day"),
    [
        (b"1010101", date(1868, 1, 1)),
        (b"2151224", date(1926, 12, 24)),
        (b"3640107", date(1989, 1, 7)),
        (b"4350712", date(2023, 7, 12)),  # 平成35年, as licences of that time say
        (b"5060229", date(2024, 2, 29)),
        (b"5080200", PartialDate(2026, 2, None)),
        (b"5080000", PartialDate(2026, None, None)),
        (b"0000000", None),
        (b"       ", None),
    ],
)
def test_dates(digits: bytes, day: date | None) -> None:
    assert era_day(digits, 3, PLACE) == day


def test_no_such_day() -> None:
    with pytest.raises(CardDataError) as caught:
        era_day(b"5080229", 3, PLACE)  # 2026 is no leap year
    assert (caught.value.values["reason"], caught.value.values["offset"]) == ("bad_date", 3)


@pytest.mark.parametrize(
    ("data", "is_set"),
    [("C10101", True), ("C10100", False), ("C10101FFFF", True), ("C101000000", False)],
)
def test_pin_flag(data: str, is_set: bool) -> None:
    assert parse_pin_set(bytes.fromhex(data)) is is_set


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "truncated"),
        ("C1", "truncated"),
        ("C101", "truncated"),
        ("C20101", "wrong_tag"),
        ("C10201", "bad_length"),
        ("C10102", "bad_code"),
        ("C1010131", "over_long"),
    ],
)
def test_pin_flag_that_is_none(data: str, reason: str) -> None:
    with pytest.raises(CardDataError) as caught:
        parse_pin_set(bytes.fromhex(data))
    assert caught.value.values["reason"] == reason


def test_signature_file() -> None:
    data = signature()
    assert len(data) == 584
    found = parse_signature(data)
    assert (found.signature, found.serial) == (SIGNATURE, "TEST000000000001")
    assert (found.issuer, found.subject) == ("TEST CARD ISSUER", "TEST CARD SIGNER")
    assert (found.key_id, found.reserved) == (SIGNED[0x10D], b" " * 48)


def test_nothing_personal_in_reprs() -> None:
    record, signed = parse_licence(licence()), parse_signature(signature())
    shown = f"{record!r}{signed!r}{record.tiling!r}{LicenceEvidence(record, signed)!r}"
    shown += f"{record.tiling.fields!r}{record.conditions!r}"
    for value in ("9912045", "9900000", "2030", "5120712", "眼鏡", "TEST", "優良"):
        assert value not in shown


def evidence(keys: Keys, data: bytes, signed: bytes | None = None) -> LicenceEvidence:
    made = keys.ca.sign(data if signed is None else signed, padding.PKCS1v15(), SHA256())
    return LicenceEvidence(parse_licence(data), parse_signature(signature(changes={0x108: made})))


def test_never_valid_by_itself(keys: Keys) -> None:
    whole = evidence(keys, licence())
    cases = {
        "licence_signer_unknown": whole,
        "licence_signature_not_read": LicenceEvidence(whole.record),
        "licence_signature_unreadable": LicenceEvidence(
            whole.record, parse_signature(signature("other"))
        ),
    }
    for code, one in cases.items():
        (check,) = check_licence(one)
        assert (check.outcome, check.code) == (Outcome.CANNOT_TELL, code)
    (check,) = check_licence(None)
    assert (check.outcome, check.code) == (Outcome.NOT_RUN, "licence_not_read")


@pytest.mark.parametrize("form", ["raw", "ber", "other"])
def test_with_the_signer_s_key(keys: Keys, form: str) -> None:
    whole = evidence(keys, licence(form))
    assert whole.digests == (hashlib.sha256(licence(form)).digest(),)
    assert whole.verify_with(keys.ca.public_key()).outcome is Outcome.VALID
    wrong = whole.verify_with(keys.other.public_key())
    assert (wrong.outcome, wrong.code) == (Outcome.INVALID, "licence_signature_wrong")


@pytest.mark.parametrize("filler_signed", [True, False])
def test_filler_signed_or_not(keys: Keys, filler_signed: bool) -> None:
    data = licence() + b"\xff" * 50
    whole = evidence(keys, data, data if filler_signed else licence())
    assert len(whole.digests) == 2
    assert whole.verify_with(keys.ca.public_key()).outcome is Outcome.VALID


def test_without_a_signature_a_key_is_of_no_use(keys: Keys) -> None:
    check = LicenceEvidence(parse_licence(licence())).verify_with(keys.ca.public_key())
    assert check.outcome is Outcome.CANNOT_TELL


def test_an_altered_byte_is_never_valid(keys: Keys) -> None:
    """Every byte of WEF02: another record that does not verify, or none at all."""
    data = licence()
    whole = evidence(keys, data)
    seen = {"refused": 0, "invalid": 0}
    for at in range(len(data)):
        altered = bytearray(data)
        altered[at] ^= 0x01
        try:
            record = parse_licence(bytes(altered))
        except CardDataError:
            seen["refused"] += 1
            continue
        check = LicenceEvidence(record, whole.signature).verify_with(keys.ca.public_key())
        assert check.outcome is Outcome.INVALID, at
        seen["invalid"] += 1
    assert min(seen.values()) > 50


def test_checks_carry_nothing_personal(keys: Keys) -> None:
    assert not re.search("9912|TEST", repr(check_licence(evidence(keys, licence()))))
