# SPDX-License-Identifier: Apache-2.0
"""What is sent to a card that is not ours to find out what it is."""

from __future__ import annotations

from jpki.card_map import ForeignApplication


def select_foreign(application: ForeignApplication) -> str:
    """The SELECT of one such application, as hex."""
    aid = application.aid
    if application.fci:
        return f"00A40400{len(aid):02X}{aid.hex()}00"
    return f"00A4040C{len(aid):02X}{aid.hex()}"
