# SPDX-License-Identifier: Apache-2.0
"""``card read all`` with every PIN: no byte read twice, and no command without need.

The floor: one SELECT for each application, one command to recognise the card by the first of
them, a counter and a VERIFY for each PIN, and for each file its bytes at 256 a command; with
extended length one command, and two where only the file itself says how long it is (face, its
number, sign certificate).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from command_line import Cli
from jpki.emulator.card import ApduTrace
from jpki.testing.cards import CardFactory

KINDS = ("text", "number-a", "birth", "sign")
SELECT, VERIFY, READ_BINARY = 0xA4, 0x20, 0xB0


def read_all(cli: Cli, folder: Path, faults: tuple[str, ...]) -> list[ApduTrace]:
    folder.mkdir()
    seen: list[ApduTrace] = []
    with CardFactory() as factory:
        plugged = factory("hanako", faults=faults)
        plugged.card.log = seen.append
        done = cli(
            "card", "read", "all", "--with", ",".join(KINDS), "--number",
            "--reader", plugged.uri, "--out", str(folder), "--json",
            pins=[plugged.pins[kind.replace("-", "_")] for kind in KINDS],
        )  # fmt: skip
    assert done.code == 0, done.err
    return seen


def reads(seen: list[ApduTrace]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Ranges read (start, end) of each file: by number of SELECT so far, and short EF id."""
    found: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    selected = file = 0
    for trace in seen:
        _, ins, p1, p2 = trace.header
        if ins == SELECT:
            selected += 1
        if ins != READ_BINARY or trace.sw != 0x9000:
            continue
        start = p2
        if p1 & 0x80:
            file = p1 & 0x1F
        else:
            start |= p1 << 8
        found[selected, file].append((start, start + trace.reply))
    return found


@pytest.mark.parametrize(("faults", "extended"), [((), True), (("extended:6700",), False)])
def test_every_command_is_needed(
    cli: Cli, tmp_path: Path, faults: tuple[str, ...], extended: bool
) -> None:
    seen = read_all(cli, tmp_path / "out", faults)
    files = reads(seen)
    for ranges in files.values():
        # Whole, in order, no gap and nothing twice.
        assert [start for start, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
    sizes = [ranges[-1][1] for ranges in files.values()]
    assert len(sizes) == 10  # 3 text, 3 surface, 4 certificates
    known = 4  # two roots, auth certificate, age record: about as long on every card
    read = sum(min(2, -(-n // 256)) if extended else -(-n // 256) for n in sizes) - known * extended
    refused = sum(trace.sw == 0x6700 for trace in seen)
    assert refused <= 1  # the reader's refusal is learnt once
    applications = 3
    assert len(seen) - refused == applications + 2 * len(KINDS) + read


@pytest.mark.parametrize(
    ("words", "pin", "most"),
    [
        (["cert", "export", "auth"], None, 3),
        (["cert", "export", "sign"], "sign", 7),
        (["card", "read", "attributes"], "text", 5),
        (["card", "read", "number"], "text", 5),
        (["card", "read", "age"], "birth", 5),
        (["pin", "check", "text"], "text", 4),
        (["pin", "check", "auth"], "auth", 4),
    ],
)
def test_commands_of_a_whole_run(cli: Cli, words: list[str], pin: str | None, most: int) -> None:
    """Recognition and the counter before a PIN included; no peer takes as few."""
    with CardFactory() as factory:
        plugged = factory("hanako")
        pins = None if pin is None else [plugged.pins[pin]]
        assert cli(*words, "--reader", plugged.uri, pins=pins).code == 0
        assert plugged.apdus == most
