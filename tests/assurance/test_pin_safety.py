# SPDX-License-Identifier: Apache-2.0
"""PIN safety: whatever happens, no more tries are spent than a person entered PINs.

A state machine draws commands and library calls on one card, with right, wrong and malformed
PINs and one fault at any command. PIN_RUNS: how many of them in all.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from card_bench import opened
from fault_jobs import AT_COMMAND, STANDING
from jpki.card_map import PinKind
from jpki.errors import JpkiError
from jpki_apdu.errors import CardError, ReaderBusyError
from pin_jobs import JOBS, MALFORMED, REFERENCES, RIGHT, WRONG, Attempt, PinBench, PinJob

STEPS = 25
RUNS = int(os.environ.get("PIN_RUNS", "1500"))
CHANGEABLE = (PinKind.AUTH, PinKind.SIGN, PinKind.TEXT, PinKind.COMMON, PinKind.JUKI)
NEW = {PinKind.SIGN: "NEWPIN1"}
COMMANDS = ("select", "read", "query", "verify", "change", "sign", "authenticate")

places = st.one_of(
    st.integers(1, 30).map(str),
    st.sampled_from(COMMANDS),
    st.tuples(st.sampled_from(COMMANDS), st.integers(1, 3)).map(lambda two: f"{two[0]}#{two[1]}"),
)
faults = st.one_of(
    st.just(""),
    st.builds(lambda kind, place: f"{kind}@{place}", st.sampled_from(AT_COMMAND), places),
    st.sampled_from(STANDING),
)
quality = st.sampled_from(["right", "wrong", "wrong", "malformed"])


def entry(kind: PinKind, how: str, changed: dict[PinKind, str]) -> str:
    """What the person enters."""
    if how == "malformed":
        return MALFORMED
    return WRONG[kind] if how == "wrong" else changed.get(kind, RIGHT[kind])


def lying_counter(fault: str) -> bool:
    """Whether every answer about the tries left is another one than the card's.

    Nobody can see through that; a single one is found out, where it gives no count.
    """
    told = fault.startswith(("sw=63", "sw=9000", "reply:repeat"))
    return told and (fault.endswith(("@query", "@any")) or fault.startswith("sw=63"))


class PinSafety(RuleBasedStateMachine):
    """One card after another; each rule is one run."""

    runs = 0

    @initialize()
    def a_card(self) -> None:
        self.scratch = tempfile.TemporaryDirectory()
        self.bench = PinBench(Path(self.scratch.name))

    def teardown(self) -> None:
        self.bench.close()
        self.scratch.cleanup()

    @rule(job=st.sampled_from(JOBS), hows=st.lists(quality, min_size=3, max_size=3),
          typed=st.booleans(), last_try=st.booleans(), fault=faults)  # fmt: skip
    def command(
        self, job: PinJob, hows: list[str], typed: bool, last_try: bool, fault: str
    ) -> None:
        now = self._pins()
        entries = [entry(kind, how, now) for kind, how in zip(job.kinds, hows, strict=False)]
        new = NEW.get(job.kinds[0], "8765")
        outcome = self.bench.run(Attempt(job, entries, new, typed, last_try, fault))
        assert outcome.result.code in (0, 1, 2, 3, 4, 5), outcome.result.out
        assert outcome.result.json
        self._holds(outcome.before, job.kinds, outcome.presented, outcome.entered, last_try, fault)

    @rule(kind=st.sampled_from(list(RIGHT)), how=quality, last_try=st.booleans(), fault=faults,
          change=st.booleans())  # fmt: skip
    def library_call(
        self, kind: PinKind, how: str, last_try: bool, fault: str, change: bool
    ) -> None:
        value = bytearray(entry(kind, how, self._pins()), "ascii")
        new = bytearray(NEW.get(kind, "8765"), "ascii")
        card, seen = self.bench.plugged.card, self.bench.seen
        before, presented = dict(card.tries()), seen.presented
        card.faults = [fault] if fault else []
        change = change and kind in CHANGEABLE
        try:
            reader = opened(card)
        except ReaderBusyError:
            return
        try:
            with reader:
                if change:
                    reader.pins.change(kind, value, new, last_try=last_try)
                else:
                    reader.pins.verify(kind, value, last_try=last_try)
        except (CardError, JpkiError):
            pass
        finally:
            card.faults = []
        assert not any(value), "not wiped"
        entered = 2 if change else 1
        self._holds(before, (kind,), seen.presented - presented, entered, last_try, fault)

    @precondition(lambda self: 0 in self.bench.plugged.card.tries().values())
    @rule()
    def unblocked_at_the_municipality(self) -> None:
        self.bench.renew()

    def _pins(self) -> dict[PinKind, str]:
        """The PINs as they are, changed or not."""
        now = self.bench.plugged.pins
        return {kind: now[kind.value.replace("-", "_")] for kind in RIGHT}

    def _holds(
        self,
        before: dict[str, int],
        kinds: tuple[PinKind, ...],
        presented: int,
        entered: int,
        last_try: bool,
        fault: str,
    ) -> None:
        PinSafety.runs += 1
        after = self.bench.plugged.card.tries()
        assert presented <= entered, "a PIN reached the card oftener than it was entered"
        mine = {key for kind in kinds for key in REFERENCES[kind]}
        for key, left in after.items():
            assert before[key] - left <= (1 if key in mine else 0), key
            if not last_try and not lying_counter(fault):
                assert left > 0 or before[key] == 0, f"{key} reached the floor"


@pytest.mark.timeout(0)
def test_no_more_tries_than_entries(record_property: Callable[[str, object], None]) -> None:
    PinSafety.runs = 0
    how = settings(
        max_examples=max(RUNS // STEPS, 1), stateful_step_count=STEPS, deadline=None,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    run_state_machine_as_test(PinSafety, settings=how)
    record_property("cases", PinSafety.runs)
    assert PinSafety.runs > RUNS // 2
