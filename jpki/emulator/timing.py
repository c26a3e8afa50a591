# SPDX-License-Identifier: Apache-2.0
"""How long a real card would take: a model, off unless asked for.

Nobody has timed a My Number card for us. The link is computed from the standards; what the
chip takes is an estimate. So the figures compare one way of reading with another, and are no
promise. Every constant is here, with its source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

# Contact, T=1.
CLOCK = 4.0e6  # Hz; USB readers state 3.58 to 4.8 MHz [CCID] [inferred]
CLOCKS_PER_ETU = 372  # Fi = 372, Di = 1, before any negotiation; the card offers Di = 4 [ISO3] [PT]
CONTACT_CHARACTER = 11  # etu: 10 and a guard time of 1, by TC1 = FF of the contact ATR [ISO3] [PT]
CONTACT_TURN = 22  # etu between the two directions, block guard time [ISO3]
CONTACT_OVERHEAD = 4  # bytes a block: NAD, PCB, LEN, LRC [ISO3]
CONTACT_FIELD = 251  # bytes of an information field, by TA3 = FB of the contact ATR [ISO3] [PT]

# Contactless, Type B.
CARRIER = 13.56e6  # Hz [ISO14443 part 2]
CLOCKS_PER_BIT = 128  # at 106 kbit/s; 64, 32, 16 above [ISO14443 part 3]
TYPE_B_CHARACTER = 10  # bit times: start, 8 bits, stop, no extra guard time [ISO14443 part 3]
TYPE_B_FRAME = 25  # bit times: start and end of frame, at most 27 [ISO14443 part 3]
TYPE_B_TURN = 170e-6  # seconds: guard time TR0 64/fs and TR1 80/fs [ISO14443 part 3]
TYPE_B_OVERHEAD = 3  # bytes a block: PCB and two of CRC; no CID, no NAD [ISO14443 part 4] [AR]
TYPE_B_FIELD = 253  # bytes: frames of 256, as a reader asks for in ATTRIB [AR]

# Reader and computer.
USB_FRAME = 1.0e-3  # seconds; a command and its answer wait for one frame each [USB2] [inferred]
HOST = 0.1e-3  # seconds an APDU from the program through pcscd and back [TB-VPCD]

# The chip: grade C. Known is only that a signature makes phones extend their limit to 5 s and
# that the card asks for more time while it computes [C3].
COMMAND = 3.0e-3  # seconds to take a command in and find a file [inferred]
SIGNATURE = 0.5  # seconds of RSA-2048 with CRT [inferred]
VERIFY = 20.0e-3  # seconds: the counter is written before and after comparing [inferred]
CHALLENGE = 2.0e-3  # seconds of random numbers [inferred]


class Exchange(Protocol):
    """What the model needs to know of a command and its answer: no data."""

    @property
    def header(self) -> bytes: ...
    @property
    def lc(self) -> int: ...
    @property
    def le(self) -> int | None: ...
    @property
    def reply(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Timing:
    """One kind of link. ``byte``: seconds; ``block``: seconds beside its bytes, turning round
    included; ``overhead``, ``field``: bytes around and inside a block.
    """

    name: str
    byte: float
    block: float
    overhead: int
    field: int

    def seconds(self, size: int) -> float:
        """One message of ``size`` bytes in one direction, with what acknowledges its parts."""
        blocks = max(1, -(-size // self.field))
        carried = size + blocks * self.overhead + (blocks - 1) * self.overhead
        return carried * self.byte + (2 * blocks - 1) * self.block


def _type_b(name: str, divisor: int) -> Timing:
    bit = CLOCKS_PER_BIT / divisor / CARRIER
    return Timing(
        name=name,
        byte=TYPE_B_CHARACTER * bit,
        block=TYPE_B_FRAME * bit + TYPE_B_TURN,
        overhead=TYPE_B_OVERHEAD,
        field=TYPE_B_FIELD,
    )


def _contact() -> Timing:
    etu = CLOCKS_PER_ETU / CLOCK
    return Timing(
        name="contact",
        byte=CONTACT_CHARACTER * etu,
        block=CONTACT_TURN * etu,
        overhead=CONTACT_OVERHEAD,
        field=CONTACT_FIELD,
    )


TIMINGS: Mapping[str, Timing] = {
    "contact": _contact(),
    "106": _type_b("106", 1),
    "212": _type_b("212", 2),
    "424": _type_b("424", 4),
    "848": _type_b("848", 8),
}
"""By name: contact, or Type B at so many kbit/s in both directions."""

_ON_CHIP = {0x2A: SIGNATURE, 0x88: SIGNATURE, 0xAE: SIGNATURE, 0x84: CHALLENGE}


def exchange_seconds(exchange: Exchange, timing: Timing) -> float:
    """How long one command would take, from the program's call to its return (seconds)."""
    header, lc, le = exchange.header, exchange.lc, exchange.le
    extended = lc > 255 or (le or 0) > 256
    sent = len(header) + lc
    sent += (3 if extended else 1) * bool(lc) + ((2 if lc else 3) if extended else 1) * (
        le is not None
    )
    link = timing.seconds(sent) + timing.seconds(exchange.reply + 2)
    return link + 2 * USB_FRAME + HOST + chip_seconds(exchange)


def chip_seconds(exchange: Exchange) -> float:
    """The part of it that the chip takes, whatever the link (seconds)."""
    return COMMAND + _chip(exchange.header, exchange.lc, exchange.reply)


def modelled_seconds(trace: Iterable[Exchange], timing: Timing) -> float:
    """How long all of ``trace`` would take over ``timing`` (seconds)."""
    return sum(exchange_seconds(exchange, timing) for exchange in trace)


def _chip(header: bytes, lc: int, reply: int) -> float:
    ins = header[1] if len(header) > 1 else 0
    if ins in (0x20, 0x24, 0x32):
        return VERIFY if lc else 0.0
    return _ON_CHIP.get(ins, 0.0) if reply else 0.0
