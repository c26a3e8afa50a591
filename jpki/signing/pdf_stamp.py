# SPDX-License-Identifier: Apache-2.0
"""Japanese text in a PDF: a TrueType font that is embedded as far as it is used.

Imported only when something is drawn; needs the extra ``pdf``.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

from fontTools.subset import Options, Subsetter, load_font
from fontTools.ttLib.scaleUpem import scale_upem
from pyhanko.pdf_utils.font import FontEngine, FontEngineFactory
from pyhanko.pdf_utils.font.opentype import GlyphAccumulator
from pyhanko.pdf_utils.layout import AxisAlignment, InnerScaling, Margins, SimpleBoxLayoutRule
from pyhanko.pdf_utils.text import TextBoxStyle
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.stamp import TextStampStyle

from jpki.errors import ConfigurationError

# Debian's fonts-ipaexfont; elsewhere the path is given.
FONT_FILES = (
    Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf"),
    Path("/usr/share/fonts/truetype/fonts-japanese-gothic.ttf"),
)

_UNITS = 1000  # to the em, as PDF counts widths [ISO32000 9.7.4.3]


def find_font(path: Path | None) -> bytes:
    """The bytes of ``path``, or of the first font of ours that is installed.

    Raises ConfigurationError (``font_missing``, ``font_unreadable``).
    """
    wanted = path or next((file for file in FONT_FILES if file.is_file()), None)
    if wanted is None:
        raise ConfigurationError("font_missing")
    try:
        data = wanted.read_bytes()
    except OSError as exc:
        raise ConfigurationError("font_unreadable", path=str(wanted)) from exc
    if data[:4] not in (b"\x00\x01\x00\x00", b"OTTO", b"true"):
        raise ConfigurationError("font_unreadable", path=str(wanted))
    return data


@dataclass(frozen=True)
class JapaneseFont(FontEngineFactory):
    """Makes engines from a font held in memory, so that no file stays open."""

    data: bytes = field(repr=False)
    font_size: int = 10

    def create_font_engine(
        self, writer: BasePdfFileWriter, obj_stream: object = None
    ) -> FontEngine:
        """An engine for one file that is being written."""
        return GlyphAccumulator(
            writer, io.BytesIO(self.data), font_size=self.font_size, obj_stream=obj_stream
        )


def font_for(text: str, font: bytes) -> bytes:
    """The part of ``font`` that draws ``text``, with 1000 units to the em.

    pyHanko writes the widths of a font as they are, and PDF reads them in thousandths: a
    font with 2048 units, as IPAex has, would come out with its letters far apart.
    """
    options = Options()
    options.hinting = False
    options.notdef_outline = True
    options.drop_tables += ["GSUB", "GPOS"]  # ligatures and kerning: nothing for a stamp
    with load_font(io.BytesIO(font), options) as whole:
        subsetter = Subsetter(options)
        subsetter.populate(text=text)
        subsetter.subset(whole)
        scale_upem(whole, _UNITS)
        out = io.BytesIO()
        whole.save(out)
    return out.getvalue()


def stamp_style(text: str, font: bytes) -> TextStampStyle:
    """``text`` in a thin frame, made smaller until it fits."""
    fit = SimpleBoxLayoutRule(
        x_align=AxisAlignment.ALIGN_MIN,
        y_align=AxisAlignment.ALIGN_MID,
        margins=Margins(5, 5, 5, 5),
        inner_content_scaling=InnerScaling.SHRINK_TO_FIT,
    )
    return TextStampStyle(
        # pyHanko puts its own values where it finds a per cent sign.
        stamp_text=text.replace("%", "%%"),
        text_box_style=TextBoxStyle(font=JapaneseFont(font_for(text, font))),
        inner_content_layout=fit,
        border_width=1,
        background=None,
    )
