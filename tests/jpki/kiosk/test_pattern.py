# SPDX-License-Identifier: Apache-2.0
"""The anti-copy pattern as an eye and as a copier see it, in poppler's pixels."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from PIL import Image, ImageFilter, ImageStat
from reportlab.pdfgen.canvas import Canvas

from jpki.kiosk.documents.fonts import font_name
from jpki.kiosk.documents.pattern import draw_pattern

pytestmark = pytest.mark.system

SIDE, WORD = 240, "写"  # points; one square letter of half the page
DPI = 600
INK_LOST = 5  # pixels: a copier keeps no dot smaller than about half of that


def _pixels(canvas: Canvas, made: io.BytesIO, file: Path) -> Image.Image:
    canvas.save()
    file.write_bytes(made.getvalue())
    command = (
        "pdftoppm",
        "-r",
        str(DPI),
        "-gray",
        "-singlefile",
        str(file),
        str(file.with_suffix("")),
    )
    subprocess.run(command, check=True)
    return Image.open(file.with_suffix(".pgm")).convert("L")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Image.Image, Image.Image]:
    """The pattern, and where the strokes of its word are (white, with some margin)."""
    folder = tmp_path_factory.mktemp("pattern")
    made = io.BytesIO()
    canvas = Canvas(made, pagesize=(SIDE, SIDE))
    draw_pattern(canvas, SIDE, SIDE, WORD, font_name())
    pattern = _pixels(canvas, made, folder / "pattern.pdf")
    made = io.BytesIO()
    canvas = Canvas(made, pagesize=(SIDE, SIDE))
    size = SIDE / 2
    canvas.setFont(font_name(), size)
    for row in range(3):
        canvas.drawString(size / 2, SIDE * (2 * row + 1) / 6 - size / 2, WORD)
    return pattern, _pixels(canvas, made, folder / "word.pdf")


def _shares(image: Image.Image, word: Image.Image) -> tuple[float, float]:
    """Shares of ink inside the strokes of the word and away from them."""
    near = word.filter(ImageFilter.MinFilter(9)).filter(ImageFilter.MinFilter(9))
    inside = word.point(lambda level: 255 if level < 128 else 0)
    outside = near.point(lambda level: 255 if level > 200 else 0)
    return tuple(255 - ImageStat.Stat(image, mask).mean[0] for mask in (inside, outside))  # type: ignore[return-value]


def test_the_eye_sees_one_grey(page: tuple[Image.Image, Image.Image]) -> None:
    inside, outside = _shares(*page)
    assert inside == pytest.approx(outside, rel=0.2)  # the edges of thin strokes cut dots
    assert 2 < outside < 40  # of 255: there is a pattern, and what is printed over it can be read


def test_a_copier_shows_the_word(page: tuple[Image.Image, Image.Image]) -> None:
    """It loses the fine dots and keeps the coarse ones."""
    pattern, word = page
    before = _shares(pattern, word)
    after = _shares(pattern.filter(ImageFilter.MedianFilter(INK_LOST)), word)
    assert after[0] > before[0] / 2
    assert after[1] < before[1] / 10
