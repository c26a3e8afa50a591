# SPDX-License-Identifier: Apache-2.0
"""Looks into a PNG before anybody decodes it. Source: [PNG].

Small on purpose: one bit a pixel, as 券面 images are, and every bound checked. The pixels
are inflated only as far as the header promises, so a bomb costs nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Compressed texts and profiles: a viewer would inflate them, and no card needs them.
_COMPRESSED = frozenset((b"zTXt", b"iTXt", b"iCCP"))
_KNOWN = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND"))
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
          (0, 1, 1, 2))  # fmt: skip


class ImageFaultError(ValueError):
    """What is wrong with an image: ``args[0]`` is a reason code."""


@dataclass(frozen=True, slots=True)
class Png:
    """``width`` and ``height`` in pixels. ``plain``: the file without compressed extras."""

    width: int
    height: int
    plain: bytes = field(repr=False)


def examine(data: bytes, most: int) -> Png:
    """Check the whole file; sides of 1 to ``most`` pixels. Raises ImageFaultError."""
    if not data.startswith(SIGNATURE):
        raise ImageFaultError("not_png")
    chunks = list(_chunks(data))
    kinds = [kind for kind, _, _ in chunks]
    if kinds[:1] != [b"IHDR"] or kinds[-1] != b"IEND" or b"IDAT" not in kinds:
        raise ImageFaultError("image_damaged")
    if kinds.count(b"IHDR") > 1 or any(_critical(k) and k not in _KNOWN for k in kinds):
        raise ImageFaultError("image_damaged")
    width, height, interlaced = _header(chunks[0][1], most)
    pixels = b"".join(body for kind, body, _ in chunks if kind == b"IDAT")
    _inflate(pixels, _raw_size(width, height, interlaced))
    plain = b"".join(whole for kind, _, whole in chunks if kind not in _COMPRESSED)
    return Png(width, height, SIGNATURE + plain)


def _critical(kind: bytes) -> bool:
    return not kind[0] & 0x20


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Name, content and whole of every chunk; nothing may follow IEND."""
    at = len(SIGNATURE)
    while True:
        head = data[at : at + 8]
        if len(head) < 8:
            raise ImageFaultError("image_damaged")
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        end = at + 12 + size
        if end > len(data) or not kind.isalpha():
            raise ImageFaultError("image_damaged")
        body = data[at + 8 : end - 4]
        if zlib.crc32(kind + body) != int.from_bytes(data[end - 4 : end], "big"):
            raise ImageFaultError("image_damaged")
        yield kind, body, data[at:end]
        at = end
        if kind == b"IEND":
            break
    if at != len(data):
        raise ImageFaultError("image_damaged")


def _header(body: bytes, most: int) -> tuple[int, int, bool]:
    if len(body) != 13:
        raise ImageFaultError("image_damaged")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(
        ">IIBBBBB", body
    )
    if not (1 <= width <= most and 1 <= height <= most):
        raise ImageFaultError("image_size")
    if depth != 1 or colour not in (0, 3):  # grey or palette
        raise ImageFaultError("image_depth")
    if compression or filtering or interlace > 1:
        raise ImageFaultError("image_damaged")
    return width, height, bool(interlace)


def _raw_size(width: int, height: int, interlaced: bool) -> int:
    """Bytes before compression: a filter byte and the pixels of each line."""
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    total = 0
    for x, y, step_x, step_y in passes:
        across, down = -(-(width - x) // step_x), -(-(height - y) // step_y)
        if across > 0 and down > 0:
            total += down * (1 + (across + 7) // 8)
    return total


def _inflate(data: bytes, size: int) -> None:
    """Exactly ``size`` bytes come out, or it is refused; never more are made."""
    inflater = zlib.decompressobj()
    try:
        out = inflater.decompress(data, size + 1)
    except zlib.error:
        raise ImageFaultError("image_damaged") from None
    if len(out) > size:
        raise ImageFaultError("image_bomb")
    if len(out) < size or not inflater.eof:
        raise ImageFaultError("image_damaged")
