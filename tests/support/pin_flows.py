# SPDX-License-Identifier: Apache-2.0
"""What presents a PIN and is no command of ours: every flow of a terminal, and pyHanko's program.

Both on a card that is plugged into a reader of this process, as in ``pin_jobs``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from document_bench import small_pdf
from flow_bench import bureau
from jpki.card_map import PinKind
from jpki.kiosk.endings import ending_of
from jpki.kiosk.flows.konbini import Konbini, StubCoins
from jpki.kiosk.flows.shelter import Shelter
from jpki.kiosk.flows.watch import Watch
from jpki.kiosk.visit import CancelledError, Ending, Flow, Page, Question, Visit
from jpki.mapping.policy_file import load_policy
from jpki.open import open_card
from jpki.open_flows import ACTORS
from map_bench import NOW
from shelter_bench import city, school

if TYPE_CHECKING:
    from jpki.card.pin import PinCounter


class Passer:
    """A person who presses anything, and enters each PIN as ``entry`` says.

    ``entered``: the PINs that were entered, by kind, in order.
    """

    def __init__(self, entry: Callable[[PinKind], str], dice: random.Random) -> None:
        self._entry = entry
        self._dice = dice
        self.entered: list[PinKind] = []

    def choose(self, question: Question) -> str:
        """As the Protocol has it."""
        return self._dice.choice([option.id for option in question.options])

    def pin(self, counter: PinCounter) -> bytearray:
        """As the Protocol has it."""
        if self._dice.random() < 0.05:
            raise CancelledError
        self.entered.append(counter.kind)
        return bytearray(self._entry(counter.kind), "ascii")

    def confirm(self, page: Page) -> bool:
        """As the Protocol has it."""
        return self._dice.random() < 0.95

    def show(self, page: Page) -> None:
        """As the Protocol has it."""

    def progress(self, step: str, done: int, total: int) -> None:
        """As the Protocol has it."""


class FlowBench:
    """Every flow that a terminal can have, by id, with a server half in this process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._town = bureau(folder)
        self._city = city(f"sqlite:///{folder}/city.db", _below(folder, "city"))
        self._school = school(f"sqlite:///{folder}/school.db", _below(folder, "school"))
        keys = self._town.trust.cv_keys
        half = self._town.half(ACTORS["konbini"])
        self.flows: dict[str, Flow] = {
            **{id: self._town.flow(id) for id in ACTORS if id != "konbini"},
            "konbini": Konbini(half, load_policy("konbini"), StubCoins()),
            "shelter": Shelter(self._city.desk(), load_policy("shelter"), keys),
            "watch": Watch(self._school.half(), load_policy("watch")),
        }

    def run(self, flow: str, uri: str, passer: Passer) -> Ending:
        """One visit with the card behind ``uri``."""
        try:
            with open_card(uri, at=NOW, trust="test").card as card:
                return self.flows[flow].run(Visit(card, passer, clock=self._town.clock))
        except Exception as error:
            return ending_of(error)

    def close(self) -> None:
        """Close the maps."""
        self._town.close()
        self._city.map.close()
        self._school.map.close()


def _below(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def pyhanko_signs(folder: Path, uri: str, key: str, pin: str, *, last_try: bool) -> int:
    """pyHanko's program signs a file with our plug-in; its exit status."""
    from pyhanko.cli import cli_root

    source, target = folder / "in.pdf", folder / "out.pdf"
    if not source.exists():
        source.write_bytes(small_pdf("amount"))
    inside, outside = os.pipe()
    os.write(outside, f"{pin}\n".encode())
    os.close(outside)
    words = ["sign", "addsig", "--field", "Sig1", "jpki", "--reader", uri, "--key", key,
             "--pin-fd", str(inside), *(["--last-try"] if last_try else []),
             str(source), str(target)]  # fmt: skip
    try:
        return CliRunner().invoke(cli_root, words).exit_code
    finally:
        os.close(inside)
