# SPDX-License-Identifier: Apache-2.0
"""How long what a trace shows would take with a real card, by the emulator's model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jpki_apdu.transcript import Command, Entry, Reply, read_trace

_PIN_LENGTH = 4  # bytes: the trace does not tell the length of a secret
_NAMES = {
    0xA4: "SELECT", 0xB0: "READ BINARY", 0x20: "VERIFY", 0x2A: "PERFORM SECURITY OPERATION",
    0x88: "INTERNAL AUTHENTICATE", 0x84: "GET CHALLENGE", 0xC0: "GET RESPONSE",
    0xB2: "READ RECORD", 0x24: "CHANGE REFERENCE DATA", 0xCA: "GET DATA",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TimedExchange:
    """A command and its answer. ``lc``, ``reply``: bytes; ``reply`` without the status word."""

    header: bytes
    lc: int
    le: int | None
    reply: int


@dataclass(frozen=True, slots=True)
class Share:
    """Commands of one kind: how many, and how long they take together (seconds)."""

    what: str
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ModelledTime:
    """The whole: seconds on the link and in the chip, bytes both ways, the slowest first."""

    commands: int
    size: int
    link: float
    chip: float
    shares: tuple[Share, ...]

    @property
    def seconds(self) -> float:
        return self.link + self.chip


def modelled_time(path: Path | str, link: str) -> ModelledTime:
    """What the trace at ``path`` would take over ``link`` (contact, 106, 212, 424, 848).

    Raises TranscriptError; KeyError for an unknown link.
    """
    from jpki.emulator import TIMINGS, chip_seconds, exchange_seconds

    timing = TIMINGS[link]
    whole, chip, size, count = 0.0, 0.0, 0, 0
    kinds: dict[str, list[float]] = defaultdict(list)
    for exchange in exchanges(read_trace(path).entries):
        seconds = exchange_seconds(exchange, timing)
        whole += seconds
        chip += chip_seconds(exchange)
        size += len(exchange.header) + exchange.lc + exchange.reply + 2
        count += 1
        ins = exchange.header[1] if len(exchange.header) > 1 else 0
        kinds[_NAMES.get(ins, f"{ins:02X}")].append(seconds)
    shares = [Share(what, len(each), sum(each)) for what, each in kinds.items()]
    shares.sort(key=lambda share: -share.seconds)
    return ModelledTime(count, size, whole - chip, chip, tuple(shares))


def exchanges(entries: tuple[Entry, ...]) -> Iterator[TimedExchange]:
    """Commands that were answered, with their answers."""
    waiting: dict[int, Command] = {}
    for entry in entries:
        step = entry.step
        if isinstance(step, Command):
            waiting[entry.connection] = step
        elif isinstance(step, Reply):
            command = waiting.pop(entry.connection, None)
            if command is not None and command.size is None:
                lc = _PIN_LENGTH if command.lc is None else command.lc
                yield TimedExchange(command.header, lc, command.le, step.length)
