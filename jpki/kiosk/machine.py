# SPDX-License-Identifier: Apache-2.0
"""The session machine: what an unattended terminal is doing, and what may follow.

Pure: it knows no reader, no card, no screen and no clock of its own. Signals go in, notices
come out, and no notice holds anything by which a card or a person could be told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class State(StrEnum):
    """What the terminal is doing."""

    WAITING = "waiting"  # for a card
    CARD_PRESENT = "card_present"  # looking at what was put down
    CHOOSING = "choosing"  # the person chooses
    PIN = "pin"  # the person enters a PIN
    WORKING = "working"  # the card or the server works
    DONE = "done"  # the outcome is shown; the card may be taken
    CARD_LEFT = "card_left"  # nobody took it: alarm
    TIMED_OUT = "timed_out"  # too long without an answer; the card may be taken
    READER_LOST = "reader_lost"
    OUT_OF_ORDER = "out_of_order"


class Signal(StrEnum):
    """What happened."""

    CARD_IN = "card_in"
    CARD_OUT = "card_out"
    SWAPPED = "swapped"  # another card lies where this one lay, with or without a gap between
    SECOND_CARD = "second_card"  # two at once: none is asked
    CHOICE_WANTED = "choice_wanted"
    PIN_WANTED = "pin_wanted"
    WORK_BEGUN = "work_begun"
    FINISHED = "finished"  # the flow ended, well or not; the code says how
    CANCELLED = "cancelled"  # by the person
    WORKER_LOST = "worker_lost"  # the process of the presentation ended without a word
    IDLE = "idle"  # no answer of the person for too long
    TOO_LONG = "too_long"  # the presentation as a whole takes too long
    LEFT = "left"  # the card was not taken in time
    FORGOTTEN = "forgotten"  # nor long after: what came of the visit is no longer shown
    READER_LOST = "reader_lost"
    READER_FOUND = "reader_found"
    BROKEN = "broken"  # what the terminal needs does not work
    REPAIRED = "repaired"


_S, _E = State, Signal
IN_PRESENTATION: Final = frozenset({_S.CARD_PRESENT, _S.CHOOSING, _S.PIN, _S.WORKING})
"""States in which a process of a presentation runs."""
ANSWER_WANTED: Final = frozenset({_S.CHOOSING, _S.PIN})
"""States that wait for the person: the idle limit counts in them."""
TAKE_CARD: Final = frozenset({_S.DONE, _S.TIMED_OUT})
"""States that wait for the card to be taken: then the alarm."""


def _table() -> Mapping[tuple[State, Signal], State]:
    rows: dict[tuple[State, Signal], State] = {
        (_S.WAITING, _E.CARD_IN): _S.CARD_PRESENT,
        (_S.WAITING, _E.SECOND_CARD): _S.DONE,
        (_S.OUT_OF_ORDER, _E.REPAIRED): _S.WAITING,
        (_S.READER_LOST, _E.READER_FOUND): _S.WAITING,
        (_S.CARD_LEFT, _E.CARD_OUT): _S.WAITING,
        (_S.CARD_LEFT, _E.SWAPPED): _S.CARD_PRESENT,
        (_S.CARD_LEFT, _E.FORGOTTEN): _S.CARD_LEFT,
    }
    for state in IN_PRESENTATION:
        rows |= {
            (state, _E.CARD_OUT): _S.WAITING,
            (state, _E.SWAPPED): _S.DONE,
            (state, _E.SECOND_CARD): _S.DONE,
            (state, _E.CHOICE_WANTED): _S.CHOOSING,
            (state, _E.PIN_WANTED): _S.PIN,
            (state, _E.WORK_BEGUN): _S.WORKING,
            (state, _E.FINISHED): _S.DONE,
            (state, _E.CANCELLED): _S.DONE,
            (state, _E.WORKER_LOST): _S.DONE,
            (state, _E.TOO_LONG): _S.TIMED_OUT,
        }
    for state in ANSWER_WANTED:
        rows[state, _E.IDLE] = _S.TIMED_OUT
    for state in TAKE_CARD:
        rows |= {
            (state, _E.CARD_OUT): _S.WAITING,
            (state, _E.SWAPPED): _S.CARD_PRESENT,
            (state, _E.LEFT): _S.CARD_LEFT,
        }
    for state in State:
        if state not in (_S.READER_LOST, _S.OUT_OF_ORDER):
            rows[state, _E.READER_LOST] = _S.READER_LOST
        if state is not _S.OUT_OF_ORDER:
            rows[state, _E.BROKEN] = _S.OUT_OF_ORDER
    return MappingProxyType(rows)


TRANSITIONS: Final = _table()
"""Every change there is. What is not listed does not happen: the signal is ignored."""
PIN_UNKNOWN: Final = "pin_unknown"
"""How a presentation ended whose card or process went while a PIN was under way."""
CARD_GONE: Final = "card_gone"
"""How one ended whose card was taken before its end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. ``idle``: for an answer of the person; ``total``: for a presentation, and from
    the alarm on, as long as its outcome is still shown; ``left``: after the end, before the
    alarm for a forgotten card."""

    idle: float = 60.0
    total: float = 300.0
    left: float = 10.0

    def __post_init__(self) -> None:
        if not (self.idle > 0 and self.total > 0 and self.left > 0):
            raise ValueError("a limit is more than 0 seconds")


@dataclass(frozen=True, slots=True)
class Notice:
    """One change. ``presentation`` counts from 1 since the start and names nobody; ``code``
    says how a presentation ended. ``at``: seconds of the caller's clock."""

    state: State
    before: State
    signal: Signal
    presentation: int
    code: str
    at: float


