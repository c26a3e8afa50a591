# SPDX-License-Identifier: Apache-2.0
"""The session machine, in every order of events."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jpki.kiosk.machine import (
    ANSWER_WANTED,
    IN_PRESENTATION,
    TAKE_CARD,
    TRANSITIONS,
    Limits,
    Machine,
    Signal,
    State,
)

LIMITS = Limits(idle=5, total=20, left=3)


class Orders(RuleBasedStateMachine):
    """Any signal at any time, and time that passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.machine = Machine(LIMITS)
        self.begun = 0
        self.last = Signal.REPAIRED  # that changed something

    @rule(signal=st.sampled_from(Signal), code=st.sampled_from(["", "issued"]))
    def happens(self, signal: Signal, code: str) -> None:
        before = self.machine.state
        notice = self.machine.send(signal, self.now, code)
        expected = TRANSITIONS.get((before, signal))
        assert self.machine.state is (expected or before)
        assert (notice is None) == (expected is None)
        if notice is not None:
            self.last = signal
            assert (notice.before, notice.state, notice.signal) == (before, expected, signal)
            self.begun += notice.state is State.CARD_PRESENT
            assert notice.presentation == self.begun

    @rule(seconds=st.floats(0, 25))
    def time_passes(self, seconds: float) -> None:
        due = self.machine.next_due()
        self.now += seconds
        overdue = due is not None and self.now >= due
        assert (self.machine.due(self.now) is not None) == overdue

    @precondition(lambda self: self.machine.due(self.now) is not None)
    @rule()
    def a_limit_passes(self) -> None:
        due = self.machine.due(self.now)
        assert due is not None
        notice = self.machine.send(due, self.now)
        assert notice is not None
        self.last = due
        assert notice.state in (State.TIMED_OUT, State.CARD_LEFT)

    @invariant()
    def limits_count_only_where_they_mean_something(self) -> None:
        waits = self.machine.next_due() is not None
        state = self.machine.state
        if state is State.CARD_LEFT:
            assert waits == (self.last is not Signal.FORGOTTEN)
        else:
            assert waits == (state in IN_PRESENTATION | TAKE_CARD)


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_every_state_can_be_reached_and_left() -> None:
    reached = {State.WAITING}
    while True:
        further = {to for (state, _), to in TRANSITIONS.items() if state in reached}
        if further <= reached:
            break
        reached |= further
    assert reached == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State)


def test_taking_the_card_always_ends_the_presentation() -> None:
    for state in IN_PRESENTATION | TAKE_CARD | {State.CARD_LEFT}:
        assert TRANSITIONS[state, Signal.CARD_OUT] is State.WAITING


def test_nothing_but_a_card_begins_a_presentation() -> None:
    ways = {signal for (_, signal), to in TRANSITIONS.items() if to is State.CARD_PRESENT}
    assert ways == {Signal.CARD_IN, Signal.SWAPPED}


@pytest.mark.parametrize("state", State)
def test_the_reader_may_be_lost_and_things_may_break_in_any_state(state: State) -> None:
    if state is not State.OUT_OF_ORDER:
        assert TRANSITIONS[state, Signal.BROKEN] is State.OUT_OF_ORDER
    if state not in (State.READER_LOST, State.OUT_OF_ORDER):
        assert TRANSITIONS[state, Signal.READER_LOST] is State.READER_LOST


def test_idle_counts_from_the_last_question_and_the_total_from_the_card() -> None:
    machine = Machine(LIMITS)
    machine.send(Signal.CARD_IN, 0)
    for now in (4.0, 8.0, 12.0, 16.0):
        machine.send(Signal.CHOICE_WANTED, now)
        assert machine.due(now + 3.9) is None
    machine.send(Signal.PIN_WANTED, 17.0)
    assert machine.due(19.9) is None
    assert machine.due(20.0) is Signal.TOO_LONG  # though somebody is still answering


