# SPDX-License-Identifier: Apache-2.0
"""The anti-copy pattern (地紋): fine dots everywhere, coarse ones inside a hidden word.

Both cover the same share of the paper, so that the eye sees one grey. A copier loses the
fine dots sooner than the coarse ones, and the word stands out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

_TILE: Final = 12.0  # points
_FINE, _COARSE = "jpki-fine", "jpki-coarse"
_FINE_STEPS, _COARSE_STEPS = 8, 3  # dots along a tile
_FINE_SIDE: Final = 0.32  # points
# The same ink: the squares of side times number of dots are equal.
_COARSE_SIDE: Final = _FINE_SIDE * _FINE_STEPS / _COARSE_STEPS
_INK: Final = (0.45, 0.62, 0.72)


def draw_pattern(canvas: Canvas, width: float, height: float, word: str, font: str) -> None:
    """Cover a page (points) with the pattern; ``word`` appears on copies of it."""
    _define(canvas, _FINE, _FINE_STEPS, _FINE_SIDE, width)
    _define(canvas, _COARSE, _COARSE_STEPS, _COARSE_SIDE, width)
    _tile(canvas, _FINE, height)
    canvas.saveState()
    text = canvas.beginText()
    text.setTextRenderMode(7)  # the glyphs become the clipping path
    size = width / (len(word) + 1)
    text.setFont(font, size)
    for row in range(3):
        text.setTextOrigin(size / 2, height * (2 * row + 1) / 6 - size / 2)
        text.textOut(word)
    canvas.drawText(text)
    canvas.setFillGray(1)
    canvas.rect(0, 0, width, height, stroke=0, fill=1)
    _tile(canvas, _COARSE, height)
    canvas.restoreState()


def _define(canvas: Canvas, name: str, steps: int, side: float, width: float) -> None:
    """A row of tiles as wide as the page, under that name."""
    tile = f"{name}-tile"
    canvas.beginForm(tile, 0, 0, _TILE, _TILE)
    canvas.setFillColorRGB(*_INK)
    gap = _TILE / steps
    for row in range(steps):
        shift = gap / 2 if row % 2 else 0.0
        for column in range(steps):
            canvas.rect(column * gap + shift, row * gap, side, side, stroke=0, fill=1)
    canvas.endForm()
    canvas.beginForm(name, 0, 0, width, _TILE)
    _repeat(canvas, tile, int(width / _TILE) + 1, _TILE, 0)
    canvas.endForm()


def _tile(canvas: Canvas, row: str, height: float) -> None:
    canvas.saveState()
    _repeat(canvas, row, int(height / _TILE) + 1, 0, _TILE)
    canvas.restoreState()


def _repeat(canvas: Canvas, name: str, count: int, across: float, up: float) -> None:
    """Draw a form ``count`` times, each moved on by so many points."""
    for _ in range(count):
        canvas.doForm(name)
        canvas.translate(across, up)
