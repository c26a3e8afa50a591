# SPDX-License-Identifier: Apache-2.0
"""The page of a document, drawn with reportlab. The code's place stays empty."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jpki import messages
from jpki.certificate.kinds import Environment
from jpki.dates import japan_day, japanese_date
from jpki.errors import MissingExtraError
from jpki.kiosk.documents.contents import Content
from jpki.kiosk.documents.fonts import DEFAULT_FONT, font_name
from jpki.kiosk.documents.pattern import draw_pattern

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

WIDTH, HEIGHT = 595.276, 841.89  # points, A4
CODE_BOX: Final = (WIDTH - 204.0, 56.0, 150.0)  # left, bottom, side of the code
_LEFT, _VALUES = 72.0, 200.0
_LANGUAGE: Final = "ja"  # certificates are in Japanese


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of a document. ``number``: random, of this issue; ``issued_at``: aware;
    ``title``: who certifies (○○市長)."""

    number: str
    issuer: str
    title: str
    issued_at: datetime
    environment: Environment


def draw_page(content: Content, issue: Issue, *, font: Path = DEFAULT_FONT) -> bytes:
    """The PDF of one page, without code and statement. The same input gives the same bytes.

    Raises MissingExtraError, ConfigurationError (the font).
    """
    try:
        from reportlab.pdfgen.canvas import Canvas
    except ImportError as exc:
        raise MissingExtraError(extra="kiosk") from exc
    name = font_name(font)
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(WIDTH, HEIGHT), invariant=True, pageCompression=1, lang="ja-JP")
    title = _words(f"document.kind.{content.kind.value}")
    canvas.setTitle(title)
    canvas.setAuthor(issue.issuer)
    canvas.setCreator("jpki")
    draw_pattern(canvas, WIDTH, HEIGHT, _words("document.copy_word"), name)
    _head(canvas, name, title, issue.environment)
    bottom = _fields(canvas, name, content)
    if content.seal:
        _stamp(canvas, name, content.seal, (WIDTH - 150, HEIGHT - 250), 62)
    _foot(canvas, name, content, issue, bottom)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def _words(key: str, **values: object) -> str:
    return messages.text(key, _LANGUAGE, **values)


def _head(canvas: Canvas, font: str, title: str, environment: Environment) -> None:
    canvas.setFillGray(0)
    canvas.setFont(font, 26)
    canvas.drawCentredString(WIDTH / 2, HEIGHT - 110, title)
    if environment is not Environment.PRODUCTION:
        canvas.setFillColorRGB(0.75, 0, 0)
        canvas.setFont(font, 14)
        canvas.drawCentredString(WIDTH / 2, HEIGHT - 50, _words("document.test_mark"))
        canvas.setFillGray(0)


def _fields(canvas: Canvas, font: str, content: Content) -> float:
    """Draw the fields; the height below them."""
    top = HEIGHT - 180
    for name, text in content.fields:
        canvas.setFont(font, 12)
        canvas.drawString(_LEFT, top, _words(f"document.field.{name}"))
        room = (CODE_BOX[0] + CODE_BOX[2]) - _VALUES - (90 if content.seal else 0)
        for line in _wrapped(text, font, 14, room):
            canvas.setFont(font, 14)
            canvas.drawString(_VALUES, top, line)
            top -= 20
        canvas.setLineWidth(0.4)
        canvas.line(_LEFT, top + 10, WIDTH - _LEFT, top + 10)
        top -= 14
    return top


def _wrapped(text: str, font: str, size: float, room: float) -> list[str]:
    """``text`` in lines of at most ``room`` points."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    lines, line = [], ""
    for char in text:
        if line and stringWidth(line + char, font, size) > room:
            lines.append(line)
            line = ""
        line += char
    return [*lines, line]


def _foot(canvas: Canvas, font: str, content: Content, issue: Issue, bottom: float) -> None:
    canvas.setFont(font, 12)
    lines = (
        _words(f"document.sentence.{content.kind.value}"),
        japanese_date(japan_day(issue.issued_at)),
        issue.title,
    )
    top = min(bottom - 30, 330.0)
    for line in lines:
        canvas.drawString(_LEFT, top, line)
        top -= 26
    _stamp(canvas, font, _words("document.office_seal"), (_LEFT + 170, top + 10), 52)
    left, low, side = CODE_BOX
    canvas.setFillGray(1)  # the quiet zone of the code (ISO/IEC 18004 6.3.8)
    canvas.rect(left - 8, low - 8, side + 16, side + 16, stroke=0, fill=1)
    canvas.setFillGray(0)
    canvas.setFont(font, 8)
    canvas.drawString(_LEFT, 62, _words("document.number", number=issue.number))
    canvas.drawString(_LEFT, 50, _words("document.check_hint"))


def _stamp(canvas: Canvas, font: str, face: str, place: tuple[float, float], side: float) -> None:
    """A seal: its characters downwards inside a red square, columns from the right."""
    left, bottom = place
    canvas.saveState()
    canvas.setStrokeColorRGB(0.8, 0.1, 0.1)
    canvas.setFillColorRGB(0.8, 0.1, 0.1)
    canvas.setLineWidth(1.6)
    canvas.rect(left, bottom, side, side)
    columns = 1 if len(face) <= 2 else 2
    rows = -(-len(face) // columns)
    height, width = side / rows, side / columns
    size = min(height, width) * 0.86
    canvas.setFont(font, size)
    for order, char in enumerate(face):
        column, row = divmod(order, rows)
        middle = left + side - (column + 0.5) * width
        base = bottom + side - (row + 0.5) * height - size * 0.38
        canvas.drawCentredString(middle, base, char)
    canvas.restoreState()
