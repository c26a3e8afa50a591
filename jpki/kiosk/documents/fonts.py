# SPDX-License-Identifier: Apache-2.0
"""The Japanese font of documents: TrueType, by path; Debian's fonts-ipaexfont by default."""

from __future__ import annotations

import functools
from pathlib import Path

from jpki.errors import ConfigurationError

DEFAULT_FONT = Path("/usr/share/fonts/opentype/ipaexfont-mincho/ipaexm.ttf")


@functools.cache
def font_name(path: Path = DEFAULT_FONT) -> str:
    """Register the font with reportlab, once; its name there.

    Raises ConfigurationError (``font_missing``, ``font_unusable``).
    """
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    if not path.is_file():
        raise ConfigurationError(path=str(path), reason="font_missing")
    name = f"document-{path.stem}"
    try:
        pdfmetrics.registerFont(TTFont(name, str(path)))
    except (TTFError, OSError) as exc:
        raise ConfigurationError(path=str(path), reason="font_unusable") from exc
    return name
