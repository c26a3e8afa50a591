# SPDX-License-Identifier: Apache-2.0
"""``jpki reader``: which readers there are, and waiting for a card."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from jpki_cli.cards import Head, head_of
from jpki_cli.clicks import Seconds, UsageFault, command, option
from jpki_cli.options import card_options
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jpki_apdu.probe import Probe
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

    session.progress("wait")
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


@command("probe")
@card_options
def probe(session: Session, wait: float | None, at: datetime | None) -> None:
    from jpki.card.probe_files import PROBE_FILES
    from jpki.open import open_connection
    from jpki_apdu.probe import probe as search

    with session.card(wait=wait, at=at) as opened:
        head = head_of(opened)
    pcsc = session.reader.partition(":")[0].lower() == "pcsc"
    uri = f"pcsc:{head.reader}" if pcsc else session.reader
    found = search(lambda: open_connection(uri, at=at), PROBE_FILES)
    remembered = pcsc and _remember(session, found)
    if session.json:
        session.emit(_probe_json(head, found, remembered))
    else:
        _show_probe(session, head, found, "kept" if remembered else "lost" if pcsc else "not_pcsc")


def _remember(session: Session, found: Probe) -> bool:
    """Whether the result could be kept for the next time this reader is used."""
    from jpki_apdu.reader_memory import ReaderMemory

    try:
        ReaderMemory.of_user(session.app.env).remember(found.reader, found.limits)
    except OSError:
        return False
    return True


def _probe_json(head: Head, found: Probe, remembered: bool) -> dict[str, object]:
    return {
        "schema": "jpki.reader_probe/1",
        **head.mark,
        "reader": found.reader,
        "short": found.limits.short,
        "extended": found.limits.extended,
        "measured": found.measured,
        "attempts": [
            {"size": tried.size, "extended": tried.extended, "carried": tried.carried.value}
            for tried in found.attempts
        ],
        "card_back": found.card_back,
        "remembered": remembered,
    }


def _show_probe(session: Session, head: Head, found: Probe, kept: str) -> None:
    screen = session.screen()
    head.show(screen)
    screen.table(
        [
            (
                t(f"value.reply_form.{'extended' if tried.extended else 'short'}"),
                str(tried.size),
                t(f"value.carried.{tried.carried.value}"),
            )
            for tried in found.attempts
        ]
    )
    screen.line()
    form = "extended" if found.limits.extended else "short"
    limits = {"short": found.limits.short, "extended": found.limits.extended}
    screen.paragraph(t(f"probe.result_{form}", **limits, measured=found.measured))
    screen.paragraph(t(f"probe.{kept}"))
    if not found.card_back:
        screen.paragraph(t("probe.card_gone"))
