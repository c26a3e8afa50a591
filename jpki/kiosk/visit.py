# SPDX-License-Identifier: Apache-2.0
"""A visit: what a flow is given, what it may ask the person, and how it ends.

No screen in here. A ``Desk`` shows and asks; what is personal goes to the desk and nowhere
else, and an ``Ending`` holds nothing personal but the document it hands over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from jpki.card.pin import PinState
from jpki.card_map import Application, PinKind
from jpki.errors import JpkiError, PinError

if TYPE_CHECKING:
    from jpki.card import Card
    from jpki.card.pin import PinCounter


class CancelledError(JpkiError):
    """The person stopped. Nothing was presented and nothing was issued."""

    default_code = "kiosk_cancelled"


class ExpiredError(JpkiError):
    """The certificate on the card has ended. Found before any PIN; nothing was presented."""

    default_code = "kiosk_expired"


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to choose. ``id`` also names its words (``kiosk.option.ID``) and its picture."""

    id: str
    picture: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """Something to choose from. ``code`` names its words (``kiosk.question.CODE``)."""

    code: str
    options: tuple[Option, ...]
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """One line for the person's own eyes. ``label`` names words; ``value`` may be personal.

    ``value``: as it stands, or by language where somebody has words for it in several.
    """

    label: str
    value: str | Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """What the person, or the clerk beside them, is shown. Never logged and never kept.

    ``code`` names its heading (``kiosk.page.CODE``); ``image``: PNG.
    """

    code: str
    lines: tuple[Line, ...] = field(default=(), repr=False)
    image: bytes | None = field(default=None, repr=False)


class Desk(Protocol):
    """Where the person stands. Every question raises CancelledError if they stop."""

    def choose(self, question: Question) -> str:
        """The id of the option taken."""
        ...

    def pin(self, counter: PinCounter) -> bytearray:
        """One entry of a PIN, in a buffer that the caller wipes. Shows the tries left."""
        ...

    def confirm(self, page: Page) -> bool:
        """Show a page and ask yes or no."""
        ...

    def show(self, page: Page) -> None:
        """Show a page until the person goes on."""
        ...

    def progress(self, step: str, done: int, total: int) -> None:
        """What is being done: ``step`` names words (``kiosk.step.STEP``).

        Raises CancelledError where the person has left.
        """
        ...


class Close(StrEnum):
    """How a visit ended. Exit and colour follow; the words follow the code."""

    DONE = "done"
    REFUSED = "refused"  # by a rule, with its article
    FAILED = "failed"  # something did not work; the code says what to do next


@dataclass(frozen=True, slots=True)
class Ending:
    """How a visit ended. ``values``: counters, articles, codes; nothing of the person.

    ``document``: the bytes handed over, and ``media_type`` of them.
    """

    close: Close
    code: str
    values: Mapping[str, object] = field(default_factory=dict)
    document: bytes | None = field(default=None, repr=False)
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class FirstScreen:
    """What is said before a card is asked for; the flow's own name is ``kiosk.option.FLOW``.

    ``title``: for what, by language, as the policy's purpose has it. ``article``: on which
    ground. ``alternative_path``: for who has no card (番号法17条1項: holding one is voluntary),
    by language; a flow without it does not start.
    """

    flow: str
    title: Mapping[str, str]
    article: str
    alternative_path: Mapping[str, str]

    def __post_init__(self) -> None:
        if not any(words.strip() for words in self.alternative_path.values()):
            raise ValueError("the first screen names another way (R16)")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Visit:
    """One card, one person, one flow. ``clock``: aware."""

    card: Card
    desk: Desk
    clock: Callable[[], datetime] = _now

    def ask_pin(self, kind: PinKind, application: Application | None = None) -> bytearray:
        """Ask for a PIN that the caller presents once; counter first.

        Raises PinError, CancelledError.

        At or below the floor nothing is asked, whoever stands there: a terminal has no
        ``--last-try``. Nor where the card does not say how many tries are left.
        """
        counter = self.card.pins.counter(kind, application)
        counter.demand_try()
        if counter.state is PinState.UNKNOWN:  # this may be the last one
            raise PinError(kind, None, "pin_tries_unknown")
        return self.desk.pin(counter)

    def present_pin(self, kind: PinKind, application: Application) -> None:
        """Ask for a PIN of an application and present it: one entry, at most one VERIFY.

        Raises as ask_pin, and what came of it.
        """
        self.card.pins.verify(kind, self.ask_pin(kind, application), application=application)


class Flow(Protocol):
    """One use of the card. ``run`` raises what the card, the desk and the server raise;
    ``ending_of`` turns that into words."""

    @property
    def first_screen(self) -> FirstScreen: ...

    def run(self, visit: Visit) -> Ending: ...
