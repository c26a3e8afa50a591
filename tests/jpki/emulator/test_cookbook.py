# SPDX-License-Identifier: Apache-2.0
"""APDU by APDU what the public readers of the card send, byte for byte. Source: [MY] [MC] [OS]."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from virtual_terminal import Terminal

DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")

# (command, data of the answer or None for «any», its length, status word)
JPKI = [
    ("00A4040C0AD392F000260100000001", "", 0, "9000"),
    ("00A4020C020006", "", 0, "9000"),
    ("00B0000020", b"JPKIAPICCTOKEN2".ljust(32).hex(), 32, "9000"),
    ("00A4020C02000A", "", 0, "9000"),
    ("00B0000000", None, 256, "9000"),
    ("00B0010000", None, 256, "9000"),
    ("00B0060032", None, 50, "9000"),
    ("00A4020C020018", "", 0, "9000"),
    ("00200080", "", 0, "63C3"),
    ("00200080 04 31323334", "", 0, "9000"),
    ("00A4020C020017", "", 0, "9000"),
    ("802A0080 33 3031300d060960864801650304020105000420" + "11" * 32 + "00", None, 256, "9000"),
    ("00A4020C02001B", "", 0, "9000"),
    ("00200080 06 414243313233", "", 0, "9000"),
    ("00A4020C020001", "", 0, "9000"),
    ("00B0000000", None, 256, "9000"),
    ("00A4020C02001A", "", 0, "9000"),
    ("802A0080 33 3031300d060960864801650304020105000420" + "22" * 32 + "00", None, 256, "9000"),
    ("00A4020C020018", "", 0, "9000"),
    ("00200080 04 31323334", "", 0, "9000"),
    ("00240180 04 35363738", "", 0, "9000"),
    ("00200080 04 35363738", "", 0, "9000"),
]

TEXT = [
    ("00A4040C0AD3921000310001010408", "", 0, "9000"),
    ("00A4020C020011", "", 0, "9000"),
    ("00200080 04 31323334", "", 0, "9000"),
    ("00A4020C020014", "", 0, "9000"),
    ("00200080 0C 353337363836363737313838", "", 0, "9000"),
    ("00A4020C020015", "", 0, "9000"),
    ("00200080 0E 3535303231373230333532323835", "", 0, "9000"),
    ("00A4020C020001", "", 0, "9000"),
    ("00B0000011", "FF100C353337363836363737313838FFFF", 17, "9000"),
    ("00A4020C020002", "", 0, "9000"),
    ("00B0000007", "FF205FDF210800", 7, "9000"),
]

SURFACE_COMMON_CARD = [
    ("00A4040C0AD3921000310001010402", "", 0, "9000"),
    ("00A4020C020013", "", 0, "9000"),
    ("00200080 0C 353337363836363737313838", "", 0, "9000"),
    ("00A4020C020012", "", 0, "9000"),
    ("00200080 0E 3535303231373230333532323835", "", 0, "9000"),
    ("00A4040C0AD3921000310001010100", "", 0, "9000"),
    ("00A4020C020001", "", 0, "9000"),
    ("00B2010400", None, 30, "9000"),
    ("00B2010C00", None, 30, "9000"),
    ("00880099 10 " + "33" * 16 + "00", None, 256, "9000"),
    ("0084000010", None, 16, "9000"),
    ("00A4040C07A0000001510000", "", 0, "9000"),
    ("00CA00F000", b"13221".hex(), 5, "9000"),
    ("00CA00F200", b"20350217".hex(), 8, "9000"),
]


@pytest.mark.parametrize("steps", [JPKI, TEXT, SURFACE_COMMON_CARD], ids=["jpki", "text", "rest"])
def test_cookbook(terminal: Terminal, steps: list[tuple[str, str | None, int, str]]) -> None:
    for number, (command, expected, size, word) in enumerate(steps):
        data, sw = terminal.send(command)
        assert (number, sw, len(data)) == (number, word, size)
        if expected is not None:
            assert data == bytes.fromhex(expected), command


def test_chunks_of_the_certificate_make_the_whole(terminal: Terminal) -> None:
    """The chunk rule of [MY]: 00 while more than 255 bytes remain, then the exact rest."""
    terminal.application("jpki")
    terminal.file("000A")
    head, _ = terminal.send("00B0000004")
    assert head[:2] == b"\x30\x82"
    size, der = 4 + int.from_bytes(head[2:], "big"), b""
    while len(der) < size:
        rest = size - len(der)
        data, sw = terminal.send(f"00B0{len(der):04X}{0 if rest > 255 else rest:02X}")
        assert sw == "9000"
        der += data
    certificate = x509.load_der_x509_certificate(der)
    assert certificate.serial_number == 0x09A1C3D5
    assert 1500 < size < 1700  # 1579 to 1586 on real cards


@pytest.mark.parametrize(
    ("pin_file", "pin", "key_file", "certificate"),
    [("0018", "1234", "0017", "000A"), ("001B", "ABC123", "001A", "0001")],
)
def test_signature_fits_the_certificate(
    terminal: Terminal, pin_file: str, pin: str, key_file: str, certificate: str
) -> None:
    assert terminal.open("jpki", pin_file, pin) == "9000"
    der = terminal.read(certificate)
    size = 4 + int.from_bytes(der[2:4], "big")
    assert set(der[size:]) == {0xFF}
    key = x509.load_der_x509_certificate(der[:size]).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    message = b"what is signed"
    block = DIGEST_INFO + hashlib.sha256(message).digest()
    terminal.file(key_file)
    signature, sw = terminal.send(f"802A008033{block.hex()}00")
    assert sw == "9000"
    key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())


def test_wrong_pin_to_the_end(terminal: Terminal) -> None:
    terminal.open("jpki", "0018")
    wrong = "002000800430303030"
    assert [terminal.sw(wrong) for _ in range(4)] == ["63C2", "63C1", "63C0", "6984"]
    assert terminal.sw("00200080") == "63C0"
    assert terminal.verify("1234") == "6984"


def test_common_record_tells_number_place_and_expiry(terminal: Terminal) -> None:
    terminal.application("common")
    record, _ = terminal.send("00B2010C00")
    assert record[:2] == b"\x01\x1c"
    text = record[2:].decode("ascii")
    assert text.isdigit()
    assert text[15:] == "13221" + "20350217"
    assert terminal.sw("00B2020C00") == "6A83"


def test_opensc_reads_its_four_certificates(terminal: Terminal) -> None:
    """4 bytes, then the rest by size; the sign certificate only after its PIN [OS]."""
    terminal.application("jpki")
    answers = {fid: (terminal.file(fid), terminal.sw("00B0000004"))[1]
               for fid in ("000A", "0001", "000B", "0002")}  # fmt: skip
    assert answers == {"000A": "9000", "0001": "6982", "000B": "9000", "0002": "9000"}
