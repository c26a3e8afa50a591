# SPDX-License-Identifier: Apache-2.0
"""PINs, signatures and authentication of the emulated card. Source: [MC] [MY] [OS PR 959]."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from jpki.synth import card_key
from virtual_terminal import MakeCard, Terminal

DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SHA1_INFO = bytes.fromhex("3021300906052b0e03021a05000414")
PINS = [
    ("jpki", "0018", "1234", 3), ("jpki", "001B", "ABC123", 5), ("text", "0011", "1234", 3),
    ("text", "0014", "537686677188", 10), ("text", "0015", "55021720352285", 10),
    ("surface", "0011", "550217", 10), ("surface", "0012", "55021720352285", 10),
    ("surface", "0013", "537686677188", 10), ("common", "001C", "1234", 3),
    ("juki", "001C", "1234", 3),
]  # fmt: skip


@pytest.mark.parametrize(("application", "fid", "value", "tries"), PINS)
def test_life_of_a_pin(
    terminal: Terminal, application: str, fid: str, value: str, tries: int
) -> None:
    assert terminal.open(application, fid) == "9000"
    query = "00200080"
    full = f"63C{tries:X}"
    assert [terminal.sw(query), terminal.sw(query + "00"), terminal.sw(query)] == [full] * 3
    assert terminal.verify("X" * len(value)) == f"63C{tries - 1:X}"
    assert terminal.sw(query) == f"63C{tries - 1:X}"
    assert terminal.verify(value) == "9000"
    assert terminal.sw(query) == full  # never 9000, and all tries are back
    words = [terminal.verify("0") for _ in range(tries)]
    assert words == [f"63C{left:X}" for left in range(tries - 1, -1, -1)]
    assert [terminal.verify(value), terminal.sw(query)] == ["6984", "63C0"]


@pytest.mark.parametrize(
    ("apdu", "word"),
    [
        ("0020009804 31323334", "9000"),  # by short identifier
        ("00200098", "63C3"),
        ("0020009B 06 414243313233", "9000"),
        ("0020009B 06 616263313233", "63C4"),  # lower case is another value
        ("00200018 04 31323334", "6A86"),
        ("00200000 04 31323334", "6A86"),
        ("00200180 04 31323334", "6A86"),
        ("0020008304 31323334", "6A82"),
        ("00200097 04 31323334", "6981"),  # a key is no PIN
        ("00200098 11" + "31" * 17, "6700"),
    ],
)
def test_verify_forms(terminal: Terminal, apdu: str, word: str) -> None:
    terminal.application("jpki")
    assert terminal.sw(apdu) == word


def test_a_wrong_value_takes_the_status_away(terminal: Terminal) -> None:
    terminal.open("jpki", "0018", "1234")
    assert terminal.sw("802A0097010100") == "9000"
    assert terminal.sw("002000980430303030") == "63C2"
    assert terminal.sw("802A0097010100") == "6982"


def test_one_pin_does_not_open_for_another(terminal: Terminal) -> None:
    terminal.open("jpki", "0018", "1234")
    assert terminal.sw("802A009A010100") == "6982"
    terminal.file("0001")
    assert terminal.sw("00B0000001") == "6982"


def test_the_two_counters_of_a_key_are_separate(terminal: Terminal) -> None:
    """照合番号 in surface and text, the 住基 PIN in common and juki [inferred]."""
    for application, fid in (("surface", "0013"), ("common", "001C")):
        terminal.open(application, fid, "0")
    tries = terminal.card.tries()
    assert (tries["surface/0013"], tries["text/0014"]) == (9, 10)
    assert (tries["common/001c"], tries["juki/001c"]) == (2, 3)


def test_blocked_reference_of_the_text_application(terminal: Terminal) -> None:
    terminal.open("text", "0012")
    assert [terminal.sw("00200080"), terminal.verify("1234")] == ["63C0", "6984"]


def test_unknown_references_answer_the_query(terminal: Terminal) -> None:
    for application, fid in (("surface", "0014"), ("surface", "0015"), ("common", "001E")):
        terminal.open(application, fid)
        assert terminal.sw("00200080").startswith("63C")


CHANGES = [
    ("jpki", "0018", "1234", "0024018004 35363738", "5678"),
    ("jpki", "001B", "ABC123", "0024018007 58595A37383930", "XYZ7890"),
    ("text", "0011", "1234", "0024018004 35363738", "5678"),
    ("common", "001C", "1234", "8032008004 35363738", "5678"),
    ("juki", "001C", "1234", "8032008004 35363738", "5678"),
]


@pytest.mark.parametrize(("application", "fid", "old", "change", "new"), CHANGES)
def test_change(
    terminal: Terminal, application: str, fid: str, old: str, change: str, new: str
) -> None:
    terminal.open(application, fid)
    assert terminal.sw(change) == "6982"
    assert terminal.verify(old) == "9000"
    assert terminal.sw(change) == "9000"
    assert terminal.verify(old).startswith("63C")
    assert terminal.verify(new) == "9000"


@pytest.mark.parametrize(
    ("application", "fid", "value", "apdu", "word"),
    [
        ("jpki", "0018", "1234", "0024008004 35363738", "6A86"),
        ("jpki", "0018", "1234", "0024018003 353637", "6700"),
        ("jpki", "001B", "ABC123", "0024018004 35363738", "6700"),
        ("jpki", "0018", "1234", "00240180", "6700"),
        ("jpki", "0018", "1234", "8032008004 35363738", "6D00"),
        ("common", "001C", "1234", "0024018004 35363738", "6D00"),
        ("text", "0014", "537686677188", "002401800C" + "31" * 12, "6985"),
        ("jpki", "0018", "1234", "0024009704 35363738", "6A86"),
        ("jpki", "0018", "1234", "0024019704 35363738", "6981"),
        ("jpki", "0018", "1234", "0024019B06 414243313233", "6982"),
        ("juki", "001C", "1234", "8032018004 35363738", "6A86"),
    ],
)
def test_change_refused(
    terminal: Terminal, application: str, fid: str, value: str, apdu: str, word: str
) -> None:
    assert terminal.open(application, fid, value) == "9000"
    assert terminal.sw(apdu) == word
    terminal.file(fid)
    assert terminal.verify(value) == "9000"


def recovered(signature: bytes, key: rsa.RSAPublicKey) -> bytes:
    """What stands behind the PKCS#1 type 1 padding, by plain arithmetic."""
    numbers = key.public_numbers()
    block = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n).to_bytes(256, "big")
    end = block.index(b"\x00", 1)
    assert block[:2] == b"\x00\x01"
    assert end >= 10
    assert set(block[2:end]) == {0xFF}
    return block[end + 1 :]