class Machine:
    """The state of one terminal. Not for several threads at once; whoever owns it locks."""

    def __init__(self, limits: Limits | None = None, *, now: float = 0.0) -> None:
        self.limits = limits or Limits()
        self.state = State.WAITING
        self.presentation = 0
        self._since = now  # of this state, or of the last signal that led into it again
        self._begun = now
        self._pin_given = False  # and nothing was heard since of what became of it
        self._forgotten = False
        self._code = ""  # of the last notice

    def send(self, signal: Signal, now: float, code: str = "") -> Notice | None:
        """Take a signal; the notice of the change, or None where it changes nothing."""
        target = TRANSITIONS.get((self.state, signal))
        if target is None:
            return None
        before, self.state, self._since = self.state, target, now
        if target is State.CARD_PRESENT:
            self.presentation += 1
            self._begun = now
        if signal is Signal.CARD_OUT:
            # The process may notice before the reader does, and have ended by that.
            was = self._code if self._code in (CARD_GONE, PIN_UNKNOWN) else ""
            code = CARD_GONE if before in IN_PRESENTATION else was
        if signal in (Signal.CARD_OUT, Signal.WORKER_LOST) and self._pin_given:
            code = PIN_UNKNOWN
        self._pin_given = before is State.PIN and signal is Signal.WORK_BEGUN
        self._forgotten = signal is Signal.FORGOTTEN
        self._code = code or signal.value
        return Notice(target, before, signal, self.presentation, self._code, now)

    def due(self, now: float) -> Signal | None:
        """The limit that has passed."""
        return next((signal for at, signal in self._limits() if now >= at), None)

    def next_due(self) -> float | None:
        """When ``due`` has to be asked again, on the caller's clock; None: no limit counts."""
        return min((at for at, _ in self._limits()), default=None)

    def _limits(self) -> Iterator[tuple[float, Signal]]:
        """When each limit of this state passes, and what that is; the graver first."""
        if self.state in IN_PRESENTATION:
            yield self._begun + self.limits.total, Signal.TOO_LONG
        if self.state in ANSWER_WANTED:
            yield self._since + self.limits.idle, Signal.IDLE
        if self.state in TAKE_CARD:
            yield self._since + self.limits.left, Signal.LEFT
        if self._is_shown_still():
            yield self._since + self.limits.total, Signal.FORGOTTEN

    def _is_shown_still(self) -> bool:
        """Whether the alarm goes, and the outcome of the visit is there to be read under it."""
        return self.state is State.CARD_LEFT and not self._forgotten
