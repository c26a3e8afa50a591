# SPDX-License-Identifier: Apache-2.0
"""``jpki reader``: which readers there are, and waiting for a card."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from jpki_cli.clicks import Seconds, UsageFault, command, option
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jpki_apdu.readers import ReaderState


def _show(session: Session, states: Sequence[ReaderState]) -> None:
    if session.json:
        readers = [
            {"name": state.name, "card_present": state.card_present, "busy": state.busy}
            for state in states
        ]
        session.emit({"schema": "jpki.readers/1", "readers": readers})
        return
    screen = session.screen()
    screen.table([(state.name, t(f"value.reader_state.{_word(state)}")) for state in states])


def _word(state: ReaderState) -> str:
    if state.busy:
        return "busy"
    return "card" if state.card_present else "empty"


def _wanted(session: Session, states: Sequence[ReaderState]) -> list[ReaderState]:
    """Those that ``--reader pcsc:PART`` means."""
    scheme, _, part = session.reader.partition(":")
    if scheme != "pcsc":
        raise UsageFault("usage_pcsc_only")
    return [state for state in states if part.casefold() in state.name.casefold()]


@command("list")
def list_(session: Session) -> None:
    from jpki_apdu.errors import NoReaderError
    from jpki_apdu.readers import list_readers

    states = _wanted(session, list_readers())
    if not states:
        raise NoReaderError()
    _show(session, states)


@command("wait")
@option("--timeout", metavar="S", type=Seconds())
@option("--removed", is_flag=True)
def wait(session: Session, timeout: float | None, removed: bool) -> None:
    from jpki_apdu.errors import TransportTimeoutError
    from jpki_apdu.readers import list_readers, wait_for_change

    end = math.inf if timeout is None else time.monotonic() + timeout
    states = list_readers()
    while True:
        wanted = _wanted(session, states)
        present = [state for state in wanted if state.card_present]
        if present if not removed else not present:
            _show(session, present or wanted)
            return
        left = end - time.monotonic()
        if left <= 0:
            raise TransportTimeoutError()
        states = wait_for_change(states, left)
