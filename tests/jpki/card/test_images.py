# SPDX-License-Identifier: Apache-2.0
"""Images from a card: what is passed on, and what is refused before anybody decodes it."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from jpki.card import images
from jpki.card.images import ImageInfo, inspect, to_png
from jpki.card.records import Place
from jpki.emulator.images import grey_photo
from jpki.emulator.images import png as letters
from jpki.errors import CardDataError, MissingExtraError

PLACE = Place("surface", 0x0002)
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def reason(data: bytes, use: Callable[[bytes, Place], object] = inspect) -> str:
    with pytest.raises(CardDataError) as caught:
        use(data, PLACE)
    assert caught.value.values["file"] == "0002"
    assert caught.value.__cause__ is None
    return str(caught.value.values["reason"])


# PNG ----------------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(
    width: int = 24, height: int = 12, depth: int = 1, colour: int = 0, rest: bytes = bytes(3)
) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBB", width, height, depth, colour) + rest)


def lines(width: int = 24, height: int = 12) -> bytes:
    return zlib.compress((b"\x00" + b"\xf0" * -(-width // 8)) * height)


def png(*chunks: bytes) -> bytes:
    return SIGNATURE + b"".join(chunks)


GOOD = png(header(), chunk(b"IDAT", lines()), chunk(b"IEND"))


def test_a_png_is_passed_on_as_it_is() -> None:
    for data in (GOOD, letters("TEST CARD", 72)):
        assert to_png(data, PLACE) == data
        shown = Image.open(io.BytesIO(data))
        assert inspect(data, PLACE) == ImageInfo("png", *shown.size)


@pytest.mark.parametrize(("mode", "interlace"), [("1", False), ("P", False), ("1", True)])
def test_pngs_that_other_programs_write(mode: str, interlace: bool) -> None:
    if interlace:
        # Adam7 of 24 by 12: lines and pixels of the seven passes.
        passes = ((2, 3), (2, 3), (1, 6), (3, 6), (3, 12), (6, 12), (6, 24))
        raw = b"".join((b"\x00" + bytes(-(-across // 8))) * down for down, across in passes)
        head = header(rest=b"\x00\x00\x01")
        data = png(head, chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND"))
        Image.open(io.BytesIO(data)).load()  # Pillow agrees that it is one
    else:
        out = io.BytesIO()
        Image.new(mode, (33, 7)).save(out, "PNG", bits=1)
        data = out.getvalue()
    assert to_png(data, PLACE) == data


def test_pixels_in_several_chunks() -> None:
    packed = lines()
    data = png(
        header(), chunk(b"tEXt", b"a\0b"), chunk(b"IDAT", packed[:5]), chunk(b"IDAT", packed[5:]),
        chunk(b"IEND"),
    )  # fmt: skip
    assert to_png(data, PLACE) == data


def test_compressed_extras_are_left_out() -> None:
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000)))
    data = png(header(), bomb, chunk(b"IDAT", lines()), chunk(b"IEND"))
    assert to_png(data, PLACE) == GOOD


@pytest.mark.parametrize("length", range(len(GOOD)))
def test_every_truncation_of_a_png(length: int) -> None:
    assert reason(GOOD[:length]) in ("not_an_image", "image_damaged")


def test_every_altered_byte_of_a_png() -> None:
    for place in range(len(GOOD)):
        changed = bytearray(GOOD)
        changed[place] ^= 0x04
        assert reason(bytes(changed)) in ("not_an_image", "image_damaged"), place


BAD_PNG = {
    "no pixels": (png(header(), chunk(b"IEND")), "image_damaged"),
    "no end": (png(header(), chunk(b"IDAT", lines())), "image_damaged"),
    "more after the end": (GOOD + b"x", "image_damaged"),
    "header second": (png(chunk(b"tEXt"), GOOD[8:]), "image_damaged"),
    "two headers": (png(header(), GOOD[8:]), "image_damaged"),
    "an unknown critical chunk": (png(header(), chunk(b"ABCD"), GOOD[33:]), "image_damaged"),
    "no name": (png(header(), chunk(b"1234"), GOOD[33:]), "image_damaged"),
    "width 0": (png(header(0), GOOD[33:]), "image_size"),
    "height 0": (png(header(24, 0), GOOD[33:]), "image_size"),
    "too wide": (png(header(2001), GOOD[33:]), "image_size"),
    "absurd": (png(header(2**31 - 1, 2**31 - 1), GOOD[33:]), "image_size"),
    "negative": (png(header(2**32 - 1), GOOD[33:]), "image_size"),
    "8 bits": (png(header(depth=8), GOOD[33:]), "image_depth"),
    "colour": (png(header(colour=2), GOOD[33:]), "image_depth"),
    "another filter": (png(header(rest=b"\0\1\0"), GOOD[33:]), "image_damaged"),
    "another interlace": (png(header(rest=b"\0\0\2"), GOOD[33:]), "image_damaged"),
    "short header": (png(chunk(b"IHDR", bytes(12)), GOOD[33:]), "image_damaged"),
    "fewer lines": (png(header(), chunk(b"IDAT", lines(24, 11)), chunk(b"IEND")), "image_damaged"),
    "more lines": (png(header(), chunk(b"IDAT", lines(24, 13)), chunk(b"IEND")), "image_bomb"),
    "no deflate": (png(header(), chunk(b"IDAT", b"nonsense"), chunk(b"IEND")), "image_damaged"),
}


@pytest.mark.parametrize("name", sorted(BAD_PNG))
def test_a_png_that_is_none(name: str) -> None:
    data, expected = BAD_PNG[name]
    assert reason(data) == expected
    assert reason(data, to_png) == expected


def test_a_bomb_is_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    """28 kB that would become 30 MB; no more is made than the header promises."""
    body = zlib.compress(bytes(30_000_000), 9)
    data = png(header(), chunk(b"IDAT", body), chunk(b"IEND"))
    assert len(data) < 0x8000
    made: list[int] = []
    real = zlib.decompressobj

    class Watched:
        def __init__(self) -> None:
            self._real = real()
            self.eof = False

        def decompress(self, data: bytes, most: int) -> bytes:
            out = self._real.decompress(data, most)
            made.append(len(out))
            return out

    monkeypatch.setattr(zlib, "decompressobj", Watched)
    assert reason(data) == "image_bomb"
    assert sum(made) <= 12 * 4 + 1


# JPEG 2000 ----------------------------------------------------------------------------


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def siz(
    width: int = 240,
    height: int = 320,
    left: int = 0,
    top: int = 0,
    tile: tuple[int, int, int, int] = (240, 320, 0, 0),
    samples: bytes = b"\x07\x01\x01",
    count: int = 1,
) -> bytes:
    body = struct.pack(">HIIIIIIIIH", 0, width, height, left, top, *tile, count) + samples
    return b"\xff\x4f\xff\x51" + struct.pack(">H", 2 + len(body)) + body


def jp2(
    stream: bytes | None = None,
    *,
    width: int = 240,
    height: int = 320,
    components: int = 1,
    brand: bytes = b"jp2 ",
) -> bytes:
    head = struct.pack(">IIHBBBB", height, width, components, 7, 7, 0, 0)
    return (
        box(b"jP  ", b"\r\n\x87\n")
        + box(b"ftyp", brand + bytes(4) + b"jp2 ")
        + box(b"jp2h", box(b"ihdr", head))
        + box(b"jp2c", siz() if stream is None else stream)
    )


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("bare", [False, True])
def test_a_photo_becomes_a_png_with_the_same_pixels(mode: str, bare: bool) -> None:
    original = Image.linear_gradient("L").resize((240, 320)).convert(mode)
    out = io.BytesIO()
    original.save(out, "JPEG2000", no_jp2=bare, irreversible=False)
    data = out.getvalue()
    assert data.startswith(b"\xff\x4f") is bare
    assert inspect(data, PLACE) == ImageInfo("jpeg2000", 240, 320)
    made = to_png(data, PLACE)
    assert made.startswith(SIGNATURE)
    decoded = Image.open(io.BytesIO(made))
    assert (decoded.mode, decoded.tobytes()) == (mode, original.tobytes())


def test_the_photo_of_the_test_cards() -> None:
    assert inspect(grey_photo(), PLACE) == ImageInfo("jpeg2000", 240, 320)
    assert Image.open(io.BytesIO(to_png(grey_photo(), PLACE))).size == (240, 320)


def test_grey_keeps_the_proportions() -> None:
    picture = images.grey(grey_photo(), PLACE, 40, 54)
    assert (picture.width, picture.height) == (40, 53)
    assert len(picture.pixels) == 40 * 53
    assert "pixels" not in repr(picture)


BAD_JPEG2000 = {
    "nothing": (b"", "not_an_image"),
    "a JPEG": (b"\xff\xd8\xff\xe0" + bytes(100), "not_an_image"),
    "a GIF": (b"GIF89a" + bytes(100), "not_an_image"),
    "filler": (b"\xff" * 100, "not_an_image"),
    "no brand": (jp2(brand=b"heic"), "image_damaged"),
    "no header": (jp2().replace(b"jp2h", b"xxxx"), "image_damaged"),
    "no stream": (jp2().replace(b"jp2c", b"xxxx"), "image_damaged"),
    "a box that is too long": (jp2() + b"\x7f\xff\xff\xffuuid", "image_damaged"),
    "a box that is too short": (jp2() + b"\x00\x00\x00\x04uuid", "image_damaged"),
    "half a box": (jp2() + b"\x00\x00", "image_damaged"),
    "too wide": (jp2(siz(2001, 320), width=2001), "image_size"),
    "too wide in the stream": (siz(2001, 320), "image_size"),
    "absurd": (jp2(siz(2**31, 2**31), width=2**31, height=2**31), "image_size"),
    "width 0": (jp2(width=0), "image_size"),
    "box and stream disagree": (jp2(siz(241)), "image_damaged"),
    "height disagrees": (jp2(siz(240, 100)), "image_damaged"),
    "more components than told": (jp2(components=3), "image_damaged"),
    "no components": (jp2(siz(count=0, samples=b"")), "image_depth"),
    "16384 components": (jp2(siz(count=16384)), "image_depth"),
    "16 bits": (jp2(siz(samples=b"\x0f\x01\x01")), "image_depth"),
    "signed": (jp2(siz(samples=b"\x87\x01\x01")), "image_depth"),
    "subsampled": (jp2(siz(samples=b"\x07\x02\x02")), "image_depth"),
    "offset beyond the image": (jp2(siz(left=240)), "image_damaged"),
    "tiles of nothing": (jp2(siz(tile=(0, 320, 0, 0))), "image_damaged"),
    "a tile for each pixel": (jp2(siz(tile=(1, 1, 0, 0))), "image_bomb"),
    "a tile that begins later": (jp2(siz(tile=(240, 320, 1, 0))), "image_damaged"),
    "no SIZ": (jp2(b"\xff\x4f\xff\x52" + bytes(60)), "image_damaged"),
    "a SIZ of another length": (jp2(siz()[:4] + b"\x00\x2a" + siz()[6:]), "image_damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BAD_JPEG2000))
def test_refused_before_a_decoder_sees_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, expected = BAD_JPEG2000[name]
    monkeypatch.setitem(sys.modules, "PIL", None)  # were it wanted, this would raise
    assert reason(data) == expected
    assert reason(data, to_png) == expected


def test_every_truncation_of_a_photo() -> None:
    data = grey_photo()
    for length in range(len(data) - 3):  # the last bytes are the end of the codestream
        assert reason(data[:length], to_png) in ("not_an_image", "image_damaged"), length


def test_no_altered_byte_does_more_than_an_error() -> None:
    data = grey_photo()
    for place in range(len(data)):
        for bit in (0x01, 0x80):
            changed = bytearray(data)
            changed[place] ^= bit
            with contextlib.suppress(CardDataError):
                assert to_png(bytes(changed), PLACE).startswith(SIGNATURE)


def test_a_header_without_pixels_is_damaged() -> None:
    assert inspect(jp2(), PLACE) == ImageInfo("jpeg2000", 240, 320)
    assert reason(jp2(), to_png) == "image_damaged"


# Without Pillow -----------------------------------------------------------------------


def test_a_png_needs_no_pillow_and_a_photo_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert to_png(GOOD, PLACE) == GOOD
    assert inspect(grey_photo(), PLACE).format == "jpeg2000"
    with pytest.raises(MissingExtraError) as caught:
        to_png(grey_photo(), PLACE)
    assert caught.value.values["extra"] == "images"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError):
        images.demand_extra()


def test_importing_loads_no_pillow() -> None:
    code = "import sys, jpki.card.images as i; i.demand_extra(); print('PIL.Image' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
