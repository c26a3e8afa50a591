# SPDX-License-Identifier: Apache-2.0
"""Our channel through pcscd, beside pyscard's bare ``transmit``: overhead and time per APDU."""

from __future__ import annotations

import os
from collections.abc import Callable

import _bench
from jpki.card_map import JPKI_AP
from jpki.open import ANSWER_LIMIT
from jpki_apdu.command import CommandApdu
from pcsc_bed import PcscBed

SELECT_EF = CommandApdu(0x00, 0xA4, 0x02, 0x0C, b"\x00\x0b")
READ_256 = CommandApdu(0x00, 0xB0, 0, 0, le=256)


def measure(report: _bench.Report, quick: bool) -> None:
    """Each command alternately through both, on the same card; medians."""
    with PcscBed() as bed:
        bed.plug_in("hanako")
        # pcsc-lite reads it once, at its first call, which comes after this line.
        os.environ["PCSCLITE_CSOCK_NAME"] = bed.environment["PCSCLITE_CSOCK_NAME"]
        for name, command in (("SELECT EF", SELECT_EF), ("READ BINARY 256", READ_256)):
            _one_command(report, name, command, rounds=20 if quick else 100)


def _one_command(report: _bench.Report, name: str, command: CommandApdu, rounds: int) -> None:
    ours, close_ours = _through_channel(command)
    limited, close_limited = _through_channel(command, ANSWER_LIMIT)
    theirs, close_theirs = _through_pyscard(command)
    ways = [("ours", ours), ("limited", limited), ("pyscard", theirs)]
    try:
        times = _bench.interleaved(ways, rounds, block=50)
    finally:
        close_theirs()
        close_limited()
        close_ours()
    mine, bare = _bench.median_us(times["ours"]), _bench.median_us(times["pyscard"])
    report.add(f"{name}: jpki channel", mine, "us", limit=150)
    report.add(f"{name}: pyscard transmit", bare, "us", rival=True)
    report.add(f"{name}: overhead", (mine / bare - 1) * 100, "%", limit=15)
    late = _bench.median_us(times["limited"])
    report.add(f"{name}: with a time limit, as programs have it", late, "us", limit=150)


def _through_channel(
    command: CommandApdu, timeout: float | None = None
) -> tuple[Callable[[], object], Callable[[], None]]:
    from jpki_apdu.channel import Channel
    from jpki_apdu.readers import open_reader

    connection = open_reader("pcsc:", wait=5, timeout=timeout)
    channel = Channel(connection)
    channel.select(JPKI_AP.aid)
    channel.exchange(SELECT_EF)
    return (lambda: channel.exchange(command)), connection.close


def _through_pyscard(command: CommandApdu) -> tuple[Callable[[], object], Callable[[], None]]:
    from smartcard.scard import SCARD_LEAVE_CARD
    from smartcard.System import readers

    connection = readers()[0].createConnection()
    connection.connect(disposition=SCARD_LEAVE_CARD)
    raw = list(command.to_bytes())
    data, sw1, sw2 = connection.transmit(raw)
    if (sw1, sw2) != (0x90, 0x00):
        raise SystemExit(f"pyscard got {sw1:02X}{sw2:02X} after {len(data)} bytes")
    return (lambda: connection.transmit(raw)), connection.disconnect


if __name__ == "__main__":
    _bench.main(
        "Through pcscd, the channel costs under 15 % more per APDU than pyscard's bare transmit, "
        "and stays under 150 us at the median",
        measure,
    )
