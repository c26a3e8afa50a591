# SPDX-License-Identifier: Apache-2.0
"""A verification report as a PDF for people, signed by the verifier. Needs the extra ``pdf``."""

from __future__ import annotations

import io
import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.font import FontEngine
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

from jpki.signing.document import SigningOptions
from jpki.signing.pdf import PdfOptions, PdfProfile, sign_pdf
from jpki.signing.pdf_stamp import JapaneseFont, find_font, font_for
from jpki.signing.signer import DigestSigner, choose_algorithm

_PAGE: Final = (0, 0, 595, 842)  # A4, points
_LEFT, _TOP, _SIZE, _LEADING = 50, 792, 9, 13
_LINES: Final = 57  # on a page
_COLUMNS: Final = 104  # half the width of a Japanese letter each


def report_pdf(
    lines: Sequence[str], signer: DigestSigner, at: datetime, *, font: Path | None = None
) -> bytes:
    """``lines`` on as many pages as they take, with the verifier's PAdES B-B signature.

    Raises ConfigurationError without a Japanese font, SigningError.
    """
    special = PdfOptions(profile=PdfProfile.PADES_B, name="")
    options = SigningOptions(choose_algorithm(signer.algorithms), at, special=special)
    signed, _ = sign_pdf(_written(lines, find_font(font)), signer, options)
    return signed


def _written(lines: Sequence[str], font: bytes) -> bytes:
    """The pages, unsigned."""
    writer = PdfFileWriter()
    used = JapaneseFont(font_for("".join(lines), font), _SIZE)
    engine = used.create_font_engine(writer)
    wrapped = itertools.chain.from_iterable(_wrapped(line) for line in lines)
    while page := list(itertools.islice(wrapped, _LINES)):
        _add_page(writer, engine, page)
    engine.prepare_write()
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _add_page(writer: PdfFileWriter, engine: FontEngine, lines: Sequence[str]) -> None:
    drawn = [
        b"BT /F1 %d Tf 1 0 0 1 %d %d Tm %s ET"
        % (_SIZE, _LEFT, _TOP - number * _LEADING, engine.shape(line).graphics_ops)
        for number, line in enumerate(lines)
        if line
    ]
    stream = generic.StreamObject(stream_data=b"\n".join(drawn))
    name = generic.pdf_name
    fonts = generic.DictionaryObject({name("/F1"): engine.as_resource()})
    resources = generic.DictionaryObject({name("/Font"): fonts})
    writer.insert_page(PageObject(writer.add_object(stream), _PAGE, resources))


def _wrapped(line: str) -> Iterator[str]:
    """``line`` in pieces that fit the page."""
    piece, columns = "", 0
    for letter in line.expandtabs():
        width = 2 if unicodedata.east_asian_width(letter) in "WFA" else 1
        if columns + width > _COLUMNS:
            yield piece
            piece, columns = "", 0
        piece, columns = piece + letter, columns + width
    yield piece
