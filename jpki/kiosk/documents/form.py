# SPDX-License-Identifier: Apache-2.0
"""A filled-in form as PDF or XML: a title, who it is for, and one line for each entry."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from jpki.errors import MissingExtraError
from jpki.kiosk.documents.fonts import DEFAULT_FONT, font_name

_WIDTH, _HEIGHT = 595.276, 841.89  # points, A4
_LEFT, _VALUES, _TOP, _BOTTOM = 72.0, 200.0, 740.0, 72.0
_ROW = 22.0
_SIZE = 11.0
_CHARACTERS = 28  # full-width, in one line of a value
XML_NAMESPACE = "urn:jpki:form:1"


@dataclass(frozen=True, slots=True)
class FilledForm:
    """``title`` and ``recipient`` as printed; ``entries``: label and value, in order."""

    title: str
    recipient: str
    entries: Sequence[tuple[str, str]] = field(repr=False)

    @classmethod
    def of(cls, title: str, recipient: str, values: Mapping[str, str]) -> FilledForm:
        """A form whose entries are these values by label."""
        return cls(title, recipient, tuple(values.items()))


def form_pdf(form: FilledForm, *, font: Path = DEFAULT_FONT) -> bytes:
    """The form on A4. The same input gives the same bytes.

    Raises MissingExtraError, ConfigurationError (the font).
    """
    try:
        from reportlab.pdfgen.canvas import Canvas
    except ImportError as exc:
        raise MissingExtraError(extra="kiosk") from exc
    name = font_name(font)
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(_WIDTH, _HEIGHT), invariant=True, lang="ja-JP")
    canvas.setTitle(form.title)
    canvas.setFont(name, 18)
    canvas.drawCentredString(_WIDTH / 2, _TOP + 2 * _ROW, form.title)
    canvas.setFont(name, _SIZE)
    canvas.drawString(_LEFT, _TOP + _ROW / 2, form.recipient)
    height = _TOP - _ROW
    for label, value in form.entries:
        for number, line in enumerate(_lines(value)):
            if height < _BOTTOM:
                canvas.showPage()
                canvas.setFont(name, _SIZE)
                height = _TOP
            canvas.drawString(_LEFT, height, label if number == 0 else "")
            canvas.drawString(_VALUES, height, line)
            height -= _ROW
    canvas.save()
    return out.getvalue()


def form_xml(form: FilledForm) -> bytes:
    """The form as XML, UTF-8."""
    root = ElementTree.Element("form", {"xmlns": XML_NAMESPACE})
    ElementTree.SubElement(root, "title").text = form.title
    ElementTree.SubElement(root, "recipient").text = form.recipient
    for label, value in form.entries:
        ElementTree.SubElement(root, "entry", {"label": label}).text = value
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _lines(value: str) -> list[str]:
    whole = value or " "
    return [whole[at : at + _CHARACTERS] for at in range(0, len(whole), _CHARACTERS)]
