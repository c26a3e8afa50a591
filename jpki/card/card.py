# SPDX-License-Identifier: Apache-2.0
"""One card, open for one presentation."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from jpki.card.common_ap import CommonAp
from jpki.card.jpki_ap import JpkiAp
from jpki.card.juki_ap import JukiAp
from jpki.card.layout import TODAY, CardLayout
from jpki.card.licence_ap import LicenceAp
from jpki.card.mf import MasterFile
from jpki.card.pin import PinCounter, PinGuard, PinState
from jpki.card.selection import select_application
from jpki.card.surface_ap import SurfaceAp
from jpki.card.text_ap import TextAp
from jpki.card.token import Availability, Recognised, Token, detect, recognise_by
from jpki.card_map import LICENCE_AP, Application, PinKind
from jpki_apdu.channel import Channel
from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.errors import CardError, StatusWordError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CardInfo:
    """What a card says of itself without a PIN. Nothing in it identifies a person.

    ``interface``: contact, contactless or unknown, by the form of the ATR (a reader's
    invention on contactless; for show only). ``applications``: names by the card map.
    """

    token: Token
    interface: str
    applications: tuple[str, ...]
    certificates: Availability
    counters: tuple[PinCounter, ...]


class Card:
    """A My Number card or phone behind ``connection``; a context manager.

    Nothing is cached across cards; what was verified is forgotten by the card when this
    is closed, because closing powers it off. ``limits`` and ``sfi`` as for ``Channel``.
    ``layout``: what kind of card it is read as.
    """

    def __init__(
        self,
        connection: CardConnection,
        *,
        limits: ReplyLimits | None = None,
        sfi: bool | None = None,
        layout: CardLayout = TODAY,
    ) -> None:
        self._connection = connection
        self._layout = layout
        self.channel = Channel(connection, limits=limits, sfi=sfi)
        self.pins = PinGuard(self.channel, layout)
        self.jpki = JpkiAp(self.channel, layout)
        self.text = TextAp(self.channel)
        self.surface = SurfaceAp(self.channel)
        self.common = CommonAp(self.channel)
        self.juki = JukiAp(self.channel)
        self.licence = LicenceAp(self.channel, self.pins)
        self.mf = MasterFile(self.channel)
        self._token: Token | None = None
        self._recognised: Recognised | None = None

    @property
    def connection(self) -> CardConnection:
        return self._connection

    @property
    def layout(self) -> CardLayout:
        return self._layout

    def detect(self) -> Token:
        """What this is. Costs SELECT (shared with what follows) and one read, the first time.

        Raises NotOurCardError, UnsupportedTokenError, CardDataError.
        """
        if self._token is None:
            with self.channel.turn():  # one turn, as in ``info``
                self._token = detect(self.channel, self._layout)
        return self._token

    def recognise(self, begins: Application | None = None) -> Recognised:
        """Make sure that this is a card of ours, the first time. ``begins``: the application
        that the job begins with; one that only cards have is proof enough and is not selected
        twice. Raises as ``detect``, which is asked for any other.
        """
        if self._recognised is None and self._token is None and begins is not None:
            with self.channel.turn():
                self._recognised = recognise_by(self.channel, begins)
        if self._recognised is None:
            token = self.detect()
            self._recognised = Recognised(token.kind, token.is_test)
        return self._recognised

    def info(self) -> CardInfo:
        """Kind, applications, certificates and all counters. Presents no PIN, costs no try."""
        token = self.detect()
        with self.channel.turn():  # one turn: on a shared card each read would select anew
            certificates = self.jpki.availability()
            counters = self.pins.counters()
            present = tuple(a.name for a in self._layout.applications if self._has(a, counters))
            if LICENCE_AP.name in present:
                counters += self.pins.counters(PinKind.LICENCE)
        return CardInfo(token, self.interface, present, certificates, counters)

    def _has(self, application: Application, counters: tuple[PinCounter, ...]) -> bool:
        """Whether the card has ``application``: a PIN of it answered, or it can be selected."""
        of_it = (c for c in counters if c.application_name == application.name)
        if any(c.state is not PinState.ABSENT for c in of_it):
            return True
        try:
            select_application(self.channel, application)
        except StatusWordError:
            return False
        return True

    @property
    def interface(self) -> str:
        """How the card is reached, guessed from the ATR ([PC/SC part 3]: 3B 8n 80 01)."""
        atr = self._connection.atr
        if len(atr) < 4:
            return "unknown"
        contactless = atr[0] == 0x3B and atr[1] >> 4 == 0x8 and atr[2:4] == b"\x80\x01"
        return "contactless" if contactless else "contact"

    def close(self) -> None:
        """Power the card off, so that it forgets every PIN, then let others at it. Never raises."""
        try:
            self.channel.power_off()
        except CardError as exc:
            _log.debug("power off: %s", exc.code)  # the card left: it has forgotten anyway
        try:
            self.pins.release()
        except CardError as exc:
            _log.debug("end of exclusive access: %s", exc.code)
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