MESSAGE = b"message to be signed on the card"
DIGEST = hashlib.sha256(MESSAGE).digest()
AUTH = card_key(0, "auth").public_key()


def _sign(terminal: Terminal, p1: int, data: bytes) -> bytes:
    signature, sw = terminal.send(f"802A{p1:02X}97{len(data):02X}{data.hex()}00")
    assert (sw, len(signature)) == ("9000", 256)
    return signature


@pytest.fixture
def verified(terminal: Terminal) -> Terminal:
    assert terminal.open("jpki", "0018", "1234") == "9000"
    return terminal


@pytest.mark.parametrize(
    "data",
    [b"\x00", b"any", bytes(245), DIGEST_INFO + DIGEST, SHA1_INFO + bytes(20), bytes(range(35))],
    ids=["one", "text", "longest", "sha256", "sha1", "not-a-digestinfo"],
)
def test_signature_of_anything(verified: Terminal, data: bytes) -> None:
    assert recovered(_sign(verified, 0, data), AUTH) == data


def test_signature_p1(verified: Terminal) -> None:
    """00 to 05 against independent verification."""
    pkcs1, sha256 = padding.PKCS1v15(), hashes.SHA256()
    pss = padding.PSS(mgf=padding.MGF1(sha256), salt_length=32)
    AUTH.verify(_sign(verified, 0, DIGEST_INFO + DIGEST), MESSAGE, pkcs1, sha256)
    assert recovered(_sign(verified, 1, MESSAGE), AUTH) == DIGEST
    AUTH.verify(_sign(verified, 2, DIGEST), DIGEST, pkcs1, utils.Prehashed(sha256))
    AUTH.verify(_sign(verified, 3, MESSAGE), MESSAGE, pkcs1, sha256)
    AUTH.verify(_sign(verified, 4, DIGEST), MESSAGE, pss, sha256)
    AUTH.verify(_sign(verified, 5, MESSAGE), MESSAGE, pss, sha256)
    assert _sign(verified, 5, MESSAGE) != _sign(verified, 5, MESSAGE)


