# SPDX-License-Identifier: Apache-2.0
"""The emulated card in the process, beside the same card behind pcscd."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import _bench
from jpki.card_map import JPKI_AP
from jpki.emulator import VirtualConnection, load_card
from jpki_apdu.channel import Channel
from jpki_apdu.connection import CardConnection
from jpki_apdu.readers import open_reader
from pcsc_bed import PcscBed

# Nothing may be left over from a card that was made before, so each try is a process.
COLD = """
import time
begin = time.perf_counter()
from jpki.emulator import load_card
card = load_card("hanako")
card.power_on()
assert card.transmit(bytes.fromhex("00A4040C0AD392F000260100000001")) == b"\\x90\\x00"
assert len(card.transmit(bytes.fromhex("00B08A0000"))) == 258
print(time.perf_counter() - begin)
"""


def _read(connection: CardConnection) -> Callable[[], object]:
    """One READ BINARY of 256 bytes, as the channel's caller gets it."""
    raw = bytes.fromhex("00B0000000")
    channel = Channel(connection)
    channel.select(JPKI_AP.aid)
    channel.select_file(JPKI_AP.file("auth-ca-certificate").fid)
    return lambda: connection.transmit(raw)


def measure(report: _bench.Report, quick: bool) -> None:
    """Medians of single reads, in turns; and how long it takes to have a card ready."""
    rounds = 20 if quick else 100
    with PcscBed() as bed:
        bed.plug_in("hanako")
        os.environ["PCSCLITE_CSOCK_NAME"] = bed.environment["PCSCLITE_CSOCK_NAME"]
        with VirtualConnection(load_card("hanako")) as ours, open_reader("pcsc:", wait=5) as theirs:
            times = _bench.interleaved(
                [("in process", _read(ours)), ("pcscd", _read(theirs))], rounds, block=50
            )
    here, there = _bench.median_us(times["in process"]), _bench.median_us(times["pcscd"])
    report.add("READ BINARY 256 in the process", here, "us", limit=there)
    report.add("READ BINARY 256 behind pcscd", there, "us", rival=True)
    cold = [_cold() for _ in range(3 if quick else 10)]
    report.add("a card made ready, cold", _bench.median_ms(cold), "ms", limit=300)


def _cold() -> float:
    """Seconds from importing the emulator to a card's first answer, in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", COLD], check=True, capture_output=True, text=True, timeout=60
    )
    return float(done.stdout)


if __name__ == "__main__":
    _bench.main(
        "The emulated card in the process answers faster than behind pcscd, and is ready in "
        "under 0.3 s",
        measure,
    )
