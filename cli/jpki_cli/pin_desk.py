# SPDX-License-Identifier: Apache-2.0
"""Where the PINs of one run come from, in which order, and who is asked for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jpki.card_map import Application, PinKind
from jpki_cli.clicks import UsageFault
from jpki_cli.prompts import read_lines, wipe
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.card import Card
    from jpki.card.pin import PinCounter


class PinDesk:
    """Gives out each PIN once, in the order of ``kinds``.

    Made before the card is opened: lines from ``--pin-fd`` are all read then, and without
    them there must be a terminal. Raises UsageFault.
    """

    def __init__(
        self, session: Session, kinds: Sequence[PinKind], fd: int | None, *, lines: int = 0
    ) -> None:
        self._session = session
        self._kinds = list(kinds)
        self._lines: list[bytearray] | None = None
        wanted = lines or len(self._kinds)
        if not wanted:
            return
        if fd is not None:
            self._lines = read_lines(fd, wanted)
        elif not session.app.has_terminal():
            raise UsageFault("usage_no_terminal")

    @property
    def from_descriptor(self) -> bool:
        """Whether nobody is asked."""
        return self._lines is not None

    def take(self, counter: PinCounter) -> bytearray:
        """The PIN that ``counter`` belongs to; a person is shown the tries left first."""
        if self._lines is not None:
            return self.of_kind(counter.kind)
        value = self._session.app.ask_pin(question(counter))
        self._session.progress("card")
        return value

    def of_kind(self, kind: PinKind) -> bytearray:
        """The line of ``--pin-fd`` for that PIN."""
        return self.line(self._kinds.index(kind))

    def line(self, index: int) -> bytearray:
        """A line of ``--pin-fd`` by its place."""
        assert self._lines is not None
        self._session.progress("card")
        return self._lines[index]

    def close(self) -> None:
        """Wipe what was not used. The guard has wiped what was."""
        for value in self._lines or ():
            wipe(value)

    def __enter__(self) -> PinDesk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def question(counter: PinCounter) -> str:
    """``text PIN (3 of 3 tries left): ``."""
    kind = t(f"value.kind.{counter.kind.value}")
    if counter.attempts_left is None:
        return t("cli.ask_pin", kind=kind) + " "
    return t("cli.ask_pin_tries", kind=kind, n=counter.attempts_left, most=counter.max_tries) + " "


def present(
    card: Card,
    desk: PinDesk,
    kind: PinKind,
    *,
    last_try: bool,
    application: Application | None = None,
) -> PinCounter:
    """Counter first, then ask, then exactly one VERIFY. Raises PinError."""
    if desk.from_descriptor:  # nobody to show the counter to: the guard reads it, once
        value = desk.of_kind(kind)
    else:
        counter = card.pins.counter(kind, application)
        counter.demand_try(last_try=last_try)
        value = desk.take(counter)
    return card.pins.verify(kind, value, application=application, last_try=last_try)


def kinds(names: Sequence[str]) -> list[PinKind]:
    """PIN kinds by their words on the command line."""
    return [PinKind(name) for name in names]
