# SPDX-License-Identifier: Apache-2.0
"""Secure messaging of the text application, driven by a terminal of its own. Source: [MC]."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from jpki.synth import card_key
from virtual_terminal import Terminal

OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
PUBLIC = card_key(0, "session").public_key()


class SecureTerminal:
    """The terminal's side: counter, initial vector, padding, written down from the source."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.seed = os.urandom(32)
        self.counter = 0

    def start(self, plain: bytes | None = None) -> str:
        block = PUBLIC.encrypt(plain or bytes.fromhex("A0228020") + self.seed, OAEP)
        return self.terminal.sw(f"80AE0000000100{block.hex()}")

    def _cipher(self) -> Cipher[modes.CBC]:
        zero = Cipher(algorithms.AES128(self.seed[:16]), modes.CBC(bytes(16))).encryptor()
        vector = zero.update(self.counter.to_bytes(16, "big")) + zero.finalize()
        return Cipher(algorithms.AES128(self.seed[:16]), modes.CBC(vector))

    def send(self, header: str, plain: bytes) -> str:
        self.counter += 1
        padded = plain + b"\x80" + bytes(-(len(plain) + 1) % 16)
        encryptor = self._cipher().encryptor()
        body = b"\x01" + encryptor.update(padded) + encryptor.finalize()
        data = bytes((0x86, len(body))) + body
        return self.terminal.sw(f"{header}{len(data):02X}{data.hex()}")

    def read(self, size: int = 0) -> tuple[bytes, str]:
        self.counter += 1
        answer, sw = self.terminal.send(f"08B00000 000005 960300{size:04X} 0000")
        if not answer:
            return b"", sw
        assert answer[0] == 0x86
        at = 2 if answer[1] < 0x80 else 2 + (answer[1] & 0x7F)
        assert answer[at] == 1
        decryptor = self._cipher().decryptor()
        padded = decryptor.update(answer[at + 1 :]) + decryptor.finalize()
        plain, _, rest = padded.rpartition(b"\x80")
        assert set(rest) <= {0}
        return plain, sw


@pytest.fixture
def secure(terminal: Terminal) -> SecureTerminal:
    assert terminal.open("text", "0011", "1234") == "9000"
    return SecureTerminal(terminal)


def test_session_reads_what_is_read_in_the_clear(secure: SecureTerminal) -> None:
    clear = {fid: secure.terminal.read(fid) for fid in ("0001", "0002", "0003", "0006")}
    assert secure.start() == "9000"
    for fid, data in clear.items():
        assert secure.send("08A4020C", bytes.fromhex(fid)) == "9000"
        assert secure.read() == (data, "9000")
        assert secure.read(5) == (data[:5], "9000")


def test_verify_in_a_session(secure: SecureTerminal) -> None:
    assert secure.start() == "9000"
    assert secure.send("08A4020C", bytes.fromhex("0014")) == "9000"
    assert secure.send("08200080", b"999999999999") == "63C9"
    assert secure.send("08200080", b"537686677188") == "9000"


def test_the_counter_grows_with_a_command_that_fails(secure: SecureTerminal) -> None:
    assert secure.start() == "9000"
    assert secure.send("08A4020C", bytes.fromhex("0099")) == "6A82"
    assert secure.send("08A4020C", bytes.fromhex("0013")) == "9000"
    assert secure.read() == (b"", "6981")
    assert secure.send("08A4020C", bytes.fromhex("0001")) == "9000"
    assert secure.read()[1] == "9000"


@pytest.mark.parametrize(
    "data",
    ["8611FF" + "00" * 16, "8610 01" + "00" * 15, "8601 01", "8711 01" + "00" * 16, "86",
     "9603000000", "8611 01" + "00" * 16 + "8101 00"],
)  # fmt: skip
def test_wrong_data_objects_end_the_session(secure: SecureTerminal, data: str) -> None:
    assert secure.start() == "9000"
    raw = bytes.fromhex(data)
    assert secure.terminal.sw(f"08A4020C{len(raw):02X}{raw.hex()}") == "6988"
    assert secure.terminal.sw("08B00000") == "69FC"
    assert secure.terminal.sw("08A4020C") == "6882"


def test_class_of_a_session(secure: SecureTerminal) -> None:
    assert secure.start() == "9000"
    assert secure.terminal.sw("0CB0000000") == "6987"
    assert secure.terminal.sw("08840000") == "6D00"
    assert secure.terminal.sw("08B0000000") == "6988"


def test_another_application_ends_it(secure: SecureTerminal) -> None:
    assert secure.start() == "9000"
    secure.terminal.application("text")
    assert secure.terminal.sw("08B0000000") == "69FC"


def test_session_key_needs_the_pin(terminal: Terminal) -> None:
    terminal.application("text")
    assert SecureTerminal(terminal).start() == "6982"
    terminal.open("text", "0014", "537686677188")
    assert SecureTerminal(terminal).start() == "6982"  # 照合番号A is not enough


def test_session_key_refused(secure: SecureTerminal) -> None:
    assert secure.start(b"\xa0\x22\x80\x21" + bytes(32)) == "6A80"
    assert secure.start(b"short") == "6A80"
    assert secure.terminal.sw("80AE0000000100" + "00" * 255 + "01") == "6A80"
    assert secure.terminal.sw("80AE0000000100" + "FF" * 256) == "6F00"
    assert secure.terminal.sw("80AE000010" + "00" * 16) == "6700"
    assert secure.terminal.sw("80AE0100000100" + "00" * 256) == "6A86"


@pytest.mark.parametrize(
    ("application", "word"),
    [("common", "66F1"), ("surface", "66F1"), ("jpki", "6982"), ("juki", "6982")],
)
def test_session_key_in_other_applications(terminal: Terminal, application: str, word: str) -> None:
    terminal.application(application)
    assert SecureTerminal(terminal).start() == word
