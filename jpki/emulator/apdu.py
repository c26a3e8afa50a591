# SPDX-License-Identifier: Apache-2.0
"""Command APDUs as the card takes them in: all four cases, short and extended [ISO3 12.1].

The card side has its own reading of the bytes, so that a mistake in the reader's
encoding is not hidden by the same mistake here.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Command:
    """One command taken apart. ``le``: reply bytes wanted, None if the field is absent."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = field(repr=False)
    le: int | None
    extended: bool


def parse(apdu: bytes) -> Command | None:
    """The command in these bytes; None if its lengths do not fit."""
    size = len(apdu)
    if size == 5:
        return Command(apdu[0], apdu[1], apdu[2], apdu[3], b"", apdu[4] or 256, False)
    if size == 4:
        return Command(apdu[0], apdu[1], apdu[2], apdu[3], b"", None, False)
    if size < 4:
        return None
    lc = apdu[4]
    if lc:
        if size == 5 + lc:
            return Command(apdu[0], apdu[1], apdu[2], apdu[3], apdu[5:], None, False)
        if size == 6 + lc:
            le = apdu[-1] or 256
            return Command(apdu[0], apdu[1], apdu[2], apdu[3], apdu[5:-1], le, False)
        return None
    return _extended(apdu, size)


def _extended(apdu: bytes, size: int) -> Command | None:
    if size < 7:
        return None
    number = apdu[5] << 8 | apdu[6]
    if size == 7:
        return Command(apdu[0], apdu[1], apdu[2], apdu[3], b"", number or 65536, True)
    if number and size == 7 + number:
        return Command(apdu[0], apdu[1], apdu[2], apdu[3], apdu[7:], None, True)
    if number and size == 9 + number:
        le = (apdu[-2] << 8 | apdu[-1]) or 65536
        return Command(apdu[0], apdu[1], apdu[2], apdu[3], apdu[7:-2], le, True)
    return None
