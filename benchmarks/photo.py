# SPDX-License-Identifier: Apache-2.0
"""A photo of 7 kB from JPEG 2000 to PNG, checked before it is decoded, beside Pillow alone."""

from __future__ import annotations

import io
import random

from PIL import Image, ImageFilter

import _bench
from jpki.card import images
from jpki.card.records import Place

_PLACE = Place("surface", 0x0002)
_SIZE = (240, 320)  # pixels, as on cards


def _photo() -> bytes:
    """A grey JP2 of about 7 kB with the detail of a portrait; nobody's."""
    noise = random.Random(0).randbytes(_SIZE[0] * _SIZE[1])
    picture = Image.frombytes("L", _SIZE, noise).filter(ImageFilter.GaussianBlur(2))
    out = io.BytesIO()
    picture.save(out, "JPEG2000", quality_mode="rates", quality_layers=[10.8])
    return out.getvalue()


def _pillow(data: bytes) -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as picture:
        picture.save(out, "PNG")
    return out.getvalue()


def measure(report: _bench.Report, quick: bool) -> None:
    """Medians, in turns, after one call each: imports are paid once and not counted."""
    data = _photo()
    assert 6500 <= len(data) <= 7500, len(data)
    assert images.to_png(data, _PLACE) == _pillow(data)
    times = _bench.interleaved(
        [
            ("ours", lambda: images.to_png(data, _PLACE)),
            ("Pillow", lambda: _pillow(data)),
            ("checks", lambda: images.inspect(data, _PLACE)),
        ],
        20 if quick else 200,
    )
    report.add("photo to PNG", _bench.median_ms(times["ours"]), "ms", limit=50)
    report.add("of that, the checks", _bench.median_ms(times["checks"]), "ms", limit=1)
    report.add("Pillow, unchecked", _bench.median_ms(times["Pillow"]), "ms", rival=True)


if __name__ == "__main__":
    _bench.main("A 7 kB photo becomes a PNG in under 50 ms, checks included", measure)
