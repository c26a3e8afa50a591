# SPDX-License-Identifier: Apache-2.0
"""What a server half does for its gates by itself: gives notices, and removes places in time."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jpki.kiosk.shelter.repeating import repeated
from jpki.kiosk.shelter.watch import Gates
from jpki.kiosk.shelter.watch_half import ArrivalNotice, Channel, Notifier
from jpki.mapping.errors import MapError
from jpki.mapping.times import instant

_log = logging.getLogger(__name__)
SCHEMA: Final = "jpki.arrival_notice/1"
EVERY: Final = 3.0  # seconds between two rounds
_PATIENCE: Final = 10.0  # seconds for the program of one notice


@dataclass(frozen=True, slots=True)
class GatePlan:
    """Where each gate stands, by its name, and who tells the guardians."""

    places: Mapping[str, str]
    notifier: Notifier


@dataclass(frozen=True, slots=True)
class ProgramNotifier:
    """A Notifier: starts the school's own ``program`` for each notice, which stands as one JSON
    object on its standard input. Status 0: it was given. Anything else is tried again."""

    program: Path

    def __call__(self, guardian: str, channel: Channel, notice: ArrivalNotice) -> None:
        """As the Protocol has it. Raises OSError, SubprocessError."""
        members = {
            "schema": SCHEMA, "guardian": guardian, "channel": channel.value,
            "place": notice.place, "at": instant(notice.at),
        }  # fmt: skip
        # On its input, not among its arguments: those stand in the list of processes.
        subprocess.run(  # noqa: S603 - the operator's program, without arguments
            [self.program], input=json.dumps(members, ensure_ascii=False).encode("utf-8"),
            stdout=subprocess.DEVNULL, timeout=_PATIENCE, check=True,
        )  # fmt: skip


def gates_kept(gates: Gates, *, every: float = EVERY) -> AbstractContextManager[None]:
    """Look after ``gates`` from a thread of its own, as long as the block lasts."""
    return repeated(lambda: _look_after(gates), "gates", every)


def _look_after(gates: Gates) -> None:
    """Remove what may not be kept, then give what is due."""
    try:
        gates.purge()
        gates.deliver()
    except MapError as error:
        _log.warning("the gates were not looked after: %s", error.code)
