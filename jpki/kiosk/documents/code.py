# SPDX-License-Identifier: Apache-2.0
"""The two-dimensional code of a document: a QR code (ISO/IEC 18004)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from jpki.errors import IssuedDocumentError

CAPACITY: Final = 1809  # bytes: version 35, error correction level M (ISO/IEC 18004 table 7)
_MASK: Final = 0  # any mask makes a valid code; choosing the prettiest takes 0.3 s


@dataclass(frozen=True, slots=True)
class QrPicture:
    """``side`` in modules; ``pixels``: one bit a module, 1 = white, rows in whole bytes."""

    side: int
    pixels: bytes = field(repr=False)


def qr_picture(text: str) -> QrPicture:
    """ASCII text as a code, as small as it can be.

    Raises IssuedDocumentError (``code_too_long``) beyond ``CAPACITY``.
    """
    from reportlab.graphics.barcode.qrencoder import QR8bitByte, QRCode, QRErrorCorrectLevel

    if len(text) > CAPACITY:
        raise IssuedDocumentError(reason="code_too_long", bytes=len(text), most=CAPACITY)
    code = QRCode(None, QRErrorCorrectLevel.M)
    code.addData(QR8bitByte(text))
    code.version = code.calculate_version()
    code.makeImpl(False, _MASK)
    side = code.getModuleCount()
    width = (side + 7) // 8
    rows = []
    for row in range(side):
        bits = 0
        for column in range(width * 8):
            white = column >= side or not code.isDark(row, column)
            bits = bits << 1 | white
        rows.append(bits.to_bytes(width, "big"))
    return QrPicture(side, b"".join(rows))
