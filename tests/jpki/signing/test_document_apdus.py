# SPDX-License-Identifier: Apache-2.0
"""What a signed document costs on the card (counts): PIN, two certificates, one COMPUTE a file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from document_bench import XML, options, small_pdf
from jpki.card import Card
from jpki.card_map import PinKind
from jpki.emulator import VirtualConnection, load_card
from jpki.signing.card_key import CardKey
from jpki.signing.pdf import PdfOptions, PdfProfile, sign_pdf
from jpki.signing.xml import XmlOptions, sign_xml
from jpki_apdu.connection import ReplyLimits
from signing_bench import AT

SHORT, EXTENDED = ReplyLimits(256, 0), ReplyLimits(256, 65536)


@pytest.mark.parametrize(
    ("limits", "most"), [(SHORT, 20), (EXTENDED, 8)], ids=["short", "extended"]
)
def test_pdf_with_the_ca_certificate_stays_below_the_figure(limits: ReplyLimits, most: int) -> None:
    """The rival myna-sign takes 34 (a count of its source)."""
    emulated = load_card("hanako", at=AT)
    with Card(VirtualConnection(emulated, limits)) as card:
        before = emulated.apdus
        signer = CardKey(card, PinKind.SIGN).unlock(bytearray(b"ABC123"))
        first, _ = sign_pdf(small_pdf(), signer, options())
        assert emulated.apdus - before <= most
        assert signer.chain[0] in bytes.fromhex(_hex(first))
        for further in (PdfOptions(), PdfOptions(profile=PdfProfile.PADES_B)):
            before = emulated.apdus
            sign_pdf(first, signer, options(further))
            assert emulated.apdus - before == 1
        before = emulated.apdus
        sign_xml(XML, signer, replace(options(), special=XmlOptions()))
        assert emulated.apdus - before == 1


def _hex(data: bytes) -> str:
    """The hex of the one signature in a PDF."""
    begin = data.index(b"/Contents <") + len(b"/Contents <")
    return data[begin : data.index(b">", begin)].decode("ascii")