def test_both_ways_to_name_the_key_agree(verified: Terminal) -> None:
    by_identifier = _sign(verified, 0, MESSAGE)
    verified.file("0017")
    data = f"{len(MESSAGE):02X}{MESSAGE.hex()}"
    assert verified.send(f"802A0080{data}00") == (by_identifier, "9000")
    assert verified.send(f"802A0080{data}") == (by_identifier, "9000")  # no Le, as over T=0
    assert verified.send(f"802A0080 000020{MESSAGE.hex()} 0000") == (by_identifier, "9000")
    assert verified.send(f"802A0080{data}80") == (b"", "6C00")


@pytest.mark.parametrize(
    ("apdu", "word"),
    [
        ("802A0697 0101 00", "6A86"), ("802AFF97 0101 00", "6A86"), ("802A0098 0101 00", "6981"),
        ("802A0096 0101 00", "6985"), ("802A0017 0101 00", "6A86"), ("802A0093 0101 00", "6A82"),
        ("802A0000 0101 00", "6A88"), ("802A0097 F6" + "00" * 246 + "00", "6985"),
        ("802A0297 1F" + "00" * 31 + "00", "6985"), ("802A0497 21" + "00" * 33 + "00", "6985"),
        ("802A009700", "6700"), ("802A0097 000100" + "00" * 256 + "0000", "6700"),
        ("802A0197 FF" + "00" * 255 + "00", "9000"), ("002A0097 0101 00", "6D00"),
        ("802A009A 0101 00", "6982"),
    ],
)  # fmt: skip
def test_signature_refused(verified: Terminal, apdu: str, word: str) -> None:
    assert verified.sw(apdu) == word


@pytest.mark.parametrize(("application", "role"), [("surface", "surface"), ("text", "text")])
def test_default_key_needs_no_pin(terminal: Terminal, application: str, role: str) -> None:
    terminal.application(application)
    challenge, _ = terminal.send("0084000010")
    block = DIGEST_INFO + hashlib.sha256(challenge).digest()
    signature, sw = terminal.send(f"802A000033{block.hex()}00")
    assert sw == "9000"
    public = card_key(0, role).public_key()
    public.verify(signature, challenge, padding.PKCS1v15(), hashes.SHA256())


def test_internal_authenticate(terminal: Terminal) -> None:
    terminal.application("common")
    challenge = bytes(range(16))
    apdu = f"0088009910{challenge.hex()}00"
    signature, sw = terminal.send(apdu)
    assert sw == "9000"
    assert terminal.send(apdu) == (signature, "9000")  # deterministic
    card_key(0, "common").public_key().verify(
        signature, challenge, padding.PKCS1v15(), hashes.SHA256()
    )


@pytest.mark.parametrize(
    ("application", "apdu", "word"),
    [
        ("common", "00880099", "6700"), ("common", "00880199 0101 00", "6A86"),
        ("common", "0088009C 0101 00", "6981"), ("common", "00880099 0101 10", "6C00"),
        ("common", "00880099 000100" + "00" * 256 + "0000", "6700"),
        ("common", "802A0099 0101 00", "6985"), ("jpki", "00880097 0101 00", "6982"),
        ("jpki", "0088009A 0101 00", "6982"), ("text", "00880093 0101 00", "6985"),
        ("surface", "0088009A 0101 00", "6985"), ("common", "00880080 0101 00", "6986"),
    ],
)  # fmt: skip
def test_internal_authenticate_refused(
    terminal: Terminal, application: str, apdu: str, word: str
) -> None:
    terminal.application(application)
    assert terminal.sw(apdu) == word


def test_many_signatures_after_one_pin(terminal: Terminal) -> None:
    terminal.open("jpki", "001B", "ABC123")
    assert [terminal.sw("802A009A010100") for _ in range(5)] == ["9000"] * 5


def test_face_only_card_has_no_usable_pin(load: Callable[[str], Terminal]) -> None:
    card = load("face-only")
    for application, fid in (("jpki", "0018"), ("jpki", "001B"), ("text", "0011")):
        card.open(application, fid)
        assert [card.sw("00200080"), card.verify("1234")] == ["63C0", "6984"]
    assert card.open("text", "0014", "900000000052") == "9000"


def test_tries_at_the_start(make: MakeCard) -> None:
    card = make("hanako", {"tries": "auth = 1\nnumber-b = 4"})
    card.open("jpki", "0018")
    assert card.sw("00200080") == "63C1"
    assert card.card.tries()["surface/0012"] == 4
    assert card.card.tries()["text/0015"] == 4
