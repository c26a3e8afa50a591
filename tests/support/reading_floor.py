# SPDX-License-Identifier: Apache-2.0
"""The least a job can cost: its bytes at the link's rate, and one turn-around for each command
that cannot be left out.

What cannot be left out: one SELECT for each application, the commands that are no reading, and
for each file one READ BINARY for as much as the link carries in one, as if its size had been
known beforehand. Short file identifiers are taken for granted.
"""

from __future__ import annotations

from collections.abc import Sequence

from jpki.emulator import TIMINGS, modelled_seconds
from jpki.emulator.card import ApduTrace

SELECT_APPLICATION, SELECT_FILE = bytes.fromhex("00A4040C"), bytes.fromhex("00A4020C")
READ_BINARY = 0xB0
SHORT, EXTENDED = 256, 65536  # bytes in one reply


def floor(trace: Sequence[ApduTrace], *, applications: int, reply: int) -> list[ApduTrace]:
    """The commands of ``trace`` that its job cannot do without; ``reply``: bytes in one."""
    kept: list[ApduTrace] = []
    sizes: list[int] = []  # of files, by their place among the commands that are kept
    files: list[int] = []
    for one in trace:
        if one.header == SELECT_APPLICATION:
            applications -= 1
            if applications >= 0:
                kept.append(one)
        elif one.header[1] != READ_BINARY and one.header != SELECT_FILE:
            kept.append(one)
        elif one.header[1] == READ_BINARY and one.sw == 0x9000:
            if _begins_a_file(one, files, kept):
                files.append(len(kept))
                sizes.append(0)
                kept.append(one)
            sizes[-1] += one.reply
    return _whole(kept, dict(zip(files, sizes, strict=True)), reply)


def _begins_a_file(one: ApduTrace, files: list[int], kept: list[ApduTrace]) -> bool:
    """By a short file identifier, at offset 0, or after another command than a reading."""
    by_sfi = bool(one.header[2] & 0x80)
    return by_sfi or one.header[2:4] == b"\0\0" or not files or files[-1] != len(kept) - 1


def _whole(kept: list[ApduTrace], sizes: dict[int, int], reply: int) -> list[ApduTrace]:
    """Each file in as few commands as carry it."""
    out: list[ApduTrace] = []
    for place, one in enumerate(kept):
        if place not in sizes:
            out.append(one)
            continue
        for start in range(0, sizes[place], reply):
            size = min(reply, sizes[place] - start)
            out.append(one._replace(reply=size, le=size))
    return out


def seconds(trace: Sequence[ApduTrace], link: str) -> float:
    """What ``trace`` would take over ``link``, by the model."""
    return modelled_seconds(trace, TIMINGS[link])
