# SPDX-License-Identifier: Apache-2.0
"""What every command that has a card says about it: is it a test card, and where is it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jpki_cli.screen import Part, Screen
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.card import Card
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
    """Look at a card that was just opened. Reads its CA certificate if the link does not tell."""
    card = opened.card
    test = opened.emulated or issued_by_test(card)
    return Head(test, opened.reader, card.detect().info.label, card.interface)


def issued_by_test(card: Card) -> bool:
    """Whether the card's own CA certificate belongs to a test hierarchy. Free to read."""
    from jpki.certificate.certificate import parse_certificate
    from jpki.certificate.names import claims_test
    from jpki.errors import CertificateError, NoCertificateError
    from jpki_apdu.errors import StatusWordError

    try:
        return claims_test(parse_certificate(card.jpki.certificate("auth-ca")).subject)
    except (CertificateError, NoCertificateError, StatusWordError):
        return False  # what is wrong with it, a check will say
