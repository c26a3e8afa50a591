# SPDX-License-Identifier: Apache-2.0
"""PIN safety: whatever happens, no more tries are spent than a person entered PINs.

A state machine draws commands, library calls, flows of a terminal and pyHanko's program on one
card, with right, wrong and malformed PINs and one fault at any command. PIN_RUNS: how many of
them in all. What presents a PIN is found in the program itself: nothing can be left out.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import ClassVar

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
from jpki.kiosk.visit import Close
from jpki.open_flows import ACTORS
from jpki.open_shelter import SHELTER_ACTORS
from jpki_apdu.errors import CardError
from pin_flows import FlowBench, Passer, pyhanko_signs
from pin_jobs import (
    JOBS,
    MALFORMED,
    REFERENCES,
    RIGHT,
    WRONG,
    Attempt,
    PinBench,
    commands,
    presents_a_pin,
    row_of,
)

STEPS = 25  # at most, on one card
USUAL = 12  # what Hypothesis makes of that, at the least, over many cards
RUNS = int(os.environ.get("PIN_RUNS", "600"))
CHANGEABLE = (PinKind.AUTH, PinKind.SIGN, PinKind.TEXT, PinKind.COMMON, PinKind.JUKI)
NEW = {PinKind.SIGN: "NEWPIN1"}
COMMANDS = ("select", "read", "query", "verify", "change", "sign", "authenticate")

FLOWS = sorted({*ACTORS, *SHELTER_ACTORS})
CALLS = [f"{call} {kind}" for kind in RIGHT for call in ("verify", "change")]
PYHANKO = ["pyhanko auth", "pyhanko sign"]
COMMANDS_WITH_PIN = {f"jpki {job.words}": job for job in JOBS}
WAYS = [*COMMANDS_WITH_PIN, *CALLS, *(f"flow {flow}" for flow in FLOWS), *PYHANKO]

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
Came = tuple[tuple[PinKind, ...], int, bool]
"""Of one run: the PINs that were asked for, entries of the person (count), ``--last-try``."""
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


@dataclass(frozen=True)
class Step:
    """One run. ``hows``: of what quality the PINs are that are entered, in order.

    ``typed``: at a terminal rather than by --pin-fd. ``chance``: what is pressed in a flow.
    """

    way: str
    hows: tuple[str, str, str]
    typed: bool
    last_try: bool
    fault: str
    chance: int


steps = st.builds(
    Step, st.sampled_from(WAYS), st.tuples(quality, quality, quality), st.booleans(),
    st.booleans(), faults, st.integers(0, 2**16),
)  # fmt: skip


class PinSafety(RuleBasedStateMachine):
    """One card after another, many steps on each.

    Maps and files are the same ones for all cards. ``seen``: how often each way was gone;
    ``reached``: how often a PIN reached the card on it.
    """

    bench: PinBench
    flows: FlowBench
    seen: ClassVar[Counter[str]] = Counter()
    reached: ClassVar[Counter[str]] = Counter()

    @initialize()
    def a_card(self) -> None:
        self.bench.renew()

    @rule(step=steps)
    def go(self, step: Step) -> None:
        card, seen = self.bench.plugged.card, self.bench.seen
        before, presented = dict(card.tries()), seen.presented
        first, _, rest = step.way.partition(" ")
        ways = {
            "jpki": self._command, "flow": self._flow, "pyhanko": self._pyhanko,
            "verify": self._call, "change": self._call,
        }  # fmt: skip
        card.faults = [step.fault] if step.fault else []
        try:
            kinds, entered, last_try = ways[first](step, rest)
        finally:
            card.faults = []
        presented = seen.presented - presented
        self.seen[step.way] += 1
        self.reached[step.way] += presented
        assert presented <= entered, "a PIN reached the card oftener than it was entered"
        self._holds(before, kinds, last_try, step.fault)

    def _command(self, step: Step, rest: str) -> Came:
        job, now = COMMANDS_WITH_PIN[step.way], self._pins()
        entries = [entry(kind, how, now) for kind, how in zip(job.kinds, step.hows, strict=False)]
        new = NEW.get(job.kinds[0], "8765")
        outcome = self.bench.run(Attempt(job, entries, new, step.typed, step.last_try, step.fault))
        assert outcome.result.code in (0, 1, 2, 3, 4, 5), outcome.result.out
        assert outcome.result.json
        return job.kinds, outcome.entered, step.last_try

    def _call(self, step: Step, rest: str) -> Came:
        """A call of the library."""
        kind = PinKind(rest)
        value = bytearray(entry(kind, step.hows[0], self._pins()), "ascii")
        new = bytearray(NEW.get(kind, "8765"), "ascii")
        change = step.way.startswith("change") and kind in CHANGEABLE
        with contextlib.suppress(CardError, JpkiError), opened(self.bench.plugged.card) as reader:
            if change:
                reader.pins.change(kind, value, new, last_try=step.last_try)
            else:
                reader.pins.verify(kind, value, last_try=step.last_try)
            assert not any(value), "not wiped"
        return (kind,), 2 if change else 1, step.last_try

    def _flow(self, step: Step, rest: str) -> Came:
        """A visit at a terminal. There, nobody can ask for the last try."""
        now, hows = self._pins(), iter(step.hows)
        dice = random.Random(step.chance)
        passer = Passer(lambda kind: entry(kind, next(hows, "wrong"), now), dice)
        ending = self.flows.run(rest, self.bench.plugged.uri, passer)
        assert (ending.code, ending.close) != ("internal", Close.FAILED)
        return tuple(passer.entered), len(passer.entered), False

    def _pyhanko(self, step: Step, rest: str) -> Came:
        pin = entry(PinKind(rest), step.hows[0], self._pins())
        folder, uri = self.bench.folder, self.bench.plugged.uri
        code = pyhanko_signs(folder, uri, rest, pin, last_try=step.last_try)
        assert code in (0, 1, 2, 3, 4)
        return (PinKind(rest),), 1, step.last_try

    @precondition(lambda self: 0 in self.bench.plugged.card.tries().values())
    @rule()
    def unblocked_at_the_municipality(self) -> None:
        self.bench.renew()

    def _pins(self) -> dict[PinKind, str]:
        """The PINs as they are, changed or not."""
        now = self.bench.plugged.pins
        return {kind: now[kind.value.replace("-", "_")] for kind in RIGHT}

    def _holds(
        self, before: dict[str, int], kinds: tuple[PinKind, ...], last_try: bool, fault: str
    ) -> None:
        after = self.bench.plugged.card.tries()
        mine = {key for kind in kinds for key in REFERENCES[kind]}
        for key, left in after.items():
            assert before[key] - left <= (1 if key in mine else 0), key
            if not last_try and not lying_counter(fault):
                assert left > 0 or before[key] == 0, f"{key} reached the floor"


@pytest.mark.timeout(0)
def test_no_more_tries_than_entries(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    PinSafety.seen.clear()
    PinSafety.reached.clear()
    PinSafety.bench = PinBench(tmp_path)
    PinSafety.flows = FlowBench(tmp_path / "flows")
    how = settings(
        max_examples=max(RUNS // USUAL, 1), stateful_step_count=STEPS, deadline=None,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    try:
        run_state_machine_as_test(PinSafety, settings=how)
    finally:
        PinSafety.bench.close()
        PinSafety.flows.close()
    record_property("cases", PinSafety.seen.total())
    assert PinSafety.seen.total() >= RUNS
    if RUNS >= 10_000:  # then every way was gone, and led to the card
        assert {way for way, count in PinSafety.reached.items() if count} == set(WAYS)


def test_every_command_that_presents_a_pin_is_among_them() -> None:
    wanted = [words for words, command in commands() if presents_a_pin(command)]
    assert len(wanted) > 10
    assert [words for words in wanted if row_of(words) is None] == []


def test_every_flow_and_every_plug_in_is_among_them(tmp_path: Path) -> None:
    """A plug-in of another program that we do not know would be one more way to a PIN."""
    bench = FlowBench(tmp_path / "flows")
    bench.close()
    assert sorted(bench.flows) == FLOWS
    ours = {(one.group, one.value) for one in distribution("jpki").entry_points}
    assert ours == {
        ("console_scripts", "jpki_cli.main:main"),
        ("pyhanko.cli_plugin.signing", "jpki_cli.pyhanko_plugin:JpkiPlugin"),
        ("pytest11", "jpki.testing.plugin"),
    }