def test_the_idle_limit_does_not_count_while_the_card_works() -> None:
    machine = Machine(LIMITS)
    machine.send(Signal.CARD_IN, 0)
    machine.send(Signal.WORK_BEGUN, 1)
    assert machine.state not in ANSWER_WANTED
    assert machine.due(19.9) is None


@pytest.mark.parametrize("limits", [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_limits_are_positive(limits: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Limits(*limits)


def test_an_alarm_ends_when_the_card_is_taken() -> None:
    machine = Machine(LIMITS)
    steps = [Signal.CARD_IN, Signal.FINISHED, Signal.LEFT, Signal.CARD_OUT]
    for now, signal in zip(itertools.count(), steps, strict=False):
        assert machine.send(signal, now) is not None
    assert machine.state is State.WAITING


def test_a_card_left_for_an_hour() -> None:
    """The alarm goes on; what came of the visit is shown as long as a visit may take."""
    machine = Machine(LIMITS)
    for now, signal in enumerate([Signal.CARD_IN, Signal.FINISHED, Signal.LEFT]):
        assert machine.send(signal, float(now)) is not None
    assert machine.due(21.9) is None
    assert machine.due(22.0) is Signal.FORGOTTEN
    notice = machine.send(Signal.FORGOTTEN, 22.0)
    assert notice is not None
    assert notice.state is State.CARD_LEFT
    assert (machine.next_due(), machine.due(3600.0)) == (None, None)
    assert machine.send(Signal.CARD_OUT, 3600.0) is not None
    assert machine.state is State.WAITING


@pytest.mark.parametrize(
    ("signals", "unknown"),
    [
        ([], False),
        ([Signal.CHOICE_WANTED, Signal.WORK_BEGUN], False),
        ([Signal.PIN_WANTED], False),
        ([Signal.PIN_WANTED, Signal.WORK_BEGUN], True),
        ([Signal.PIN_WANTED, Signal.WORK_BEGUN, Signal.CHOICE_WANTED], False),
        (
            [Signal.PIN_WANTED, Signal.WORK_BEGUN, Signal.CHOICE_WANTED, Signal.WORK_BEGUN],
            False,
        ),
    ],
)
@pytest.mark.parametrize(
    ("gone", "state", "usual"),
    [
        (Signal.WORKER_LOST, State.DONE, "worker_lost"),
        (Signal.CARD_OUT, State.WAITING, "card_gone"),
    ],
)
def test_what_goes_while_a_pin_is_under_way(
    signals: list[Signal], unknown: bool, gone: Signal, state: State, usual: str
) -> None:
    """Nobody can say then whether it used a try, and that is what is said."""
    machine = Machine(LIMITS)
    for signal in [Signal.CARD_IN, *signals]:
        assert machine.send(signal, 0.0) is not None
    notice = machine.send(gone, 0.0)
    assert notice is not None
    assert (notice.state, notice.code) == (state, "pin_unknown" if unknown else usual)


@pytest.mark.parametrize(
    ("code", "taken"),
    [
        ("issued", "card_out"),  # it did not go too early
        ("card_gone", "card_gone"),  # the process noticed before the reader did
        ("pin_unknown", "pin_unknown"),
    ],
)
def test_a_card_that_is_taken_after_the_end(code: str, taken: str) -> None:
    machine = Machine(LIMITS)
    for signal in (Signal.CARD_IN, Signal.PIN_WANTED, Signal.WORK_BEGUN):
        assert machine.send(signal, 0.0) is not None
    machine.send(Signal.FINISHED, 0.0, code)
    for expected in (taken, "card_out"):  # the next one is told nothing of it
        notice = machine.send(Signal.CARD_OUT, 0.0)
        assert notice is not None
        assert notice.code == expected
        machine.send(Signal.CARD_IN, 0.0)
        machine.send(Signal.FINISHED, 0.0, "issued")
