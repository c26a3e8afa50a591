# SPDX-License-Identifier: Apache-2.0
"""A pcscd of one's own with a card in it: from nothing to the first command, and eight at once.

The client is OpenSC's, which starts in 15 ms. The rival is the same with the card in a
process of its own, as ``jpki emulate`` plugs it in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import _bench
from jpki.testing.virtual_reader import VirtualReader
from pcsc_bed import PcscBed

SELECT = "00A4040C0AD392F000260100000001"
BEDS, COMMANDS = 8, 200


def _client(reader: VirtualReader, commands: int) -> None:
    """So many commands, all answered 9000."""
    options = ["-s", SELECT] * commands
    done = reader.run("opensc-tool", "-r", "0", *options, timeout=30)
    answered = done.stdout.count("SW1=0x90")
    if answered != commands:
        raise SystemExit(f"{answered} of {commands} commands were answered\n{done.stderr}")


def _one(plug: Callable[[VirtualReader], object], bed: Callable[[], VirtualReader]) -> float:
    """Seconds from nothing to the first answer; clearing up is not counted."""
    begin = time.perf_counter()
    with bed() as reader:
        plug(reader)
        _client(reader, 1)
        return time.perf_counter() - begin


def _in_process() -> float:
    return _one(lambda reader: reader.plug("hanako"), VirtualReader)


def _emulate() -> float:
    def plug(reader: VirtualReader) -> None:
        assert isinstance(reader, PcscBed)
        reader.plug_in("hanako")

    return _one(plug, PcscBed)


def _busy(_: int) -> None:
    with VirtualReader() as reader:
        reader.plug("hanako")
        _client(reader, COMMANDS)


def measure(report: _bench.Report, quick: bool) -> None:
    """The first bed pays for the imports and is counted apart."""
    report.add("first bed of the process", _in_process(), "s")
    ours, theirs = [], []
    for _ in range(3 if quick else 15):
        ours.append(_in_process())
        theirs.append(_emulate())
    report.add("slowest bed, card in this process", max(ours), "s", limit=0.6)
    report.add("fastest bed, card by jpki emulate", min(theirs), "s", rival=True)
    begin = time.perf_counter()
    with ThreadPoolExecutor(BEDS) as pool:
        list(pool.map(_busy, range(BEDS)))
    took = time.perf_counter() - begin
    report.add(f"{BEDS} beds at once, {COMMANDS} commands each", took, "s", limit=max(ours) * BEDS)


if __name__ == "__main__":
    _bench.main(
        "From nothing to the first command takes under 0.6 s, and eight beds at once take less "
        "than eight one after the other",
        measure,
    )
