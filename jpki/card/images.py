# SPDX-License-Identifier: Apache-2.0
"""Images from a card: checked by our own parsers first, then given out as PNG.

A PNG is passed on as it is on the card (bare of compressed extras); a JPEG 2000 is decoded
by Pillow (extra ``images``), which is loaded only then. Nothing is decoded whose head
promises more than ``MAX_SIDE`` pixels a side.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from jpki.card import jpeg2000, png
from jpki.card.png import ImageFaultError
from jpki.card.records import Place
from jpki.errors import CardDataError, MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SIDE = 2000  # pixels; a photo has about 240 by 320
EXTRA = "images"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What an image is: ``png`` or ``jpeg2000``, sides in pixels."""

    format: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class GreyPicture:
    """Pixels of one byte, 0 black to 255 white, line after line."""

    width: int
    height: int
    pixels: bytes = field(repr=False)


def inspect(data: bytes, place: Place) -> ImageInfo:
    """Which image this is and how large, without decoding it. Raises CardDataError.

    ``reason``: not_an_image, image_damaged, image_size, image_depth, image_bomb.
    """
    if data.startswith(png.SIGNATURE):
        small = _checked(lambda: png.examine(data, MAX_SIDE), place)
        return ImageInfo("png", small.width, small.height)
    photo = _checked(lambda: jpeg2000.examine(data, MAX_SIDE), place)
    return ImageInfo("jpeg2000", photo.width, photo.height)


def to_png(data: bytes, place: Place) -> bytes:
    """``data`` as a PNG file. Raises CardDataError, MissingExtraError (for JPEG 2000)."""
    if data.startswith(png.SIGNATURE):
        return _checked(lambda: png.examine(data, MAX_SIDE).plain, place)
    out = io.BytesIO()
    _decoded(data, place).save(out, "PNG")
    return out.getvalue()


def grey(data: bytes, place: Place, columns: int, most_rows: int) -> GreyPicture:
    """``data`` in grey, at most ``columns`` by ``most_rows`` pixels, its proportions kept."""
    picture = _decoded(data, place).convert("L")
    scale = min(columns / picture.width, most_rows / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = picture.resize(size)
    return GreyPicture(small.width, small.height, small.tobytes())


def demand_extra() -> None:
    """Raise MissingExtraError unless photos can be decoded; loads nothing."""
    if importlib.util.find_spec("PIL") is None:
        raise MissingExtraError(extra=EXTRA)


def _decoded(data: bytes, place: Place) -> Image:
    """The pixels of a JPEG 2000 whose head was found to be in bounds."""
    head = _checked(lambda: jpeg2000.examine(data, MAX_SIDE), place)
    try:
        from PIL import Jpeg2KImagePlugin
    except ImportError as exc:
        raise MissingExtraError(extra=EXTRA) from exc
    try:
        picture = Jpeg2KImagePlugin.Jpeg2KImageFile(io.BytesIO(data))
        if picture.size != (head.width, head.height) or picture.mode not in ("L", "RGB"):
            raise place.error("image_damaged")
        picture.load()
    except CardDataError:
        raise
    except Exception:
        # Decoders fail in many ways, and their messages may quote what they were given.
        raise place.error("image_damaged") from None
    return picture


def _checked(examine: Callable[[], _T], place: Place) -> _T:
    try:
        return examine()
    except ImageFaultError as exc:
        reason = str(exc.args[0])
        reason = "not_an_image" if reason in ("not_png", "not_jpeg2000") else reason
        raise place.error(reason, 0) from None
