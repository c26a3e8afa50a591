# SPDX-License-Identifier: Apache-2.0
"""Files of a マイナ免許証 built by hand from the published tag list. All invented."""

from __future__ import annotations

from collections.abc import Mapping

GLASSES = bytes.fromhex("346336404579")  # 眼鏡等: rows and cells 20-67 22-32 37-89
GOLD = bytes.fromhex("4D254E49")  # 優良
PHOTO = b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(range(1, 200))
SIGNATURE = bytes(range(256))

LICENCE: Mapping[int, bytes] = {
    0xC2: b"5061101",
    0xC3: b"\x01",
    0xC4: GOLD,
    0xC5: b"5120712",
    0xC6: GLASSES,
    0xCC: GLASSES + b"\xff\xf1",
    0xCA: b"\x01" * 256,
    0xD7: b"\xff\xfa" + GLASSES,
    0xE7: b"991204567893",
    0xE8: b"990000004321",
    0xE9: b"4180901",
    0xEA: b"4200715",
    0xED: b"\x00",
    0xF2: b"\x01",
    0xFA: b"\x01",
    0x107: PHOTO,
}
SIGNED: Mapping[int, bytes] = {
    0x108: SIGNATURE,
    0x109: b"TEST000000000001",
    0x10A: b" " * 48,
    0x10B: b"TEST CARD ISSUER".ljust(80),
    0x10C: b"TEST CARD SIGNER".ljust(130),
    0x10D: bytes(range(32)),
}


def length(size: int, form: str = "") -> bytes:
    """One byte, or three from 128 on; ``81`` and ``82`` force those forms."""
    if form == "82" or (not form and size > 0x7F):
        return b"\x82" + size.to_bytes(2, "big")
    return b"\x81" + bytes((size,)) if form == "81" else bytes((size,))


def tag(number: int, form: str) -> bytes:
    """Above FF: two plain bytes, BER of the private class, or something nobody thought of."""
    if number < 0x100:
        return bytes((number,))
    if form == "raw":
        return bytes((1, number & 0xFF))
    return (
        b"\xdf\x82" + bytes((number & 0x7F,))
        if form == "ber"
        else b"\x3e" + bytes((number & 0xFF,))
    )


def row(values: Mapping[int, bytes], form: str = "raw", lengths: str = "") -> bytes:
    """Fields in the order given."""
    return b"".join(
        tag(number, form) + length(len(value), lengths if len(value) < 256 else "") + value
        for number, value in values.items()
    )


def licence(form: str = "raw", changes: Mapping[int, bytes] | None = None) -> bytes:
    """WEF02 with every tag from C2 to 107, empty where nothing is said."""
    values = {number: LICENCE.get(number, b"") for number in range(0xC2, 0x108)}
    return row({**values, **(changes or {})}, form)


def signature(form: str = "raw", changes: Mapping[int, bytes] | None = None) -> bytes:
    """WEF03: 584 bytes with two-byte tags."""
    return row({**SIGNED, **(changes or {})}, form)
