# SPDX-License-Identifier: Apache-2.0
"""A desk without a screen: answers as told beforehand. For tests, and to try a flow out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jpki.card_map import PinKind
from jpki.kiosk.visit import CancelledError, Page, Question

if TYPE_CHECKING:
    from jpki.card.pin import PinCounter


class ScriptedDesk:
    """Answers every question from a script; what is not in it is cancelled.

    ``choices``: option by question code. ``pins``: by kind. ``yes``: pages that are confirmed
    (by code). ``asked``: what was asked and shown, by code, in order.
    """

    def __init__(
        self,
        *,
        choices: Mapping[str, str] | None = None,
        pins: Mapping[PinKind, str] | None = None,
        yes: frozenset[str] = frozenset({"fee"}),
    ) -> None:
        self._choices = dict(choices or {})
        self._pins = dict(pins or {})
        self._yes = yes
        self.asked: list[str] = []

    def choose(self, question: Question) -> str:
        """As the Protocol has it."""
        self.asked.append(question.code)
        choice = self._choices.get(question.code)
        if choice is None or choice not in {option.id for option in question.options}:
            raise CancelledError
        return choice

    def pin(self, counter: PinCounter) -> bytearray:
        """As the Protocol has it."""
        self.asked.append(f"pin_{counter.kind.value}")
        value = self._pins.get(counter.kind)
        if value is None:
            raise CancelledError
        return bytearray(value.encode("utf-8"))

    def confirm(self, page: Page) -> bool:
        """As the Protocol has it."""
        self.asked.append(page.code)
        return page.code in self._yes

    def show(self, page: Page) -> None:
        """As the Protocol has it."""
        self.asked.append(page.code)

    def progress(self, step: str, done: int, total: int) -> None:
        """As the Protocol has it."""
