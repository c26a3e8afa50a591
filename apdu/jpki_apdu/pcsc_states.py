# SPDX-License-Identifier: Apache-2.0
"""The readers as PC/SC shows them, without opening any."""

from __future__ import annotations

import time

from jpki_apdu import pcsc_codes as codes
from jpki_apdu.errors import NoCardError, NoReaderError
from jpki_apdu.pcsc_api import CHANGED, EXCLUSIVE, PRESENT, Scard
from jpki_apdu.readers import ReaderState

States = dict[str, tuple[int, bytes]]

# A wait in the library cannot be interrupted, so it is cut into slices (seconds). New
# readers are looked for once a slice: macOS has no notification for them.
_SLICE = 0.25


def snapshot(api: Scard, context: int) -> States:
    """State bits and ATR of every reader now, without waiting and without opening any."""
    code, names = api.SCardListReaders(context, [])
    code &= 0xFFFFFFFF
    if code == codes.NO_READERS or (not code and not names):
        return {}
    if code:
        raise codes.error_for(code, "")
    code, found = api.SCardGetStatusChange(context, 0, [(name, 0) for name in names])
    code &= 0xFFFFFFFF
    if code in (codes.UNKNOWN_READER, codes.READER_UNAVAILABLE):
        return {}  # one left between the two calls; the next look will tell
    if code not in (codes.SUCCESS, codes.TIMEOUT):
        raise codes.error_for(code, "")
    return {name: (state, bytes(atr)) for name, state, atr in found}


def pause(api: Scard, context: int, states: States, left: float) -> None:
    """Until something changes at the readers of ``states``, at most a slice."""
    seconds = min(_SLICE, left)
    if not states:
        time.sleep(seconds)
        return
    known = [(name, state & ~CHANGED) for name, (state, _) in states.items()]
    code, _ = api.SCardGetStatusChange(context, max(1, int(seconds * 1000)), known)
    if code & 0xFFFFFFFF in (codes.UNKNOWN_READER, codes.READER_UNAVAILABLE):
        time.sleep(seconds)
    elif code and code & 0xFFFFFFFF != codes.TIMEOUT:
        raise codes.error_for(code, "")


def readable(states: States) -> list[ReaderState]:
    """The same as it is offered to everybody, in PC/SC's order."""
    return [
        ReaderState(name, bool(state & PRESENT), bool(state & EXCLUSIVE), atr, state >> 16 & 0xFFFF)
        for name, (state, atr) in states.items()
    ]


def choose(states: States, part: str) -> str:
    """The reader to open. Raises NoReaderError, NoCardError."""
    if part in states:
        names = [part]
    else:
        names = [name for name in states if part.casefold() in name.casefold()]
    if not states:
        raise NoReaderError
    if not names:
        raise NoReaderError("no_reader_match", wanted=part, names=", ".join(states))
    for name in names:
        if states[name][0] & PRESENT:
            return name
    raise NoCardError(reader=", ".join(names))
