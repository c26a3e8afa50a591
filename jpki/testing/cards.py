# SPDX-License-Identifier: Apache-2.0
"""What the fixtures hand out: an emulated card that is plugged into a reader of its own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from jpki.open import plug, unplug

if TYPE_CHECKING:
    from jpki.card import Card
    from jpki.emulator import EmulatedCard
    from jpki.emulator.faults import Fault
    from jpki_apdu.connection import CardConnection


class PluggedCard:
    """An emulated card in a reader. ``uri`` works wherever ``--reader`` or ``open_card`` does."""

    def __init__(self, card: EmulatedCard) -> None:
        self.card = card
        self.uri = plug(card)

    @property
    def pins(self) -> dict[str, str]:
        """The card's PINs, by kind (``auth``, ``sign``, ``text`` ...)."""
        return self.card.pins()

    @property
    def apdus(self) -> int:
        """Commands the card has answered (count)."""
        return self.card.apdus

    def connect(self) -> CardConnection:
        """A raw connection, for code that speaks APDUs."""
        from jpki_apdu.readers import open_reader

        return open_reader(self.uri)

    def open(self) -> Card:
        """The card as the library reads it. Use it as a context manager."""
        from jpki.card import Card

        return Card(self.connect())

    def eject(self) -> None:
        """Take the card out: the next command fails as on a real reader. Harmless when repeated."""
        unplug(self.uri)

    def __repr__(self) -> str:
        return f"PluggedCard({self.card.name!r}, uri={self.uri!r})"


class CardFactory:
    """Makes plugged cards and takes them all out at the end."""

    def __init__(self) -> None:
        self._made: list[PluggedCard] = []

    def __call__(
        self,
        name: str | Path = "hanako",
        *,
        at: datetime | None = None,
        state_file: Path | None = None,
        faults: Iterable[Fault | str] = (),
    ) -> PluggedCard:
        """A built-in card by name, or one from a TOML file. ``at``: the day it lives in.

        ``faults``: besides those of the file, as lines or objects. Raises CardFileError,
        FaultSpecError.
        """
        from jpki.emulator import load_card

        card = load_card(str(name), at=at, state_file=state_file, faults=faults)
        plugged = PluggedCard(card)
        self._made.append(plugged)
        return plugged

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for plugged in self._made:
            plugged.eject()
