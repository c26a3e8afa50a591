# SPDX-License-Identifier: Apache-2.0
"""Any order of check-ins, cut lines, lost answers, syncs, crashes: each check-in exactly once."""

from __future__ import annotations

import functools
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import func, select

from jpki.kiosk.server.half import ServerHalfError
from jpki.kiosk.shelter import tables
from jpki.kiosk.shelter.half import Outcome
from jpki.mapping.store.schema import LEDGER
from map_bench import Holder
from shelter_bench import DESK, City, answered, city

PEOPLE = 3


@functools.cache
def _town() -> tuple[City, tuple[Holder, ...]]:
    folder = Path(tempfile.mkdtemp(prefix="jpki-shelter-"))
    made = city(f"sqlite:///{folder}/map.db", folder)
    return made, tuple(made.enrolled() for _ in range(PEOPLE))


class Desk(RuleBasedStateMachine):
    """One desk of a city. The model: the ids that were taken."""

    def __init__(self) -> None:
        super().__init__()
        made, self.people = _town()
        self.folder = Path(tempfile.mkdtemp(prefix="jpki-desk-"))
        self.city = replace(made, folder=self.folder)
        self.line = self.city.line()
        self.desk = self.city.desk(self.line)
        self.desk.stock()
        self.taken: set[str] = set()
        self.kept: Path | None = None
        self.resolved = self._resolved()

    def _resolved(self) -> int:
        """How often the map said who it was."""
        with self.city.map.store.reading() as connection:
            return connection.execute(
                select(func.count()).where(
                    LEDGER.c.operation == "resolve", LEDGER.c.outcome == "resolved"
                )
            ).scalar_one()

    @rule(who=st.integers(0, PEOPLE - 1), leaving=st.booleans())
    def check_in(self, who: int, leaving: bool) -> None:
        challenge = self.desk.challenge()
        entry = self.desk.entry(answered(self.people[who], challenge), leaving=leaving)
        self.desk.check_in(entry)
        self.taken.add(entry.id)

    @rule(cut=st.booleans(), lost=st.integers(0, 1))
    def change_line(self, cut: bool, lost: int) -> None:
        self.line.cut = cut
        self.line.lost = 0 if cut else lost

    @rule()
    def sync(self) -> None:
        try:
            self.desk.sync()
        except ServerHalfError:
            assert self.line.cut or not self.line.lost

    @rule()
    def crash_between_sync_and_delete(self) -> None:
        """The server decided; the desk's disk is as it was before."""
        before = self.folder / "before"
        shutil.rmtree(before, ignore_errors=True)
        shutil.copytree(self.folder / DESK, before)
        self.sync()
        stock = (self.folder / DESK / "ration.json").read_bytes()
        shutil.rmtree(self.folder / DESK)
        before.rename(self.folder / DESK)
        (self.folder / DESK / "ration.json").write_bytes(stock)
        self.restart()

    @rule(length=st.integers(1, 40))
    def die_while_writing(self, length: int) -> None:
        """A part of a line that nobody was told is taken."""
        for path in sorted((self.folder / DESK).glob("*.queue"))[-1:]:
            with path.open("ab") as file:
                file.write(b"A" * length)
        self.restart()

    @rule()
    def restart(self) -> None:
        self.desk = self.city.desk(self.line)

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.desk.waiting() + len(self._decided()) >= len(self.taken)

    def _decided(self) -> dict[str, str]:
        with self.city.map.store.reading() as connection:
            rows = connection.execute(
                select(tables.ENTRY.c.id, tables.ENTRY.c.outcome).where(
                    tables.ENTRY.c.id.in_(self.taken)
                )
            )
            return {row.id: row.outcome for row in rows}

    def teardown(self) -> None:
        self.line.cut, self.line.lost = False, 0
        self.desk.sync()
        found = self._decided()
        assert set(found) == self.taken
        assert set(found.values()) <= {Outcome.CHECKED_IN.value, Outcome.LEFT.value}
        assert self._resolved() - self.resolved == len(self.taken)
        assert self.desk.waiting() == 0
        shutil.rmtree(self.folder)


TestDesk = Desk.TestCase
TestDesk.settings = settings(max_examples=20, stateful_step_count=12, deadline=None)
