# SPDX-License-Identifier: Apache-2.0
"""Commands under secure messaging (CLA 08). Source: [MC], grade B; P1P2 of reads not checked."""

from __future__ import annotations

from jpki.emulator import commands, security_commands, words
from jpki.emulator.apdu import Command
from jpki.emulator.chip import Chip
from jpki.emulator.secure_messaging import SmError
from jpki_apdu import tlv
from jpki_apdu.errors import TlvError

_SECURED = 0x08
_SELECT, _READ_BINARY, _VERIFY = 0xA4, 0xB0, 0x20
_CRYPTOGRAM, _EXPECTED = 0x86, 0x96
_PLAIN = 0x01  # content indicator in front of the ciphertext


def secured(chip: Chip, command: Command) -> bytes:
    """A command with a secure-messaging CLA, inside a session or outside one."""
    session = chip.session
    if session is None:
        return words.SM_UNSUPPORTED if command.ins == _SELECT else words.SM_NO_SESSION
    if command.cla != _SECURED:
        return words.SM_OBJECTS_MISSING
    session.begin()
    try:
        return _dispatch(chip, command)
    except (SmError, TlvError):
        chip.session = None
        return words.SM_OBJECTS_WRONG


def _dispatch(chip: Chip, c: Command) -> bytes:
    if c.ins == _READ_BINARY:
        return _read(chip, c)
    if c.ins not in (_SELECT, _VERIFY):
        return words.INS_UNSUPPORTED
    data = _plain_data(chip, c) if c.data else b""
    plain = Command(0x00, c.ins, c.p1, c.p2, data, None, False)
    handler = commands.select if c.ins == _SELECT else security_commands.verify
    return handler(chip, plain)


def _plain_data(chip: Chip, c: Command) -> bytes:
    assert chip.session is not None
    body = _only(c.data, _CRYPTOGRAM)
    if body[:1] != bytes((_PLAIN,)):
        raise SmError
    return chip.session.decrypt(body[1:])


def _only(data: bytes, tag: int) -> bytes:
    found = tlv.parse_all(data)
    if len(found) != 1 or found[0].tag != tag:
        raise SmError
    return found[0].value


def _read(chip: Chip, c: Command) -> bytes:
    """READ BINARY: data 96 03 00 Le Le; length 0 means the whole file."""
    assert chip.session is not None
    wanted = _only(c.data, _EXPECTED)
    if len(wanted) != 3 or wanted[0]:
        raise SmError
    size = int.from_bytes(wanted[1:], "big") or 65536
    answer = commands.read_binary(chip, Command(0x00, c.ins, c.p1, c.p2, b"", size, True))
    data, sw = answer[:-2], answer[-2:]
    if not data:
        return sw
    body = bytes((_PLAIN,)) + chip.session.encrypt(data)
    return tlv.encode(_CRYPTOGRAM, body) + sw
