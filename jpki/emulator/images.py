# SPDX-License-Identifier: Apache-2.0
"""Small pictures for 券面 files, made from nothing: PNG of 1 bit, and a grey JPEG 2000.

The letters are a bitmap of five by seven dots; there is no font, so the picture of a name
says TEST and the card's name, not the name itself.
"""

from __future__ import annotations

import struct
import zlib

# Columns of a glyph from left to right, the lowest bit on top.
_GLYPHS = {
    "0": "3e5149453e", "1": "00427f4000", "2": "4261514946", "3": "2141454b31",
    "4": "1814127f10", "5": "2745454539", "6": "3c4a494930", "7": "0171090503",
    "8": "3649494936", "9": "064949291e", "A": "7e1111117e", "B": "7f49494936",
    "C": "3e41414122", "D": "7f4141221c", "E": "7f49494941", "F": "7f09090901",
    "G": "3e4149497a", "H": "7f0808087f", "I": "00417f4100", "J": "2040413f01",
    "K": "7f08142241", "L": "7f40404040", "M": "7f020c027f", "N": "7f0408107f",
    "O": "3e4141413e", "P": "7f09090906", "Q": "3e4151215e", "R": "7f09192946",
    "S": "4649494931", "T": "01017f0101", "U": "3f4040403f", "V": "1f2040201f",
    "W": "3f4038403f", "X": "6314081463", "Y": "0708700807", "Z": "6151494543",
    "-": "0808080808", " ": "0000000000",
}  # fmt: skip
_CELL = 6  # dots from one letter to the next


def png(text: str, width: int | None = None, height: int = 12) -> bytes:
    """A PNG of 1 bit a pixel, black on white. ``width`` in pixels, else as the text needs."""
    width = width or _CELL * len(text)
    rows = [[1] * width for _ in range(height)]
    top = (height - 7) // 2
    for place, letter in enumerate(text.upper()):
        for column, bits in enumerate(bytes.fromhex(_GLYPHS.get(letter, _GLYPHS["-"]))):
            x = place * _CELL + column
            for y in range(7):
                if bits >> y & 1 and x < width:
                    rows[top + y][x] = 0
    raw = b"".join(b"\x00" + _packed(row) for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(raw, 9))
        + _chunk(b"IEND", b"")
    )


def _packed(row: list[int]) -> bytes:
    bits = "".join(map(str, row)).ljust(-(-len(row) // 8) * 8, "0")
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def grey_photo(width: int = 240, height: int = 320) -> bytes:
    """A JP2 file of one uniform grey, 8 bits: every coefficient is zero, so one empty packet.

    Source: [ISO15444-1 annex A (codestream), annex I (file)].
    """
    codestream = _codestream(width, height)
    header = _box(b"ihdr", struct.pack(">IIHBBBB", height, width, 1, 7, 7, 0, 0))
    colour = _box(b"colr", b"\x01\x00\x00" + struct.pack(">I", 17))  # greyscale
    return (
        _box(b"jP  ", b"\r\n\x87\n")
        + _box(b"ftyp", b"jp2 \x00\x00\x00\x00jp2 ")
        + _box(b"jp2h", header + colour)
        + _box(b"jp2c", codestream)
    )


def _box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + kind + data


def _codestream(width: int, height: int) -> bytes:
    size = struct.pack(">H8IH", 0, width, height, 0, 0, width, height, 0, 0, 1) + b"\x07\x01\x01"
    # One layer, no wavelet level, code blocks of 64 by 64, reversible transform.
    style = struct.pack(">BBHB", 0, 0, 1, 0) + struct.pack(">BBBBB", 0, 4, 4, 0, 1)
    quantisation = bytes((0x40, 8 << 3))  # two guard bits, none quantised, exponent 8
    packet = b"\x00"  # «nothing included»
    tile = struct.pack(">HIBB", 0, 14 + len(packet), 0, 1)  # SOT 12 + SOD 2
    return (
        b"\xff\x4f"
        + _segment(0x51, size)
        + _segment(0x52, style)
        + _segment(0x5C, quantisation)
        + _segment(0x64, b"\x00\x01TEST CARD, invented")
        + _segment(0x90, tile)
        + b"\xff\x93"
        + packet
        + b"\xff\xd9"
    )


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(data)) + data
