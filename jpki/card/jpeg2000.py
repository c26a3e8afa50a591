# SPDX-License-Identifier: Apache-2.0
"""Looks into a JPEG 2000 file before a decoder sees it. Source: [ISO15444-1].

Boxes of the file (annex I) and the head of its codestream (annex A): sizes, components and
tiles must agree and stay in bounds, because a decoder makes room for what they promise.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from jpki.card.png import ImageFaultError

_MAGIC = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_BRANDS = (b"jp2 ", b"jpx ")
_CODESTREAM = b"\xff\x4f\xff\x51"
_MAX_TILES = 256


@dataclass(frozen=True, slots=True)
class Jpeg2000:
    """``width`` and ``height`` in pixels; ``components``: 1 grey, 3 colour."""

    width: int
    height: int
    components: int


def examine(data: bytes, most: int) -> Jpeg2000:
    """Check a JP2 or JPX file, or a bare codestream; sides of 1 to ``most`` pixels.

    Raises ImageFaultError.
    """
    if data.startswith(_CODESTREAM):
        return _codestream(data, most)
    if not data.startswith(_MAGIC):
        raise ImageFaultError("not_jpeg2000")
    boxes = list(_boxes(data, 0))
    kinds = [kind for kind, _ in boxes]
    if kinds[1:2] != [b"ftyp"] or kinds.count(b"jp2h") != 1 or kinds.count(b"jp2c") != 1:
        raise ImageFaultError("image_damaged")
    if kinds.index(b"jp2h") > kinds.index(b"jp2c"):
        raise ImageFaultError("image_damaged")
    brands = boxes[1][1]
    if brands[:4] not in _BRANDS:
        raise ImageFaultError("image_damaged")
    content = dict(boxes)
    head = next(_boxes(content[b"jp2h"], 0), (b"", b""))
    if head[0] != b"ihdr" or len(head[1]) != 14:
        raise ImageFaultError("image_damaged")
    height, width, components = struct.unpack(">IIH", head[1][:10])
    _bounded(width, height, most)
    found = _codestream(content[b"jp2c"], most)
    if found != Jpeg2000(width, height, components):
        raise ImageFaultError("image_damaged")
    return found


def _boxes(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each box; a length of 0 reaches to the end, 1 has eight bytes."""
    while at < len(data):
        head = data[at : at + 8]
        if len(head) < 8:
            raise ImageFaultError("image_damaged")
        size, kind, start = int.from_bytes(head[:4], "big"), head[4:], at + 8
        if size == 1:
            size, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        end = len(data) if size == 0 else at + size
        if not start <= end <= len(data):
            raise ImageFaultError("image_damaged")
        yield kind, data[start:end]
        at = end


def _codestream(data: bytes, most: int) -> Jpeg2000:
    """The SIZ segment, which stands first: what a decoder sizes its buffers by."""
    if not data.startswith(_CODESTREAM) or len(data) < 42:
        raise ImageFaultError("image_damaged")
    size, _, x, y, left, top, tile_x, tile_y, tile_left, tile_top, components = struct.unpack(
        ">HHIIIIIIIIH", data[4:42]
    )
    if left >= x or top >= y:
        raise ImageFaultError("image_damaged")
    width, height = x - left, y - top
    _bounded(width, height, most)
    if components not in (1, 3):
        raise ImageFaultError("image_depth")
    samples = data[42 : 42 + 3 * components]
    if size != 38 + 3 * components or len(samples) != 3 * components:
        raise ImageFaultError("image_damaged")
    # Eight unsigned bits at full resolution, for each component.
    if any(samples[i] > 7 or samples[i + 1 : i + 3] != b"\1\1" for i in range(0, len(samples), 3)):
        raise ImageFaultError("image_depth")
    if not tile_x or not tile_y or tile_left > left or tile_top > top:
        raise ImageFaultError("image_damaged")
    if -(-(x - tile_left) // tile_x) * -(-(y - tile_top) // tile_y) > _MAX_TILES:
        raise ImageFaultError("image_bomb")
    return Jpeg2000(width, height, components)


def _bounded(width: int, height: int, most: int) -> None:
    if not (1 <= width <= most and 1 <= height <= most):
        raise ImageFaultError("image_size")
