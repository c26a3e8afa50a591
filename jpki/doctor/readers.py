# SPDX-License-Identifier: Apache-2.0
"""Readers and cards as PC/SC shows them; no card is opened, no identifier of one is told.

The ATR is not shown at all: on contactless cards a reader may put the card's random number
into it (OpenSC PR 3744).
"""

from __future__ import annotations

from collections.abc import Iterator

from jpki.doctor import masks
from jpki.doctor.findings import Finding, Level
from jpki.doctor.host import PcscAnswer
from jpki_apdu.readers import ReaderState

_ERRORS = {
    "missing": ("pcsc_not_loaded", "pcsc_reload"),
    "no_service": ("pcsc_no_service", "service_look"),
    "access_denied": ("pcsc_denied", "polkit_look"),
    "silent": ("pcsc_silent", "service_restart"),
    "failed": ("pcsc_failed", "service_restart"),
}


def readers(answer: PcscAnswer) -> Iterator[Finding]:
    """One finding per reader, or why there is none."""
    if answer.error:
        code, fix = _ERRORS.get(answer.error, _ERRORS["failed"])
        yield Finding("readers", Level.FAULT, code, {}, fix)
        return
    if not answer.readers:
        yield Finding("readers", Level.FAULT, "no_readers", {}, "reader_plug")
        return
    free = any(not state.busy for state in answer.readers)
    for state in answer.readers:
        yield _reader(state, Level.WARNING if free else Level.FAULT)


def _reader(state: ReaderState, busy: Level) -> Finding:
    values: dict[str, object] = {"reader": masks.reader_name(state.name)}
    if state.busy:
        return Finding("readers", busy, "reader_busy", values, "program_close")
    if not state.card_present:
        return Finding("readers", Level.OK, "reader_empty", values)
    if not state.atr:
        return Finding("readers", Level.WARNING, "card_silent", values, "card_again")
    values["interface"] = _interface(state.atr)
    return Finding("readers", Level.OK, "reader_card", values)


def _interface(atr: bytes) -> str:
    """By the form of the ATR: 3B 8n 80 01 is made by contactless readers [PCSC part 3]."""
    contactless = len(atr) >= 4 and atr[1] >> 4 == 8 and atr[2:4] == b"\x80\x01"
    return "contactless" if contactless else "contact"
