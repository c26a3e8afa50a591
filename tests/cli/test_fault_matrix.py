# SPDX-License-Identifier: Apache-2.0
"""Every command that takes a card against every fault of the emulator: done, or one typed error.

FAULT_MATRIX=all sets each fault at each of a command's first forty APDUs, as far as there are so
many; without it each fault meets each command once, at an APDU that moves from row to row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from fault_jobs import AT_COMMAND, STANDING
from pin_jobs import (
    JOBS,
    REFERENCES,
    RIGHT,
    SIGN,
    WRONG,
    Attempt,
    Outcome,
    PinBench,
    PinJob,
    commands,
    takes_a_card,
)

FREE = (
    "card info", "reader probe", "pin status", "cert show auth", "card check --trust test",
    "cert export auth-ca --out FOLDER/ca.pem --force",
)  # fmt: skip
ROWS = [*JOBS, *(PinJob(words, ()) for words in FREE)]
EVERYWHERE = os.environ.get("FAULT_MATRIX") == "all"
LAST = 40
COUNTER_LIES = ("sw=63", "sw=61", "sw=6C", "sw=9000")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PinBench]:
    made = PinBench(tmp_path_factory.mktemp("matrix"))
    yield made
    made.close()


def _places(fault: str, row: int, column: int) -> Iterator[int]:
    """Numbers of APDUs, from 1; 0 for a fault that stands all the time."""
    if fault in STANDING:
        yield 0
    elif EVERYWHERE:
        yield from range(1, LAST + 1)
    else:
        yield 1 + (7 * row + 3 * column) % 20


@dataclass(frozen=True)
class Cell:
    job: PinJob
    kind: str
    place: int
    wrong: bool

    @property
    def fault(self) -> str:
        return f"{self.kind}@{self.place}" if self.place else self.kind


def _attempt(cell: Cell) -> Attempt:
    entries = [(WRONG if cell.wrong else RIGHT)[kind] for kind in cell.job.kinds]
    new = "NEWPIN1" if SIGN in cell.job.kinds else "8765"
    return Attempt(cell.job, entries, new, fault=cell.fault)


def _holds(cell: Cell, outcome: Outcome) -> None:
    """Exit code and object agree; counters as stated; the card is left without verifications."""
    told = outcome.result.json
    code = outcome.result.code
    assert code in (0, 1, 3, 4, 5), (cell.fault, told)
    if str(told["schema"]) == "jpki.error/1":
        assert told["exit"] == code != 0
        assert told["code"] not in ("internal", "unexpected")
    mine = {key for kind in cell.job.kinds for key in REFERENCES[kind]}
    for key in outcome.after:
        assert outcome.spent(key) <= (1 if cell.wrong and key in mine else 0), (cell.fault, key)
    if any(outcome.spent(key) for key in outcome.after) and not cell.fault.startswith(COUNTER_LIES):
        assert code == 4, "a try was spent and not mentioned"


@pytest.mark.parametrize("column", range(len(AT_COMMAND + STANDING)),
                         ids=lambda column: (AT_COMMAND + STANDING)[column])  # fmt: skip
def test_every_command(
    bench: PinBench, column: int, record_property: Callable[[str, object], None]
) -> None:
    cells = 0
    for row, job in enumerate(ROWS):
        wrongs = (False, True) if EVERYWHERE else ((row + column) % 2 == 0,)
        for wrong in wrongs if job.kinds else (False,):
            cells += _row(bench, job, row, column, wrong=wrong)
    record_property("cases", cells)


def _row(bench: PinBench, job: PinJob, row: int, column: int, *, wrong: bool) -> int:
    """One command under one fault, place after place until it ends before the next: how many."""
    fault = (AT_COMMAND + STANDING)[column]
    cells = 0
    for place in _places(fault, row, column):
        cell = Cell(job, fault, place, wrong)
        outcome = bench.run(_attempt(cell))
        cells += 1
        _holds(cell, outcome)
        assert _locked(bench), (job.words, cell.fault)
        if wrong or job.asks_new:
            bench.renew()
        if outcome.carried_out < place - 1:
            break
    return cells


def _locked(bench: PinBench) -> bool:
    """Whether the card, as the command left it, still wants a PIN for the sign certificate."""
    words = [
        bench.plugged.card.transmit(bytes.fromhex(apdu))[-2:].hex()
        for apdu in ("00A4040C0AD392F000260100000001", "00A4020C020001", "00B0000004")
    ]
    return words == ["9000", "9000", "6982"]


def test_every_command_has_its_row() -> None:
    rows = [f"{job.words} " for job in ROWS]
    wanted = [words for words, command in commands() if takes_a_card(command)]
    assert len(wanted) > 15
    assert [w for w in wanted if not any(row.startswith(f"{w} ") for row in rows)] == []
