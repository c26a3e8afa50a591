# SPDX-License-Identifier: Apache-2.0
"""A desk whose screen is a page in a browser: shows, asks, and takes the first answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from jpki.card_map import PIN_RULES
from jpki.kiosk.broadcast import Broadcast
from jpki.kiosk.machine import Signal
from jpki.kiosk.screens import Confirmation, Content, PinEntry, Progress, Screen
from jpki.kiosk.visit import CancelledError, Ending, Page, Question

if TYPE_CHECKING:
    from jpki.card.pin import PinCounter

_ASKING = Question | PinEntry | Confirmation | Page


class PageDesk:
    """The Desk of a presentation. ``tell`` gets the signals for the terminal.

    Two pages may show the same screen: the first answer counts, a second is told so.
    """

    def __init__(self, tell: Callable[[Signal], None]) -> None:
        self.screens: Broadcast[Screen] = Broadcast(Screen(0, None))
        self._tell = tell
        self._answer: object = None
        self._answered = threading.Event()
        self._lock = threading.Lock()
        self._over = False
        self._wanted = Signal.CHOICE_WANTED

    def choose(self, question: Question) -> str:
        """As the Protocol has it."""
        return str(self._ask(question, Signal.CHOICE_WANTED))

    def pin(self, counter: PinCounter) -> bytearray:
        """As the Protocol has it."""
        rule = PIN_RULES[counter.kind]
        entry = PinEntry(
            counter.kind.value,
            counter.attempts_left,
            rule.min_length,
            rule.max_length,
            rule.digits,
        )
        value = self._ask(entry, Signal.PIN_WANTED)
        assert isinstance(value, bytearray)
        return value

    def confirm(self, page: Page) -> bool:
        """As the Protocol has it."""
        return self._ask(Confirmation(page), Signal.CHOICE_WANTED) is True

    def show(self, page: Page) -> None:
        """As the Protocol has it."""
        self._ask(page, Signal.CHOICE_WANTED)

    def progress(self, step: str, done: int, total: int) -> None:
        """As the Protocol has it."""
        if self._over:  # nobody is there any longer for whom something is done
            raise CancelledError
        self._show(Progress(step, done, total))

    def finish(self, ending: Ending) -> None:
        """Show how it ended; nothing can be answered any longer."""
        self._show(ending)

    def cancel(self) -> None:
        """The presentation is over: what waits for an answer gets CancelledError."""
        with self._lock:
            self._over = True
            self._answered.set()

    def answer(self, number: int, members: Mapping[str, Any]) -> bool:
        """Take an answer to the screen of that number. False: it does not fit, or came late.

        ``more`` answers nothing: the person is still there and wants more time.
        """
        with self._lock:
            screen = self.screens.value
            if number != screen.number or self._answered.is_set():
                return False
            if members.get("more") is True and isinstance(screen.content, _ASKING):
                self._tell(self._wanted)
                return True
            answer = _answer_to(screen.content, members)
            if answer is None:
                return False
            self._answer = answer
            self._answered.set()
        return True

    def _ask(self, content: Content, signal: Signal) -> object:
        with self._lock:  # at once: a second click on the screen before answers nothing
            if self._over:
                raise CancelledError
            self._show(content)
            self._answered.clear()
            self._wanted = signal
        self._tell(signal)
        self._answered.wait()
        with self._lock:
            answer, self._answer = self._answer, None
        if answer is None or isinstance(answer, CancelledError):  # None: all is over
            raise CancelledError
        self._tell(Signal.WORK_BEGUN)
        return answer

    def _show(self, content: Content) -> None:
        self.screens.publish(Screen(self.screens.value.number + 1, content))


def _answer_to(content: Content, members: Mapping[str, Any]) -> object | None:
    """What the members mean as an answer; None where they mean nothing."""
    if not isinstance(content, _ASKING):
        return None
    if members.get("cancel") is True:
        return CancelledError()
    match content:
        case Question():
            choice = members.get("choice")
            return next((option.id for option in content.options if option.id == choice), None)
        case PinEntry():
            value = members.get("pin")
            if not isinstance(value, str) or not content.least <= len(value) <= content.most:
                return None
            return bytearray(value.encode("ascii")) if value.isascii() else None
        case Confirmation():
            answer = members.get("yes")
            return answer if isinstance(answer, bool) else None
        case Page():
            return True if members.get("yes") is True else None
