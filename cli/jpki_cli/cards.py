# SPDX-License-Identifier: Apache-2.0
"""What every command that has a card says about it: is it a test card, and where is it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jpki_cli.screen import Part, Screen
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.open import OpenedCard


@dataclass(frozen=True, slots=True)
class Head:
    """The first line about a card. ``test``: emulated, or issued by a test PKI."""

    test: bool
    reader: str
    label: str
    interface: str

    @property
    def mark(self) -> dict[str, object]:
        """The member that every JSON output of a card carries."""
        return {"test": self.test}

    @property
    def parts(self) -> tuple[Part, ...]:
        """``TEST CARD  virtual:hanako, contactless, JPKIAPICCTOKEN2``."""
        told = t(f"value.interface.{self.interface}")
        words = f"{self.reader}  ({told}, {self.label})"
        return ((t("cli.test_card"), "test"), f"  {words}") if self.test else (words,)

    def show(self, screen: Screen) -> None:
        """The line, and an empty one."""
        screen.line(*self.parts)
        screen.line()


def head_of(opened: OpenedCard) -> Head:
    """Look at a card that was just opened. Costs no command: it was recognised by opening it."""
    known = opened.card.recognise()
    test = opened.emulated or known.is_test
    return Head(test, opened.reader, known.kind.value, opened.card.interface)
