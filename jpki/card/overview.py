# SPDX-License-Identifier: Apache-2.0
"""What ``card info`` tells: the card's own account of itself, all of it free to read.

Nothing here identifies a person, and nothing here is signed: municipality, expiry and
contact ATR are what the card says.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from jpki.card.free_area import FreeAreaApplication, is_present
from jpki.card.mf import APPLICATION, get_object, parse_contact_atr
from jpki.card.records import Place
from jpki.card_map import COMMON_AP, TokenKind
from jpki.errors import CardDataError
from jpki_apdu.errors import StatusWordError

if TYPE_CHECKING:
    from jpki.card.card import Card, CardInfo

_log = logging.getLogger(__name__)
_CONTACT_ATR = 0x5F51


@dataclass(frozen=True, slots=True)
class CardOverview:
    """``info`` and what goes beyond it. None = the card does not tell.

    ``municipality``: five digits. ``contact_atr``: with 3B. ``free_area``: those of the
    registry that this card has.
    """

    info: CardInfo
    municipality: str | None
    expiry: date | None
    contact_atr: bytes | None
    free_area: tuple[FreeAreaApplication, ...]


def overview(card: Card, applications: Sequence[FreeAreaApplication] = ()) -> CardOverview:
    """Look at everything that is free. Presents no PIN; **ends what a PIN opened before**.

    Beyond ``Card.info``: one SELECT for each of ``applications``, and on a card four more
    commands (contact ATR, card manager, municipality, expiry). The 製造番号 is read only
    where the card level does not tell municipality or expiry. Phones have neither.
    Raises as ``Card.info``, and CardDataError for a card record that cannot be read.
    """
    info = card.info()
    # A phone is asked for nothing more: it has the JPKI application and no card level.
    if info.token.kind is not TokenKind.CARD:
        return CardOverview(info, None, None, None, ())
    found = tuple(one for one in applications if is_present(card, one))
    # Cards differ in where 5F51 answers [MC]: with an application current, or at card level.
    atr = _contact_atr(card)
    municipality, expiry = _issued(card, info)
    if atr is None and card.mf.select():
        atr = _contact_atr(card)
    return CardOverview(info, municipality, expiry, atr, found)


def _contact_atr(card: Card) -> bytes | None:
    """5F51 where the card stands now. A malformed one is no reason to tell nothing else."""
    try:
        data = get_object(card.channel, _CONTACT_ATR)
        return None if data is None else parse_contact_atr(data, Place(APPLICATION, _CONTACT_ATR))
    except (CardDataError, StatusWordError) as exc:
        _log.debug("contact ATR: %s", exc.code)
        return None


def _issued(card: Card, info: CardInfo) -> tuple[str | None, date | None]:
    """Municipality and expiry: from the card level, else from the card record, else none."""
    try:
        municipality, expiry = card.mf.municipality(), card.mf.expiry()
        if municipality is not None and expiry is not None:
            return municipality, expiry
    except (CardDataError, StatusWordError) as exc:
        _log.debug("card level: %s", exc.code)
    if COMMON_AP.name not in info.applications:
        return None, None
    try:
        record = card.common.card_record()
    except StatusWordError as exc:
        _log.debug("card record: %s", exc.code)
        return None, None
    return record.municipality, record.expiry
