# SPDX-License-Identifier: Apache-2.0
"""What is on a personalised card, recomputed here from the bytes. Source: [MC] [PM]."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from jpki.synth import SynthPki
from virtual_terminal import AT, Terminal

CARDS_WITH_SURFACE = [
    "hanako", "taro-moved", "jiro-expired", "child", "face-only", "blocked", "old-g1", "old-g2",
    "copied",
]  # fmt: skip


def parse(data: bytes, start: int = 0) -> tuple[int, bytes, int]:
    """Two-byte tag, value, end. A small reading of our own, not the one the card was made with."""
    tag, length, at = int.from_bytes(data[start : start + 2], "big"), data[start + 2], start + 3
    if length & 0x80:
        count = length & 0x7F
        length, at = int.from_bytes(data[at : at + count], "big"), at + count
    assert at + length <= len(data)
    return tag, data[at : at + length], at + length


def children(data: bytes) -> dict[int, tuple[bytes, bytes]]:
    """Tag to value and to the whole TLV."""
    found, at = {}, 0
    while at < len(data):
        tag, value, end = parse(data, at)
        found[tag] = (value, data[at:end])
        at = end
    return found


def public_key(value: bytes) -> rsa.RSAPublicKey:
    assert value[:9] == bytes.fromhex("900301000191820100")
    assert len(value) == 265
    return rsa.RSAPublicNumbers(65537, int.from_bytes(value[9:], "big")).public_key()


def check(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> None:
    key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())


def recovered(key: rsa.RSAPublicKey, signature: bytes) -> bytes:
    numbers = key.public_numbers()
    block = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n).to_bytes(256, "big")
    return block[block.index(b"\x00", 2) + 1 :]


def issuer(card: Terminal, application: str) -> rsa.RSAPublicKey:
    """The municipality's key from EF 0004, after checking it with the test CA's key."""
    card.application(application)
    raw = card.read("0004")
    assert len(raw) == 568
    tag, inner, end = parse(raw)
    assert (tag, end) == (0x7F21, 568)
    parts = children(inner)
    body = parts[0x5F4E][0]
    assert len(body) == 297
    number = {"surface": b"9000023", "text": b"9000033"}[application]
    assert body[:16] == number + b"\x08\x05001\x00\x00\x00\x00"
    modulus, exponent = SynthPki(AT).cv_ca_keys()[body[:16]]
    check(rsa.RSAPublicNumbers(exponent, modulus).public_key(), parts[0x5F37][0], body)
    assert body[23:28] == b"\x08\x05000"
    return public_key(body[32:])


PIN_FILES = {
    "surface": (("0011", "birth"), ("0012", "number_b"), ("0013", "number_a")),
    "text": (("0014", "number_a"), ("0015", "number_b")),
}


def open_all(card: Terminal, application: str) -> None:
    pins = card.card.pins()
    for fid, kind in PIN_FILES[application]:
        assert card.open(application, fid, pins[kind]) == "9000"


@pytest.mark.parametrize("name", CARDS_WITH_SURFACE)
def test_text_application(load: Callable[[str], Terminal], name: str) -> None:
    card = load(name)
    key = issuer(card, "text")
    open_all(card, "text")
    number, attributes, digests = (card.read(fid) for fid in ("0001", "0002", "0003"))
    assert (len(number), len(digests)) == (17, 336)
    assert number[:3] + number[15:] == bytes.fromhex("FF100CFFFF")
    assert number[3:15].decode() == card.card.pins()["number_a"]
    tag, value, end = parse(digests)
    parts = children(value)
    assert (tag, end) == (0xFF30, 336)
    check(key, parts[0xDF33][0], parts[0xDF31][1] + parts[0xDF32][1])
    assert parts[0xDF31][0] == hashlib.sha256(number).digest()
    assert parts[0xDF32][0] == hashlib.sha256(parse(attributes)[1][11:]).digest()
    signed_key = card.read("0007")
    assert len(signed_key) == 536
    pair = children(parse(signed_key)[1])
    check(key, pair[0xDF52][0], pair[0xDF51][1])
    public_key(pair[0xDF51][0])


def test_attributes_of_hanako(terminal: Terminal) -> None:
    terminal.open("text", "0011", "1234")
    raw = terminal.read("0002")
    tag, value, end = parse(raw)
    assert (tag, end) == (0xFF20, len(raw))
    parts = children(value)
    offsets = struct.unpack(">4H", parts[0xDF21][0])
    assert [int.from_bytes(raw[at : at + 2], "big") for at in offsets] == [
        0xDF22, 0xDF23, 0xDF24, 0xDF25,
    ]  # fmt: skip
    texts = [parts[tag][0].decode() for tag in (0xDF22, 0xDF23, 0xDF24, 0xDF25)]
    assert texts == ["番号　花子", "東京都清瀬市中里五丁目８４２番地", "19800217", "2"]


def test_text_basic_info_and_session_key(terminal: Terminal) -> None:
    terminal.open("text", "0011", "1234")
    info = terminal.read("0005")
    assert len(info) == 256
    tag, value, end = parse(info)
    assert tag == 0xFF40
    assert set(info[end:]) == {0xFF}
    parts = children(value)
    assert parts[0xDF41][0] == bytes.fromhex("01030E01")
    assert parts[0xDF42][0] == b"9000034\x08\x05001" + bytes(4)
    assert len(parts[0xDF43][0]) == 128
    key = terminal.read("0006")
    assert key[:4] == bytes.fromhex("A1820109")
    public_key(key[4:])


@pytest.mark.parametrize("name", CARDS_WITH_SURFACE)
def test_surface_application(load: Callable[[str], Terminal], name: str) -> None:
    card = load(name)
    key = issuer(card, "surface")
    open_all(card, "surface")
    age, face, number = (card.read(fid) for fid in ("0001", "0002", "0005"))
    assert len(age) == 547
    assert age[:5] == bytes.fromhex("FF1082021E")
    first = children(parse(age)[1])
    check(key, first[0xDF13][0], first[0xDF11][1] + first[0xDF12][1])
    third = children(parse(number)[1])
    check(key, third[0xDF43][0], third[0xDF41][1] + third[0xDF42][1])
    second = children(parse(face)[1])
    segments = (range(0xDF22, 0xDF25), range(0xDF25, 0xDF27), range(0xDF27, 0xDF28))
    joined = [b"".join(second[tag][1] for tag in segment) for segment in segments]
    digests = b"".join(hashlib.sha256(segment).digest() for segment in joined)
    head = bytes.fromhex("3071300D060960864801650304020105000460")
    assert recovered(key, second[0xDF28][0]) == head + digests
    assert first[0xDF12][0] == second[0xDF24][0] == third[0xDF42][0]
    assert first[0xDF11][0] == second[0xDF22][0]
    assert second[0xDF29][0].decode()[:4] == card.card.pins()["number_b"][6:10]


def test_face_of_hanako(terminal: Terminal) -> None:
    open_all(terminal, "surface")
    face = terminal.read("0002")
    parts = children(parse(face)[1])
    offsets = struct.unpack(">9H", parts[0xDF21][0])
    assert offsets[0] == 0x1A
    tags = [int.from_bytes(face[at : at + 2], "big") for at in offsets]
    assert tags == list(range(0xDF22, 0xDF2B))
    assert parts[0xDF29][0] == b"20350217"
    assert parts[0xDF23][0] == b"2"
    sizes = {tag: png_size(parts[tag][0]) for tag in (0xDF25, 0xDF26, 0xDF2A)}
    assert sizes[0xDF2A] == (24, 12)
    assert png_size(children(parse(terminal.read("0005"))[1])[0xDF41][0]) == (72, 12)
    assert terminal.read("0006") == b"\xff" * 16
    check_jp2(parts[0xDF27][0])


def png_size(data: bytes) -> tuple[int, int]:
    """Size of a PNG of 1 bit a pixel, every checksum and the pixel data being right."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(
            kind + body
        )
        chunks[kind] = body
        at += 12 + size
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colour, list(chunks)) == (1, 0, [b"IHDR", b"IDAT", b"IEND"])
    raw = zlib.decompress(chunks[b"IDAT"])
    assert len(raw) == height * (1 + -(-width // 8))
    pixels = raw.replace(b"\xff", b"").replace(b"\x00", b"")
    assert pixels  # something is drawn
    return width, height


def check_jp2(data: bytes) -> None:
    """Boxes in order, and a code stream whose marker segments end where they say.

    That it is one grey picture of 240 by 320 was seen with Pillow (OpenJPEG).
    """
    at, kinds = 0, []
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        kinds.append(kind)
        body = data[at + 8 : at + size]
        at += size
    assert (at, kinds) == (len(data), [b"jP  ", b"ftyp", b"jp2h", b"jp2c"])
    at, markers = 2, []
    while body[at : at + 2] != b"\xff\x93":
        markers.append(body[at + 1])
        at += 2 + int.from_bytes(body[at + 2 : at + 4], "big")
    assert markers == [0x51, 0x52, 0x5C, 0x64, 0x90]
    part = body[body.index(b"\xff\x90") : -2]
    assert struct.unpack(">I", part[6:10])[0] == len(part)
    assert body[-2:] == b"\xff\xd9"


def test_surface_basic_info(terminal: Terminal) -> None:
    terminal.application("surface")
    info = terminal.read("0003")
    assert (len(info), info[:5]) == (320, bytes.fromhex("FF3082013B"))
    parts = children(parse(info)[1])
    assert parts[0xDF31][0] == bytes.fromhex("06030E01")
    assert parts[0xDF34][0] == b"13221"
    assert len(parts[0xDF35][0]) == 272


def test_token_info(terminal: Terminal) -> None:
    terminal.application("jpki")
    info = terminal.read("0006")
    assert len(info) == 160
    assert info[:32] == b"JPKIAPICCTOKEN2".ljust(32)
    assert b"TEST" in info[32:64]
    assert struct.unpack(">7I", info[96:124]) == (0x040D, 1, 0, 1, 0, 16, 6)
    assert info[124:] == b"\xff" * 16 + b"0301" + b"9" * 16


def test_card_level_chain(terminal: Terminal) -> None:
    """00F8 under the test root of the chain, 7F21 under the key that 00F8 holds."""
    upper, _ = terminal.send("00CA00F8000000")
    lower, _ = terminal.send("00CA7F21000000")
    key_id, _ = terminal.send("00CA00F700")
    first, second = children(upper), children(lower)
    body = first[0x5F4E][0]
    assert body[:16] == b"9000020\x08\x05001\x00\x00\x00\xa8"
    assert body[16:32] == key_id == second[0x5F4E][0][:16]
    modulus, exponent = SynthPki(AT).cv_ca_keys()[body[:16]]
    check(rsa.RSAPublicNumbers(exponent, modulus).public_key(), first[0x5F37][0], body)
    check(public_key(body[32:]), second[0x5F37][0], second[0x5F4E][0])


@pytest.mark.parametrize("fid", ["0002", "000B"])
def test_ca_certificates_signed_the_holders(terminal: Terminal, fid: str) -> None:
    pin = {"0002": ("001B", "ABC123", "0001"), "000B": ("0018", "1234", "000A")}[fid]
    terminal.open("jpki", pin[0], pin[1])
    root, leaf = (
        x509.load_der_x509_certificate(raw[: 4 + int.from_bytes(raw[2:4], "big")])
        for raw in (terminal.read(fid), terminal.read(pin[2]))
    )
    leaf.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    assert leaf.not_valid_after_utc.isoformat() == "2030-02-17T14:59:59+00:00"
    assert leaf.not_valid_before_utc.date().isoformat() == "2025-10-27"


def test_forged_name_does_not_fit_its_digest(load: Callable[[str], Terminal]) -> None:
    card = load("forged")
    key = issuer(card, "text")
    card.open("text", "0011", "1234")
    attributes, digests = card.read("0002"), card.read("0003")
    parts = children(parse(digests)[1])
    check(key, parts[0xDF33][0], parts[0xDF31][1] + parts[0xDF32][1])
    assert parts[0xDF32][0] != hashlib.sha256(parse(attributes)[1][11:]).digest()
    original = attributes.replace("桜".encode(), "梅".encode())
    assert parts[0xDF32][0] == hashlib.sha256(parse(original)[1][11:]).digest()


def test_copied_card_answers_with_keys_no_record_names(load: Callable[[str], Terminal]) -> None:
    copied, hanako = load("copied"), load("hanako")
    for application in ("text", "surface"):
        answers = []
        for card in (copied, hanako):
            card.application(application)
            answers.append(card.send("802A00000101 00")[0])
        assert answers[0] != answers[1]
    for card in (copied, hanako):
        open_all(card, "surface")
    assert copied.read("0001") == hanako.read("0001")
    for card in (copied, hanako):
        card.open("jpki", "0018", "1234")
    assert copied.read("000A") == hanako.read("000A")
    assert copied.sw("802A0097010100") == "9000"
    assert copied.send("802A0097010100") != hanako.send("802A0097010100")
