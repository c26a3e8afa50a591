# SPDX-License-Identifier: Apache-2.0
"""The card level: every object, every way in which it can be wrong, and its key chain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from card_bench import TEXT_PIN, opened
from jpki.card import Card
from jpki.card.cv_certificate import parse_cv_contents
from jpki.card.mf import (
    UNSIGNED,
    MasterObjects,
    parse_card_number,
    parse_contact_atr,
    parse_day,
    parse_key_reference,
    parse_recognition,
)
from jpki.card.mf_chain import check_mf, check_mf_chain
from jpki.card.records import Place, digits
from jpki.card_map import CARD_OBJECTS, ISD_AID, PinKind
from jpki.emulator import EmulatedCard, load_card
from jpki.errors import CardDataError
from jpki.messages import LANGUAGES, text
from jpki.synth import SynthPki
from jpki.synth.cv import cv_certificate, key_id
from jpki.verdict import Check, Outcome
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import SecurityStatusError, StatusWordError
from mf_cards import ObjectCard

KEYS = SynthPki().cv_ca_keys()
MF = bytes.fromhex("000000A8")
MIDDLE, LOWER = key_id("9000021", "000", MF), key_id("9000022", "000", MF)
CONTACT_ATR = bytes.fromhex("DA13FF8131FB468012392F31C173C601C03B")  # of a card in the field [PT]
RECOGNITION = bytes.fromhex(
    "6630732E06072A864886FC6B01600B06092A864886FC6B020202630906072A864886FC6B03640B06092A864886FC"
    "6B040215"
)  # [GP H.2]


@pytest.fixture(scope="module")
def chain() -> dict[int, bytes]:
    """00F8 and 7F21 of an emulated card."""
    connection = opened(load_card("hanako"))
    with connection as card:
        card.mf.select()
        return {tag: card.channel.get_data(tag) for tag in (0x00F8, 0x7F21)}


@pytest.fixture(scope="module")
def objects(chain: dict[int, bytes]) -> dict[int, bytes]:
    return {
        0x0042: key_id("9000024", "001"),
        0x0045: b"TEST000000004217",
        0x0066: RECOGNITION,
        0x00F0: b"13221",
        0x00F2: b"20350217",
        0x00F7: MIDDLE,
        0x5F51: CONTACT_ATR,
        **chain,
    }


def read(objects: dict[int, bytes], **how: int) -> tuple[MasterObjects, ObjectCard]:
    connection = ObjectCard(objects, **how)
    return Card(connection).mf.read_all(), connection


# Reading.


def test_every_object_of_the_card_map_is_read(objects: dict[int, bytes]) -> None:
    assert set(objects) == set(CARD_OBJECTS)
    found, connection = read(objects)
    asked = {int.from_bytes(apdu[2:4], "big") for apdu in connection.sent if apdu[1] == 0xCA}
    assert asked == set(CARD_OBJECTS)
    assert None not in {getattr(found, name) for name in MasterObjects.__slots__
                        if name not in ("card_number",)}  # fmt: skip
    assert (found.municipality, found.expiry) == ("13221", date(2035, 2, 17))
    assert found.issuer_key is not None
    assert found.issuer_key.name == "9000024/001"
    assert found.contact_atr == b"\x3b" + CONTACT_ATR
    assert found.recognition is not None
    assert found.recognition.version == "2.2"
    assert found.card_number is not None
    assert found.card_number.reveal() == "TEST000000004217"


def test_what_it_costs(objects: dict[int, bytes]) -> None:
    """One SELECT; seven objects once, the two large ones again in extended form (``00 0000``)."""
    _, connection = read(objects)
    assert [apdu.hex() for apdu in connection.sent[:2]] == [
        "00a4040c07a0000001510000",
        "00ca004200",
    ]
    assert len(connection.sent) == 1 + 9 + 2
    again = [apdu.hex() for apdu in connection.sent if len(apdu) == 7]
    assert again == ["00ca00f8000000", "00ca7f21000000"]


def test_nothing_in_it_shows_an_identifier(objects: dict[int, bytes]) -> None:
    assert "4217" not in repr(read(objects)[0])


@pytest.mark.parametrize("missing", [0x6A88, 0x6A82])
@pytest.mark.parametrize("tag", CARD_OBJECTS)
def test_a_missing_object_is_none(objects: dict[int, bytes], tag: int, missing: int) -> None:
    whole, _ = read(objects)
    found, _ = read({t: data for t, data in objects.items() if t != tag}, missing=missing)
    differ = [n for n in MasterObjects.__slots__ if n != "card_number"
              and getattr(whole, n) != getattr(found, n)]  # fmt: skip
    assert differ == [] if tag == 0x0045 else len(differ) == 1
    assert (found.card_number is None) is (tag == 0x0045)


def test_no_card_level(objects: dict[int, bytes]) -> None:
    found, connection = read(objects, manager=0x6A82)
    assert found == MasterObjects()
    assert len(connection.sent) == 1


def test_another_refusal_is_an_error(objects: dict[int, bytes]) -> None:
    with pytest.raises(StatusWordError):
        read({}, missing=0x6982)
    with pytest.raises(StatusWordError):
        read(objects, manager=0x6F00)


def test_selecting_the_card_manager_makes_the_card_forget_a_pin() -> None:
    with opened(load_card("hanako")) as card:
        card.pins.verify(PinKind.TEXT, bytearray(TEXT_PIN))
        assert card.text.attributes().sex_code
        assert card.mf.municipality() == "13221"
        assert card.channel.selection.aid == ISD_AID
        with pytest.raises(SecurityStatusError):
            card.text.attributes()


# Decoding.

Parse = Callable[[bytes, Place], object]

PARSERS: dict[int, Parse] = {
    0x0042: parse_key_reference,
    0x0066: parse_recognition,
    0x00F0: lambda data, place: digits(data, 5, 0, place),
    0x00F2: parse_day,
    0x00F7: parse_key_reference,
    0x00F8: parse_cv_contents,
    0x7F21: parse_cv_contents,
    0x5F51: parse_contact_atr,
}


@pytest.mark.parametrize("tag", PARSERS)
def test_cut_short_at_every_length(objects: dict[int, bytes], tag: int) -> None:
    place = Place("mf", tag)
    PARSERS[tag](objects[tag], place)
    for length in range(len(objects[tag])):
        with pytest.raises(CardDataError) as caught:
            PARSERS[tag](objects[tag][:length], place)
        assert caught.value.values["file"] == f"{tag:04X}"


@pytest.mark.parametrize("length", range(33))
def test_a_card_number_has_no_length_of_its_own(length: int) -> None:
    """0045 is text of any length: only an empty or an over-long one is refused."""
    place = Place("mf", 0x0045)
    if length == 0:
        with pytest.raises(CardDataError):
            parse_card_number(b"", place)
    else:
        assert len(parse_card_number(b"7" * length, place).reveal()) == length


@pytest.mark.parametrize(
    ("parse", "data", "reason"),
    [
        (parse_key_reference, bytes(16), "bad_key_id"),
        (parse_key_reference, bytes(17), "over_long"),
        (parse_card_number, b"7" * 33, "over_long"),
        (parse_card_number, b"77\x1b[2J", "bad_text"),
        (parse_card_number, "番号".encode(), "bad_text"),
        (parse_day, b"20350230", "bad_date"),
        (parse_day, b"20350200", "bad_date"),
        (parse_day, b"2035 217", "bad_digits"),
        (parse_day, b"203502170", "over_long"),
        (parse_contact_atr, CONTACT_ATR[:-1] + b"\x3c", "bad_check_byte"),
        (parse_contact_atr, bytes(33), "over_long"),
        (parse_recognition, b"\xff" * 8, "filler_only"),
        (parse_recognition, bytes.fromhex("7302 5000"), "wrong_tag"),
        (parse_recognition, bytes.fromhex("6602 6402"), "truncated"),
        (parse_recognition, bytes.fromhex("6604 0602 2A86"), "bad_length"),
        (parse_cv_contents, b"\xff" * 561, "filler_only"),
        (parse_cv_contents, b"", "truncated"),
    ],
)
def test_wrong_contents(parse: Parse, data: bytes, reason: str) -> None:
    with pytest.raises(CardDataError) as caught:
        parse(data, Place("mf", 0x0042))
    assert caught.value.values["reason"] == reason


@pytest.mark.parametrize("outer", [RECOGNITION, RECOGNITION[2:], RECOGNITION[4:]])
def test_recognition_with_and_without_its_outer_tags(outer: bytes) -> None:
    found = parse_recognition(outer, Place("mf", 0x0066))
    assert found.oids == (
        (0x06, "1.2.840.114283.1"),
        (0x60, "1.2.840.114283.2.2.2"),
        (0x63, "1.2.840.114283.3"),
        (0x64, "1.2.840.114283.4.2.21"),
    )


# The chain.


def checked(objects: dict[int, bytes], **how: int) -> Check:
    main, unsigned = check_mf(Card(ObjectCard(objects, **how)), KEYS)
    assert (unsigned.name, unsigned.outcome) == ("mf_unsigned", Outcome.NOT_RUN)
    return main


def test_the_chain_of_an_emulated_card(hanako: EmulatedCard) -> None:
    with opened(hanako) as card:
        main, unsigned = check_mf(card, KEYS)
    assert main == Check(
        "mf_chain",
        Outcome.VALID,
        "mf_chain_genuine",
        {"ca": "9000020/001", "intermediate": "9000021/000", "lower": "9000022/000"},
    )
    assert unsigned.values["objects"] == ", ".join(UNSIGNED)


def test_what_the_chain_costs(hanako: EmulatedCard) -> None:
    with opened(hanako) as card:
        check_mf(card, KEYS)
    assert hanako.apdus == 5


def test_an_older_card_has_no_second_certificate() -> None:
    with opened(load_card("old-g1")) as card:
        main = check_mf(card, KEYS)[0]
    assert (main.outcome, main.code) == (Outcome.VALID, "mf_chain_short")


def test_a_phone_has_none() -> None:
    with opened(load_card("android")) as card:
        main = check_mf(card, KEYS)[0]
    assert (main.outcome, main.code) == (Outcome.NOT_RUN, "mf_no_certificates")


def test_only_keys_that_are_trusted(chain: dict[int, bytes]) -> None:
    main = check_mf(Card(ObjectCard(chain)), {})[0]
    assert (main.outcome, main.code) == (Outcome.CANNOT_TELL, "cv_unknown_key")


def test_a_reader_without_extended_length(chain: dict[int, bytes]) -> None:
    main = checked(chain, extended=0)
    assert (main.outcome, main.code) == (Outcome.NOT_RUN, "mf_needs_extended")
    emulated = load_card("hanako")
    with opened(emulated, ReplyLimits(256, 0)) as card:
        assert check_mf(card, KEYS)[0].code == "mf_needs_extended"


def test_a_refusal_of_another_kind(chain: dict[int, bytes]) -> None:
    main = checked({}, missing=0x6982)
    assert (main.outcome, main.code) == (Outcome.CANNOT_TELL, "mf_refused")


def test_the_second_certificate_alone_proves_nothing(chain: dict[int, bytes]) -> None:
    main = checked({0x7F21: chain[0x7F21]})
    assert (main.outcome, main.code) == (Outcome.CANNOT_TELL, "mf_no_intermediate")


def contents(subject: bytes, **how: object) -> bytes:
    """A certificate of the card level under the test root."""
    key = SynthPki().municipality_key("13221").public_key().public_numbers()
    whole = cv_certificate("mf", subject, (key.n, key.e), **how)  # type: ignore[arg-type]
    return whole[5:]


def test_a_certificate_of_another_application_does_not_count() -> None:
    key = SynthPki().municipality_key("13221").public_key().public_numbers()
    other = cv_certificate("surface", MIDDLE, (key.n, key.e))[5:]
    main = checked({0x00F8: other})
    assert (main.outcome, main.code) == (Outcome.CANNOT_TELL, "cv_wrong_chain")


def test_links_that_do_not_fit(chain: dict[int, bytes]) -> None:
    other = contents(key_id("9000029", "000", MF))
    main = checked({0x00F8: other, 0x7F21: chain[0x7F21]})
    assert (main.outcome, main.code) == (Outcome.CANNOT_TELL, "mf_other_intermediate")
    same_name = contents(MIDDLE)
    main = checked({0x00F8: same_name, 0x7F21: chain[0x7F21]})
    assert (main.outcome, main.code) == (Outcome.INVALID, "mf_lower_signature_wrong")


def test_a_damaged_signature(chain: dict[int, bytes]) -> None:
    main = checked({0x00F8: contents(MIDDLE, damage_signature=True), 0x7F21: chain[0x7F21]})
    assert (main.outcome, main.code) == (Outcome.INVALID, "mf_signature_wrong")


# Issuer key ids: an altered one is an unknown key. The rest of both bodies is signed.
_ISSUER = range(5, 21)


@pytest.mark.parametrize("tag", [0x00F8, 0x7F21])
def test_every_altered_byte(chain: dict[int, bytes], tag: int) -> None:
    """Never valid: invalid or a typed error; only an issuer key id may be cannot_tell."""
    place, seen = Place("mf", tag), set()
    others = {t: parse_cv_contents(data, Place("mf", t)) for t, data in chain.items()}
    for offset in range(len(chain[tag])):
        data = bytearray(chain[tag])
        data[offset] ^= 0x01
        try:
            certificate = parse_cv_contents(bytes(data), place)
        except CardDataError:
            seen.add("error")
            continue
        pair = {**others, tag: certificate}
        outcome = check_mf_chain(pair[0x00F8], pair[0x7F21], KEYS).outcome
        allowed = {Outcome.CANNOT_TELL} if offset in _ISSUER else {Outcome.INVALID}
        assert outcome in allowed, offset
        seen.add(outcome.value)
    assert seen == {"error", "invalid", "cannot_tell"}


@pytest.mark.parametrize("tag", [tag for tag, entry in CARD_OBJECTS.items() if not entry.signed])
def test_what_is_not_signed_changes_nothing(objects: dict[int, bytes], tag: int) -> None:
    entry = CARD_OBJECTS[tag]
    assert entry.name in UNSIGNED
    altered = {**objects, tag: objects[tag][:-1] + bytes((objects[tag][-1] ^ 1,))}
    assert checked(altered) == checked(objects)
    assert checked(objects).outcome is Outcome.VALID


@pytest.mark.parametrize("lang", LANGUAGES)
def test_words(lang: str, objects: dict[int, bytes]) -> None:
    main, unsigned = check_mf(Card(ObjectCard(objects)), KEYS)
    assert "9000022/000" in text(f"reason.{main.code}", lang, **main.values)
    assert "ATR" in text(f"reason.{unsigned.code}", lang, **unsigned.values)
    error = Place("mf", 0x5F51).error("bad_check_byte", 3)
    assert "bad_check_byte" not in text("error.card_data", lang, **error.values)
    assert "MF" in text("error.card_data", lang, **error.values)
